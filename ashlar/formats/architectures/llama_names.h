// The names that Llama gave to the tensors of a decoder, and that most later families kept.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

inline constexpr TensorName kLlamaEmbed[] = {{"weight", "model.embed_tokens.weight"}};

inline constexpr TensorName kLlamaAttention[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.q_norm.weight"},
    {"k_norm.weight", "model.layers.{}.self_attn.k_norm.weight"},
};

inline constexpr TensorName kLlamaMlp[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"gate", "model.layers.{}.mlp.gate_proj.weight"},
    {"up", "model.layers.{}.mlp.up_proj.weight"},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
    {"gate.bias", "model.layers.{}.mlp.gate_proj.bias"},
    {"up.bias", "model.layers.{}.mlp.up_proj.bias"},
    {"down.bias", "model.layers.{}.mlp.down_proj.bias"},
};

inline constexpr TensorName kLlamaNorm[] = {{"weight", "model.norm.weight"}};

inline constexpr TensorName kLlamaHead[] = {{"weight", "lm_head.weight"}};

}  // namespace ashlar
