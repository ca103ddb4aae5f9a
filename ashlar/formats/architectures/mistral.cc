#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kMistral{
    .model_type = "mistral",
    .class_name = "MistralForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .windows = {.which = Windows::kEveryLayer, .default_window = 4096},
    .max_positions = 131'072,
    .key_value_heads = 8,
};

}  // namespace ashlar
