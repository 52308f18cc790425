// gemma-quantize --calibrate on the shipped model.
#include "tools/quantize_calibration.h"

#include <doctest/doctest.h>

#include "engine/activation_scales.h"
#include "tests/tools/program.h"
#include "tools/shipped_model.h"

namespace gemma {
namespace {

constexpr const char* kText =
    "Once upon a time there was a little girl named Lily. She had a red ball and a small dog. One day the "
    "dog ran after the ball, and Lily ran after the dog. They played until the sun went down.";

struct Setting {
  tests::TemporaryFolder folder;
  QuantizeFlags flags;
  std::string model = shipped_model()->string();
  Setting() {
    tests::write_file(folder.file("text"), kText);
    flags.calibrate = folder.file("text");
    flags.quiet = true;
  }
};

TEST_CASE("a text gives every matrix of the shipped model a scale, and a line of the table") {
  Setting setting;
  const auto found = calibrate_on_text(setting.flags, setting.model, *parse_scheme("w8ca8s"));
  REQUIRE_MESSAGE(found.has_value(), found.error().message());
  CHECK(found->tokens > 20);
  const std::string table = calibration_text(*found);
  for (const CalibratedMatrix& matrix : found->matrices) {
    CAPTURE(matrix.module);
    CHECK(matrix.input_scale > 0);
    CHECK(table.find(matrix.module) != std::string::npos);
  }
}

TEST_CASE("the number of tokens, the method and the outputs are what the flags say") {
  Setting setting;
  setting.flags.calibrate_tokens = 10;
  const auto absmax = calibrate_on_text(setting.flags, setting.model, *parse_scheme("bf16"));
  setting.flags.calibrate_method = "percentile";
  setting.flags.calibrate_percentile = 90;
  setting.flags.calibrate_outputs = true;
  const auto percentile = calibrate_on_text(setting.flags, setting.model, *parse_scheme("bf16"));
  REQUIRE(absmax.has_value());
  REQUIRE(percentile.has_value());
  CHECK(absmax->tokens == 10);
  CHECK(percentile->matrices.front().input_scale < absmax->matrices.front().input_scale);
  CHECK(percentile->matrices.front().clipped > 0.05);
  CHECK(absmax->matrices.front().output_scale == 0);
  CHECK(percentile->matrices.front().output_scale > 0);
}

TEST_CASE("a text that is not there, or is empty, is an error") {
  Setting setting;
  setting.flags.calibrate = setting.folder.file("missing");
  CHECK(!calibrate_on_text(setting.flags, setting.model, *parse_scheme("bf16")));
  tests::write_file(setting.folder.file("empty"), "");
  setting.flags.calibrate = setting.folder.file("empty");
  const auto none = calibrate_on_text(setting.flags, setting.model, *parse_scheme("bf16"));
  REQUIRE(!none.has_value());
  CHECK(none.error().what == "expected a text, found no tokens");
}

}  // namespace
}  // namespace gemma
