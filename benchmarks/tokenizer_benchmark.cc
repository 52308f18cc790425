// How fast a tokenizer loads, encodes and decodes, on one core.
//
//   GEMMA_TOKENIZER  a tokenizer.json; default: the one of a model below models/
//   GEMMA_TEXT       a text to encode; default: 1 MB of sentences drawn from a few dozen English words
//
// Bytes per second count the text, for load the file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include <benchmark/benchmark.h>

#include "loader/tokenizer.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

// Empty if there is none.
std::string tokenizer_path() {
  if (const char* path = std::getenv("GEMMA_TOKENIZER")) return path;
  std::error_code error;
  for (fs::recursive_directory_iterator at(GEMMA_SOURCE_DIR "/models", error), end; at != end && !error;
       at.increment(error)) {
    if (at->path().filename() == "tokenizer.json") return at->path().string();
  }
  return {};
}

std::string made_up_text() {
  const std::vector<std::string> words = {
      "the",    "a",      "and",       "to",    "was",  "little", "girl",   "garden",  "said",
      "happy",  "mother", "found",     "under", "tree", "ball",   "friend", "because", "very",
      "wanted", "house",  "with",      "they",  "dog",  "played", "one",    "day",     "he",
      "she",    "saw",    "beautiful", "river", "over", "again",  "Tom",    "Lily",    "asked",
      "why",    "sky",    "blue",      "of",    "in",   "it",     "that",   "together"};
  std::mt19937 random(1);
  std::string text;
  while (text.size() < 1'000'000) {
    for (size_t n = 4 + random() % 12; n > 0; --n)
      text += words[random() % words.size()] + (n == 1 ? "" : " ");
    text += random() % 5 == 0 ? ".\n\n" : ". ";
  }
  return text;
}

const std::string& text() {
  static const std::string text = [] {
    const char* path = std::getenv("GEMMA_TEXT");
    if (path == nullptr) return made_up_text();
    std::ostringstream read;
    read << std::ifstream(path, std::ios::binary).rdbuf();
    return read.str();
  }();
  return text;
}

// Nothing, with the reason on the benchmark's line, if there is no tokenizer.
const Tokenizer* tokenizer(benchmark::State& state) {
  static const Result<Tokenizer> tokenizer = Tokenizer::read(tokenizer_path());
  if (tokenizer) return &*tokenizer;
  state.SkipWithError(("no tokenizer (set GEMMA_TOKENIZER): " + tokenizer.error().message()).c_str());
  return nullptr;
}

int64_t processed(const benchmark::State& state, size_t bytes) {
  return static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(bytes);
}

void tokenizer_load(benchmark::State& state) {
  if (tokenizer(state) == nullptr) return;
  const std::string path = tokenizer_path();
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::read(path));
  std::error_code error;
  state.SetBytesProcessed(processed(state, fs::file_size(path, error)));
}
BENCHMARK(tokenizer_load)->Unit(benchmark::kMillisecond);

void tokenizer_encode(benchmark::State& state) {
  const Tokenizer* subject = tokenizer(state);
  if (subject == nullptr) return;
  size_t ids = 0;
  for (auto _ : state) ids = subject->encode(text(), SpecialTokens::kAsText).size();
  state.SetBytesProcessed(processed(state, text().size()));
  state.counters["bytes_per_token"] = static_cast<double>(text().size()) / static_cast<double>(ids);
}
BENCHMARK(tokenizer_encode)->Unit(benchmark::kMillisecond);

// The worst kind of word: nothing can be cut, nothing repeats, every neighbour merges.
void tokenizer_encode_one_letter(benchmark::State& state) {
  const Tokenizer* subject = tokenizer(state);
  if (subject == nullptr) return;
  const std::string word(static_cast<size_t>(state.range(0)), 'a');
  for (auto _ : state) benchmark::DoNotOptimize(subject->encode(word, SpecialTokens::kAsText));
  state.SetBytesProcessed(processed(state, word.size()));
}
BENCHMARK(tokenizer_encode_one_letter)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond);

// A prompt of one sentence: what a call costs beside its text.
void tokenizer_encode_short(benchmark::State& state) {
  const Tokenizer* subject = tokenizer(state);
  if (subject == nullptr) return;
  const std::string_view sentence = std::string_view(text()).substr(0, 100);
  for (auto _ : state) benchmark::DoNotOptimize(subject->encode(sentence, SpecialTokens::kAsText));
  state.SetBytesProcessed(processed(state, sentence.size()));
}
BENCHMARK(tokenizer_encode_short);

void tokenizer_decode(benchmark::State& state) {
  const Tokenizer* subject = tokenizer(state);
  if (subject == nullptr) return;
  const std::vector<int32_t> ids = subject->encode(text(), SpecialTokens::kAsText);
  for (auto _ : state) benchmark::DoNotOptimize(subject->decode(ids, false));
  state.SetBytesProcessed(processed(state, text().size()));
}
BENCHMARK(tokenizer_decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gemma
