// The names of the experts' tensors, as several families have them.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

inline constexpr std::string_view kByExpert = "experts";

// Qwen's: OLMoE and DeepSeek have them too.
inline constexpr TensorName kQwenExperts[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"router", "model.layers.{}.mlp.gate.weight"},
    {.tensor = "experts.{}.gate",
     .checkpoint = "model.layers.{}.mlp.experts.{}.gate_proj.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.up",
     .checkpoint = "model.layers.{}.mlp.experts.{}.up_proj.weight",
     .each = kByExpert},
    {.tensor = "experts.{}.down",
     .checkpoint = "model.layers.{}.mlp.experts.{}.down_proj.weight",
     .each = kByExpert},
    {"shared.gate", "model.layers.{}.mlp.shared_expert.gate_proj.weight"},
    {"shared.up", "model.layers.{}.mlp.shared_expert.up_proj.weight"},
    {"shared.down", "model.layers.{}.mlp.shared_expert.down_proj.weight"},
    {"shared_gate", "model.layers.{}.mlp.shared_expert_gate.weight"},
};

// Which of its layers have a mixture.
inline constexpr Spelling kQwenDenseLayers = {{"mlp_only_layers"}};
inline constexpr Count kQwenEvery = {{{"decoder_sparse_step"}}, 1};

inline constexpr Spelling kExpertsPerToken = {{"num_experts_per_tok"}};
inline constexpr Setting kNormalized[] = {{"normalized", 0, "norm_topk_prob"}};

}  // namespace ashlar
