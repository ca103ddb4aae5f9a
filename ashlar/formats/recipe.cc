#include "ashlar/formats/recipe.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ashlar/formats/architectures/seeing_network.h"
#include "ashlar/formats/internal/activation_words.h"
#include "ashlar/formats/internal/decoder_config.h"
#include "ashlar/formats/internal/harmless_fields.h"

namespace ashlar {
namespace {

using internal::BlockAttributes;
using internal::ConfigReader;
using internal::LayerConfig;
using internal::Rotation;
using internal::Rotations;
using internal::Sizes;

Result<std::string> ReadActivation(ConfigReader& config, const Architecture& architecture) {
  const std::string_view key = config.Spelled(architecture.activation);
  ASHLAR_TRY(const std::string word, config.StringOr(key, architecture.default_activation));
  const auto known = internal::ActivationOf(word);
  if (!known) {
    return Unsupported("{}: {} \"{}\" cannot be imported", config.json().path(), key, word);
  }
  return std::string(*known);
}

AttributeValue ValueOf(const SettingValue& value) {
  if (const auto* word = std::get_if<std::string_view>(&value)) {
    return std::string(*word);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return *real;
  }
  return std::get<std::int64_t>(value);
}

// A number, or infinity as JSON can say it: {"__float__": "Infinity"}.
Result<double> AsRealOrInfinity(const JsonCursor& field) {
  const Json* const word = field.value().Find("__float__");
  if (word != nullptr && word->string() != nullptr && *word->string() == "Infinity") {
    return std::numeric_limits<double>::infinity();
  }
  return field.AsReal();
}

Result<AttributeValue> ReadSetting(ConfigReader& config, const Setting& setting,
                                   std::int64_t width) {
  if (setting.per_width > 0) {
    ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find(setting.field));
    if (!field || (field->value().string() != nullptr && *field->value().string() == "auto")) {
      return AttributeValue((width + setting.per_width - 1) / setting.per_width);
    }
    ASHLAR_TRY(const std::int64_t size, field->AsInteger(1, ConfigReader::kMaxSize));
    return AttributeValue(size);
  }
  if (setting.field.empty() || !config.Has(setting.field)) {
    // (A default is converted as the number would be.)
    const double* const real = std::get_if<double>(&setting.value);
    return real != nullptr && setting.convert.meaning != nullptr
               ? AttributeValue(setting.convert.meaning(*real))
               : ValueOf(setting.value);
  }
  ASHLAR_TRY(std::optional<JsonCursor> field, config.Find(setting.field));
  if (!field) {
    return ValueOf(setting.null.value_or(setting.value));
  }
  if (setting.item >= 0) {
    ASHLAR_TRY(const std::vector<JsonCursor> list, field->AsArray());
    if (static_cast<std::int64_t>(list.size()) <= setting.item) {
      return field->Invalid("it has {} numbers, and number {} of them is {}", list.size(),
                            setting.item + 1, setting.attribute);
    }
    field = list[static_cast<std::size_t>(setting.item)];
  }
  if (const bool* const flag = field->value().boolean()) {
    return ValueOf(*flag ? setting.on : setting.off);
  }
  if (std::holds_alternative<double>(setting.value)) {
    ASHLAR_TRY(const double real, AsRealOrInfinity(*field));
    const double value = setting.convert.meaning == nullptr ? real : setting.convert.meaning(real);
    if (!std::isfinite(value)) {
      return field->Invalid("{} has no finite meaning here", real);
    }
    return AttributeValue(value);
  }
  if (std::holds_alternative<std::int64_t>(setting.value)) {
    ASHLAR_TRY(const std::int64_t integer, field->AsInteger(0, ConfigReader::kMaxSize));
    return AttributeValue(integer);
  }
  return field->Invalid("it must be true or false");
}

Status ApplySettings(ConfigReader& config, std::span<const Setting> settings,
                     BlockAttributes& attributes) {
  for (const Setting& setting : settings) {
    const auto width = attributes.find("width");
    ASHLAR_TRY(attributes[std::string(setting.attribute)],
               ReadSetting(config, setting,
                           width == attributes.end() ? 0 : std::get<std::int64_t>(width->second)));
  }
  return {};
}

// Whether a block's attributes choose a norm, before, after or in it.
bool HasNorm(const BlockAttributes& attributes) {
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"norm", "post_norm", "qk_norm"},
      [&](std::string_view name) {
        const auto found = attributes.find(name);
        return found != attributes.end() && found->second != AttributeValue("none");
      });
}

// Puts the norms of an attention or MLP block into its attributes.
void AddNorms(const NormRow& norms, double eps, BlockAttributes& attributes) {
  attributes["norm"] = std::string(norms.before ? norms.type : "none");
  attributes["post_norm"] = std::string(norms.after ? norms.type : "none");
  if (HasNorm(attributes)) {
    attributes["norm_eps"] = eps;
    attributes["norm_offset"] = norms.offset;
    attributes["norm_bias"] = std::int64_t{norms.bias};
  }
}

// The epsilon of norms that stand after so many layers; see NormRow::halved_every.
Result<double> EpsAfter(ConfigReader& config, const NormRow& norms, double eps,
                        std::int64_t layers) {
  ASHLAR_TRY(const std::int64_t every, config.CountOf(norms.halved_every));
  const double after =
      every == 0 ? eps : eps * std::exp2(2.0 * static_cast<double>(layers / every));
  if (!std::isfinite(after)) {
    return config.json().Invalid("{} is {}: so many halvings in {} layers leave no number",
                                 config.Spelled(norms.halved_every.names), every, layers);
  }
  return after;
}

// A norm of its own: after the embedding, or the last one.
BlockRecipe NormBlock(const NormRow& norms, const BlockRow& row, std::int64_t width, double eps) {
  return {.kind = "norm",
          .attributes = {{"width", width},
                         {"type", std::string(norms.type)},
                         {"eps", eps},
                         {"offset", norms.offset},
                         {"bias", std::int64_t{norms.bias}}},
          .tensors = row.tensors};
}

Status CheckClass(const JsonCursor& config, const Architecture& architecture) {
  ASHLAR_TRY(const std::optional<JsonCursor> classes, config.Find("architectures"));
  if (!classes) {
    return {};
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, classes->AsArray(16));
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(const std::string name, item.AsString());
    if (name != architecture.class_name &&
        (architecture.former_class_name.empty() || name != architecture.former_class_name)) {
      return Unsupported("{}: \"{}\" cannot be imported; of model_type {}, {} can", item.path(),
                         name, architecture.model_type, architecture.class_name);
    }
  }
  return {};
}

Result<bool> Holds(ConfigReader& config, const Condition& condition) {
  ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find(condition.field));
  if (!field) {
    const std::int64_t counts = config.Has(condition.field)
                                    ? condition.null.value_or(condition.otherwise)
                                    : condition.otherwise;
    return counts == condition.is;
  }
  if (!condition.word.empty()) {
    ASHLAR_TRY(const std::string word, field->AsString());
    return std::int64_t{word == condition.word} == condition.is;
  }
  if (const bool* const flag = field->value().boolean()) {
    return std::int64_t{*flag} == condition.is;
  }
  ASHLAR_TRY(const std::int64_t value, field->AsInteger(0, ConfigReader::kMaxSize));
  return value == condition.is;
}

// The row of the family that this configuration is of.
Result<const Architecture*> ChooseArchitecture(ConfigReader& config) {
  ASHLAR_TRY(const std::string model_type, config.String("model_type"));
  const auto rows = FindArchitectures(model_type);
  if (!rows.ok()) {
    return rows.error().In(config.json().path());
  }
  std::string wanted;
  for (const Architecture* row : *rows) {
    bool all = true;
    for (const Condition& condition : row->when) {
      ASHLAR_TRY(const bool holds, Holds(config, condition));
      all = all && holds;
    }
    if (all) {
      return row;
    }
  }
  return Unsupported("{}: no form of model_type {} has these fields together", config.json().path(),
                     model_type);
}

// The attributes that all attention blocks of a network have.
Result<BlockAttributes> ReadAttention(ConfigReader& config, const Architecture& architecture,
                                      const Sizes& sizes, bool alibi, double eps) {
  BlockAttributes attention = {{"width", sizes.width}, {"heads", sizes.heads}};
  if (!architecture.latent) {
    attention.insert({{"kv_heads", sizes.key_value_heads},
                      {"key_dim", sizes.head_dim},
                      {"value_dim", sizes.head_dim},
                      {"qkv_bias", std::int64_t{0}},
                      {"o_bias", std::int64_t{0}}});
  }
  if (alibi) {
    attention["alibi_heads"] = sizes.heads;
    attention["alibi_in_scale"] = std::int64_t{architecture.alibi.in_scale};
  }
  ASHLAR_TRY(ApplySettings(config, architecture.attention.settings, attention));
  AddNorms(architecture.norms, eps, attention);
  return attention;
}

// The attributes that all recurrent blocks of a network have.
Result<BlockAttributes> ReadRecurrent(ConfigReader& config, const Architecture& architecture,
                                      const Sizes& sizes, double eps) {
  const RecurrentRow& row = architecture.recurrent;
  BlockAttributes recurrent = {{"width", sizes.width}};
  if (!architecture.default_activation.empty()) {
    ASHLAR_TRY(recurrent["activation"], ReadActivation(config, architecture));
  }
  if (!row.channels.empty()) {
    recurrent[std::string(row.channels)] = sizes.channels;
  }
  ASHLAR_TRY(ApplySettings(config, row.block.settings, recurrent));
  AddNorms(architecture.norms, eps, recurrent);
  return recurrent;
}

Result<BlockAttributes> ReadMlp(ConfigReader& config, const Architecture& architecture,
                                const Sizes& sizes, double eps) {
  BlockAttributes mlp = {{"width", sizes.width},
                         {"channels", sizes.channels},
                         {"form", "gated"},
                         {"bias", std::int64_t{0}}};
  if (!architecture.default_activation.empty()) {
    ASHLAR_TRY(mlp["activation"], ReadActivation(config, architecture));
  }
  ASHLAR_TRY(ApplySettings(config, architecture.mlp.settings, mlp));
  AddNorms(architecture.norms, eps, mlp);
  return mlp;
}

// The attributes that all mixtures of a network have. `mlp` is what its MLPs have, or would.
Result<BlockAttributes> ReadMixture(ConfigReader& config, const Architecture& architecture,
                                    const BlockAttributes& mlp) {
  BlockAttributes mixture = mlp;
  ASHLAR_TRY(internal::ReadExperts(config, architecture.mixture, mixture));
  ASHLAR_TRY(ApplySettings(config, architecture.mixture.block.settings, mixture));
  return mixture;
}

// Where the scores are scaled by more than what the block does of itself.
void ScaleScores(double factor, BlockAttributes& attention) {
  if (factor != 1) {
    const auto size = [&](std::string_view name) {
      return static_cast<double>(std::get<std::int64_t>(attention.find(name)->second));
    };
    attention["scale"] = factor / std::sqrt(size("plain_dim") + size("rope_dims"));
  }
}

// What the layers of a network are made of.
struct LayerBlocks {
  BlockRecipe attention, recurrent, mlp, mixture;
  Rotations rotations;

  BlockRecipe Attention(const LayerConfig& layer, bool rotated) const {
    BlockRecipe block = attention;
    if (block.kind == "attention") {
      block.attributes["window"] = layer.window;
    }
    if (rotated) {
      const Rotation& rotation = layer.window == 0 ? rotations.whole : rotations.windowed;
      block.attributes.insert(rotation.attributes.begin(), rotation.attributes.end());
      block.numbers = rotation.numbers;
      ScaleScores(rotation.score_factor, block.attributes);
    }
    return block;
  }
};

Result<LayerBlocks> ReadLayerBlocks(ConfigReader& config, const Architecture& architecture,
                                    const Sizes& sizes, bool alibi, double eps) {
  LayerBlocks blocks;
  if (architecture.attends()) {
    blocks.attention = {.kind = architecture.latent ? "latent_attention" : "attention",
                        .tensors = architecture.attention.tensors};
    ASHLAR_TRY(blocks.attention.attributes, ReadAttention(config, architecture, sizes, alibi, eps));
  }
  if (const RecurrentRow& row = architecture.recurrent; !row.kind.empty()) {
    blocks.recurrent = {.kind = std::string(row.kind), .tensors = row.block.tensors};
    ASHLAR_TRY(blocks.recurrent.attributes, ReadRecurrent(config, architecture, sizes, eps));
  }
  if (architecture.feeds_forward()) {
    blocks.mlp = {.kind = "mlp", .tensors = architecture.mlp.tensors};
    ASHLAR_TRY(blocks.mlp.attributes, ReadMlp(config, architecture, sizes, eps));
  }
  if (const BlockRow& row = architecture.mixture.block; !row.tensors.empty()) {
    blocks.mixture = {.kind = "moe", .tensors = row.tensors};
    ASHLAR_TRY(blocks.mixture.attributes, ReadMixture(config, architecture, blocks.mlp.attributes));
  }
  if (architecture.positions == Positions::kRotary && architecture.attends()) {
    ASHLAR_TRY(blocks.rotations, internal::ReadRotations(config, architecture, sizes));
  }
  return blocks;
}

// The layers' blocks: of each attention or what stands in its place, then an MLP or a mixture, if
// layers have them.
Status AddLayers(ConfigReader& config, const Architecture& architecture, const Sizes& sizes,
                 double eps, Recipe& recipe) {
  ASHLAR_TRY(const bool alibi, config.Decide(architecture.alibi.used));
  ASHLAR_TRY(const bool parallel, config.Decide(architecture.parallel));
  ASHLAR_TRY(const LayerBlocks blocks, ReadLayerBlocks(config, architecture, sizes, alibi, eps));
  ASHLAR_TRY(const std::vector<LayerConfig> layers,
             internal::ReadLayers(config, architecture, sizes));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    ASHLAR_TRY(const double layer_eps,
               EpsAfter(config, architecture.norms, eps, static_cast<std::int64_t>(i)));
    const auto add = [&](BlockRecipe block, int reads) {
      if (const auto found = block.attributes.find("norm_eps"); found != block.attributes.end()) {
        found->second = layer_eps;
      }
      block.layer = static_cast<int>(i);
      block.reads = reads;
      recipe.blocks.push_back(std::move(block));
    };
    const LayerConfig& layer = layers[i];
    add(layer.recurrent ? blocks.recurrent : blocks.Attention(layer, layer.rotated && !alibi), 1);
    if (architecture.feeds_forward()) {
      add(layer.mixture ? blocks.mixture : blocks.mlp, parallel ? 2 : 1);
    }
  }
  return {};
}

// The last norm and the head.
Status AddEnd(ConfigReader& config, const Architecture& architecture, const Sizes& sizes,
              double eps, Recipe& recipe) {
  const NormRow& norms = architecture.norms;
  ASHLAR_TRY(const double last_eps,
             EpsAfter(config, norms, norms.last_eps.value_or(eps), sizes.layers));
  recipe.blocks.push_back(NormBlock(norms, architecture.norm, sizes.width, last_eps));

  ASHLAR_TRY(const bool tied, config.BoolOr("tie_word_embeddings", architecture.tied));
  BlockAttributes head = {{"width", sizes.width}, {"vocabulary", sizes.vocabulary}};
  ASHLAR_TRY(ApplySettings(config, architecture.head.settings, head));
  recipe.blocks.push_back(
      {.kind = "head", .attributes = head, .tensors = architecture.head.tensors});
  if (tied) {
    recipe.tied_copy = SourceOf(recipe.blocks.back(), "weight").tensors.front();
    recipe.blocks.back().tied = architecture.embed.tensors;
    recipe.tied_to = SourceOf(recipe.blocks.back(), "weight").tensors.front();
  }
  return {};
}

// The names of layers that a checkpoint may hold beyond those that are computed.
Status ReadExtraLayers(ConfigReader& config, const Architecture& architecture, const Sizes& sizes,
                       Recipe& recipe) {
  ASHLAR_TRY(const std::int64_t extra, config.CountOf({architecture.extra_layers, 0}));
  constexpr std::int64_t kMaxExtraLayers = 100;
  for (std::int64_t layer = 0; layer < std::min(extra, kMaxExtraLayers); ++layer) {
    recipe.ignored_prefixes.push_back(
        fmt::format("{}layers.{}.", architecture.base_prefix, sizes.layers + layer));
  }
  return {};
}

Status CheckWords(ConfigReader& config, std::span<const FixedWord> words) {
  for (const FixedWord& fixed : words) {
    ASHLAR_TRY(const std::string word, config.StringOr(fixed.field, fixed.word));
    if (word != fixed.word) {
      return Unsupported("{}: {} \"{}\" cannot be imported; known: {}", config.json().path(),
                         fixed.field, word, fixed.word);
    }
  }
  return {};
}

Result<Fp8Blocks> ReadFp8(ConfigReader& quantization) {
  static constexpr FixedWord kWords[] = {{"fmt", "e4m3"}, {"activation_scheme", "dynamic"}};
  ASHLAR_TRY(CheckWords(quantization, kWords));
  if (!quantization.Has("weight_block_size")) {
    return Fp8Blocks{.rows = 128, .columns = 128};  // of the configuration class
  }
  ASHLAR_TRY(const auto size, quantization.Find("weight_block_size"));
  if (!size) {
    return Unsupported(
        "{}: FP8 whose weight_block_size is null, without blocks, cannot be imported",
        quantization.json().path());
  }
  ASHLAR_TRY(const std::vector<JsonCursor> sizes, size->AsArray());
  if (sizes.size() != 2) {
    return size->Invalid("expected two numbers, found {}", sizes.size());
  }
  Fp8Blocks blocks;
  ASHLAR_TRY(blocks.rows, sizes[0].AsInteger(1, ConfigReader::kMaxSize));
  ASHLAR_TRY(blocks.columns, sizes[1].AsInteger(1, ConfigReader::kMaxSize));
  return blocks;
}

// In what the checkpoint has its matrices, if not in plain numbers.
Status ReadQuantization(ConfigReader& config, Recipe& recipe) {
  ASHLAR_TRY(const auto field, config.Find("quantization_config"));
  if (!field) {
    return {};
  }
  ConfigReader quantization(*field);
  ASHLAR_TRY(const std::string method, quantization.String("quant_method"));
  if (method == "mxfp4") {
    recipe.mxfp4 = true;
  } else if (method == "fp8") {
    ASHLAR_TRY(recipe.fp8, ReadFp8(quantization));
  } else {
    return Unsupported(
        "{}: checkpoints quantized by \"{}\" cannot be imported, take the unquantized one and "
        "encode it; known: fp8, mxfp4",
        field->path(), method);
  }
  // The tensors say themselves which are quantized; whether a framework unpacks them, and in what
  // it has the scales of activations, is up to it.
  constexpr std::string_view kHarmless[] = {"dequantize", "ignored_layers",
                                            "modules_to_not_convert", "scale_fmt"};
  return quantization.CheckAllSeen(kHarmless);
}

Status ReadMetadata(const JsonCursor& config, const Sizes& sizes, Metadata& metadata) {
  metadata.context_length = sizes.positions;
  ASHLAR_TRY(metadata.eos_tokens, ReadTokenIds(config, "eos_token_id"));
  ASHLAR_TRY(const std::vector<std::int64_t> bos, ReadTokenIds(config, "bos_token_id"));
  if (!bos.empty()) {
    metadata.bos_token = bos.front();
  }
  return {};
}

}  // namespace

Result<std::vector<std::int64_t>> ReadTokenIds(const JsonCursor& config, std::string_view key) {
  constexpr std::int64_t kMaxToken = std::int64_t{1} << 31;
  std::vector<std::int64_t> tokens;
  ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find(key));
  if (!field) {
    return tokens;
  }
  if (field->value().array() == nullptr) {
    ASHLAR_TRY(const std::int64_t token, field->AsInteger(-1, kMaxToken));
    if (token >= 0) {
      tokens.push_back(token);
    }
    return tokens;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, field->AsArray(1000));
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(const std::int64_t token, item.AsInteger(0, kMaxToken));
    tokens.push_back(token);
  }
  return tokens;
}

Node NodeOf(const Recipe& recipe, int index) {
  const BlockRecipe& block = recipe.blocks[static_cast<std::size_t>(index)];
  Node node{.layer = block.layer};
  if (index > 0) {
    node.inputs["x"] = {{index - block.reads, 1.0}};
  }
  if (block.layer) {
    node.carry = {{index - 1, 1.0}};
  }
  return node;
}

namespace {

Result<Recipe> ReadTextRecipe(const JsonCursor& json) {
  ConfigReader config(json);
  ASHLAR_TRY(const Architecture* chosen, ChooseArchitecture(config));
  const Architecture& architecture = *chosen;
  ASHLAR_TRY(CheckClass(json, architecture));
  Recipe recipe{.base_prefix = architecture.base_prefix,
                .ignored_tensors = architecture.ignored_tensors,
                .ignored_prefixes = {architecture.ignored_prefixes.begin(),
                                     architecture.ignored_prefixes.end()}};
  ASHLAR_TRY(ReadQuantization(config, recipe));
  ASHLAR_TRY(const Sizes sizes, internal::ReadSizes(config, architecture));
  ASHLAR_TRY(const double eps,
             config.RealOr(config.Spelled(architecture.norms.eps), architecture.norms.default_eps));
  recipe.vocabulary = sizes.vocabulary;
  BlockAttributes embed = {{"width", sizes.width}, {"vocabulary", sizes.vocabulary}};
  if (architecture.positions == Positions::kLearned) {
    embed["positions"] = sizes.positions;
  }
  ASHLAR_TRY(ApplySettings(config, architecture.embed.settings, embed));
  recipe.blocks.push_back(
      {.kind = "embed", .attributes = embed, .tensors = architecture.embed.tensors});
  if (const BlockRow& row = architecture.embed_norm; !row.tensors.empty()) {
    recipe.blocks.push_back(NormBlock(architecture.norms, row, sizes.width, eps));
  }
  ASHLAR_TRY(AddLayers(config, architecture, sizes, eps, recipe));
  ASHLAR_TRY(AddEnd(config, architecture, sizes, eps, recipe));
  ASHLAR_TRY(ReadMetadata(json, sizes, recipe.metadata));
  ASHLAR_TRY(ReadExtraLayers(config, architecture, sizes, recipe));
  ASHLAR_TRY(CheckWords(config, architecture.fixed_words));
  for (const std::string_view field : architecture.ignored_fields) {
    config.Ignore(field);
  }
  ASHLAR_TRY(config.CheckAllSeen(internal::kHarmlessFields, internal::kOffSwitches));
  return recipe;
}

}  // namespace

Result<Recipe> ReadRecipe(const JsonCursor& json) {
  ASHLAR_TRY(const std::optional<Json> text, internal::TextConfigOf(json));
  if (!text) {
    return ReadTextRecipe(json);
  }
  ASHLAR_TRY(Recipe recipe, ReadTextRecipe(JsonCursor(*text, json.path() + ".text_config")));
  recipe.unread_prefixes = internal::kSeeingPrefixes;
  return recipe;
}

}  // namespace ashlar
