// Example blocks of every kind, for the suites that hold every kind to the same promises. A new
// kind adds its own here.
#pragma once

#include <ostream>
#include <vector>

#include "ashlar/kinds/attention/attention.h"
#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/head/head.h"
#include "ashlar/kinds/internal/testing.h"
#include "ashlar/kinds/latent_attention/latent_attention.h"
#include "ashlar/kinds/linear/linear.h"
#include "ashlar/kinds/mlp/mlp.h"
#include "ashlar/kinds/moe/moe.h"
#include "ashlar/kinds/norm/norm.h"

namespace ashlar::testing {

struct Example {
  std::string name;
  const BlockKind* kind;
  AttributeMap attributes;
  std::vector<Slice> slices;  // to try

  friend void PrintTo(const Example& example, std::ostream* out) { *out << example.name; }
};

inline std::int64_t Integer(std::int64_t value) {
  return value;
}

// Sizes are no powers of two where they need not be, so that tails and padding are met.
inline std::vector<Example> Examples() {
  return {
      {"embed",
       &kEmbed,
       {{"width", Integer(96)}, {"vocabulary", Integer(70)}, {"multiplier", 1.5}},
       {}},
      {"embed_with_positions",
       &kEmbed,
       {{"width", Integer(96)}, {"vocabulary", Integer(70)}, {"positions", Integer(kMaxPositions)}},
       {}},
      {"rms_norm",
       &kNorm,
       {{"width", Integer(77)}, {"type", "rms"}, {"eps", 1e-6}, {"offset", 1.0}},
       {}},
      {"layer_norm",
       &kNorm,
       {{"width", Integer(77)}, {"type", "layer"}, {"eps", 1e-5}, {"bias", Integer(1)}},
       {}},
      {"linear",
       &kLinear,
       {{"width_in", Integer(96)},
        {"width_out", Integer(75)},
        {"bias", Integer(1)},
        {"norm", "layer"},
        {"norm_eps", 1e-5}},
       {}},
      {"head",
       &kHead,
       {{"width", Integer(96)},
        {"vocabulary", Integer(133)},
        {"multiplier", 4.0},
        {"soft_cap", 3.0}},
       {}},
      {"gated_mlp",
       &kMlp,
       {{"width", Integer(96)},
        {"channels", Integer(160)},
        {"form", "gated"},
        {"activation", "silu"},
        {"norm", "rms"},
        {"norm_eps", 1e-6}},
       {{{"channels", 32}}, {{"channels", 96}}}},
      {"plain_mlp",
       &kMlp,
       {{"width", Integer(96)},
        {"channels", Integer(160)},
        {"activation", "gelu_tanh"},
        {"bias", Integer(1)},
        {"norm", "layer"},
        {"post_norm", "rms"},
        {"norm_eps", 1e-6},
        {"norm_bias", Integer(1)},
        {"multiplier", 0.5}},
       {{{"channels", 128}}}},
      {"moe",
       &kMoe,
       {{"width", Integer(96)},
        {"experts", Integer(5)},
        {"experts_per_token", Integer(3)},
        {"channels", Integer(64)},
        {"normalized", Integer(1)},
        {"form", "gated"},
        {"activation", "silu"},
        {"norm", "rms"},
        {"norm_eps", 1e-6}},
       {{{"experts", 3}}, {{"channels", 32}}}},
      {"moe_with_everything",
       &kMoe,
       {{"width", Integer(96)},
        {"experts", Integer(9)},
        {"experts_per_token", Integer(4)},
        {"channels", Integer(64)},
        {"shared_channels", Integer(64)},
        {"shared_gate", Integer(1)},
        {"scoring", "sigmoid"},
        {"scaling", 2.5},
        {"groups", Integer(3)},
        {"groups_per_token", Integer(2)},
        {"selection_bias", Integer(1)},
        {"router_bias", Integer(1)},
        {"form", "gated"},
        {"activation", "silu"},
        {"gate_gain", 1.702},
        {"clamp", 0.5},
        {"up_offset", 1.0},
        {"bias", Integer(1)},
        {"multiplier", 0.5},
        {"norm", "layer"},
        {"post_norm", "rms"},
        {"norm_eps", 1e-6}},
       {{{"shared_channels", 32}}}},
      {"attention",
       &kAttention,
       {{"width", Integer(96)},
        {"heads", Integer(6)},
        {"kv_heads", Integer(3)},
        {"key_dim", Integer(32)},
        {"value_dim", Integer(32)},
        {"norm", "rms"},
        {"norm_eps", 1e-6},
        {"rope_dims", Integer(32)}},
       {{{"kv_heads", 1}}, {{"kv_heads", 2}}}},
      {"attention_with_everything",
       &kAttention,
       {{"width", Integer(96)},
        {"heads", Integer(4)},
        {"kv_heads", Integer(2)},
        {"key_dim", Integer(24)},
        {"value_dim", Integer(32)},
        {"qkv_bias", Integer(1)},
        {"o_bias", Integer(1)},
        {"scale", 0.3},
        {"soft_cap", 5.0},
        {"window", Integer(11)},
        {"sinks", Integer(1)},
        {"multiplier", 0.25},
        {"norm", "layer"},
        {"post_norm", "rms"},
        {"qk_norm", "rms_per_head"},
        {"norm_eps", 1e-5},
        {"norm_offset", 1.0},
        {"rope_dims", Integer(16)},
        {"rope_scaling", "yarn"},
        {"rope_factor", 4.0},
        {"rope_original_positions", Integer(16)},
        {"rope_theta", 1000.0}},
       {{{"kv_heads", 1}}}},
      {"attention_that_turns_neighbours_and_then_norms",
       &kAttention,
       {{"width", Integer(96)},
        {"heads", Integer(6)},
        {"kv_heads", Integer(3)},
        {"key_dim", Integer(32)},
        {"value_dim", Integer(32)},
        {"post_norm", "rms"},
        {"qk_norm", "rms_all_heads"},
        {"qk_norm_after_rope", Integer(1)},
        {"norm_eps", 1e-6},
        {"rope_dims", Integer(20)},
        {"rope_pairs", "neighbours"}},
       {{{"kv_heads", 2}}}},
      {"attention_that_falls_with_distance",
       &kAttention,
       {{"width", Integer(96)},
        {"heads", Integer(6)},
        {"kv_heads", Integer(3)},
        {"key_dim", Integer(32)},
        {"value_dim", Integer(32)},
        {"alibi_heads", Integer(6)},
        {"alibi_in_scale", Integer(1)},
        {"norm", "layer"},
        {"norm_eps", 1e-5},
        {"norm_bias", Integer(1)},
        {"qk_norm", "layer_of_each_head"}},
       {{{"kv_heads", 1}}}},
      {"attention_without_rope",
       &kAttention,
       {{"width", Integer(64)},
        {"heads", Integer(5)},
        {"kv_heads", Integer(5)},
        {"key_dim", Integer(32)},
        {"value_dim", Integer(64)}},
       {}},
      {"latent_attention",
       &kLatentAttention,
       {{"width", Integer(96)},
        {"heads", Integer(9)},
        {"latent_dim", Integer(64)},
        {"plain_dim", Integer(32)},
        {"value_dim", Integer(32)},
        {"query_latent_dim", Integer(64)},
        {"latent_norm_eps", 1e-6},
        {"down_bias", Integer(1)},
        {"o_bias", Integer(1)},
        {"multiplier", 0.5},
        {"norm", "rms"},
        {"post_norm", "rms"},
        {"norm_eps", 1e-5},
        {"rope_dims", Integer(16)},
        {"rope_scaling", "yarn"},
        {"rope_factor", 4.0},
        {"rope_original_positions", Integer(16)},
        {"rope_pairs", "neighbours"},
        {"rope_fractional_ramp", Integer(1)}},
       {{{"heads", 8}}}},
      {"latent_attention_of_the_input",
       &kLatentAttention,
       {{"width", Integer(64)},
        {"heads", Integer(3)},
        {"latent_dim", Integer(32)},
        {"plain_dim", Integer(64)},
        {"value_dim", Integer(32)},
        {"latent_norm_eps", 1e-6},
        {"scale", 0.3}},
       {}},
  };
}

// A batch with random content that `kind` can read: `rows` rows, without segments.
inline TestBatch RandomInput(const Interface& interface, std::int64_t rows, std::mt19937& random) {
  TestBatch batch;
  if (interface.width_in > 0) {
    batch.x = RandomFloats(rows * interface.width_in, random);
  } else {
    std::uniform_int_distribution<std::int32_t> token(
        0, static_cast<std::int32_t>(interface.vocabulary) - 1);
    for (std::int64_t row = 0; row < rows; ++row) {
      batch.tokens.push_back(token(random));
    }
  }
  return batch;
}

}  // namespace ashlar::testing
