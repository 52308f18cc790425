#include "tools/accuracy_run.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>
#include <xxhash.h>

#include "loader/unicode.h"
#include "tools/eval_model.h"

namespace gemma {
namespace {

// Positions that a session for multiple choice can go back: from one question's choices to what the next
// question begins with alike (the examples before both).
constexpr size_t kRollback = 1024;

uint64_t hash_ids(std::span<const int32_t> ids, uint64_t seed = 0) {
  return XXH64(ids.data(), ids.size_bytes(), seed);
}

class Asker {
 public:
  static Result<Asker> create(const Model& model, const AccuracyFlags& flags,
                              const PreparedVariant& prepared) {
    Asker asker(flags);
    SessionOptions options = session_options(run_flags(flags, ""));
    options.context = prepared.context;
    options.rollback = std::max(kRollback, prepared.longest);
    Result<void> made = make_session(model, options, asker.session_);
    if (!made) return fail(std::move(made.error()));
    if (prepared.longest_alone > 0) {
      options.context = std::min(prepared.longest_alone + 1, model.config().max_positions);
      options.rollback = prepared.longest_alone;
      made = make_session(model, options, asker.alone_session_);
      if (!made) return fail(std::move(made.error()));
    }
    Result<SamplingRequest> request = sampling_request(run_flags(flags, ""));
    if (!request) return fail(std::move(request.error()));
    GenerationConfig defaults = model.generation_config();
    defaults.eos_ids = model.eos_ids();
    asker.generate_.sampling = resolve(*request, defaults);
    if (flags.stop.empty() && !prepared.style.format.chat) asker.generate_.sampling.stop_strings = {"\n"};
    Result<void> valid = validate(asker.generate_.sampling, model.config().vocab_size);
    if (!valid) return fail(by_option_name(std::move(valid.error()), run_flags(flags, ""), model.folder()));
    asker.generate_.chat = prepared.style.format.chat;
    return asker;
  }

  const Session& session() const { return *session_; }

  Result<void> answer(const EncodedItem& encoded, const DatasetItem& item, size_t index, ItemResult& result) {
    GenerateOptions options = generate_;
    options.in_thought = encoded.in_thought;
    if (options.sampling.samples()) options.sampling.seed = flags_.seed + index;
    Generator generator(*session_);
    Result<std::vector<Generated>> made = generator.run(encoded.ids.context, options, nullptr);
    if (!made) return fail(std::move(made.error()));
    Generated& first = made->front();
    result.answer = std::move(first.text);
    result.new_tokens = first.ids.size();
    result.finish = first.finish;
    const std::string said = squad_normalize(result.answer);
    result.says_none = !flags_.no_answer.empty() && said == squad_normalize(flags_.no_answer);
    const bool has_none = item.references.empty();
    result.squad = squad_score(result.says_none && has_none ? "" : result.answer, item.references);
    Result<RougeScores> scores = gemma::rouge(result.answer, item.references, {.stem = flags_.stemmer});
    if (!scores) return fail(std::move(scores.error()));
    result.rouge = *scores;
    return {};
  }

  Result<void> choose(const AskingStyle& style, const EncodedItem& encoded, const DatasetItem& item,
                      ItemResult& result) {
    Result<std::vector<double>> sums = continuation_log_likelihoods(*session_, encoded.ids);
    if (!sums) return fail(std::move(sums.error()));
    for (size_t i = 0; i < item.choices.size(); ++i) {
      const std::string text = choice_text(style, item, i);
      result.choices.push_back({(*sums)[i], count_characters(text), text.size(), {}});
    }
    if (flags_.mutual_info) {
      Result<void> done = without_question(encoded, result);
      if (!done) return done;
    }
    result.picks = pick_choices(result.choices);
    return {};
  }

 private:
  static Result<void> make_session(const Model& model, const SessionOptions& options,
                                   std::unique_ptr<Session>& out) {
    Result<Session> session = Session::create(model, options);
    if (!session) return fail(std::move(session.error()));
    out = std::make_unique<Session>(std::move(*session));
    return {};
  }

  explicit Asker(const AccuracyFlags& flags) : flags_(flags) {}

  // In a session of its own, so that the other one keeps what the next question begins with.
  Result<void> without_question(const EncodedItem& encoded, ItemResult& result) {
    Result<std::vector<double>> sums = continuation_log_likelihoods(*alone_session_, encoded.alone);
    if (!sums) return fail(std::move(sums.error()));
    for (size_t i = 0; i < sums->size(); ++i) result.choices[i].unconditional = (*sums)[i];
    return {};
  }

  const AccuracyFlags& flags_;
  std::unique_ptr<Session> session_, alone_session_;  // stay where they are when the Asker moves
  GenerateOptions generate_;
};

void add_notes(const AskingStyle& style, VariantResult& result) {
  const auto count = [&](const auto& is) {
    return static_cast<size_t>(std::count_if(result.items.begin(), result.items.end(), is));
  };
  if (!style.format.note.empty()) result.notes.push_back(style.format.note);
  const size_t cut = count([](const ItemResult& item) { return item.cut_characters > 0; });
  if (cut > 0) result.notes.push_back(fmt::format("prompts cut to fit the context: {}", cut));
  const size_t at_length = count([](const ItemResult& item) { return item.finish == FinishReason::kLength; });
  if (at_length > 0) {
    result.notes.push_back(fmt::format("answers cut at --max-new-tokens: {}", at_length));
  }
}

}  // namespace

Result<PreparedVariant> prepare_variant(const AccuracyFlags& flags, const std::string& model_name,
                                        const std::string& scheme, const Questions& questions) {
  PreparedVariant prepared;
  Result<std::string> name = model_or_shipped(model_name);
  if (!name) return fail(std::move(name.error()));
  prepared.name = std::move(*name);
  prepared.scheme = scheme;
  if (!scheme.empty()) {
    if (Result<Scheme> known = parse_scheme(scheme); !known) return fail(std::move(known.error()));
  }
  Result<std::unique_ptr<Model>> model = open_model(prepared.name, /*tokenizer=*/true);
  if (!model) return fail(std::move(model.error()));
  Result<AskingStyle> style = asking_style(**model, flags, questions);
  if (!style) return fail(std::move(style.error()));
  prepared.style = std::move(*style);
  const size_t most = (*model)->config().max_positions;
  if (flags.context > most) {
    return fail(ErrorCode::kUsage, "--context",
                fmt::format("{} tokens asked for, the model was made for {}", flags.context, most));
  }
  const size_t room = flags.context == 0 ? most : flags.context;
  for (const Questions::File& file : questions.files) {
    for (size_t i = file.first; i < file.first + file.count; ++i) {
      Result<EncodedItem> encoded =
          encode_item(**model, prepared.style, flags, file, questions.items[i], room);
      if (!encoded) return fail(std::move(encoded.error()));
      prepared.context = std::max(prepared.context, encoded->needed);
      prepared.longest = std::max(prepared.longest, encoded->ids.longest());
      prepared.longest_alone = std::max(prepared.longest_alone, encoded->alone.longest());
      prepared.prompts_hash = hash_ids(encoded->ids.context, prepared.prompts_hash);
      for (const std::vector<int32_t>& choice : encoded->ids.continuations) {
        prepared.prompts_hash = hash_ids(choice, prepared.prompts_hash);
      }
      prepared.items.push_back(std::move(*encoded));
    }
  }
  return prepared;
}

Result<VariantResult> run_variant(const AccuracyFlags& flags, PreparedVariant prepared,
                                  const Questions& questions, const Progress& loading,
                                  const OnItem& on_item) {
  Result<ModelOptions> options = model_options(run_flags(flags, prepared.scheme));
  if (!options) return fail(std::move(options.error()));
  options->progress = loading;
  Result<std::unique_ptr<Model>> model = Model::load(prepared.name, *options);
  if (!model) return fail(std::move(model.error()));
  Result<Asker> asker = Asker::create(**model, flags, prepared);
  if (!asker) return fail(std::move(asker.error()));

  VariantResult result;
  result.model = prepared.name;
  result.scheme = to_string((*model)->scheme());
  result.scheme_reason = (*model)->scheme_reason();
  result.isa = kernels::to_string((*model)->kernels().isa);
  result.kv_type = kernels::to_string(*asker->session().options().kv_type);
  result.prompt_template = prepared.style.prompt.text();
  result.threads = (*model)->team().size();
  result.context = prepared.context;
  result.chat = prepared.style.format.chat;
  result.letters = prepared.style.letters;
  result.prompts_hash = prepared.prompts_hash;
  result.load_seconds = (*model)->load_seconds();
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < prepared.items.size(); ++i) {
    const EncodedItem encoded = std::move(prepared.items[i]);
    const DatasetItem& item = questions.items[i];
    ItemResult one;
    one.prompt_hash = hash_ids(encoded.ids.context);
    one.prompt_tokens = encoded.ids.context.size();
    one.cut_characters = encoded.cut_characters;
    Result<void> done = questions.multiple_choice() ? asker->choose(prepared.style, encoded, item, one)
                                                    : asker->answer(encoded, item, i, one);
    if (!done) return fail(std::move(done.error()));
    Result<void> taken = on_item(i, one);
    if (!taken) return fail(std::move(taken.error()));
    result.items.push_back(std::move(one));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  add_notes(prepared.style, result);
  return result;
}

}  // namespace gemma
