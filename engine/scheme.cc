#include "engine/scheme.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/group_fit.h"

namespace gemma {
namespace {

constexpr size_t kLargestGroup = size_t{1} << 16;
constexpr size_t kMostLayers = 1024;
constexpr std::string_view kLayerPrefix = "layers.";

constexpr std::pair<TensorClass, std::string_view> kClassNames[] = {
    {TensorClass::kEmbed, "embed"},      {TensorClass::kPle, "ple"},
    {TensorClass::kHead, "head"},        {TensorClass::kAttention, "attn"},
    {TensorClass::kMlp, "mlp"},          {TensorClass::kExperts, "experts"},
    {TensorClass::kPleGate, "ple_gate"}, {TensorClass::kPleModel, "ple_model"},
};

struct Named {
  std::string_view name;
  std::string_view spelled;  // empty: no spelled form
};
constexpr Named kNamed[] = {
    {"f32", ""},       {"bf16", ""},   {"int8", "w8ca8"}, {"int4", "w4g32a8g32"}, {"int4-channel", "w4ca8"},
    {"w8a4", "w8ca4"}, {"mobile", ""}, {"stored", ""},
};

Failure refuse(std::string_view word, std::string what, std::string hint = {}) {
  if (hint.empty()) {
    hint =
        "f32, bf16, int8, int4, int4-channel, w8a4, mobile, stored, or "
        "[fake:]w<2|3|4|8><t|c|gN>[z][a<4|8>[gN|s][z]]";
  }
  return fail(ErrorCode::kUsage, fmt::format("scheme \"{}\"", word), std::move(what), std::move(hint));
}

// A cursor over the spelled form.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::optional<size_t> number() {
    size_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    text_.remove_prefix(static_cast<size_t>(end - text_.data()));
    return value;
  }
  bool done() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

// Spelled form -> scheme with neither fake nor integer set.
Result<ClassScheme> parse_spelled(std::string_view word, std::string_view spelled) {
  ClassScheme scheme;
  scheme.weight = WeightKind::kLevels;
  Reader in(spelled);
  in.take('w');
  const std::optional<size_t> bits = in.number();
  if (!bits || (*bits != 2 && *bits != 3 && *bits != 4 && *bits != 8)) {
    return refuse(word, "expected 2, 3, 4 or 8 weight bits behind w");
  }
  scheme.weight_bits = static_cast<int>(*bits);
  const auto group = [&](const char* what, size_t smallest, size_t& to) -> Result<void> {
    const std::optional<size_t> n = in.number();
    if (!n || *n < smallest || *n > kLargestGroup) {
      return refuse(
          word, fmt::format("expected {} group of {} to {} columns behind g", what, smallest, kLargestGroup));
    }
    to = *n;
    return {};
  };
  if (in.take('t')) {
    scheme.granularity = Granularity::kTensor;
  } else if (in.take('c')) {
    scheme.granularity = Granularity::kChannel;
  } else if (in.take('g')) {
    scheme.granularity = Granularity::kGroup;
    Result<void> read = group("a weight", 1, scheme.weight_group);
    if (!read) return fail(std::move(read.error()));
  } else {
    return refuse(word, "expected t (per tensor), c (per channel) or gN (per group) behind the weight bits");
  }
  scheme.weight_zero_point = in.take('z');
  if (in.take('a')) {
    const std::optional<size_t> activation_bits = in.number();
    if (!activation_bits || (*activation_bits != 4 && *activation_bits != 8)) {
      return refuse(word, "expected 4 or 8 activation bits behind a");
    }
    scheme.activation_bits = static_cast<int>(*activation_bits);
    scheme.activation = ActivationLevels::kToken;
    if (in.take('s')) {
      scheme.activation = ActivationLevels::kStatic;
    } else if (in.take('g')) {
      scheme.activation = ActivationLevels::kGroup;
      Result<void> read = group("an activation", kSmallestActivationGroup, scheme.activation_group);
      if (!read) return fail(std::move(read.error()));
    }
    scheme.activation_zero_point = in.take('z');
  }
  if (!in.done()) return refuse(word, fmt::format("\"{}\" is left over", in.rest()));
  return scheme;
}

std::string spell(const ClassScheme& scheme) {
  std::string text = fmt::format("w{}", scheme.weight_bits);
  switch (scheme.granularity) {
    case Granularity::kTensor:
      text += "t";
      break;
    case Granularity::kChannel:
      text += "c";
      break;
    case Granularity::kGroup:
      text += fmt::format("g{}", scheme.weight_group);
  }
  if (scheme.weight_zero_point) text += "z";
  if (scheme.activation == ActivationLevels::kNone) return text;
  text += fmt::format("a{}", scheme.activation_bits);
  if (scheme.activation == ActivationLevels::kStatic) text += "s";
  if (scheme.activation == ActivationLevels::kGroup) text += fmt::format("g{}", scheme.activation_group);
  if (scheme.activation_zero_point) text += "z";
  return text;
}

Result<size_t> parse_layer(std::string_view word, std::string_view digits) {
  Reader in(digits);
  const std::optional<size_t> layer = in.number();
  if (!layer || !in.done() || *layer >= kMostLayers) {
    return fail(ErrorCode::kUsage, fmt::format("scheme \"{}\"", word),
                fmt::format("expected a layer from 0 to {} behind \"{}\", found \"{}\"", kMostLayers - 1,
                            kLayerPrefix, digits),
                "as in int4,layers.0=int8");
  }
  return *layer;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = above;
    }
  }
  return row.back();
}

std::string nearest_name(std::string_view word) {
  const auto closer = [&](const Named& a, const Named& b) {
    return edit_distance(word, a.name) < edit_distance(word, b.name);
  };
  return std::string(std::min_element(std::begin(kNamed), std::end(kNamed), closer)->name);
}

Result<ClassScheme> parse_base(std::string_view word) {
  constexpr std::string_view kFake = "fake:";
  const bool fake = word.starts_with(kFake);
  std::string_view name = fake ? word.substr(kFake.size()) : word;
  ClassScheme scheme;
  if (name == "f32" || name == "bf16") {
    if (fake) return refuse(word, fmt::format("{} quantizes nothing, so there is nothing to fake", name));
    scheme.weight = name == "f32" ? WeightKind::kF32 : WeightKind::kBf16;
    return scheme;
  }
  if (name == "mobile") {
    scheme.weight = WeightKind::kAsStored;
    scheme.activation = ActivationLevels::kStatic;
    scheme.activation_bits = 8;
    scheme.fake = fake;
    scheme.integer = !fake;
    return scheme;
  }
  if (name == "stored") {
    if (fake) return refuse(word, "stored takes the file's levels as they are; there is nothing to fake");
    scheme.weight = WeightKind::kAsStored;
    return scheme;
  }
  for (const Named& named : kNamed) {
    if (name == named.name && !named.spelled.empty()) name = named.spelled;
  }
  if (!name.starts_with('w')) {
    if (name.empty()) return refuse(word, "expected a scheme, found none");
    return refuse(word, fmt::format("unknown scheme; the nearest is {}", nearest_name(name)));
  }
  Result<ClassScheme> spelled = parse_spelled(word, name);
  if (!spelled) return spelled;
  spelled->fake = fake;
  if (!fake && (spelled->weight_zero_point || spelled->activation_zero_point)) {
    return refuse(word, "levels with a zero point (z) are computed in float only",
                  fmt::format("fake:{}, or the symmetric levels without z", name));
  }
  if (fake || spelled->activation == ActivationLevels::kNone) return spelled;
  // Without a name: what GGUF's Q8_0 and Q6_K hold.
  spelled->integer = name == "w8g32a8g32" || name == "w8g16a8g32";
  std::vector<std::string> known;
  for (const Named& named : kNamed) {
    if (!named.spelled.empty()) known.push_back(fmt::format("{} = {}", named.name, named.spelled));
    spelled->integer = spelled->integer || name == named.spelled;
  }
  spelled->integer = spelled->integer || has_static_kernel(*spelled);
  if (!spelled->integer) {
    return refuse(
        word, "there is no integer kernel for it",
        fmt::format("in integers: {}, w8g32a8g32, w8g16a8g32, w2ca8s, w4ca8s, w8ca8s; or fake:{} in float",
                    fmt::join(known, ", "), name));
  }
  return spelled;
}

}  // namespace

std::string_view to_string(TensorClass tensor_class) {
  for (const auto& [value, name] : kClassNames) {
    if (value == tensor_class) return name;
  }
  return "float";
}

bool has_static_kernel(const ClassScheme& scheme) {
  return scheme.weight == WeightKind::kLevels && scheme.granularity == Granularity::kChannel &&
         scheme.weight_bits != 3 && !scheme.weight_zero_point &&
         scheme.activation == ActivationLevels::kStatic && scheme.activation_bits == 8 &&
         !scheme.activation_zero_point;
}

std::string to_string(const ClassScheme& scheme) {
  switch (scheme.weight) {
    case WeightKind::kF32:
      return "f32";
    case WeightKind::kBf16:
      return "bf16";
    case WeightKind::kAsStored:
      if (scheme.activation == ActivationLevels::kNone) return "stored";
      return scheme.fake ? "fake:mobile" : "mobile";
    case WeightKind::kLevels:
      break;
  }
  std::string text = spell(scheme);
  for (const Named& named : kNamed) {
    if (text == named.spelled) text = named.name;
  }
  return scheme.fake ? "fake:" + text : text;
}

std::string to_string(const Scheme& scheme) {
  std::string text = to_string(scheme.base);
  for (const auto& [tensor_class, name] : kClassNames) {
    if (scheme.of(tensor_class) != scheme.base)
      text += fmt::format(",{}={}", name, to_string(scheme.of(tensor_class)));
  }
  for (const auto& [layer, own] : scheme.layers) {
    text += fmt::format(",{}{}={}", kLayerPrefix, layer, to_string(own));
  }
  return text;
}

kernels::KvType Scheme::default_kv_type() const {
  return base.fake || base.weight == WeightKind::kF32 ? kernels::KvType::kF32 : kernels::KvType::kF16;
}

std::optional<size_t> layer_of(std::string_view tensor) {
  if (!tensor.starts_with(kLayerPrefix)) return std::nullopt;
  size_t layer = 0;
  const char* const begin = tensor.data() + kLayerPrefix.size();
  if (std::from_chars(begin, tensor.data() + tensor.size(), layer).ec != std::errc()) return std::nullopt;
  return layer;
}

const ClassScheme& Scheme::of(TensorClass tensor_class, std::string_view tensor) const {
  if (layers.empty() || tensor_class == TensorClass::kFloat) return of(tensor_class);
  const std::optional<size_t> layer = layer_of(tensor);
  const auto own = layer ? layers.find(*layer) : layers.end();
  return own == layers.end() ? of(tensor_class) : own->second;
}

std::vector<ClassScheme> Scheme::all() const {
  std::vector<ClassScheme> every(classes.begin(), classes.end());
  for (const auto& [layer, own] : layers) every.push_back(own);
  return every;
}

bool Scheme::needs_static_scales() const {
  const std::vector<ClassScheme> every = all();
  return std::any_of(every.begin(), every.end(), [](const ClassScheme& scheme) {
    return scheme.activation == ActivationLevels::kStatic;
  });
}

Result<Scheme> parse_scheme(std::string_view word) {
  Scheme scheme;
  std::vector<TensorClass> overridden;
  bool first = true;
  for (std::string_view left = word; first || !left.empty(); first = false) {
    const size_t comma = std::min(left.find(','), left.size());
    const std::string_view part = left.substr(0, comma);
    left.remove_prefix(std::min(comma + 1, left.size()));
    if (comma < word.size() && left.empty() && word.back() == ',') return refuse(word, "ends with a comma");
    if (first) {
      Result<ClassScheme> base = parse_base(part);
      if (!base) return fail(std::move(base.error()));
      scheme.base = *base;
      scheme.classes.fill(*base);
      continue;
    }
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) {
      return refuse(
          word, fmt::format("expected class=scheme or layers.N=scheme behind the comma, found \"{}\"", part));
    }
    const std::string_view name = part.substr(0, equals);
    Result<ClassScheme> own = parse_base(part.substr(equals + 1));
    if (name.starts_with(kLayerPrefix)) {
      Result<size_t> layer = parse_layer(word, name.substr(kLayerPrefix.size()));
      if (!layer) return fail(std::move(layer.error()));
      if (!own) return fail(std::move(own.error()));
      if (!scheme.layers.emplace(*layer, *own).second) {
        return refuse(word, fmt::format("\"{}\" is given twice", name));
      }
      continue;
    }
    const auto known = std::find_if(std::begin(kClassNames), std::end(kClassNames),
                                    [&](const auto& entry) { return entry.second == name; });
    if (known == std::end(kClassNames)) {
      return refuse(word, fmt::format("unknown class \"{}\"", name),
                    "classes: embed, ple, head, attn, mlp, experts, ple_gate, ple_model; a layer: layers.N");
    }
    if (std::find(overridden.begin(), overridden.end(), known->first) != overridden.end()) {
      return refuse(word, fmt::format("class \"{}\" is given twice", name));
    }
    overridden.push_back(known->first);
    if (!own) return fail(std::move(own.error()));
    scheme.classes[static_cast<size_t>(known->first)] = *own;
  }
  scheme.classes[static_cast<size_t>(TensorClass::kFloat)] = ClassScheme();
  return scheme;
}

}  // namespace gemma
