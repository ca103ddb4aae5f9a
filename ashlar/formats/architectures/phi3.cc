#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kPhi3AttentionTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.qkv_proj.weight", &kQkv},
    {"k", "model.layers.{}.self_attn.qkv_proj.weight", &kQkv},
    {"v", "model.layers.{}.self_attn.qkv_proj.weight", &kQkv},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
};
constexpr TensorName kPhi3MlpTensors[] = {
    {"norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
    {"gate", "model.layers.{}.mlp.gate_up_proj.weight", &kGateUp},
    {"up", "model.layers.{}.mlp.gate_up_proj.weight", &kGateUp},
    {"down", "model.layers.{}.mlp.down_proj.weight"},
};
constexpr std::string_view kPhi3Ignored[] = {"full_attn_mod", "interpolate_factor"};

}  // namespace

constinit const Architecture kPhi3{
    .model_type = "phi3",
    .class_name = "Phi3ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kPhi3AttentionTensors},
    .mlp = {kPhi3MlpTensors},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.original_positions = 4096, .yarn_means = "longrope"},
    .windows = {.which = Windows::kEveryLayer},
    .max_positions = 4096,
    .ignored_fields = kPhi3Ignored,
};

}  // namespace ashlar
