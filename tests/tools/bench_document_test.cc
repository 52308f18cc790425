// The JSON of a benchmark: written and read again it is the same; anything else is refused.
#include "tools/bench_document.h"

#include <doctest/doctest.h>

#include "tools/bench_report.h"

using namespace gemma;

namespace {

BenchDocument sample() {
  BenchDocument document;
  document.version = "1.2.3";
  document.command = "gemma-bench --scheme int4,head=int8";
  document.date = "2026-01-31T12:00:00Z";
  document.machine = {"A CPU",
                      4,
                      2,
                      "on",
                      "",
                      3.25,
                      1 << 20,
                      1 << 30,
                      "madvise",
                      "Linux 6",
                      "GCC 12",
                      "-O3",
                      {"avx2", "portable"},
                      0.5};
  document.limits.noise = {300, 0.001, 1.01, 1.5};
  document.limits.read_bytes = 1 << 28;
  document.limits.bandwidth = {{1, 1e10, 0.9e10}, {2, 1.5e10, 1.25e10}};
  document.limits.int8_macs_per_second = 2e11;
  document.settings = {5, 3, 1.5, true};
  BenchCell cell;
  cell.key = {"model, \"quoted\"", "int4,head=int8", 2, 128, 3, 64, true};
  cell.kernels = "avx2";
  cell.kv_type = "f16";
  cell.load_warm_seconds = 0.25;
  cell.peak_resident_bytes = 123456789;
  cell.weight_bytes_per_token = 1'000'000;
  cell.kv_bytes_per_token = 500'000;
  cell.of(Metric::kTimeToFirstToken) = {0.5, 0.625, 0.75};
  cell.of(Metric::kDecodeRate) = {1000, 2000, 3000};
  document.cells.push_back(cell);
  return document;
}

nlohmann::json plain(const BenchDocument& document) {
  return nlohmann::json::parse(to_json(document).dump());
}

}  // namespace

TEST_CASE("a document read back is the document written, samples and absent figures included") {
  const nlohmann::json written = plain(sample());
  const Result<BenchDocument> read = parse_document(written, "test");
  REQUIRE_MESSAGE(read, read.error().message());
  CHECK(plain(*read) == written);
  CHECK(read->cells[0].key == sample().cells[0].key);
  CHECK(read->cells[0].of(Metric::kTimeToFirstToken) == std::vector<double>{0.5, 0.625, 0.75});
  CHECK(!read->cells[0].load_cold_seconds);
  CHECK(!read->cells[0].joules_per_token);
  CHECK(!read->limits.float_macs_per_second);
}

TEST_CASE("a document from before --all-layers was measured without it") {
  nlohmann::json older = plain(sample());
  older["cells"][0].erase("all_layers");
  CHECK(!parse_document(older, "test")->cells[0].key.all_layers);
}

TEST_CASE("schema and names are those the manual documents") {
  const nlohmann::json json = plain(sample());
  CHECK(json["schema"] == 1);
  CHECK(json["program"] == "gemma-bench");
  const nlohmann::json& cell = json["cells"][0];
  for (const char* metric : {"time_to_first_token", "inter_token_latency", "time_per_output_token",
                             "prefill_rate", "decode_rate", "end_to_end"}) {
    CAPTURE(metric);
    CHECK(cell["metrics"].contains(metric));
  }
  CHECK(cell["metrics"]["time_to_first_token"]["p50"] == 0.625);
  CHECK(cell["metrics"]["time_to_first_token"]["unit"] == "s");
  CHECK(cell["load_cold_seconds"].is_null());
  // 2000 tokens/s of 1.5 MB each are 3 GB/s, a fifth of what two threads can read.
  CHECK(cell["decode_bytes_per_second"] == 3e9);
  CHECK(cell["share_of_bandwidth_limit"].get<double>() == doctest::Approx(0.2));
}

TEST_CASE(
    "what a run decodes is held against the reading that followed it, not against the best of a minute") {
  BenchCell cell;
  cell.weight_bytes_per_token = 3;
  cell.kv_bytes_per_token = 1;
  cell.of(Metric::kDecodeRate) = {10, 20, 30};
  CHECK_FALSE(cell.share_of_reads());
  cell.reads_between_runs = {40, 160, 400};  // shares 1, 0.5 and 0.3
  REQUIRE(cell.share_of_reads());
  CHECK(*cell.share_of_reads() == doctest::Approx(0.5));
  cell.reads_between_runs.pop_back();
  CHECK_FALSE(cell.share_of_reads());
}

TEST_CASE("what is no such document is an error that says so, whatever is wrong with it") {
  const nlohmann::json good = plain(sample());
  std::vector<nlohmann::json> bad = {nullptr, 5, nlohmann::json::array(), nlohmann::json::object()};
  for (const char* pointer : {"/program", "/version", "/machine/cpu", "/machine/isas", "/limits/noise_floor",
                              "/limits/read_bandwidth/0/threads", "/cells/0/threads", "/cells/0/metrics",
                              "/cells/0/metrics/decode_rate/samples", "/settings/abba"}) {
    nlohmann::json broken = good;
    broken[nlohmann::json::json_pointer(pointer)] = nlohmann::json::array({"no", "such"});
    bad.push_back(std::move(broken));
  }
  nlohmann::json negative = good;
  negative["/cells/0/metrics/decode_rate/samples/0"_json_pointer] = -1;
  bad.push_back(negative);
  for (size_t i = 0; i < bad.size(); ++i) {
    CAPTURE(i);
    const Result<BenchDocument> refused = parse_document(bad[i], "test");
    // A list of texts is a fine list of instruction sets.
    if (i == 7) continue;
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kInvalidFile);
  }
  nlohmann::json newer = good;
  newer["schema"] = 2;
  CHECK(parse_document(newer, "test").error().code == ErrorCode::kUnsupported);
}

TEST_CASE("CSV quotes what holds commas and quotes; absent figures are empty") {
  const std::string csv = bench_csv(sample());
  CHECK(csv.find("\"model, \"\"quoted\"\"\",\"int4,head=int8\",2,128,3,64,1,avx2,f16,0.25,,123456789,,"
                 "time_to_first_token,s,3,0.625,0.125,0.5,0.625,") != std::string::npos);
  CHECK(csv.find("inter_token_latency") == std::string::npos);  // no gaps were measured
}

TEST_CASE("what the machine does not tell is not available, never 0") {
  const std::string table = bench_table(sample());
  CHECK(table.find("0.250 s warm, not available cold") != std::string::npos);
  CHECK(table.find("energy        not available") != std::string::npos);
  CHECK(table.find("governor not available") != std::string::npos);
  CHECK(table.find("20 % of the 15.0 GB/s that 2 threads can read") != std::string::npos);
  CHECK(table.find("prompt 128 tokens (all layers of each), 3 new, depth 64") != std::string::npos);
  CHECK(bench_markdown(sample()).find("| 128 | all | 3 | 64 |") != std::string::npos);
  CHECK(bench_markdown(sample()).find("| 20 % | 123.5 MB | not available |") != std::string::npos);
}
