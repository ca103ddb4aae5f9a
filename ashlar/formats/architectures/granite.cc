#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/conversions.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr Setting kGraniteEmbed[] = {{"multiplier", 1.0, "embedding_multiplier"}};
constexpr Setting kGraniteAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"scale", 1.0, "attention_multiplier"},
    {"multiplier", 1.0, "residual_multiplier"},
};
constexpr Setting kGraniteMlp[] = {
    {"bias", 0, "mlp_bias"},
    {"multiplier", 1.0, "residual_multiplier"},
};
constexpr Setting kGraniteHead[] = {{"multiplier", 1.0, "logits_scaling", kInverse}};

}  // namespace

constinit const Architecture kGranite{
    .model_type = "granite",
    .class_name = "GraniteForCausalLM",
    .embed = {kLlamaEmbed, kGraniteEmbed},
    .attention = {kLlamaAttention, kGraniteAttention},
    .mlp = {kLlamaMlp, kGraniteMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead, kGraniteHead},
};

}  // namespace ashlar
