#include "tools/eval_logits.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "engine/session.h"
#include "loader/json.h"
#include "loader/npy.h"
#include "tools/eval_model.h"
#include "tools/kv_type_option.h"
#include "tools/options.h"
#include "tools/options_value.h"
#include "tools/terminal.h"

namespace gemma {
namespace {

constexpr std::string_view kProgram = "gemma-eval logits";
constexpr std::string_view kTokenForms = "2,5,9 or @file.json with a list of ids";

Result<std::vector<int32_t>> read_token_file(const std::string& path) {
  Result<nlohmann::json> json = read_json(path);
  if (!json) return fail(std::move(json.error()));
  const nlohmann::json* list = &*json;
  if (json->is_object() && json->contains("ids")) list = &(*json)["ids"];
  if (!list->is_array() || list->empty()) {
    return fail(ErrorCode::kInvalidFile, path,
                "expected a list of token ids that is not empty, or an object with such a list as \"ids\"");
  }
  std::vector<int32_t> tokens;
  tokens.reserve(list->size());
  for (const nlohmann::json& id : *list) {
    // Non-negative whole numbers are unsigned to the parser, so nothing is cut or wrapped here.
    if (!id.is_number_unsigned() || id.get<uint64_t>() > std::numeric_limits<int32_t>::max()) {
      return fail(ErrorCode::kInvalidFile, fmt::format("{}: entry {}", path, tokens.size()),
                  fmt::format("expected a token id, found {}",
                              quote(id.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))));
    }
    tokens.push_back(id.get<int32_t>());
  }
  return tokens;
}

Result<void> check_request(const LogitsRequest& request) {
  if (request.out.empty() && request.hidden.empty()) {
    return fail(ErrorCode::kUsage, {}, "there is nothing to write",
                "give --out FILE.npy for logits, --hidden FILE.npy for hidden states, or both");
  }
  if (request.out == request.hidden) {
    return fail(ErrorCode::kUsage, "--hidden", "the same file as --out", "give two different files");
  }
  if (!request.scheme.empty()) {
    if (Result<Scheme> scheme = parse_scheme(request.scheme); !scheme) return fail(std::move(scheme.error()));
  }
  return {};
}

Result<void> check_tokens(const ModelConfig& config, std::span<const int32_t> tokens) {
  const auto beyond = std::find_if(tokens.begin(), tokens.end(),
                                   [&](int32_t id) { return static_cast<size_t>(id) >= config.vocab_size; });
  if (beyond != tokens.end()) {
    return fail(ErrorCode::kUsage, fmt::format("--tokens: entry {}", beyond - tokens.begin()),
                fmt::format("expected an id from 0 to {}, found {}", config.vocab_size - 1, *beyond),
                "were these ids made with this model's tokenizer?");
  }
  if (tokens.size() > config.max_positions) {
    return fail(ErrorCode::kUsage, "--tokens",
                fmt::format("{} tokens, the model was made for {}", tokens.size(), config.max_positions),
                "give fewer tokens");
  }
  return {};
}

// Where the residual stream of the wanted positions waits until all chunks are through.
class HiddenRows {
 public:
  static Result<HiddenRows> create(size_t layers, size_t positions, size_t width) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(uint64_t{layers} * sizeof(float), positions, &bytes) ||
        __builtin_mul_overflow(bytes, uint64_t{width}, &bytes)) {
      return fail(ErrorCode::kResource, "--hidden", "the hidden states are too large to count");
    }
    Result<void> room = check_memory(bytes, fmt::format("hidden states of {} positions", positions));
    if (!room) {
      room.error().hint += fmt::format("{}--last N keeps fewer", room.error().hint.empty() ? "" : "; ");
      return fail(std::move(room.error()));
    }
    HiddenRows rows;
    rows.positions_ = positions;
    rows.width_ = width;
    rows.values_ = layers * positions * width;
    Result<Buffer> buffer = Buffer::allocate(bytes, "hidden states");
    if (!buffer) return fail(std::move(buffer.error()));
    rows.buffer_ = std::move(*buffer);
    return rows;
  }

  void keep(size_t layer, size_t index, std::span<const float> row) {
    std::copy(row.begin(), row.end(), buffer_.as<float>() + (layer * positions_ + index) * width_);
  }
  std::span<const float> values() const { return {buffer_.as<float>(), values_}; }

 private:
  Buffer buffer_;  // (layers, positions, width)
  size_t positions_ = 0, width_ = 0, values_ = 0;
};

Result<std::unique_ptr<Model>> load_model(const LogitsRequest& request) {
  Result<std::string> name = model_or_shipped(request.model);
  if (!name) return fail(std::move(name.error()));
  ModelOptions options;
  options.scheme = request.scheme;
  options.threads = request.threads;
  options.tokenizer = false;
  if (Result<void> chosen = choose_kernels(request.kernels, options); !chosen) return fail(chosen.error());
  return Model::load(*name, options);
}

}  // namespace

Result<std::vector<int32_t>> parse_token_list(std::string_view text, const std::string& option) {
  if (text.starts_with('@')) return read_token_file(std::string(text.substr(1)));
  std::vector<int32_t> tokens;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view word = text.substr(begin, end - begin);
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    word = word.substr(0, word.find_last_not_of(' ') + 1);
    int32_t id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || stop != word.data() + word.size() || id < 0) {
      return fail(ErrorCode::kUsage, fmt::format("{}: entry {}", option, tokens.size()),
                  fmt::format("expected a token id, found {}", quote(word)),
                  fmt::format("write {}", kTokenForms));
    }
    tokens.push_back(id);
    begin = end + 1;
  }
  return tokens;
}

Result<LogitsReport> write_logits(const LogitsRequest& request) {
  if (Result<void> good = check_request(request); !good) return fail(std::move(good.error()));
  Result<std::vector<int32_t>> tokens = parse_token_list(request.tokens, "--tokens");
  if (!tokens) return fail(std::move(tokens.error()));
  if (request.last > tokens->size()) {
    return fail(ErrorCode::kUsage, "--last",
                fmt::format("expected at most the {} tokens given, found {}", tokens->size(), request.last));
  }
  SessionOptions session_options;
  session_options.context = tokens->size();
  session_options.chunk = request.chunk;
  session_options.rollback = 0;
  Result<std::optional<kernels::KvType>> kv_type = kv_type_of(request.kv_type);
  if (!kv_type) return fail(std::move(kv_type.error()));
  session_options.kv_type = *kv_type;

  // Config first: ids and files are checked before gigabytes are read.
  ModelConfig config;
  {
    Result<std::unique_ptr<Model>> opened = open_model(request.model, /*tokenizer=*/false);
    if (!opened) return fail(std::move(opened.error()));
    config = (*opened)->config();
  }
  if (Result<void> good = check_tokens(config, *tokens); !good) return fail(std::move(good.error()));

  LogitsReport report;
  report.tokens = tokens->size();
  report.positions = request.last == 0 ? tokens->size() : request.last;
  report.vocab = config.vocab_size;
  report.layers = config.layers.size();
  report.hidden = config.hidden_size;
  const size_t first = report.tokens - report.positions;

  std::optional<NpyWriter> logits_file, hidden_file;
  std::optional<HiddenRows> hidden_rows;
  if (!request.out.empty()) {
    Result<NpyWriter> made = NpyWriter::create(request.out, {report.positions, report.vocab});
    if (!made) return fail(std::move(made.error()));
    logits_file.emplace(std::move(*made));
  }
  if (!request.hidden.empty()) {
    Result<HiddenRows> rows = HiddenRows::create(report.layers, report.positions, report.hidden);
    if (!rows) return fail(std::move(rows.error()));
    hidden_rows.emplace(std::move(*rows));
    Result<NpyWriter> made =
        NpyWriter::create(request.hidden, {report.layers, report.positions, report.hidden});
    if (!made) return fail(std::move(made.error()));
    hidden_file.emplace(std::move(*made));
  }

  Result<std::unique_ptr<Model>> model = load_model(request);
  if (!model) return fail(std::move(model.error()));
  report.scheme = to_string((*model)->scheme());
  report.scheme_reason = (*model)->scheme_reason();
  report.load_seconds = (*model)->load_seconds();
  Result<Session> session = Session::create(**model, session_options);
  if (!session) return fail(std::move(session.error()));

  const auto start = std::chrono::steady_clock::now();
  Result<void> written;  // a sink cannot stop the pass: the first failure is kept and told at the end
  const LogitsSink on_logits = [&](size_t, std::span<const float> row) {
    if (written) written = logits_file->append(row);
  };
  const HiddenSink on_hidden = [&](size_t layer, size_t position, std::span<const float> row) {
    if (position >= first) hidden_rows->keep(layer, position - first, row);
  };
  Result<void> done = session->evaluate(*tokens, first, logits_file ? on_logits : LogitsSink(),
                                        hidden_file ? on_hidden : HiddenSink());
  if (done) done = std::move(written);
  if (done && hidden_file) done = hidden_file->append(hidden_rows->values());
  if (done && logits_file) done = logits_file->finish();
  if (done && hidden_file) done = hidden_file->finish();
  if (!done) return fail(std::move(done.error()));
  report.compute_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

ExitCode eval_logits(int argc, const char* const* argv) {
  LogitsRequest request;
  Options options(std::string(kProgram),
                  "Writes what a Gemma 4 model computes for a token sequence, as float32 .npy files.");
  options.group("Model");
  options.add({.name = "model",
               .letter = 'm',
               .target = &request.model,
               .value = "MODEL",
               .default_text = "the shipped model",
               .help = "a folder, a .gguf file, a hub id such as google/gemma-4-E2B-it, or synthetic:SIZE"});
  options.add({.name = "scheme",
               .target = &request.scheme,
               .value = "SCHEME",
               .default_text = "what fits the checkpoint",
               .help = "how to compute: f32, bf16, int8, int4, fake:w4g32, ..."});
  add_kv_type_option(options, &request.kv_type);
  options.group("Input");
  options.add({.name = "tokens",
               .target = &request.tokens,
               .value = "IDS",
               .help = "token ids: 2,5,9 or @FILE with a JSON list of ids (or what gemma-eval tokenize "
                       "prints); nothing is added to them"});
  options.add({.name = "chunk",
               .target = &request.chunk,
               .range = {.min = 1, .max = 4096},
               .unit = "tokens",
               .help = "how many go through the model at a time; the result is the same"});
  options.group("Output");
  options.add({.name = "out",
               .letter = 'o',
               .target = &request.out,
               .value = "FILE",
               .help = "write the logits: float32 (tokens, vocabulary)"});
  options.add({.name = "hidden",
               .target = &request.hidden,
               .value = "FILE",
               .help = "write the residual stream after each layer: float32 (layers, tokens, hidden)"});
  std::optional<uint64_t> last;
  options.add({.name = "last",
               .target = &last,
               .range = {.min = 1},
               .unit = "tokens",
               .default_text = "all",
               .help = "write the last N positions only, in both files"});
  options.group("Machine");
  std::optional<uint64_t> threads;
  options.add({.name = "threads",
               .letter = 't',
               .target = &threads,
               .range = {.min = 1, .max = 1024},
               .default_text = "physical cores",
               .help = "threads to compute with; the result is the same"});
  add_kernel_options(options, request.kernels);
  options.epilogue(
      "Examples:\n"
      "  gemma-eval logits --tokens 2,5,9 --out logits.npy\n"
      "  gemma-eval logits -m google/gemma-4-E2B-it --scheme int4 --tokens @ids.json --last 1 --out "
      "next.npy");
  if (const std::optional<ExitCode> done = options.handle(argc, argv)) return *done;
  if (const std::optional<ExitCode> done = handle_kernel_list(kProgram, request.kernels)) return *done;
  if (!options.given("tokens")) {
    return report(kProgram,
                  Error{ErrorCode::kUsage, "--tokens", "missing", fmt::format("give {}", kTokenForms)});
  }
  request.last = last.value_or(0);
  request.threads = threads.value_or(0);

  const Result<LogitsReport> done = write_logits(request);
  if (!done) return report(kProgram, done.error());
  std::string note =
      fmt::format("{} tokens in {:.3f} s after loading in {:.3f} s; scheme {}{}\n", done->tokens,
                  done->compute_seconds, done->load_seconds, done->scheme,
                  done->scheme_reason.empty() ? "" : fmt::format(" ({})", done->scheme_reason));
  if (!request.out.empty()) {
    note += fmt::format("{}: float32 ({}, {})\n", request.out, done->positions, done->vocab);
  }
  if (!request.hidden.empty()) {
    note += fmt::format("{}: float32 ({}, {}, {})\n", request.hidden, done->layers, done->positions,
                        done->hidden);
  }
  // A note only: the work is done whether or not it can be shown.
  (void)write_text(kStderr, note);
  return ExitCode::kOk;
}

}  // namespace gemma
