#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {

constinit const Architecture kLlama{
    .model_type = "llama",
    .class_name = "LlamaForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kLlamaAttention, kAttentionBias},
    .mlp = {kLlamaMlp, kMlpBias},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
};

}  // namespace ashlar
