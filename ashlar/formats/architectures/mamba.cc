#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"
#include "ashlar/formats/architectures/mamba_names.h"

namespace ashlar {
namespace {

constexpr std::string_view kMambaInParts[] = {"x", "gate"};
constexpr Joined kMambaIn{kMambaInParts};
constexpr std::string_view kMambaSelectParts[] = {"step_down", "b", "c"};
constexpr Joined kMambaSelect{kMambaSelectParts};

constexpr std::string_view kDecayDims[] = {"heads", "state_dim"};

constexpr TensorName kMambaTensors[] = {
    {"norm.weight", "backbone.layers.{}.norm.weight"},
    {"x", "backbone.layers.{}.mixer.in_proj.weight", &kMambaIn},
    {"gate", "backbone.layers.{}.mixer.in_proj.weight", &kMambaIn},
    {"x.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMambaIn},
    {"gate.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMambaIn},
    {.tensor = "conv.x",
     .checkpoint = "backbone.layers.{}.mixer.conv1d.weight",
     .dims = kConvolutionDims},
    {"conv.x.bias", "backbone.layers.{}.mixer.conv1d.bias"},
    {"step_down", "backbone.layers.{}.mixer.x_proj.weight", &kMambaSelect},
    {"b", "backbone.layers.{}.mixer.x_proj.weight", &kMambaSelect},
    {"c", "backbone.layers.{}.mixer.x_proj.weight", &kMambaSelect},
    {"step", "backbone.layers.{}.mixer.dt_proj.weight"},
    {"step_offset", "backbone.layers.{}.mixer.dt_proj.bias"},
    {.tensor = "decay_log", .checkpoint = "backbone.layers.{}.mixer.A_log", .dims = kDecayDims},
    {"skip", "backbone.layers.{}.mixer.D"},
    {"o", "backbone.layers.{}.mixer.out_proj.weight"},
    {"o.bias", "backbone.layers.{}.mixer.out_proj.bias"},
};

constexpr Setting kMambaSettings[] = {
    {"head_dim", 1},
    {"groups", 1},
    {"decay_per_state", 1},
    {"state_dim", 16, "state_size"},
    {"conv_taps", 4, "conv_kernel"},
    {"bias", 0, "use_bias"},
    {"conv_bias", 1, "use_conv_bias"},
    {.attribute = "step_rank", .value = 0, .field = "time_step_rank", .per_width = 16},
};

}  // namespace

constinit const Architecture kMamba{
    .model_type = "mamba",
    .class_name = "MambaForCausalLM",
    .base_prefix = "backbone.",
    .embed = {kMambaEmbed},
    .recurrent = {.kind = "ssm", .block = {kMambaTensors, kMambaSettings}, .channels = "heads"},
    .norm = {kMambaNorm},
    .head = {kLlamaHead},
    .norms = {.eps = {{"layer_norm_epsilon"}}, .default_eps = 1e-5},
    .sizes = {.channels_per_width = {{"expand"}}},
    .channels_per_width = 2,
    .tied = true,
    .ignored_fields = kMambaIgnored,
};

}  // namespace ashlar
