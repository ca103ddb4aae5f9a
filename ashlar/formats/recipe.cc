#include "ashlar/formats/recipe.h"

#include <array>
#include <cmath>

#include "ashlar/formats/internal/config_reader.h"

namespace ashlar {
namespace {

using internal::ConfigReader;

// Fields that say how the network was trained or how a framework runs it, and change no result.
constexpr std::string_view kHarmless[] = {
    "architectures",
    "attention_dropout",
    "auto_map",
    "bos_token_id",
    "chunk_size_feed_forward",
    "dtype",
    "eos_token_id",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "is_llama_config",
    "label2id",
    "max_window_layers",
    "name_or_path",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "return_dict",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "use_sliding_window",
};

// Features that some configurations name in order to say that they do without: harmless when false.
constexpr std::string_view kOffSwitches[] = {
    "add_cross_attention",
    "rope_interleaved",
    "use_mrope",
};

// The words of config.json's hidden_act in ours.
struct ActivationWord {
  std::string_view theirs;
  std::string_view ours;
};
constexpr ActivationWord kActivations[] = {
    {"silu", "silu"},
    {"swish", "silu"},
    {"gelu", "gelu"},
    {"gelu_new", "gelu_tanh"},
    {"gelu_pytorch_tanh", "gelu_tanh"},
    {"relu", "relu"},
};

// The words of config.json's layer_types.
constexpr std::string_view kFullAttention = "full_attention";
constexpr std::string_view kSlidingAttention = "sliding_attention";

using BlockAttributes = std::map<std::string, AttributeValue, std::less<>>;

// What the fields of the configuration give for every layer alike.
struct Widths {
  std::int64_t width, channels, layers, heads, key_value_heads, head_dim, vocabulary, positions;
};

Result<bool> Decide(ConfigReader& config, const Switch& rule) {
  if (rule.field.empty()) {
    return rule.otherwise;
  }
  return config.BoolOr(rule.field, rule.otherwise);
}

// A size that null says to derive from others; an absent field takes the family's default.
Result<std::int64_t> ReadDerivedSize(ConfigReader& config, std::string_view key,
                                     std::optional<std::int64_t> family, std::int64_t derived) {
  return config.SizeOr(key, config.Has(key) ? derived : family.value_or(derived));
}

Result<Widths> ReadWidths(ConfigReader& config, const Architecture& architecture) {
  Widths widths{};
  ASHLAR_TRY(widths.width, config.Size("hidden_size"));
  ASHLAR_TRY(widths.channels, config.Size("intermediate_size"));
  ASHLAR_TRY(widths.layers, config.Size("num_hidden_layers"));
  ASHLAR_TRY(widths.heads, config.Size("num_attention_heads"));
  ASHLAR_TRY(widths.vocabulary, config.Size("vocab_size"));
  ASHLAR_TRY(widths.positions,
             config.SizeOr("max_position_embeddings", architecture.max_positions));
  ASHLAR_TRY(widths.key_value_heads, ReadDerivedSize(config, "num_key_value_heads",
                                                     architecture.key_value_heads, widths.heads));
  ASHLAR_TRY(widths.head_dim, ReadDerivedSize(config, "head_dim", architecture.head_dim,
                                              widths.width / widths.heads));
  constexpr std::int64_t kMaxLayers = 10'000;
  if (widths.layers > kMaxLayers) {
    return config.json().Invalid("num_hidden_layers is {}; at most {} are allowed", widths.layers,
                                 kMaxLayers);
  }
  return widths;
}

// The rope attributes out of `rope_parameters`, or the older `rope_theta` and `rope_scaling`.
Result<BlockAttributes> ReadRope(ConfigReader& config, const Architecture& architecture,
                                 const Widths& widths) {
  ASHLAR_TRY(double theta, config.RealOr("rope_theta", architecture.rope_theta));
  ASHLAR_TRY(double partial, config.RealOr("partial_rotary_factor", 1));
  ASHLAR_TRY(std::optional<JsonCursor> object, config.Find("rope_parameters"));
  if (!object) {
    ASHLAR_TRY(object, config.Find("rope_scaling"));
  }
  BlockAttributes attributes;
  if (object) {
    ConfigReader rope(*object);
    ASHLAR_TRY(theta, rope.RealOr("rope_theta", theta));
    ASHLAR_TRY(partial, rope.RealOr("partial_rotary_factor", partial));
    ASHLAR_TRY(std::string type, rope.StringOr("type", "default"));
    ASHLAR_TRY(type, rope.StringOr("rope_type", type));
    const auto read_needed = [&](std::string_view key, std::string_view attribute) -> Status {
      if (!rope.Has(key)) {
        return object->Invalid("rope_type \"{}\" needs \"{}\"", type, key);
      }
      ASHLAR_TRY(attributes[std::string(attribute)], rope.Real(key));
      return {};
    };
    const auto read_original = [&]() -> Status {
      ASHLAR_TRY(attributes["rope_original_positions"],
                 rope.SizeOr("original_max_position_embeddings", widths.positions));
      return {};
    };
    if (type == "linear") {
      ASHLAR_TRY(read_needed("factor", "rope_factor"));
    } else if (type == "dynamic") {
      ASHLAR_TRY(read_needed("factor", "rope_factor"));
      ASHLAR_TRY(read_original());
      // The reference stretches past max_position_embeddings, and reads no other field.
      if (std::get<std::int64_t>(attributes["rope_original_positions"]) != widths.positions) {
        return Unsupported(
            "{}: dynamic scaling from an original_max_position_embeddings other than "
            "max_position_embeddings ({}) cannot be imported",
            object->path(), widths.positions);
      }
    } else if (type == "llama3") {
      ASHLAR_TRY(read_needed("factor", "rope_factor"));
      ASHLAR_TRY(read_original());
      ASHLAR_TRY(read_needed("low_freq_factor", "rope_low_frequency_factor"));
      ASHLAR_TRY(read_needed("high_freq_factor", "rope_high_frequency_factor"));
    } else if (type == "yarn") {
      ASHLAR_TRY(read_original());
      const auto original =
          static_cast<double>(std::get<std::int64_t>(attributes["rope_original_positions"]));
      ASHLAR_TRY(const double factor,
                 rope.RealOr("factor", static_cast<double>(widths.positions) / original));
      attributes["rope_factor"] = factor;
      ASHLAR_TRY(attributes["rope_beta_fast"], rope.RealOr("beta_fast", 32));
      ASHLAR_TRY(attributes["rope_beta_slow"], rope.RealOr("beta_slow", 1));
      ASHLAR_TRY(double attention, rope.RealOr("attention_factor", 0));
      ASHLAR_TRY(const double mscale, rope.RealOr("mscale", 0));
      ASHLAR_TRY(const double mscale_all, rope.RealOr("mscale_all_dim", 0));
      if (attention == 0 && mscale != 0 && mscale_all != 0 && factor > 1) {
        attention =
            (0.1 * mscale * std::log(factor) + 1) / (0.1 * mscale_all * std::log(factor) + 1);
      }
      attributes["rope_attention_factor"] = attention;
      ASHLAR_TRY(const bool truncate, rope.BoolOr("truncate", true));
      if (!truncate) {
        return Unsupported("{}: yarn with \"truncate\": false cannot be imported", object->path());
      }
    } else if (type != "default") {
      return Unsupported(
          "{}: rope_type \"{}\" cannot be imported; known: default, linear, dynamic, llama3, yarn",
          object->path(), type);
    }
    if (type != "default") {
      attributes["rope_scaling"] = type;
    }
    // Some configurations carry fields of scalings that their type does not read.
    constexpr std::string_view kOtherTypes[] = {"original_max_position_embeddings", "factor"};
    ASHLAR_TRY(rope.CheckAllSeen(type == "default" ? std::span(kOtherTypes)
                                                   : std::span<const std::string_view>()));
  }
  if (!(partial > 0 && partial <= 1)) {
    return config.json().Invalid("partial_rotary_factor must be above 0 and at most 1, found {}",
                                 partial);
  }
  attributes["rope_theta"] = theta;
  attributes["rope_dims"] =
      static_cast<std::int64_t>(static_cast<double>(widths.head_dim) * partial);
  return attributes;
}

// The window of each layer; 0: it sees everything.
Result<std::vector<std::int64_t>> ReadWindows(ConfigReader& config,
                                              const Architecture& architecture,
                                              const Widths& widths) {
  const auto layers = static_cast<std::size_t>(widths.layers);
  std::vector<std::int64_t> windows(layers, 0);
  if (architecture.windows == Windows::kNone) {
    return windows;
  }
  std::int64_t window = 0;
  if (config.Has("sliding_window")) {
    ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find("sliding_window"));
    if (field) {
      ASHLAR_TRY(window, field->AsInteger(1, ConfigReader::kMaxSize));
    }
  } else {
    window = architecture.sliding_window.value_or(0);
  }
  if (architecture.windows == Windows::kEveryLayer) {
    windows.assign(layers, window);
    return windows;
  }
  ASHLAR_TRY(const bool used, config.BoolOr("use_sliding_window", false));
  if (!used) {
    window = 0;
  }
  ASHLAR_TRY(const std::optional<JsonCursor> types, config.Find("layer_types"));
  if (!types) {
    ASHLAR_TRY(const std::int64_t full_layers,
               config.json().IntegerOr("max_window_layers", 0, ConfigReader::kMaxSize, 28));
    for (std::size_t i = 0; i < layers; ++i) {
      windows[i] = static_cast<std::int64_t>(i) >= full_layers ? window : 0;
    }
    return windows;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, types->AsArray());
  if (list.size() != layers) {
    return types->Invalid("it has {} entries, but num_hidden_layers is {}", list.size(), layers);
  }
  for (std::size_t i = 0; i < layers; ++i) {
    ASHLAR_TRY(const std::string type, list[i].AsString());
    if (type == kSlidingAttention) {
      if (window == 0) {
        return list[i].Invalid("{} without a sliding_window in use", kSlidingAttention);
      }
      windows[i] = window;
    } else if (type != kFullAttention) {
      return Unsupported("{}: layer type \"{}\" cannot be imported; known: {}, {}", list[i].path(),
                         type, kFullAttention, kSlidingAttention);
    }
  }
  return windows;
}

Result<std::string> ReadActivation(ConfigReader& config) {
  ASHLAR_TRY(const std::string word, config.StringOr("hidden_act", "silu"));
  for (const ActivationWord& known : kActivations) {
    if (known.theirs == word) {
      return std::string(known.ours);
    }
  }
  return Unsupported("{}: hidden_act \"{}\" cannot be imported", config.json().path(), word);
}

BlockRecipe MakeBlock(std::string_view kind, BlockAttributes attributes,
                      std::span<const TensorName> names, std::optional<int> layer = {}) {
  BlockRecipe block{.kind = std::string(kind), .attributes = std::move(attributes), .layer = layer};
  for (const TensorName& name : names) {
    std::string source(name.checkpoint);
    if (const std::size_t at = source.find("{}"); at != std::string::npos) {
      source.replace(at, 2, std::to_string(*layer));
    }
    block.sources.emplace(name.tensor, std::move(source));
  }
  return block;
}

Status CheckClass(const JsonCursor& config, const Architecture& architecture) {
  ASHLAR_TRY(const std::optional<JsonCursor> classes, config.Find("architectures"));
  if (!classes) {
    return {};
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, classes->AsArray(16));
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(const std::string name, item.AsString());
    if (name != architecture.class_name) {
      return Unsupported("{}: \"{}\" cannot be imported; of model_type {}, {} can", item.path(),
                         name, architecture.model_type, architecture.class_name);
    }
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

Result<Recipe> ReadRecipe(const JsonCursor& json) {
  ConfigReader config(json);
  ASHLAR_TRY(const std::string model_type, config.String("model_type"));
  const auto found = FindArchitecture(model_type);
  if (!found.ok()) {
    return found.error().In(json.path());
  }
  const Architecture& architecture = **found;
  ASHLAR_TRY(CheckClass(json, architecture));
  if (json.value().Find("quantization_config") != nullptr) {
    return Unsupported(
        "{}.quantization_config: quantized checkpoints cannot be imported; take the "
        "unquantized one and encode it",
        json.path());
  }

  ASHLAR_TRY(const Widths widths, ReadWidths(config, architecture));
  ASHLAR_TRY(BlockAttributes attention, ReadRope(config, architecture, widths));
  ASHLAR_TRY(const std::vector<std::int64_t> windows, ReadWindows(config, architecture, widths));
  ASHLAR_TRY(const double eps, config.RealOr("rms_norm_eps", architecture.rms_norm_eps));
  ASHLAR_TRY(const std::string activation, ReadActivation(config));
  ASHLAR_TRY(const bool qkv_bias, Decide(config, architecture.qkv_bias));
  ASHLAR_TRY(const bool output_bias, Decide(config, architecture.output_bias));
  ASHLAR_TRY(const bool mlp_bias, Decide(config, architecture.mlp_bias));

  Recipe recipe{.vocabulary = widths.vocabulary};
  ASHLAR_TRY(const bool tied, config.BoolOr("tie_word_embeddings", false));

  attention["width"] = widths.width;
  attention["heads"] = widths.heads;
  attention["kv_heads"] = widths.key_value_heads;
  attention["key_dim"] = widths.head_dim;
  attention["value_dim"] = widths.head_dim;
  attention["qkv_bias"] = std::int64_t{qkv_bias};
  attention["o_bias"] = std::int64_t{output_bias};
  attention["norm"] = "rms";
  attention["norm_eps"] = eps;
  if (architecture.qk_norm) {
    attention["qk_norm"] = "rms_per_head";
  }
  const BlockAttributes mlp = {
      {"width", widths.width},    {"channels", widths.channels},    {"form", "gated"},
      {"activation", activation}, {"bias", std::int64_t{mlp_bias}}, {"norm", "rms"},
      {"norm_eps", eps}};
  const BlockAttributes ends = {{"width", widths.width}, {"vocabulary", widths.vocabulary}};

  recipe.blocks.push_back(MakeBlock("embed", ends, architecture.embed));
  for (int layer = 0; layer < static_cast<int>(widths.layers); ++layer) {
    attention["window"] = windows[static_cast<std::size_t>(layer)];
    recipe.blocks.push_back(MakeBlock("attention", attention, architecture.attention, layer));
    recipe.blocks.push_back(MakeBlock("mlp", mlp, architecture.mlp, layer));
  }
  recipe.blocks.push_back(MakeBlock(
      "norm", {{"width", widths.width}, {"type", "rms"}, {"eps", eps}}, architecture.norm));
  recipe.blocks.push_back(MakeBlock("head", ends, tied ? architecture.embed : architecture.head));

  if (tied) {
    recipe.tied_copy = architecture.head.front().checkpoint;
    recipe.tied_to = architecture.embed.front().checkpoint;
  }

  recipe.metadata.context_length = widths.positions;
  ASHLAR_TRY(recipe.metadata.eos_tokens, ReadTokenIds(json, "eos_token_id"));
  ASHLAR_TRY(const std::vector<std::int64_t> bos, ReadTokenIds(json, "bos_token_id"));
  if (!bos.empty()) {
    recipe.metadata.bos_token = bos.front();
  }
  ASHLAR_TRY(config.CheckAllSeen(kHarmless, kOffSwitches));
  return recipe;
}

}  // namespace ashlar
