// A session's promise: whatever the way to a state (rollback, restore, copy, file), what follows is the same.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <thread>

#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/session.h"

namespace gemma {
namespace {

// How a model computes and how it keeps keys and values; nothing: as the scheme does.
struct Way {
  const char* scheme;
  std::optional<kernels::KvType> kv_type = {};
};
constexpr Way kWays[] = {{"f32"},       {"bf16"},
                         {"int4"},      {"int8"},
                         {"mobile"},    {"int4", kernels::KvType::kInt8},
                         {"fake:int4"}, {"f32", kernels::KvType::kInt8}};

std::unique_ptr<Model> load(const std::string& scheme) {
  ModelOptions options;
  options.scheme = scheme;
  options.threads = 2;
  options.tokenizer = false;
  auto model = Model::load("synthetic:tiny", options);
  REQUIRE_MESSAGE(model.has_value(), model.error().message());
  return std::move(*model);
}

SessionOptions options_of(const Way& way) {
  return {.context = 400, .chunk = 7, .rollback = 20, .kv_type = way.kv_type};
}

Session make(const Model& model, SessionOptions options = {.context = 400, .chunk = 7, .rollback = 20}) {
  auto session = Session::create(model, options);
  REQUIRE_MESSAGE(session.has_value(), session.error().message());
  return std::move(*session);
}

std::vector<int32_t> some_tokens(size_t n) {
  std::vector<int32_t> tokens(n);
  for (size_t i = 0; i < n; ++i) tokens[i] = static_cast<int32_t>((i * 7919 + 13) % 1024);
  return tokens;
}

std::vector<float> logits_after(Session& session, std::span<const int32_t> tokens) {
  auto logits = session.extend(tokens);
  REQUIRE_MESSAGE(logits.has_value(), logits.error().message());
  return std::vector<float>(logits->begin(), logits->end());
}

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder()
      : path(std::filesystem::temp_directory_path() / ("gemma-session-test" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

TEST_CASE("after a rollback the logits are those of a session that never went further, in every scheme") {
  const std::vector<int32_t> tokens = some_tokens(150);
  for (const Way& way : kWays) {
    CAPTURE(way.scheme);
    const auto model = load(way.scheme);
    Session straight = make(*model, options_of(way)), wandering = make(*model, options_of(way));
    REQUIRE(straight.prefill(std::span(tokens).first(100)).has_value());
    REQUIRE(wandering.prefill(tokens).has_value());
    REQUIRE(wandering.rollback(140).has_value());
    REQUIRE(wandering.prefill(some_tokens(5)).has_value());
    REQUIRE(wandering.rollback(130).has_value());
    CHECK(wandering.position() == 130);
    REQUIRE(straight.prefill(std::span(tokens).subspan(100, 30)).has_value());
    for (int32_t token : {5, 6, 7})
      CHECK(logits_after(wandering, {&token, 1}) == logits_after(straight, {&token, 1}));
  }
}

struct RowsSeen : ActivationObserver {
  std::map<const Matrix*, size_t> tokens;
  void observe(const Matrix& matrix, const float*, size_t rows, const float*, size_t) override {
    tokens[&matrix] += rows;
  }
};

TEST_CASE("all layers for every position is more work for the same logits") {
  const auto model = load("int8");
  RowsSeen needed, every;
  Session usual = make(*model, {.context = 100, .chunk = 7, .observer = &needed});
  Session whole = make(*model, {.context = 100, .chunk = 7, .observer = &every, .all_layers = true});
  CHECK(logits_after(whole, some_tokens(50)) == logits_after(usual, some_tokens(50)));
  const auto matrices_that_saw = [](const RowsSeen& seen, size_t tokens) {
    return std::count_if(seen.tokens.begin(), seen.tokens.end(),
                         [&](const auto& one) { return one.second == tokens; });
  };
  const auto matrices = static_cast<ptrdiff_t>(every.tokens.size());
  CHECK(matrices_that_saw(every, 50) == matrices - 1);
  CHECK(matrices_that_saw(every, 1) == 1);  // the head
  CHECK(matrices_that_saw(needed, 50) < matrices - 1);
}

TEST_CASE("a rollback beyond what the window was kept for says how many tokens to prefill again") {
  const auto model = load("f32");
  Session session = make(*model);
  REQUIRE(session.prefill(some_tokens(150)).has_value());
  auto far = session.rollback(100);
  REQUIRE(!far.has_value());
  CHECK(far.error().code == ErrorCode::kUsage);
  CHECK(far.error().hint == "reset the session and prefill the 100 tokens again");
  CHECK(session.position() == 150);  // nothing changed
  CHECK(session.rollback(130).has_value());
  CHECK(!session.rollback(140).has_value());
  CHECK(session.rollback(0).has_value());
  CHECK(session.position() == 0);
}

TEST_CASE("snapshot, restore, copy and file bring back the same logits") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "state";
  const std::vector<int32_t> tokens = some_tokens(90);
  for (const Way& way : kWays) {
    CAPTURE(way.scheme);
    const auto model = load(way.scheme);
    Session original = make(*model, options_of(way));
    REQUIRE(original.prefill(tokens).has_value());
    auto snapshot = original.snapshot();
    REQUIRE(snapshot.has_value());
    REQUIRE(original.save(path).has_value());
    Session copied = make(*model, options_of(way)), loaded = make(*model, options_of(way));
    REQUIRE(copied.copy_from(original).has_value());
    const int32_t next = 17;
    const std::vector<float> expected = logits_after(original, {&next, 1});
    REQUIRE(original.prefill(some_tokens(30)).has_value());
    REQUIRE(original.restore(*snapshot).has_value());
    CHECK(logits_after(original, {&next, 1}) == expected);
    CHECK(logits_after(copied, {&next, 1}) == expected);
    auto read = loaded.load(path);
    REQUIRE_MESSAGE(read.has_value(), read.error().message());
    CHECK(std::equal(loaded.tokens().begin(), loaded.tokens().end(), tokens.begin(), tokens.end()));
    CHECK(logits_after(loaded, {&next, 1}) == expected);
  }
}

TEST_CASE("a session file of the same weights under another config.json is refused") {
  const TemporaryFolder folder;
  const std::filesystem::path golden = std::string(GEMMA_TEST_DATA) + "/goldens/tiny-dense";
  std::ifstream file(golden / "config.json");
  const nlohmann::json config = nlohmann::json::parse(file);
  const auto load_with = [&](const auto& change) {
    const std::filesystem::path model = folder.path / "model";
    std::filesystem::remove_all(model);
    std::filesystem::copy(golden, model, std::filesystem::copy_options::recursive);
    nlohmann::json changed = config;
    change(changed["text_config"]);
    std::ofstream(model / "config.json") << changed.dump();
    ModelOptions options;
    options.scheme = "f32";
    auto loaded = Model::load(model.string(), options);
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message());
    return std::move(*loaded);
  };
  const std::string path = folder.path / "state";
  const auto as_it_is = [](nlohmann::json&) {};
  const auto model = load_with(as_it_is);
  Session session = make(*model);
  const std::vector<int32_t> tokens = {2, 5, 9};
  REQUIRE(session.prefill(tokens).has_value());
  REQUIRE(session.save(path).has_value());
  const auto same = load_with(as_it_is);
  CHECK(make(*same).load(path).has_value());
  const auto check_refused = [&](const auto& change) {
    const auto other = load_with(change);
    const auto loaded = make(*other).load(path);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().code == ErrorCode::kMismatch);
  };
  check_refused([](nlohmann::json& c) { c["rms_norm_eps"] = 1e-5; });
  check_refused([](nlohmann::json& c) { c["sliding_window"] = c["sliding_window"].get<int>() + 1; });
  check_refused([](nlohmann::json& c) { c["rope_parameters"]["full_attention"]["rope_theta"] = 9e5; });
  check_refused(
      [](nlohmann::json& c) { c["rope_parameters"]["full_attention"]["partial_rotary_factor"] = 0.5; });
}

TEST_CASE("a session file of other float kernels is refused, of other integer kernels it is not") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "state";
  const auto load_with = [](std::vector<std::string> kernels) {
    ModelOptions options;
    options.scheme = "int8";
    options.tokenizer = false;
    options.kernels = std::move(kernels);
    auto model = Model::load("synthetic:tiny", options);
    REQUIRE_MESSAGE(model.has_value(), model.error().message());
    return std::move(*model);
  };
  const auto model = load_with({});
  Session session = make(*model);
  REQUIRE(session.prefill(some_tokens(9)).has_value());
  REQUIRE(session.save(path).has_value());
  const auto integers = load_with({"int8_channel/portable"});
  CHECK(make(*integers).load(path).has_value());
  if (kernels::supported_isas().size() == 1) return;  // all kernels are the portable ones
  const auto floats = load_with({"rms_norm/portable"});
  CHECK(make(*floats).load(path).error().code == ErrorCode::kMismatch);
}

TEST_CASE("a session file of another scheme, damaged or cut anywhere is refused and changes nothing") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "state";
  const auto model = load("int4"), other = load("int8");
  Session session = make(*model);
  REQUIRE(session.prefill(some_tokens(20)).has_value());
  REQUIRE(session.save(path).has_value());
  Session foreign = make(*other);
  CHECK(foreign.load(path).error().code == ErrorCode::kMismatch);
  CHECK(make(*model, {.context = 300}).load(path).error().code == ErrorCode::kMismatch);
  CHECK(make(*model, options_of({"int4", kernels::KvType::kInt8})).load(path).error().what ==
        "saved with another KV type: expected int8, found f16");
  CHECK(session.load(folder.path / "none").error().code == ErrorCode::kNotFound);

  std::ifstream in(path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const std::string broken = folder.path / "broken";
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(broken, std::ios::binary) << bytes;
    Session target = make(*model);
    return !target.load(broken).has_value() && target.position() == 0;
  };
  for (size_t cut = 0; cut < whole.size(); cut += 1 + whole.size() / 100)
    CHECK(refused(whole.substr(0, cut)));
  for (size_t at = 0; at < whole.size(); at += 1 + whole.size() / 100) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    CHECK(refused(flipped));
  }
  CHECK(refused(whole + "x"));
}

TEST_CASE(
    "ids outside the vocabulary and prompts beyond the context are refused before anything is computed") {
  const auto model = load("f32");
  Session session = make(*model);
  const std::vector<int32_t> negative = {1, -1}, large = {1, 2, 1 << 20};
  CHECK(
      session.prefill(negative).error().message() ==
      "token 1: expected an id from 0 to 2047, found -1 (were these ids made with this model's tokenizer?)");
  CHECK(session.prefill(large).error().where == "token 2");
  CHECK(session.position() == 0);
  auto long_prompt = session.prefill(some_tokens(401));
  REQUIRE(!long_prompt.has_value());
  CHECK(long_prompt.error().message() ==
        "context: 401 tokens do not fit behind the 0 already there: the context holds 400 (shorten the "
        "prompt or "
        "take a larger --context)");
  CHECK(session.prefill(some_tokens(400)).has_value());
  CHECK(!session.decode(1).has_value());
}

TEST_CASE("sessions of one model may decode on threads of their own at the same time") {
  const auto model = load("int8");
  const std::vector<int32_t> tokens = some_tokens(40);
  Session alone = make(*model);
  const std::vector<float> expected = logits_after(alone, tokens);
  std::vector<std::vector<float>> found(3);
  std::vector<std::thread> hosts;
  for (std::vector<float>& logits : found) {
    hosts.emplace_back([&] {
      auto session = Session::create(*model, {.context = 400, .chunk = 7, .rollback = 20});
      if (!session) return;
      for (int32_t token : tokens) {
        auto row = session->decode(token);
        if (row) logits.assign(row->begin(), row->end());
      }
    });
  }
  for (std::thread& host : hosts) host.join();
  for (const std::vector<float>& logits : found) CHECK(logits == expected);
}

TEST_CASE("session options out of range are refused with the figures") {
  const auto model = load("f32");
  CHECK(Session::create(*model, {.context = size_t{1} << 40}).error().code == ErrorCode::kUsage);
  CHECK(Session::create(*model, {.chunk = 0}).error().what == "expected 1 to 4096, found 0");
  CHECK(Session::create(*model, {.chunk = 5000}).error().where == "chunk");
}

}  // namespace
}  // namespace gemma
