#include "ashlar/formats/internal/config_draft.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "ashlar/formats/internal/activation_words.h"
#include "ashlar/formats/internal/number_that.h"
#include "ashlar/formats/internal/rope_draft.h"

namespace ashlar::internal {
namespace {

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
  if (wanted == 0 && Same(setting.value, value) && setting.item < 0) {
    return std::nullopt;  // zero stands for what a reference implementation knows as absent
  }
  if (setting.convert.meaning == nullptr) {
    return Json(wanted);
  }
  const double number = NumberThat(setting.convert.number(wanted), [&](double guess) {
    return setting.convert.meaning(guess) == wanted;
  });
  return std::isinf(number) ? Json::Of({{"__float__", "Infinity"}}) : Json(number);
}

class Draft {
 public:
  Draft(const Architecture& row, const DecoderFacts& facts)
      : row_(row),
        facts_(facts),
        attention_(facts.FirstMixer(/*recurrent=*/false)),
        recurrent_(facts.FirstMixer(/*recurrent=*/true)) {}

  Result<Json> Write() {
    ASHLAR_TRY(CheckKinds());
    Set("architectures", Json::Array{Json(row_.class_name)});
    Set("model_type", row_.model_type);
    AddSizes();
    AddConditions();
    AddNorm();
    AddRope();
    AddLayerTypes();
    AddMixtures();
    AddSettings(row_.embed.settings, &facts_.embed());
    AddSettings(row_.attention.settings, attention_);
    AddSettings(row_.recurrent.block.settings, recurrent_);
    AddSettings(row_.mlp.settings, FirstOf("mlp"));
    AddSettings(row_.mixture.block.settings, FirstOf("moe"));
    AddSettings(row_.head.settings, &facts_.head());
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

  // kUnsupported unless the layers are of blocks that the row has.
  Status CheckKinds() const {
    const std::string_view attention = row_.latent ? "latent_attention" : "attention";
    const bool feeds = row_.feeds_forward();
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode& mixer = facts_.mixer(layer);
      const std::string_view wanted = IsRecurrent(mixer) ? row_.recurrent.kind
                                      : row_.attends()   ? attention
                                                         : std::string_view();
      if (mixer.kind->name != wanted) {
        return Unsupported("layers of {} have no blocks of kind {}", row_.model_type,
                           mixer.kind->name);
      }
      if (layer.feed_forward.has_value() != feeds) {
        return Unsupported("layers of {} have {}", row_.model_type,
                           feeds ? "an MLP or a mixture" : "no MLP");
      }
    }
    if (facts_.embed_norm == row_.embed_norm.tensors.empty()) {
      return Unsupported("{} has {} norm after the embedding", row_.model_type,
                         facts_.embed_norm ? "no" : "a");
    }
    return {};
  }

  // The first MLP, or mixture; without any, the first of the other sort, whose attributes go by the
  // same names. Null when layers have neither.
  const DecoderNode* FirstOf(std::string_view kind) const {
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode* const node = facts_.feed_forward(layer);
      if (node != nullptr && node->kind->name == kind) {
        return node;
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

  void AddSettings(std::span<const Setting> settings, const DecoderNode* node) {
    for (const Setting& setting : settings) {
      if (setting.field.empty() || node == nullptr) {
        continue;
      }
      const auto value = node->attributes.values().find(setting.attribute);
      if (value == node->attributes.values().end()) {
        continue;
      }
      auto field = FieldFor(setting, *node->kind, value->second);
      if (field && setting.item >= 0) {
        AddItem(setting, *std::move(field));
      } else if (field) {
        Set(setting.field, *std::move(field));
      }
    }
  }
  // Settings of one list stand in its order.
  void AddItem(const Setting& setting, Json value) {
    const Json* const list = json_.Find(setting.field);
    Json longer = list == nullptr ? Json::Array() : *list;
    CHECK_EQ(std::ssize(*longer.array()), setting.item);
    longer.Append(std::move(value));
    json_.Set(setting.field, std::move(longer));
  }

  void AddSizes() {
    const SizeFields& sizes = row_.sizes;
    const std::int64_t width = facts_.embed().attributes.Integer("width");
    SetSpelled(sizes.width, width);
    SetSpelled(sizes.layers, std::ssize(facts_.layers));
    Set("vocab_size", facts_.embed().attributes.Integer("vocabulary"));
    const auto learned = IntegerIn(facts_.embed().attributes, "positions").value_or(0);
    if (row_.positions == Positions::kLearned && learned > 0) {
      SetSpelled(sizes.positions, learned);
    } else if (facts_.metadata.context_length) {
      SetSpelled(sizes.positions, *facts_.metadata.context_length);
    }
    if (attention_ != nullptr) {
      AddHeads(attention_->attributes);
    } else if (row_.attends()) {  // in other layers than the network has
      SetSpelled(sizes.heads, 1);
      SetSpelled(sizes.key_value_heads, 1);
    }
    const DecoderNode* const feed_forward = FirstOf("mlp");
    if (feed_forward != nullptr) {
      SetSpelled(sizes.channels, feed_forward->attributes.Integer("channels"));
    } else if (!row_.recurrent.channels.empty()) {
      const std::int64_t channels = recurrent_->attributes.Integer(row_.recurrent.channels);
      SetSpelled(sizes.channels, channels);
      if (channels % width == 0) {
        SetSpelled(sizes.channels_per_width, channels / width);
      }
    }
    const DecoderNode& activated = feed_forward != nullptr ? *feed_forward : *recurrent_;
    SetSpelled(row_.activation, ActivationWordFor(activated.attributes.Choice("activation"),
                                                  row_.default_activation));
    Set(row_.parallel.field, facts_.layers.front().parallel);
  }

  void AddHeads(const Attributes& attention) {
    const SizeFields& sizes = row_.sizes;
    SetSpelled(sizes.heads, attention.Integer("heads"));
    if (const auto heads = IntegerIn(attention, "kv_heads")) {
      SetSpelled(sizes.key_value_heads, *heads);
      Set(row_.multi_query.field, *heads == 1);
    }
    if (const auto dim = IntegerIn(attention, row_.latent ? "rope_dims" : "key_dim")) {
      SetSpelled(sizes.head_dim, *dim);
    }
    Set(row_.alibi.used.field, IntegerIn(attention, "alibi_heads").value_or(0) != 0);
  }

  void AddConditions() {
    for (const Condition& condition : row_.when) {
      if (!condition.word.empty() && condition.is == 1) {
        Set(condition.field, condition.word);
      } else if (condition.null == condition.is) {
        Set(condition.field, Json(nullptr));
      } else if (condition.counts || condition.is > 1) {
        Set(condition.field, condition.is);
      } else {
        Set(condition.field, condition.is == 1);
      }
    }
  }

  // Where norms of layers have another epsilon than the last one, the first layer's is meant.
  void AddNorm() {
    const NormRow& norms = row_.norms;
    const Attributes& first = facts_.mixer(facts_.layers.front()).attributes;
    SetSpelled(norms.eps,
               norms.last_eps ? first.Real("norm_eps") : facts_.norm().attributes.Real("eps"));
    if (norms.halved_every.names.names[0].empty()) {
      return;
    }
    // Halvings show where an epsilon grows: after so many layers, or before the last norm.
    const auto grown = std::ranges::find_if(facts_.layers, [&](const DecoderFacts::Layer& layer) {
      return facts_.mixer(layer).attributes.Real("norm_eps") != first.Real("norm_eps");
    });
    const bool any = grown != facts_.layers.end() ||
                     facts_.norm().attributes.Real("eps") != norms.last_eps.value_or(0);
    SetSpelled(norms.halved_every.names, any ? grown - facts_.layers.begin() : 0);
  }

  // ---- Rotation

  // The first attention that turns, of those with a window or of those without.
  const DecoderNode* FirstRotated(bool windowed) const {
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode& attention = facts_.mixer(layer);
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
        rotated.Append(std::int64_t{Rotates(facts_.mixer(layer))});
      }
      Set("no_rope_layers", std::move(rotated));
    }
    const bool apart = !row_.rope.windowed_theta.names[0].empty() && windowed != nullptr;
    if (apart && windowed->attributes.Choice("rope_scaling") != "none") {
      Set("rope_parameters", Json::Of({{"full_attention", RopeParameters(row_, *main)},
                                       {"sliding_attention", RopeParameters(row_, *windowed)}}));
      return;
    }
    SetSpelled(row_.rope.theta, main->attributes.Real("rope_theta"));
    if (apart) {
      SetSpelled(row_.rope.windowed_theta, windowed->attributes.Real("rope_theta"));
    }
    const double partial = PartialRotation(*main);
    if (partial != row_.rope.default_partial || partial != 1) {
      SetSpelled(row_.rope.partial, partial);
    }
    const std::string& scaling = main->attributes.Choice("rope_scaling");
    if (scaling != "none" || !row_.rope.default_parameters.empty()) {
      Json parameters = RopeParameters(row_, *main);
      parameters.object()->erase(parameters.object()->begin());  // the base stands outside
      if (const Json* original = parameters.Find("original_max_position_embeddings");
          original != nullptr && scaling == "longrope") {
        Set("original_max_position_embeddings", *original);
      }
      Set("rope_scaling", std::move(parameters));
    }
  }

  // ---- Layers that differ

  void AddLayerTypes() {
    const bool windows = row_.windows.which != Windows::kNone;
    std::int64_t window = 0;
    Json types = Json::Array();
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode& mixer = facts_.mixer(layer);
      const std::int64_t own = WindowOf(mixer);
      window = std::max(window, own);
      types.Append(IsRecurrent(mixer) ? "linear_attention"
                   : own == 0         ? "full_attention"
                                      : "sliding_attention");
    }
    if (windows) {
      Set("sliding_window", window == 0 ? Json(nullptr) : Json(window));
      Set(row_.windows.used.field, window != 0);
    }
    if (row_.windows.which == Windows::kByLayerType ||
        !row_.recurrent.every.names.names[0].empty()) {
      Set("layer_types", std::move(types));
    }
    AddInterval();
  }
  // For readers that do not know the list: all but each n-th layer are recurrent.
  void AddInterval() {
    const auto recurrent = [&](const DecoderFacts::Layer& layer) {
      return IsRecurrent(facts_.mixer(layer));
    };
    const auto interval =
        std::ranges::find_if_not(facts_.layers, recurrent) - facts_.layers.begin() + 1;
    for (std::ptrdiff_t i = 0; i < std::ssize(facts_.layers); ++i) {
      if (recurrent(facts_.layers[static_cast<std::size_t>(i)]) == ((i + 1) % interval == 0)) {
        return;
      }
    }
    SetSpelled(row_.recurrent.every.names, interval);
  }

  void AddMixtures() {
    const MixtureRow& row = row_.mixture;
    const DecoderNode* const mixture = FirstOf("moe");
    if (row.block.tensors.empty() || mixture == nullptr || mixture->kind->name != "moe") {
      SetSpelled(row.experts.names, 0);
      return;
    }
    const Attributes& attributes = mixture->attributes;
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
      if (facts_.feed_forward(facts_.layers[i])->kind->name != "moe") {
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
  const DecoderNode* const attention_;  // the first; null: none
  const DecoderNode* const recurrent_;
  Json json_ = Json::Object();
};

}  // namespace

Result<Json> DraftConfig(const Architecture& row, const DecoderFacts& facts) {
  return Draft(row, facts).Write();
}

}  // namespace ashlar::internal
