#include "ashlar/formats/internal/config_draft.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ashlar/formats/internal/activation_words.h"

namespace ashlar::internal {
namespace {

using Layers = std::vector<DecoderFacts::Layer>;

// The number near `guess` that `fits`, with the fewest digits; `guess` when none does.
template <class Fits>
double NumberThat(double guess, const Fits& fits) {
  constexpr int kMostDigits = 17;  // that a double needs
  for (int digits = 1; digits <= kMostDigits; ++digits) {
    const double number = std::strtod(fmt::format("{:.{}g}", guess, digits).c_str(), nullptr);
    if (fits(number)) {
      return number;
    }
  }
  double below = guess;
  double above = guess;
  constexpr int kRoundings = 8;
  for (int i = 0; i < kRoundings; ++i) {
    below = std::nextafter(below, -INFINITY);
    above = std::nextafter(above, INFINITY);
    if (fits(below) || fits(above)) {
      return fits(below) ? below : above;
    }
  }
  return guess;
}

bool Same(const SettingValue& setting, const AttributeValue& value) {
  if (const auto* word = std::get_if<std::string_view>(&setting)) {
    const auto* text = std::get_if<std::string>(&value);
    return text != nullptr && *text == *word;
  }
  if (const auto* real = std::get_if<double>(&setting)) {
    const auto* number = std::get_if<double>(&value);
    return number != nullptr && *number == *real;
  }
  const auto* integer = std::get_if<std::int64_t>(&value);
  return integer != nullptr && *integer == std::get<std::int64_t>(setting);
}

// Whether the attribute is one of yes and no.
bool IsFlag(const BlockKind& kind, std::string_view attribute) {
  const auto spec = std::ranges::find(kind.attributes, attribute, &AttributeSpec::name);
  return spec != kind.attributes.end() && spec->type == AttributeType::kInteger && spec->max == 1;
}

// What the field of a setting must be for the attribute to have this value; nothing when it should
// be absent.
std::optional<Json> FieldFor(const Setting& setting, const BlockKind& kind,
                             const AttributeValue& value) {
  if (setting.null && Same(*setting.null, value)) {
    return Json(nullptr);
  }
  const double* const otherwise = std::get_if<double>(&setting.value);
  const bool is_switch = std::holds_alternative<std::string_view>(setting.value) ||
                         (otherwise == nullptr ? IsFlag(kind, setting.attribute)
                                               : std::holds_alternative<double>(setting.on));
  if (is_switch) {
    return Same(setting.on, value) || Same(setting.off, value)
               ? std::optional(Json(Same(setting.on, value)))
               : std::nullopt;
  }
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return Json(*integer);
  }
  const double wanted = std::get<double>(value);
  if (wanted == 0 && Same(setting.value, value)) {
    return std::nullopt;  // zero stands for what a reference implementation knows as absent
  }
  if (setting.convert.meaning == nullptr) {
    return Json(wanted);
  }
  return Json(NumberThat(setting.convert.number(wanted),
                         [&](double number) { return setting.convert.meaning(number) == wanted; }));
}

// The parameters of each scaling, by their attributes.
struct ScalingField {
  std::string_view scaling;
  std::string_view field;
  std::string_view attribute;
};
constexpr ScalingField kScalingFields[] = {
    {"linear", "factor", "rope_factor"},
    {"dynamic", "factor", "rope_factor"},
    {"llama3", "factor", "rope_factor"},
    {"llama3", "original_max_position_embeddings", "rope_original_positions"},
    {"llama3", "low_freq_factor", "rope_low_frequency_factor"},
    {"llama3", "high_freq_factor", "rope_high_frequency_factor"},
    {"yarn", "factor", "rope_factor"},
    {"yarn", "original_max_position_embeddings", "rope_original_positions"},
    {"yarn", "beta_fast", "rope_beta_fast"},
    {"yarn", "beta_slow", "rope_beta_slow"},
    {"yarn", "attention_factor", "rope_attention_factor"},
    {"longrope", "original_max_position_embeddings", "rope_original_positions"},
    {"longrope", "attention_factor", "rope_attention_factor"},
};
struct FactorsField {
  std::string_view field;
  std::string_view tensor;
};
constexpr FactorsField kFactorsFields[] = {{"short_factor", "rope_short_factors"},
                                           {"long_factor", "rope_long_factors"}};

class Draft {
 public:
  Draft(const Architecture& row, const DecoderFacts& facts) : row_(row), facts_(facts) {}

  Json Write() {
    Set("architectures", Json::Array{Json(row_.class_name)});
    Set("model_type", row_.model_type);
    AddSizes();
    AddConditions();
    AddNorm();
    AddRope();
    AddWindows();
    AddMixtures();
    AddSettings(row_.embed.settings, facts_.embed());
    AddSettings(row_.attention.settings, facts_.attention(facts_.layers.front()));
    AddSettings(row_.mlp.settings, FirstOf("mlp"));
    AddSettings(row_.mixture.block.settings, FirstOf("moe"));
    AddSettings(row_.head.settings, facts_.head());
    Set("tie_word_embeddings", facts_.tied);
    AddTokens();
    for (const FixedWord& word : row_.fixed_words) {
      Set(word.field, word.word);
    }
    SetSpelled(row_.extra_layers, 0);
    return std::move(json_);
  }

 private:
  // A field that several rules would write has what the first said.
  void Set(std::string_view field, Json value) {
    if (!field.empty() && json_.Find(field) == nullptr) {
      json_.Set(field, std::move(value));
    }
  }
  void SetSpelled(const Spelling& field, Json value) { Set(field.names[0], std::move(value)); }

  const Attributes& first_attention() const {
    return facts_.attention(facts_.layers.front()).attributes;
  }
  // The first MLP, or mixture; without any, the first of the other sort, whose attributes go by the
  // same names.
  const DecoderNode& FirstOf(std::string_view kind) const {
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      if (facts_.feed_forward(layer).kind->name == kind) {
        return facts_.feed_forward(layer);
      }
    }
    return facts_.feed_forward(facts_.layers.front());
  }
  static std::optional<std::int64_t> IntegerIn(const Attributes& attributes,
                                               std::string_view name) {
    const auto found = attributes.values().find(name);
    return found == attributes.values().end()
               ? std::nullopt
               : std::optional(std::get<std::int64_t>(found->second));
  }
  static bool Rotates(const DecoderNode& attention) {
    return IntegerIn(attention.attributes, "rope_dims").value_or(0) > 0;
  }
  static std::int64_t WindowOf(const DecoderNode& attention) {
    return IntegerIn(attention.attributes, "window").value_or(0);
  }

  void AddSettings(std::span<const Setting> settings, const DecoderNode& node) {
    for (const Setting& setting : settings) {
      const auto value = node.attributes.values().find(setting.attribute);
      if (setting.field.empty() || value == node.attributes.values().end()) {
        continue;
      }
      if (auto field = FieldFor(setting, *node.kind, value->second)) {
        Set(setting.field, *std::move(field));
      }
    }
  }

  void AddSizes() {
    const SizeFields& sizes = row_.sizes;
    const Attributes& attention = first_attention();
    SetSpelled(sizes.width, facts_.embed().attributes.Integer("width"));
    SetSpelled(sizes.layers, std::ssize(facts_.layers));
    SetSpelled(sizes.heads, attention.Integer("heads"));
    SetSpelled(sizes.channels, FirstOf("mlp").attributes.Integer("channels"));
    Set("vocab_size", facts_.embed().attributes.Integer("vocabulary"));
    const auto learned = IntegerIn(facts_.embed().attributes, "positions").value_or(0);
    if (row_.positions == Positions::kLearned && learned > 0) {
      SetSpelled(sizes.positions, learned);
    } else if (facts_.metadata.context_length) {
      SetSpelled(sizes.positions, *facts_.metadata.context_length);
    }
    if (const auto heads = IntegerIn(attention, "kv_heads")) {
      SetSpelled(sizes.key_value_heads, *heads);
      Set(row_.multi_query.field, *heads == 1);
    }
    if (const auto dim = IntegerIn(attention, row_.latent ? "rope_dims" : "key_dim")) {
      SetSpelled(sizes.head_dim, *dim);
    }
    const std::string& activation = FirstOf("mlp").attributes.Choice("activation");
    SetSpelled(row_.activation, ActivationWordFor(activation, row_.default_activation));
    Set(row_.parallel.field, facts_.layers.front().parallel);
    Set(row_.alibi.used.field, IntegerIn(attention, "alibi_heads").value_or(0) != 0);
  }

  void AddConditions() {
    for (const Condition& condition : row_.when) {
      if (condition.null == condition.is) {
        Set(condition.field, Json(nullptr));
      } else if (condition.counts || condition.is > 1) {
        Set(condition.field, condition.is);
      } else {
        Set(condition.field, condition.is == 1);
      }
    }
  }

  void AddNorm() { SetSpelled(row_.norms.eps, facts_.norm().attributes.Real("eps")); }

  // ---- Rotation

  // The first attention that turns, of those with a window or of those without.
  const DecoderNode* FirstRotated(bool windowed) const {
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode& attention = facts_.attention(layer);
      if (Rotates(attention) && (WindowOf(attention) != 0) == windowed) {
        return &attention;
      }
    }
    return nullptr;
  }

  void AddRope() {
    const DecoderNode* const windowed = FirstRotated(true);
    const DecoderNode* const whole = FirstRotated(false);
    const DecoderNode* const main = whole != nullptr ? whole : windowed;
    if (row_.positions != Positions::kRotary || main == nullptr) {
      return;
    }
    Set(row_.rope.neighbours.field, main->attributes.Choice("rope_pairs") == "neighbours");
    if (row_.rope.layers == RotatedLayers::kListed) {
      Json rotated = Json::Array();
      for (const DecoderFacts::Layer& layer : facts_.layers) {
        rotated.Append(std::int64_t{Rotates(facts_.attention(layer))});
      }
      Set("no_rope_layers", std::move(rotated));
    }
    const bool apart = !row_.rope.windowed_theta.names[0].empty() && windowed != nullptr;
    if (apart && windowed->attributes.Choice("rope_scaling") != "none") {
      Set("rope_parameters", Json::Of({{"full_attention", Parameters(*main)},
                                       {"sliding_attention", Parameters(*windowed)}}));
      return;
    }
    SetSpelled(row_.rope.theta, main->attributes.Real("rope_theta"));
    if (apart) {
      SetSpelled(row_.rope.windowed_theta, windowed->attributes.Real("rope_theta"));
    }
    const double partial = PartialOf(*main);
    if (partial != row_.rope.default_partial || partial != 1) {
      SetSpelled(row_.rope.partial, partial);
    }
    const std::string& scaling = main->attributes.Choice("rope_scaling");
    if (scaling != "none" || !row_.rope.default_parameters.empty()) {
      Json parameters = Parameters(*main);
      parameters.object()->erase(parameters.object()->begin());  // the base stands outside
      if (const Json* original = parameters.Find("original_max_position_embeddings");
          original != nullptr && scaling == "longrope") {
        Set("original_max_position_embeddings", *original);
      }
      Set("rope_scaling", std::move(parameters));
    }
  }

  double PartialOf(const DecoderNode& attention) const {
    const std::int64_t dims = attention.attributes.Integer("rope_dims");
    const std::int64_t of = IntegerIn(attention.attributes, "key_dim").value_or(dims);
    const double guess = static_cast<double>(dims) / static_cast<double>(of);
    return NumberThat(guess, [&](double number) {
      return static_cast<std::int64_t>(static_cast<double>(of) * number) == dims;
    });
  }

  // The base first.
  Json Parameters(const DecoderNode& attention) const {
    const Attributes& attributes = attention.attributes;
    const std::string& scaling = attributes.Choice("rope_scaling");
    Json json = Json::Of({{"rope_theta", attributes.Real("rope_theta")},
                          {"rope_type", scaling == "none" ? "default" : scaling}});
    for (const ScalingField& row : kScalingFields) {
      if (row.scaling != scaling) {
        continue;
      }
      const AttributeValue& value = attributes.values().find(row.attribute)->second;
      if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        json.Set(row.field, *integer);
      } else if (const double real = std::get<double>(value); real != 0) {  // 0: as it is derived
        json.Set(row.field, real);
      }
    }
    if (attributes.Integer("rope_fractional_ramp") != 0) {
      json.Set("truncate", false);
    }
    for (const FactorsField& row : kFactorsFields) {
      const auto numbers = attention.numbers.find(row.tensor);
      if (numbers == attention.numbers.end()) {
        continue;
      }
      Json list = Json::Array();
      for (const float factor : numbers->second) {
        list.Append(std::strtod(fmt::format("{}", factor).c_str(), nullptr));
      }
      json.Set(row.field, std::move(list));
    }
    if (row_.rope.scores_scaled && scaling == "yarn") {
      AddScoresScale(attributes, json);
    }
    return json;
  }

  // `mscale_all_dim`, whose square with the factor's logarithm scales the scores.
  static void AddScoresScale(const Attributes& attributes, Json& json) {
    const double scale = attributes.Real("scale");
    const double root = std::sqrt(static_cast<double>(attributes.Integer("plain_dim")) +
                                  static_cast<double>(attributes.Integer("rope_dims")));
    const double stretch = std::log(attributes.Real("rope_factor"));
    const double guess = (std::sqrt(scale * root) - 1) / (0.1 * stretch);
    if (scale == 0 || !std::isfinite(guess)) {
      return;
    }
    json.Set("mscale_all_dim", NumberThat(guess, [&](double number) {
               return std::pow(0.1 * number * stretch + 1, 2) / root == scale;
             }));
  }

  // ---- Layers that differ

  void AddWindows() {
    if (row_.windows.which == Windows::kNone) {
      return;
    }
    std::int64_t window = 0;
    Json types = Json::Array();
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const std::int64_t own = WindowOf(facts_.attention(layer));
      window = std::max(window, own);
      types.Append(own == 0 ? "full_attention" : "sliding_attention");
    }
    Set("sliding_window", window == 0 ? Json(nullptr) : Json(window));
    Set(row_.windows.used.field, window != 0);
    if (row_.windows.which == Windows::kByLayerType) {
      Set("layer_types", std::move(types));
    }
  }

  void AddMixtures() {
    const MixtureRow& row = row_.mixture;
    const DecoderNode& mixture = FirstOf("moe");
    if (row.block.tensors.empty() || mixture.kind->name != "moe") {
      SetSpelled(row.experts.names, 0);
      return;
    }
    const Attributes& attributes = mixture.attributes;
    const std::int64_t channels = attributes.Integer("channels");
    const std::int64_t shared = attributes.Integer("shared_channels");
    SetSpelled(row.experts.names, attributes.Integer("experts"));
    SetSpelled(row.experts_per_token.names, attributes.Integer("experts_per_token"));
    SetSpelled(row.channels.names, channels);
    SetSpelled(row.shared_channels.names, shared);
    SetSpelled(row.shared_experts.names, shared / channels);
    SetSpelled(row.groups.names, std::max<std::int64_t>(attributes.Integer("groups"), 1));
    SetSpelled(row.groups_per_token.names,
               std::max<std::int64_t>(attributes.Integer("groups_per_token"), 1));
    AddMixtureLayers(row);
  }

  void AddMixtureLayers(const MixtureRow& row) {
    std::int64_t first_mixture = 0;
    Json dense = Json::Array();
    for (std::size_t i = 0; i < facts_.layers.size(); ++i) {
      if (facts_.feed_forward(facts_.layers[i]).kind->name != "moe") {
        first_mixture += first_mixture == static_cast<std::int64_t>(i);
        dense.Append(i);
      }
    }
    SetSpelled(row.first_dense.names, first_mixture);
    SetSpelled(row.dense_layers, std::move(dense));
    SetSpelled(row.every.names, 1);
    SetSpelled(row.multiples_of.names, 1);
  }

  void AddTokens() {
    const Metadata& metadata = facts_.metadata;
    if (metadata.bos_token) {
      Set("bos_token_id", *metadata.bos_token);
    }
    if (metadata.eos_tokens.size() == 1) {
      Set("eos_token_id", metadata.eos_tokens.front());
    } else if (!metadata.eos_tokens.empty()) {
      Json ends = Json::Array();
      for (const std::int64_t token : metadata.eos_tokens) {
        ends.Append(token);
      }
      Set("eos_token_id", std::move(ends));
    }
  }

  const Architecture& row_;
  const DecoderFacts& facts_;
  Json json_ = Json::Object();
};

}  // namespace

Json DraftConfig(const Architecture& row, const DecoderFacts& facts) {
  return Draft(row, facts).Write();
}

}  // namespace ashlar::internal
