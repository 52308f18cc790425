#include "kernels/read_loops.h"

#include <algorithm>
#include <cstring>

#include "kernels/streams.h"

#if defined(__x86_64__)
#include "kernels/avx512_intrinsics.h"
#endif

namespace gemma::kernels {
namespace {

// Of a stream in turn: four cache lines.
constexpr size_t kTurn = 256;

// Asks for lines ahead of a turn as a kernel of one token does.
[[gnu::always_inline]] inline void ask_ahead_of_turn(const std::byte* turn) {
  constexpr size_t kLine = 64;
  for (size_t line = 0; line < kTurn; line += kLine) ask_ahead<kStreams, 1>(turn + line);
}

size_t stream_bytes(std::span<const std::byte> bytes, size_t streams) {
  constexpr size_t kWhole = 1024;
  return bytes.size() / streams / kWhole * kWhole;
}

template <size_t Streams, bool Asks = false>
uint64_t read_words(std::span<const std::byte> bytes) {
  constexpr size_t kWords = kTurn / sizeof(uint64_t);
  const size_t stream = stream_bytes(bytes, Streams);
  uint64_t mix[kWords] = {};
  for (size_t at = 0; at < stream; at += kTurn) {
    for (size_t s = 0; s < Streams; ++s) {
      const std::byte* from = bytes.data() + s * stream + at;
      if constexpr (Asks) ask_ahead_of_turn(from);
      uint64_t words[kWords];
      std::memcpy(words, from, kTurn);
      for (size_t w = 0; w < kWords; ++w) mix[w] ^= words[w];
    }
  }
  uint64_t all = 0;
  for (const uint64_t word : mix) all ^= word;
  return all;
}

#if defined(__x86_64__)

template <size_t Streams, bool Asks = false>
[[gnu::target("avx2")]] uint64_t read_256(std::span<const std::byte> bytes) {
  constexpr size_t kVectors = kTurn / sizeof(__m256i);
  const size_t stream = stream_bytes(bytes, Streams);
  __m256i mix[kVectors];
#pragma GCC unroll 8
  for (__m256i& one : mix) one = _mm256_setzero_si256();
  for (size_t at = 0; at < stream; at += kTurn) {
    for (size_t s = 0; s < Streams; ++s) {
      const std::byte* from = bytes.data() + s * stream + at;
      if constexpr (Asks) ask_ahead_of_turn(from);
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v, from += sizeof(__m256i)) {
        mix[v] = _mm256_xor_si256(mix[v], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
      }
    }
  }
  uint64_t words[kTurn / sizeof(uint64_t)], all = 0;
  std::memcpy(words, mix, sizeof(words));
  for (const uint64_t word : words) all ^= word;
  return all;
}

template <size_t Streams, bool Asks = false>
[[gnu::target("avx512f")]] uint64_t read_512(std::span<const std::byte> bytes) {
  constexpr size_t kVectors = kTurn / sizeof(__m512i);
  const size_t stream = stream_bytes(bytes, Streams);
  __m512i mix[kVectors];
#pragma GCC unroll 4
  for (__m512i& one : mix) one = _mm512_setzero_si512();
  for (size_t at = 0; at < stream; at += kTurn) {
    for (size_t s = 0; s < Streams; ++s) {
      const std::byte* from = bytes.data() + s * stream + at;
      if constexpr (Asks) ask_ahead_of_turn(from);
#pragma GCC unroll 4
      for (size_t v = 0; v < kVectors; ++v, from += sizeof(__m512i)) {
        mix[v] = _mm512_xor_si512(mix[v], _mm512_loadu_si512(from));
      }
    }
  }
  uint64_t words[kTurn / sizeof(uint64_t)], all = 0;
  std::memcpy(words, mix, sizeof(words));
  for (const uint64_t word : words) all ^= word;
  return all;
}

constexpr ReadLoop kLoops256[] = {{Isa::kAvx2, 1, read_256<1>},
                                  {Isa::kAvx2, 4, read_256<4>},
                                  {Isa::kAvx2, 8, read_256<8>},
                                  {Isa::kAvx2, kStreams, read_256<kStreams, true>}};
constexpr ReadLoop kLoops512[] = {{Isa::kAvx512Vnni, 1, read_512<1>},
                                  {Isa::kAvx512Vnni, 4, read_512<4>},
                                  {Isa::kAvx512Vnni, 8, read_512<8>},
                                  {Isa::kAvx512Vnni, kStreams, read_512<kStreams, true>}};

#endif

constexpr ReadLoop kLoopsOfWords[] = {{Isa::kPortable, 1, read_words<1>},
                                      {Isa::kPortable, 4, read_words<4>},
                                      {Isa::kPortable, 8, read_words<8>},
                                      {Isa::kPortable, kStreams, read_words<kStreams, true>}};

}  // namespace

std::span<const ReadLoop> read_loops() {
#if defined(__x86_64__)
  const auto isas = supported_isas();
  const auto there = [&](Isa isa) { return std::find(isas.begin(), isas.end(), isa) != isas.end(); };
  if (there(Isa::kAvx512Vnni)) return kLoops512;
  if (there(Isa::kAvx2)) return kLoops256;
#endif
  return kLoopsOfWords;
}

}  // namespace gemma::kernels
