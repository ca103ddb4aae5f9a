// What Mamba, Mamba-2 and families with their convolution have in common.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

inline constexpr TensorName kMambaEmbed[] = {{"weight", "backbone.embeddings.weight"}};
inline constexpr TensorName kMambaNorm[] = {{"weight", "backbone.norm_f.weight"}};

// Taps of convolutions, with the dimension of the inputs of each channel.
inline constexpr std::string_view kConvolutionDims[] = {"", "1", "conv_taps"};

// How weights began, how the reference implementation runs, and fields of the implementation before
// it, which it does not read.
inline constexpr std::string_view kMambaIgnored[] = {
    "chunk_size",
    "d_inner",
    "d_model",
    "expand",
    "fused_add_norm",
    "intermediate_size",
    "max_position_embeddings",
    "n_layer",
    "norm_before_gate",
    "num_attention_heads",
    "num_key_value_heads",
    "pad_vocab_size_multiple",
    "rescale_prenorm_residual",
    "residual_in_fp32",
    "rms_norm",
    "ssm_cfg",
    "time_step_floor",
    "time_step_init_scheme",
    "time_step_max",
    "time_step_min",
    "time_step_rank",
    "time_step_scale",
    "use_associative_scan",
    "use_mambapy",
};

}  // namespace ashlar
