// The names that Llama gave to the tensors of a decoder, and that most later families kept; and the
// ways in which several of its matrices are joined into one.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

inline constexpr TensorName kLlamaEmbed[] = {{"weight", "model.embed_tokens.weight"}};

inline constexpr TensorName kLlamaAttention[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"norm.bias", "model.layers.{}.input_layernorm.bias"},
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
    {"post_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
};

inline constexpr TensorName kLlamaMlp[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"norm.bias", "model.layers.{}.post_attention_layernorm.bias"},
    {"gate", "model.layers.{}.mlp.gate_proj.weight"},
    {"up", "model.layers.{}.mlp.up_proj.weight"},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
    {"gate.bias", "model.layers.{}.mlp.gate_proj.bias"},
    {"up.bias", "model.layers.{}.mlp.up_proj.bias"},
    {"down.bias", "model.layers.{}.mlp.down_proj.bias"},
    {"post_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight"},
};

// The MLP where a norm of the attention's output took the name that Llama has for the MLP's input.
inline constexpr TensorName kSandwichMlp[] = {
    {"norm.weight", "model.layers.{}.pre_feedforward_layernorm.weight"},
    {"gate", "model.layers.{}.mlp.gate_proj.weight"},
    {"up", "model.layers.{}.mlp.up_proj.weight"},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
    {"post_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight"},
};

inline constexpr TensorName kLlamaNorm[] = {
    {"weight", "model.norm.weight"},
    {"bias", "model.norm.bias"},
};

inline constexpr TensorName kLlamaHead[] = {{"weight", "lm_head.weight"}};

// Queries, keys and values: one after the other, or those of each key-value head together.
inline constexpr std::string_view kQkvParts[] = {"q", "k", "v"};
inline constexpr Joined kQkv{kQkvParts};
inline constexpr Joined kQkvByHead{kQkvParts, "kv_heads"};

inline constexpr std::string_view kGateUpParts[] = {"gate", "up"};
inline constexpr Joined kGateUp{kGateUpParts};

// What the fields of most families decide.
inline constexpr Setting kAttentionBias[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
};
inline constexpr Setting kMlpBias[] = {{"bias", 0, "mlp_bias"}};

}  // namespace ashlar
