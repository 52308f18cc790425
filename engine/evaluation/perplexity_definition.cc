#include "engine/evaluation/perplexity_definition.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "loader/in_quotes.h"

namespace gemma {
namespace {

using Definition = PerplexityDefinition;

constexpr std::pair<Definition, std::string_view> kNames[] = {
    {Definition::kStrict, "strict"}, {Definition::kTutorial, "tutorial"},
    {Definition::kHfDoc, "hf-doc"},  {Definition::kHfEvaluate, "hf-evaluate"},
    {Definition::kLlama, "llama"},   {Definition::kLmEval, "lm-eval"},
    {Definition::kMlx, "mlx"},       {Definition::kChatPrefix, "chat-prefix"},
};
constexpr std::pair<BosRule, std::string_view> kRules[] = {{BosRule::kWindow, "window"},
                                                           {BosRule::kStart, "start"},
                                                           {BosRule::kText, "text"},
                                                           {BosRule::kNone, "none"}};

// The BOS rules that a definition has; the first is the original's, as far as it makes sense for Gemma.
std::vector<BosRule> rules_of(Definition definition) {
  switch (definition) {
    case Definition::kStrict:
      return {BosRule::kWindow, BosRule::kStart, BosRule::kText, BosRule::kNone};
    case Definition::kTutorial:
    case Definition::kHfDoc:
      return {BosRule::kStart, BosRule::kNone};
    case Definition::kHfEvaluate:
    case Definition::kLmEval:
      return {BosRule::kText};
    case Definition::kMlx:
      return {BosRule::kText, BosRule::kNone};
    case Definition::kLlama:
    case Definition::kChatPrefix:
      return {BosRule::kWindow};
  }
  return {BosRule::kWindow};
}

template <typename Value>
Result<Value> parse_name(std::span<const std::pair<Value, std::string_view>> names, std::string_view name,
                         const char* option) {
  std::vector<std::string_view> known;
  for (const auto& [value, word] : names) {
    if (word == name) return value;
    known.push_back(word);
  }
  return fail(ErrorCode::kUsage, option,
              fmt::format("expected one of {}, found {}", fmt::join(known, ", "), in_quotes(name)));
}

}  // namespace

std::string_view to_string(PerplexityDefinition definition) {
  return std::find_if(std::begin(kNames), std::end(kNames),
                      [&](const auto& n) { return n.first == definition; })
      ->second;
}

std::string_view to_string(BosRule rule) {
  return std::find_if(std::begin(kRules), std::end(kRules), [&](const auto& n) { return n.first == rule; })
      ->second;
}

std::vector<std::string> perplexity_definition_names() {
  std::vector<std::string> names;
  for (const auto& [definition, name] : kNames) names.emplace_back(name);
  return names;
}

Result<PerplexityDefinition> parse_perplexity_definition(std::string_view name) {
  return parse_name<Definition>(kNames, name, "--definition");
}

Result<BosRule> parse_bos_rule(std::string_view name) {
  return parse_name<BosRule>(kRules, name, "--bos");
}

PerplexityOptions default_options(PerplexityDefinition definition) {
  PerplexityOptions options;
  options.definition = definition;
  options.bos = rules_of(definition).front();
  if (definition == Definition::kMlx) {
    options.end_of_text = true;
    options.window_limit = 256;
  }
  if (!has_stride(definition)) options.stride = options.max_length;
  return options;
}

bool has_stride(PerplexityDefinition definition) {
  return definition == Definition::kStrict || definition == Definition::kTutorial ||
         definition == Definition::kHfDoc || definition == Definition::kChatPrefix;
}

bool scores_texts_apart(const PerplexityOptions& options) {
  return options.definition == Definition::kHfEvaluate || options.definition == Definition::kLmEval ||
         options.definition == Definition::kMlx || options.bos == BosRule::kText;
}

Result<void> check_options(const PerplexityOptions& options) {
  const std::string_view name = to_string(options.definition);
  const std::vector<BosRule> rules = rules_of(options.definition);
  if (std::find(rules.begin(), rules.end(), options.bos) == rules.end()) {
    std::vector<std::string_view> known;
    for (const BosRule rule : rules) known.push_back(to_string(rule));
    return fail(ErrorCode::kUsage, "--bos",
                fmt::format("{} has {}, not {}", name, fmt::join(known, " and "), to_string(options.bos)));
  }
  if (options.end_of_text && !(options.bos == BosRule::kText || options.definition == Definition::kMlx)) {
    return fail(ErrorCode::kUsage, "--eos", "the texts are joined into one, which has no ends inside",
                "take it with --definition strict --bos text");
  }
  if (options.max_length < 2) {
    return fail(ErrorCode::kUsage, "--max-length",
                fmt::format("expected at least 2 tokens, found {}", options.max_length));
  }
  if (!has_stride(options.definition)) return {};
  if (options.stride == 0) return fail(ErrorCode::kUsage, "--stride", "expected at least 1 token, found 0");
  // Without a <bos> of its own a window cannot score its first token: strict windows then overlap by one.
  const bool overlap = options.definition == Definition::kStrict && options.bos != BosRule::kWindow;
  const size_t most = options.max_length - (overlap ? 1 : 0);
  if (options.stride > most) {
    return fail(ErrorCode::kUsage, "--stride",
                fmt::format("expected at most {} tokens for windows of {}, found {}", most,
                            options.max_length, options.stride),
                overlap ? "the first token of a window is not scored; --bos window scores it"
                        : "a larger stride leaves tokens between the windows out");
  }
  return {};
}

}  // namespace gemma
