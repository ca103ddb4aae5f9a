// What GGUF calls the tensors and hyper-parameters of layers that carry a state.
#pragma once

#include <cmath>

#include "ashlar/formats/internal/gguf_families.h"

namespace ashlar::internal {

// Of state spaces the file has the rates of decay, below 0, and we their logarithms: of the nearest
// ones, one that gives the rate back, if there is any.
inline constexpr Conversion kDecayLog{
    .meaning =
        [](double rate) {
          const auto nearest = static_cast<float>(std::log(-rate));
          for (const float log :
               {nearest, std::nextafter(nearest, -INFINITY), std::nextafter(nearest, INFINITY)}) {
            if (static_cast<float>(-std::exp(static_cast<double>(log))) == rate) {
              return static_cast<double>(log);
            }
          }
          return static_cast<double>(nearest);
        },
    .number = [](double log) { return -std::exp(log); }};
inline constexpr std::string_view kTapDims[] = {"", "conv_taps"};
inline constexpr std::string_view kOfHeads[] = {"heads", ""};
inline constexpr std::string_view kOfGroups[] = {"groups", ""};

inline constexpr std::string_view kStateInParts[] = {"x", "gate"};
inline constexpr Joined kStateIn{kStateInParts};
inline constexpr std::string_view kSelectParts[] = {"step_down", "b", "c"};
inline constexpr Joined kSelect{kSelectParts};
inline constexpr GgufName kMambaNames[] = {
    {"ssm", "norm.weight", "blk.{}.attn_norm.weight"},
    {"ssm", "x", "blk.{}.ssm_in.weight", &kStateIn},
    {"ssm", "gate", "blk.{}.ssm_in.weight", &kStateIn},
    {"ssm", "conv.x", "blk.{}.ssm_conv1d.weight", nullptr, kTapDims},
    {"ssm", "conv.x.bias", "blk.{}.ssm_conv1d.bias"},
    {"ssm", "step_down", "blk.{}.ssm_x.weight", &kSelect},
    {"ssm", "b", "blk.{}.ssm_x.weight", &kSelect},
    {"ssm", "c", "blk.{}.ssm_x.weight", &kSelect},
    {"ssm", "step", "blk.{}.ssm_dt.weight"},
    {"ssm", "step_offset", "blk.{}.ssm_dt.bias"},
    {"ssm", "decay_log", "blk.{}.ssm_a", nullptr, kOfHeads, kDecayLog},
    {"ssm", "skip", "blk.{}.ssm_d"},
    {"ssm", "o", "blk.{}.ssm_out.weight"},
};
inline constexpr std::string_view kState2InParts[] = {"gate", "x", "b", "c", "step"};
inline constexpr Joined kState2In{kState2InParts};
inline constexpr std::string_view kState2ConvParts[] = {"x", "b", "c"};
inline constexpr Joined kState2Conv{kState2ConvParts};
inline constexpr GgufName kMamba2Names[] = {
    {"ssm", "norm.weight", "blk.{}.attn_norm.weight"},
    {"ssm", "gate", "blk.{}.ssm_in.weight", &kState2In},
    {"ssm", "x", "blk.{}.ssm_in.weight", &kState2In},
    {"ssm", "b", "blk.{}.ssm_in.weight", &kState2In},
    {"ssm", "c", "blk.{}.ssm_in.weight", &kState2In},
    {"ssm", "step", "blk.{}.ssm_in.weight", &kState2In},
    {"ssm", "conv.x", "blk.{}.ssm_conv1d.weight", &kState2Conv, kTapDims},
    {"ssm", "conv.b", "blk.{}.ssm_conv1d.weight", &kState2Conv, kTapDims},
    {"ssm", "conv.c", "blk.{}.ssm_conv1d.weight", &kState2Conv, kTapDims},
    {"ssm", "conv.x.bias", "blk.{}.ssm_conv1d.bias", &kState2Conv},
    {"ssm", "conv.b.bias", "blk.{}.ssm_conv1d.bias", &kState2Conv},
    {"ssm", "conv.c.bias", "blk.{}.ssm_conv1d.bias", &kState2Conv},
    {"ssm", "step_offset", "blk.{}.ssm_dt.bias"},
    {"ssm", "decay_log", "blk.{}.ssm_a", nullptr, kOfHeads, kDecayLog},
    {"ssm", "skip", "blk.{}.ssm_d", nullptr, kOfHeads},
    {"ssm", "gate_norm.weight", "blk.{}.ssm_norm.weight", nullptr, kOfGroups},
    {"ssm", "o", "blk.{}.ssm_out.weight"},
};
inline constexpr GgufKey kMambaKeys[] = {
    {"ssm.conv_kernel", "conv_kernel", GgufKeyType::kInteger, true},
    {"ssm.inner_size", "intermediate_size", GgufKeyType::kInteger, true},
    {"ssm.state_size", "state_size", GgufKeyType::kInteger, true},
    {"ssm.time_step_rank", "time_step_rank", GgufKeyType::kInteger, true},
};
inline constexpr GgufConstant kMambaConstants[] = {
    {.key = "ssm.dt_b_c_rms",
     .value = 0,
     .meaning = "no norms of what is selected",
     .type = GgufKeyType::kBool,
     .required = false},
};
inline constexpr GgufKey kMamba2Keys[] = {
    {"ssm.conv_kernel", "conv_kernel", GgufKeyType::kInteger, true},
    {"ssm.state_size", "state_size", GgufKeyType::kInteger, true},
    {"ssm.time_step_rank", "num_heads", GgufKeyType::kInteger, true},
    {"ssm.group_count", "n_groups", GgufKeyType::kInteger, true},
};
inline constexpr GgufProduct kMamba2Products[] = {
    {"ssm.inner_size", "head_dim", "ssm.time_step_rank"}};
inline constexpr GgufFixedField kMambaFixed[] = {{"use_bias", false}};
inline constexpr GgufPartField kMambaParts[] = {{"use_conv_bias", "blk.0.ssm_conv1d.bias"}};

// Queries and their gates take turns by head; what the delta rule reads lies apart, or (in older
// files) together by key head.
inline constexpr std::string_view kQueryGateParts[] = {"q", "gate"};
inline constexpr Joined kQueryGate{kQueryGateParts, "heads"};
inline constexpr std::string_view kDeltaParts[] = {"q", "k", "v"};
inline constexpr Joined kDelta{kDeltaParts};
inline constexpr std::string_view kDeltaAllParts[] = {"q", "k", "v", "gate"};
inline constexpr Joined kDeltaAll{kDeltaAllParts, "key_heads"};
inline constexpr std::string_view kDeltaScalarParts[] = {"write", "step"};
inline constexpr Joined kDeltaScalars{kDeltaScalarParts, "key_heads"};
inline constexpr GgufName kQwen3NextNames[] = {
    {"attention", "q", "blk.{}.attn_q.weight", &kQueryGate},
    {"attention", "gate", "blk.{}.attn_q.weight", &kQueryGate},
    {"linear_attention", "norm.weight", "blk.{}.attn_norm.weight"},
    {"linear_attention", "q", "blk.{}.attn_qkv.weight", &kDelta},
    {"linear_attention", "q", "blk.{}.ssm_in.weight", &kDeltaAll},
    {"linear_attention", "k", "blk.{}.attn_qkv.weight", &kDelta},
    {"linear_attention", "k", "blk.{}.ssm_in.weight", &kDeltaAll},
    {"linear_attention", "v", "blk.{}.attn_qkv.weight", &kDelta},
    {"linear_attention", "v", "blk.{}.ssm_in.weight", &kDeltaAll},
    {"linear_attention", "gate", "blk.{}.attn_gate.weight"},
    {"linear_attention", "gate", "blk.{}.ssm_in.weight", &kDeltaAll},
    {"linear_attention", "write", "blk.{}.ssm_ba.weight", &kDeltaScalars},
    {"linear_attention", "step", "blk.{}.ssm_ba.weight", &kDeltaScalars},
    {"linear_attention", "step_offset", "blk.{}.ssm_dt.bias"},
    {"linear_attention", "decay_log", "blk.{}.ssm_a", nullptr, {}, kDecayLog},
    {"linear_attention", "conv.q", "blk.{}.ssm_conv1d.weight", &kDelta, kTapDims},
    {"linear_attention", "conv.k", "blk.{}.ssm_conv1d.weight", &kDelta, kTapDims},
    {"linear_attention", "conv.v", "blk.{}.ssm_conv1d.weight", &kDelta, kTapDims},
    {"linear_attention", "value_norm.weight", "blk.{}.ssm_norm.weight"},
    {"linear_attention", "o", "blk.{}.ssm_out.weight"},
    {"mlp", "norm.weight", "blk.{}.post_attention_norm.weight"},
    {"moe", "norm.weight", "blk.{}.post_attention_norm.weight"},
};
inline constexpr GgufKey kQwen3NextKeys[] = {
    {"expert_count", "num_experts", GgufKeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", GgufKeyType::kInteger, true},
    {"expert_feed_forward_length", "moe_intermediate_size", GgufKeyType::kInteger, true},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"ssm.conv_kernel", "linear_conv_kernel_dim", GgufKeyType::kInteger, true},
    {"ssm.state_size", "linear_key_head_dim", GgufKeyType::kInteger, true},
    {"ssm.group_count", "linear_num_key_heads", GgufKeyType::kInteger, true},
    {"ssm.time_step_rank", "linear_num_value_heads", GgufKeyType::kInteger, true},
    {"full_attention_interval", "full_attention_interval"},
};
inline constexpr GgufProduct kQwen3NextProducts[] = {
    {"ssm.inner_size", "linear_value_head_dim", "ssm.time_step_rank"},
};
inline constexpr GgufFixedField kQwen3NextFixed[] = {{"norm_topk_prob", true},
                                                     {"attention_bias", false}};

}  // namespace ashlar::internal
