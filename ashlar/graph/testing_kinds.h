// Small block kinds for the tests and fuzzers of this module: it knows no real ones. Tests only.
#pragma once

#include "ashlar/graph/kind.h"

namespace ashlar::testing {

inline constexpr std::int64_t kToyMax = 1 << 20;

constexpr AttributeSpec ToyInteger(std::string_view name) {
  return {.name = name, .required = true, .min = 1, .max = kToyMax, .doc = "a size"};
}

// ---- embed: reads token ids

inline constexpr AttributeSpec kToyEmbedAttributes[] = {ToyInteger("width"),
                                                        ToyInteger("vocabulary")};

inline constexpr BlockKind kToyEmbed{
    .name = "embed",
    .summary = "y = weight[token]",
    .attributes = kToyEmbedAttributes,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{
          {"weight", TensorRole::kMatrix, {a.Integer("vocabulary"), a.Integer("width")}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_out = a.Integer("width"), .vocabulary = a.Integer("vocabulary")};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

// ---- attention: has state, sliced by groups of heads

inline constexpr AttributeSpec kToyAttentionAttributes[] = {
    ToyInteger("width"),
    ToyInteger("heads"),
    ToyInteger("kv_heads"),
    ToyInteger("head_dim"),
    {.name = "window", .min = 0, .max = kToyMax, .doc = "0: all"}};
inline constexpr SliceAxis kToyAttentionSlices[] = {{"kv_heads", "the first heads"}};

inline constexpr BlockKind kToyAttention{
    .name = "attention",
    .summary = "y = o attend(q x, k x, v x)",
    .attributes = kToyAttentionAttributes,
    .slices = kToyAttentionSlices,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      const std::int64_t width = a.Integer("width");
      if (a.Integer("heads") % a.Integer("kv_heads") != 0) {
        return Invalid("heads {} is no multiple of kv_heads {}", a.Integer("heads"),
                       a.Integer("kv_heads"));
      }
      const std::int64_t q = a.Integer("heads") * a.Integer("head_dim");
      const std::int64_t kv = a.Integer("kv_heads") * a.Integer("head_dim");
      return std::vector<TensorSpec>{{"norm.weight", TensorRole::kVector, {width}},
                                     {"q", TensorRole::kMatrix, {q, width}},
                                     {"k", TensorRole::kMatrix, {kv, width}},
                                     {"v", TensorRole::kMatrix, {kv, width}},
                                     {"o", TensorRole::kMatrix, {width, q}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width"),
              .width_out = a.Integer("width"),
              .state_floats = 2 * a.Integer("kv_heads") * a.Integer("head_dim"),
              .state_vectors = 2 * a.Integer("kv_heads"),
              .state_shape = fmt::format("kv:{}x{}", a.Integer("kv_heads"), a.Integer("head_dim"))};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = [](const Attributes& a, const Slice& slice) -> Attributes {
      const auto kv_heads = slice.find("kv_heads");
      if (kv_heads == slice.end()) {
        return a;
      }
      const std::int64_t group = a.Integer("heads") / a.Integer("kv_heads");
      return a.With("kv_heads", kv_heads->second).With("heads", group * kv_heads->second);
    },
};

// ---- mlp: sliced by channels

inline constexpr std::string_view kToyActivations[] = {"silu", "gelu"};
inline constexpr AttributeSpec kToyMlpAttributes[] = {
    ToyInteger("width"),
    ToyInteger("channels"),
    {.name = "activation",
     .type = AttributeType::kChoice,
     .default_choice = "silu",
     .choices = kToyActivations,
     .doc = "the nonlinearity"},
    {.name = "multiplier", .type = AttributeType::kReal, .default_real = 1, .doc = "of the output"},
};
inline constexpr SliceAxis kToyMlpSlices[] = {{"channels", "the first channels"}};

inline constexpr BlockKind kToyMlp{
    .name = "mlp",
    .summary = "y = down f(up x)",
    .attributes = kToyMlpAttributes,
    .slices = kToyMlpSlices,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      const std::int64_t width = a.Integer("width");
      const std::int64_t channels = a.Integer("channels");
      return std::vector<TensorSpec>{{"norm.weight", TensorRole::kVector, {width}},
                                     {"up", TensorRole::kMatrix, {channels, width}},
                                     {"down", TensorRole::kMatrix, {width, channels}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width"), .width_out = a.Integer("width")};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = [](const Attributes& a, const Slice& slice) -> Attributes {
      const auto channels = slice.find("channels");
      return channels == slice.end() ? a : a.With("channels", channels->second);
    },
};

// ---- norm, linear, head

inline constexpr AttributeSpec kToyNormAttributes[] = {
    ToyInteger("width"),
    {.name = "eps", .type = AttributeType::kReal, .required = true, .doc = "epsilon"}};

inline constexpr BlockKind kToyNorm{
    .name = "norm",
    .summary = "y = x / rms(x) * weight",
    .attributes = kToyNormAttributes,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{{"weight", TensorRole::kVector, {a.Integer("width")}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width"), .width_out = a.Integer("width")};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

inline constexpr AttributeSpec kToyLinearAttributes[] = {ToyInteger("width_in"),
                                                         ToyInteger("width_out")};

inline constexpr BlockKind kToyLinear{
    .name = "linear",
    .summary = "y = weight x",
    .attributes = kToyLinearAttributes,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{
          {"weight", TensorRole::kMatrix, {a.Integer("width_out"), a.Integer("width_in")}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width_in"), .width_out = a.Integer("width_out")};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

inline constexpr BlockKind kToyHead{
    .name = "head",
    .summary = "logits = weight x",
    .attributes = kToyEmbedAttributes,
    .tensors = kToyEmbed.tensors,
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width"),
              .width_out = a.Integer("vocabulary"),
              .vocabulary = a.Integer("vocabulary")};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

// ---- scan: carries its state

inline constexpr AttributeSpec kToyScanAttributes[] = {ToyInteger("width")};

inline constexpr BlockKind kToyScan{
    .name = "scan",
    .summary = "h = decay h + x, y = h",
    .attributes = kToyScanAttributes,
    .tensors = [](const Attributes& a) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{{"decay", TensorRole::kVector, {a.Integer("width")}}};
    },
    .interface = [](const Attributes& a) -> Interface {
      return {.width_in = a.Integer("width"),
              .width_out = a.Integer("width"),
              .carried_floats = a.Integer("width"),
              .state_shape = fmt::format("scan:{}", a.Integer("width"))};
    },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

inline constexpr const BlockKind* kToyKindList[] = {
    &kToyEmbed, &kToyAttention, &kToyMlp, &kToyNorm, &kToyLinear, &kToyHead, &kToyScan};

inline Kinds ToyKinds() {
  return Kinds(kToyKindList);
}

}  // namespace ashlar::testing
