#include "ashlar/formats/architectures/seeing_network.h"

#include <algorithm>

#include "ashlar/formats/internal/config_reader.h"
#include "ashlar/formats/internal/harmless_fields.h"

namespace ashlar::internal {
namespace {

struct SeeingNetwork {
  std::string_view model_type;
  std::string_view text;      // the model_type of its text_config, which may leave it out
  std::string_view defaults;  // of the fields of text_config that the text's own family asks for
};

// By their configuration classes.
constexpr SeeingNetwork kSeeing[] = {
    {"gemma3", "gemma3_text",
     R"({"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216,
         "num_hidden_layers": 26, "num_attention_heads": 8, "tie_word_embeddings": true})"},
    {"mistral3", "mistral",
     R"({"vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336,
         "num_hidden_layers": 32, "num_attention_heads": 32})"},
};

// Fields outside text_config that are the whole network's; text_config's own go first.
constexpr std::string_view kOfAll[] = {"bos_token_id", "eos_token_id", "quantization_config",
                                       "tie_word_embeddings"};
// Fields outside that say how images become rows of the embedding.
constexpr std::string_view kOfSeeing[] = {
    "boi_token_id",         "boi_token_index",     "eoi_token_id",
    "eoi_token_index",      "image_token_id",      "image_token_index",
    "mm_tokens_per_image",  "model_type",          "multimodal_projector_bias",
    "projector_hidden_act", "spatial_merge_size",  "text_config",
    "vision_config",        "vision_feature_layer"};

}  // namespace

Result<std::optional<Json>> TextConfigOf(const JsonCursor& config) {
  ASHLAR_TRY(const std::string type, config.String("model_type"));
  const auto row = std::ranges::find(kSeeing, type, &SeeingNetwork::model_type);
  if (row == std::end(kSeeing)) {
    return std::optional<Json>();
  }
  ConfigReader outside(config);
  for (const std::string_view field : kOfSeeing) {
    outside.Ignore(field);
  }
  for (const std::string_view field : kOfAll) {
    outside.Ignore(field);
  }
  ASHLAR_TRY(outside.CheckAllSeen(kHarmlessFields, kOffSwitches));
  ASHLAR_TRY(const JsonCursor inside, config.At("text_config"));
  ASHLAR_TRY(inside.AsObject());
  Json text = inside.value();
  const auto add = [&](std::string_view field, const Json& value) {
    if (text.Find(field) == nullptr) {
      text.Set(field, value);
    }
  };
  for (const std::string_view field : kOfAll) {
    if (const Json* const value = config.value().Find(field)) {
      add(field, *value);
    }
  }
  add("model_type", row->text);
  const Json defaults = *ParseJson(row->defaults);
  for (const auto& [field, value] : *defaults.object()) {
    add(field, value);
  }
  ASHLAR_TRY(const std::string found, inside.StringOr("model_type", row->text));
  if (found != row->text) {
    return Unsupported("{}.text_config.model_type is {}; with model_type {}, {} can be imported",
                       config.path(), QuoteForError(found), type, row->text);
  }
  return std::optional(std::move(text));
}

std::vector<std::string> NamesOfTextPart(std::string_view tensor) {
  constexpr std::string_view kBase = "model.";
  std::vector<std::string> names = {fmt::format("language_model.{}", tensor)};
  if (tensor.starts_with(kBase)) {
    names.push_back(fmt::format("model.language_model.{}", tensor.substr(kBase.size())));
  }
  return names;
}

}  // namespace ashlar::internal
