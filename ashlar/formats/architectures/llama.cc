#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kLlama{
    .model_type = "llama",
    .class_name = "LlamaForCausalLM",
    .embed = kLlamaEmbed,
    .attention = kLlamaAttention,
    .mlp = kLlamaMlp,
    .norm = kLlamaNorm,
    .head = kLlamaHead,
    .qkv_bias = {.field = "attention_bias"},
    .output_bias = {.field = "attention_bias"},
    .mlp_bias = {.field = "mlp_bias"},
};

}  // namespace ashlar
