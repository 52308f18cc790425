// The packed layout, byte by byte as kernels/pack.h draws it, and that nothing is lost in it.
#include <cstring>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace gemma::kernels {
namespace {

std::vector<int8_t> random_levels(size_t n, int bits, std::mt19937& engine) {
  std::vector<int8_t> levels(n);
  for (int8_t& level : levels) {
    level = static_cast<int8_t>(static_cast<int>(engine() % (1u << bits)) - (1 << (bits - 1)));
  }
  return levels;
}

struct Case {
  WeightFormat format;
  int bits;
};
constexpr Case kCases[] = {{WeightFormat::kInt4Group32, 4}, {WeightFormat::kInt4Channel, 4},
                           {WeightFormat::kInt8Channel, 8}, {WeightFormat::kInt2Channel, 2},
                           {WeightFormat::kLevels, 2},      {WeightFormat::kLevels, 3},
                           {WeightFormat::kLevels, 4},      {WeightFormat::kLevels, 8}};

TEST_CASE("levels come back from every format, at any number of rows and columns") {
  std::mt19937 engine(1);
  for (const Case& c : kCases) {
    CAPTURE(c.bits);
    for (size_t cols : {1, 4, 7, 8, 31, 32, 33, 96, 100, 544}) {
      if (c.format == WeightFormat::kInt4Group32 && cols % kGroup != 0) continue;
      for (size_t rows : {1, 15, 16, 17, 48, 50}) {
        const auto levels = random_levels(rows * cols, c.bits, engine);
        const std::vector<uint16_t> scales(rows * ((cols + 31) / 32), to_f16(1));
        std::vector<std::byte> data(packed_bytes(c.format, c.bits, rows, cols));
        pack_rows(c.format, c.bits, rows, cols, 0, rows, levels.data(),
                  c.format == WeightFormat::kInt4Group32 ? scales.data() : nullptr, data.data());
        const MatrixView view = {c.format, static_cast<uint8_t>(c.bits), rows, cols, data.data(), nullptr, 0};
        std::vector<int8_t> found(rows * cols);
        for (size_t r = 0; r < rows; ++r) unpack_levels(view, r, found.data() + r * cols);
        REQUIRE(found == levels);
      }
    }
  }
}

TEST_CASE("a run of levels of a panel is what single ones are, read as floats or as they are") {
  std::mt19937 engine(7);
  const size_t rows = 19, cols = 96;
  for (const Case& c : kCases) {
    if (c.format == WeightFormat::kLevels) continue;
    CAPTURE(c.bits);
    const auto levels = random_levels(rows * cols, c.bits, engine);
    const std::vector<uint16_t> scales(rows * cols / kGroup, to_f16(1));
    std::vector<std::byte> data(packed_bytes(c.format, c.bits, rows, cols));
    pack_rows(c.format, c.bits, rows, cols, 0, rows, levels.data(),
              c.format == WeightFormat::kInt4Group32 ? scales.data() : nullptr, data.data());
    const MatrixView view = {c.format, static_cast<uint8_t>(c.bits), rows, cols, data.data(), nullptr, 0};
    for (size_t row = 0; row < rows; ++row) {
      for (size_t col : {0, 32, 64}) {
        for (size_t n : {1, 7, 31, 32}) {
          std::vector<int8_t> whole(n + 1, 99);
          std::vector<float> floats(n + 1, 99);
          panel_levels(view, row, col, n, whole.data());
          panel_levels(view, row, col, n, floats.data());
          for (size_t i = 0; i < n; ++i) {
            REQUIRE(whole[i] == panel_level(view, row, col + i));
            REQUIRE(floats[i] == static_cast<float>(whole[i]));
          }
          REQUIRE(whole[n] == 99);
          REQUIRE(floats[n] == 99.0f);
        }
      }
    }
  }
}

TEST_CASE("rows packed range by range, in any order, give the same bytes as all at once") {
  std::mt19937 engine(2);
  const size_t rows = 70, cols = 64;
  for (const Case& c : kCases) {
    CAPTURE(c.bits);
    const auto levels = random_levels(rows * cols, c.bits, engine);
    std::vector<uint16_t> scales(rows * cols / kGroup);
    for (uint16_t& scale : scales) scale = static_cast<uint16_t>(engine() % 0x7c00);
    const bool grouped = c.format == WeightFormat::kInt4Group32;
    std::vector<std::byte> once(packed_bytes(c.format, c.bits, rows, cols), std::byte{0xa5});
    std::vector<std::byte> parts(once.size(), std::byte{0x5a});
    pack_rows(c.format, c.bits, rows, cols, 0, rows, levels.data(), grouped ? scales.data() : nullptr,
              once.data());
    for (auto [row0, n] : {std::pair<size_t, size_t>{48, 22}, {0, 16}, {16, 32}}) {
      pack_rows(c.format, c.bits, rows, cols, row0, n, levels.data() + row0 * cols,
                grouped ? scales.data() + row0 * cols / kGroup : nullptr, parts.data());
    }
    CHECK(parts == once);
  }
}

TEST_CASE("a nibble line holds columns 0 to 3 of a row low and 4 to 7 high, as level + 8") {
  std::vector<int8_t> levels(16 * 32, 0);
  const int8_t row5[8] = {-8, -7, -6, -5, 4, 5, 6, 7};
  std::memcpy(levels.data() + 5 * 32 + 8, row5, 8);  // columns 8 to 15: the second line
  std::vector<uint16_t> scales(16);
  for (size_t r = 0; r < 16; ++r) scales[r] = static_cast<uint16_t>(0x3c00 + r);
  std::vector<std::byte> data(packed_bytes(WeightFormat::kInt4Group32, 4, 16, 32));
  REQUIRE(data.size() == 4 * 64 + 32);
  pack_rows(WeightFormat::kInt4Group32, 4, 16, 32, 0, 16, levels.data(), scales.data(), data.data());
  const std::byte expected[4] = {std::byte{0xc0}, std::byte{0xd1}, std::byte{0xe2}, std::byte{0xf3}};
  CHECK(std::memcmp(data.data() + 64 + 5 * 4, expected, 4) == 0);
  for (size_t i = 0; i < 256; ++i) {
    if (i < 64 + 20 || i >= 64 + 24) REQUIRE(data[i] == std::byte{0x88});
  }
  CHECK(std::memcmp(data.data() + 256, scales.data(), 32) == 0);
}

TEST_CASE("an int8 line holds 4 columns of 16 rows as they are, and padding is zero") {
  const std::vector<int8_t> levels = {-128, -1, 0, 1, 127, 2, -3, 4};  // two rows of four
  std::vector<std::byte> data(packed_bytes(WeightFormat::kInt8Channel, 8, 2, 4), std::byte{0xff});
  REQUIRE(data.size() == 8 * 64);
  pack_rows(WeightFormat::kInt8Channel, 8, 2, 4, 0, 2, levels.data(), nullptr, data.data());
  CHECK(std::memcmp(data.data(), levels.data(), 8) == 0);
  for (size_t i = 8; i < data.size(); ++i) REQUIRE(data[i] == std::byte{0});
}

TEST_CASE("padded rows and columns of nibbles are level 0 with scale 0") {
  const std::vector<int8_t> levels(3 * 32, 7);
  const std::vector<uint16_t> scales(3, to_f16(2));
  std::vector<std::byte> data(packed_bytes(WeightFormat::kInt4Group32, 4, 3, 32), std::byte{0xff});
  pack_rows(WeightFormat::kInt4Group32, 4, 3, 32, 0, 3, levels.data(), scales.data(), data.data());
  for (size_t i = 0; i < 256; ++i) REQUIRE(data[i] == (i % 64 < 12 ? std::byte{0xff} : std::byte{0x88}));
  for (size_t i = 256 + 6; i < data.size(); ++i) REQUIRE(data[i] == std::byte{0});

  const std::vector<int8_t> narrow(16 * 5, -8);
  std::vector<std::byte> channel(packed_bytes(WeightFormat::kInt4Channel, 4, 16, 5), std::byte{0xff});
  REQUIRE(channel.size() == 256);
  pack_rows(WeightFormat::kInt4Channel, 4, 16, 5, 0, 16, narrow.data(), nullptr, channel.data());
  for (size_t i = 0; i < 256; ++i) {
    const std::byte expected = i >= 64 ? std::byte{0x88} : i % 4 == 0 ? std::byte{0x00} : std::byte{0x80};
    REQUIRE(channel[i] == expected);
  }
}

TEST_CASE("bit-packed levels lie lowest bits first and every row begins on a byte") {
  const std::vector<int8_t> two = {-2, -1, 0, 1, 1, 0, 0, 0, 0, -2};  // two rows of five
  std::vector<std::byte> data(packed_bytes(WeightFormat::kLevels, 2, 2, 5));
  REQUIRE(data.size() == 4);
  pack_rows(WeightFormat::kLevels, 2, 2, 5, 0, 2, two.data(), nullptr, data.data());
  const std::byte expected[4] = {std::byte{0xe4}, std::byte{0x03}, std::byte{0xaa}, std::byte{0x00}};
  CHECK(std::memcmp(data.data(), expected, 4) == 0);
  CHECK(packed_bytes(WeightFormat::kLevels, 3, 2, 5) == 2 * 3);
  CHECK(packed_bytes(WeightFormat::kLevels, 8, 2, 5) == 10);
}

TEST_CASE("a dequantized row is level times scale in every format") {
  std::mt19937 engine(3);
  const size_t rows = 18, cols = 96;
  for (const Case& c : kCases) {
    CAPTURE(c.bits);
    const auto levels = random_levels(rows * cols, c.bits, engine);
    std::vector<uint16_t> halves(rows * cols / kGroup);
    for (uint16_t& half : halves) half = to_f16(static_cast<float>(engine() % 1000) * 1e-3f);
    for (size_t group : {size_t{0}, size_t{32}, cols}) {
      const bool grouped = c.format == WeightFormat::kInt4Group32;
      if (c.format != WeightFormat::kLevels && group != 0) continue;
      std::vector<float> scales(rows * cols / 32 + 32);
      for (float& scale : scales) scale = static_cast<float>(engine() % 1000) * 1e-3f;
      std::vector<std::byte> data(packed_bytes(c.format, c.bits, rows, cols));
      pack_rows(c.format, c.bits, rows, cols, 0, rows, levels.data(), grouped ? halves.data() : nullptr,
                data.data());
      const MatrixView view = {c.format, static_cast<uint8_t>(c.bits), rows, cols, data.data(), scales.data(),
                               group};
      std::vector<float> found(cols);
      for (size_t r = 0; r < rows; ++r) {
        dequantize_row(view, r, found.data());
        for (size_t k = 0; k < cols; ++k) {
          const float scale = grouped                             ? from_f16(halves[r * 3 + k / 32])
                              : c.format != WeightFormat::kLevels ? scales[r]
                              : group == 0                        ? scales[0]
                                                                  : scales[r * (cols / group) + k / group];
          REQUIRE(weight_scale(view, r, k) == scale);
          REQUIRE(found[k] == scale * static_cast<float>(levels[r * cols + k]));
        }
      }
    }
  }
}

TEST_CASE(
    "a line of 2-bit levels holds columns j, 4 + j, 8 + j and 12 + j of a row in byte j, lowest bits first") {
  std::vector<int8_t> levels(16 * 20, 0);
  const int8_t row5[20] = {-2, -1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, -2, -2, -2, -2, 1, -1, -2, 0};
  std::copy(row5, row5 + 20, levels.begin() + 5 * 20);
  std::vector<std::byte> data(packed_bytes(WeightFormat::kInt2Channel, 2, 16, 20));
  REQUIRE(data.size() == 2 * 64);  // 20 columns padded to 32
  pack_rows(WeightFormat::kInt2Channel, 2, 16, 20, 0, 16, levels.data(), nullptr, data.data());
  const int first_line[4] = {0b00'10'11'00, 0b00'10'11'01, 0b00'10'11'10, 0b00'10'11'11};
  const int second_line[4] = {0b10'10'10'11, 0b10'10'10'01, 0b10'10'10'00, 0b10'10'10'10};
  for (size_t j = 0; j < 4; ++j) {
    CHECK(static_cast<int>(data[5 * 4 + j]) == first_line[j]);
    CHECK(static_cast<int>(data[64 + 5 * 4 + j]) == second_line[j]);
    CHECK(static_cast<int>(data[6 * 4 + j]) == 0xaa);  // level 0
  }
}

TEST_CASE("float formats give back their stored values at any alignment") {
  const float values[6] = {0.0f, -1.5f, 3.0f, 0.25f, -96.0f, 1.0f};  // exact in all three
  for (auto format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kF16}) {
    std::vector<std::byte> data(1 + 6 * 4);
    for (size_t i = 0; i < 6; ++i) {
      const uint16_t half = format == WeightFormat::kBf16 ? to_bf16(values[i]) : to_f16(values[i]);
      if (format == WeightFormat::kF32) {
        std::memcpy(data.data() + 1 + i * 4, &values[i], 4);
      } else {
        std::memcpy(data.data() + 1 + i * 2, &half, 2);
      }
    }
    const MatrixView view = {format, 16, 2, 3, data.data() + 1, nullptr, 0};
    float found[3];
    dequantize_row(view, 1, found);
    CHECK(std::memcmp(found, values + 3, sizeof(found)) == 0);
  }
}

}  // namespace
}  // namespace gemma::kernels
