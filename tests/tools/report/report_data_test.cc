// What is no document of ours, or a damaged one, is refused with the place, what was expected and what was
// found; a hostile one harms no page.
#include "tools/report/report_data.h"

#include "tests/tools/program.h"
#include "tests/tools/report/well_formed.h"
#include "tools/report/report_document.h"

using namespace gemma;
using gemma::tests::contains;
using gemma::tests::fault_of;
using Json = nlohmann::json;

namespace {

Json percentiles() {
  return {{"50", 0.001}, {"90", 0.01}, {"99", 0.1}, {"99.9", 0.2}};
}

Json model(const std::string& name, const std::string& scheme) {
  return {{"model", name},
          {"scheme", scheme},
          {"tokens_per_second", 100},
          {"decode_tokens_per_second", nullptr},
          {"weight_bytes", 2000000},
          {"kv_bytes", 1000},
          {"scratch_bytes", 3000}};
}

Json candidate(const std::string& name, const std::string& scheme, double ratio) {
  Json one = model(name, scheme);
  one["against_base"] = {
      {"perplexity", 8 * ratio},
      {"standard_error", 0.1},
      {"ratio", ratio},
      {"ratio_standard_error", 0.001},
      {"ratio_standard_error_windows", 0.002},
      {"kl_divergence",
       {{"mean", 0.02}, {"standard_error", 0.001}, {"max", 1.5}, {"percentiles", percentiles()}}},
      {"same_top", 0.9},
      {"same_top_interval", {0.89, 0.91}}};
  return one;
}

Json comparison() {
  Json base = model("m/full", "f32");
  base["perplexity"] = 8;
  base["standard_error"] = 0.1;
  return {{"schema", 1},
          {"kind", "comparison"},
          {"definition", "strict"},
          {"max_length", 512},
          {"windows", 26},
          {"tokens", 6765},
          {"text", {{"path", "t.txt"}, {"hash", "00"}}},
          {"token_hash", "11"},
          {"models", {base, candidate("m/full", "int4", 1.02), candidate("m/qat", "int4", 1.0)}},
          {"missed", Json::array()},
          {"notes", Json::array()}};
}

Error error_of(const Json& json) {
  ReportData data;
  const Result<void> added = add_document(json, "a.json", data);
  REQUIRE(!added);
  CHECK(data.sources.empty());  // nothing half is left
  return added.error();
}

std::string page_of(const Json& json) {
  ReportData data;
  const Result<void> added = add_document(json, "a.json", data);
  REQUIRE_MESSAGE(added, added.error().message());
  return report_document(data, {});
}

}  // namespace

TEST_CASE("JSON that is none of ours is refused by what it is") {
  for (const Json& json :
       {Json(), Json(3), Json::array(), Json::object(), Json("kind"), Json{{"kind", nullptr}}}) {
    CAPTURE(json.dump());
    const Error error = error_of(json);
    CHECK(error.code == ErrorCode::kInvalidFile);
    CHECK(contains(error.what, "expected a document of gemma-eval"));
  }
  const Error unknown = error_of({{"kind", "poem"}, {"schema", 1}});
  CHECK(unknown.where == "a.json: kind");
  CHECK(contains(unknown.what, "found \"poem\""));
  CHECK(error_of({{"kind", 7}}).message().starts_with("a.json: kind: expected a text, found 7"));
}

TEST_CASE("another schema is not read") {
  Json json = comparison();
  json["schema"] = 2;
  const Error error = error_of(json);
  CHECK(error.code == ErrorCode::kUnsupported);
  CHECK(error.message().starts_with("a.json: schema: expected 1, found 2"));
}

TEST_CASE("every member that a comparison needs is missed by its path, and no other type passes for it") {
  const Json whole = comparison();
  for (const char* member :
       {"definition", "max_length", "windows", "tokens", "text", "token_hash", "models", "missed"}) {
    CAPTURE(member);
    Json json = whole;
    json.erase(member);
    CHECK(error_of(json).where == std::string("a.json: ") + member);
    json[member] = true;
    CHECK(error_of(json).code == ErrorCode::kInvalidFile);
  }
  Json json = whole;
  json["models"][1]["against_base"]["ratio"] = "high";
  CHECK(error_of(json).message().starts_with(
      "a.json: models[1].against_base.ratio: expected a number, found \"high\""));
  json = whole;
  json["models"][2]["weight_bytes"] = -1;
  CHECK(error_of(json).message().starts_with(
      "a.json: models[2].weight_bytes: expected a whole number from 0 on, found -1"));
  json = whole;
  json["models"] = Json::array();
  CHECK(contains(error_of(json).what, "expected a base"));
  json = whole;
  json["models"][1]["against_base"]["same_top_interval"] = {1, 2, 3};
  CHECK(contains(error_of(json).what, "expected a list of two numbers"));
  json = whole;
  json["machine"] = {{"cpu", 3}};
  CHECK(error_of(json).where == "a.json: machine");
}

TEST_CASE("figures that are null are named as missing, never drawn") {
  Json json = comparison();
  for (Json& one : json["models"]) {
    one["tokens_per_second"] = nullptr;
    if (one.contains("against_base")) one["against_base"]["ratio"] = nullptr;
  }
  const std::string page = page_of(json);
  CHECK(fault_of(page) == "");
  CHECK(contains(page, "not available"));
  CHECK(!contains(page, "\"nan"));
}

TEST_CASE("a page tells base, costs and what nobody can tell apart") {
  const std::string page = page_of(comparison());
  CHECK(fault_of(page) == "");
  CHECK(contains(page, "no loss can be shown for qat\u00a0· int4."));
  CHECK(contains(page, "full\u00a0· int4 +2.00 ± 0.39 %"));
  CHECK(contains(page, "prefers-color-scheme:dark"));
  CHECK(contains(page, "width=device-width"));
  CHECK(contains(page, "What it loses against its size"));
  CHECK(contains(page, "Not shown, for want of a figure") == false);  // no speed at all: no chart of speed
}

TEST_CASE("a page loads nothing and runs nothing") {
  const std::string page = page_of(comparison());
  CHECK(contains(page, "default-src 'none'"));
  for (const char* part : {"<script", "http:", "https:", "src=", "href=", "url(", "@import"}) {
    CAPTURE(part);
    CHECK(!contains(page, part));
  }
}

TEST_CASE("no text of a document becomes markup") {
  const std::string hostile = "</title></style></svg><script>alert(1)</script><img src=x onerror=\"a\">'\"&";
  Json json = comparison();
  json["models"][0]["model"] = hostile;
  json["models"][1]["scheme"] = hostile;
  json["definition"] = json["text"]["path"] = json["token_hash"] = hostile;
  json["missed"] = {hostile};
  json["notes"] = {hostile};
  json["command"] = json["version"] = json["date"] = hostile;
  ReportData data;
  REQUIRE(add_document(json, hostile, data));
  const std::string page = report_document(data, hostile);
  CHECK(fault_of(page) == "");
  CHECK(!contains(page, "<script"));
  CHECK(!contains(page, "<img"));
  CHECK(contains(page, "&lt;script&gt;alert(1)"));
}

TEST_CASE("twenty variants, equal ones and one alone make a page") {
  Json json = comparison();
  for (int i = 0; i < 20; ++i)
    json["models"].push_back(candidate("m/full", "w" + std::to_string(i), 1 + 0.01 * i));
  CHECK(fault_of(page_of(json)) == "");
  json = comparison();
  json["models"] = {json["models"][0], candidate("m/full", "f32", 1)};
  CHECK(fault_of(page_of(json)) == "");
  json["models"] = Json::array({json["models"][0]});  // {one} copies one under clang
  CHECK(fault_of(page_of(json)) == "");
}

TEST_CASE("comparisons of different texts and missed limits are warned of") {
  ReportData data;
  Json json = comparison();
  json["missed"] = {"m/full#int4: too much"};
  REQUIRE(add_document(json, "a.json", data));
  json["token_hash"] = "22";
  REQUIRE(add_document(json, "b.json", data));
  const std::string page = report_document(data, {});
  CHECK(contains(page, "Limit missed: m/full#int4: too much."));
  CHECK(contains(page, "different texts or windows"));
}
