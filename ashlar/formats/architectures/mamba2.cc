#include <array>
#include <cmath>
#include <limits>

#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"
#include "ashlar/formats/architectures/mamba_names.h"

namespace ashlar {
namespace {

constexpr std::string_view kMamba2InParts[] = {"gate", "x", "b", "c", "step"};
constexpr Joined kMamba2In{kMamba2InParts};
constexpr std::string_view kMamba2ConvParts[] = {"x", "b", "c"};
constexpr Joined kMamba2Conv{kMamba2ConvParts};

constexpr TensorName kMamba2Tensors[] = {
    {"norm.weight", "backbone.layers.{}.norm.weight"},
    {"gate", "backbone.layers.{}.mixer.in_proj.weight", &kMamba2In},
    {"x", "backbone.layers.{}.mixer.in_proj.weight", &kMamba2In},
    {"b", "backbone.layers.{}.mixer.in_proj.weight", &kMamba2In},
    {"c", "backbone.layers.{}.mixer.in_proj.weight", &kMamba2In},
    {"step", "backbone.layers.{}.mixer.in_proj.weight", &kMamba2In},
    {"gate.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMamba2In},
    {"x.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMamba2In},
    {"b.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMamba2In},
    {"c.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMamba2In},
    {"step.bias", "backbone.layers.{}.mixer.in_proj.bias", &kMamba2In},
    {.tensor = "conv.x",
     .checkpoint = "backbone.layers.{}.mixer.conv1d.weight",
     .joined = &kMamba2Conv,
     .dims = kConvolutionDims},
    {.tensor = "conv.b",
     .checkpoint = "backbone.layers.{}.mixer.conv1d.weight",
     .joined = &kMamba2Conv,
     .dims = kConvolutionDims},
    {.tensor = "conv.c",
     .checkpoint = "backbone.layers.{}.mixer.conv1d.weight",
     .joined = &kMamba2Conv,
     .dims = kConvolutionDims},
    {"conv.x.bias", "backbone.layers.{}.mixer.conv1d.bias", &kMamba2Conv},
    {"conv.b.bias", "backbone.layers.{}.mixer.conv1d.bias", &kMamba2Conv},
    {"conv.c.bias", "backbone.layers.{}.mixer.conv1d.bias", &kMamba2Conv},
    {"step_offset", "backbone.layers.{}.mixer.dt_bias"},
    {"decay_log", "backbone.layers.{}.mixer.A_log"},
    {"skip", "backbone.layers.{}.mixer.D"},
    {"gate_norm.weight", "backbone.layers.{}.mixer.norm.weight"},
    {"o", "backbone.layers.{}.mixer.out_proj.weight"},
    {"o.bias", "backbone.layers.{}.mixer.out_proj.bias"},
};

// (A limit of 0 would be none to the block.)
constexpr Conversion kStepLimit{
    .meaning =
        [](double x) {
          return std::isinf(x) ? 0 : x > 0 ? x : std::numeric_limits<double>::quiet_NaN();
        },
    .number = [](double x) { return x == 0 ? std::numeric_limits<double>::infinity() : x; }};

// (`expand` says nothing that the heads do not: their channels are the tensors' rows.)
constexpr auto Mamba2Settings(std::int64_t by_group) {
  return std::array{
      Setting{"heads", 128, "num_heads"},
      Setting{"head_dim", 64, "head_dim"},
      Setting{"groups", 8, "n_groups"},
      Setting{"state_dim", 128, "state_size"},
      Setting{"conv_taps", 4, "conv_kernel"},
      Setting{"bias", 0, "use_bias"},
      Setting{"conv_bias", 1, "use_conv_bias"},
      Setting{"gate_norm", "rms"},
      Setting{"gate_norm_by_group", by_group},
      Setting{.attribute = "step_min", .value = 0.0, .field = "time_step_limit", .item = 0},
      Setting{.attribute = "step_max",
              .value = std::numeric_limits<double>::infinity(),
              .field = "time_step_limit",
              .convert = kStepLimit,
              .item = 1},
  };
}
constexpr auto kOfOneGroup = Mamba2Settings(0);
// Each group is normed by itself, as in the authors' implementation, with which such networks were
// trained, and in llama.cpp; transformers norms whole rows.
constexpr auto kOfGroups = Mamba2Settings(1);

constexpr Architecture Mamba2(std::span<const Setting> settings, std::span<const Condition> when) {
  return {
      .model_type = "mamba2",
      .class_name = "Mamba2ForCausalLM",
      .when = when,
      .base_prefix = "backbone.",
      .embed = {kMambaEmbed},
      .recurrent = {.kind = "ssm", .block = {kMamba2Tensors, settings}},
      .norm = {kMambaNorm},
      .head = {kLlamaHead},
      .norms = {.eps = {{"layer_norm_epsilon"}}, .default_eps = 1e-5},
      .sizes = {.channels = {}},
      .ignored_fields = kMambaIgnored,
  };
}

constexpr Condition kOneGroup[] = {{.field = "n_groups", .is = 1, .otherwise = 8, .counts = true}};

}  // namespace

constinit const Architecture kMamba2OfOneGroup = Mamba2(kOfOneGroup, kOneGroup);
constinit const Architecture kMamba2 = Mamba2(kOfGroups, {});

}  // namespace ashlar
