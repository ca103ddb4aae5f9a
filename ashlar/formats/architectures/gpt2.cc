#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

// Its matrices are written [inputs, outputs].
constexpr bool kTransposed = true;

constexpr TensorName kGpt2EmbedTensors[] = {
    {"weight", "transformer.wte.weight"},
    {"positions", "transformer.wpe.weight"},
};
constexpr TensorName kGpt2AttentionTensors[] = {
    {"norm.weight", "transformer.h.{}.ln_1.weight"},
    {"norm.bias", "transformer.h.{}.ln_1.bias"},
    {"q", "transformer.h.{}.attn.c_attn.weight", &kQkv, kTransposed},
    {"k", "transformer.h.{}.attn.c_attn.weight", &kQkv, kTransposed},
    {"v", "transformer.h.{}.attn.c_attn.weight", &kQkv, kTransposed},
    {"o", "transformer.h.{}.attn.c_proj.weight", nullptr, kTransposed},
    {"q.bias", "transformer.h.{}.attn.c_attn.bias", &kQkv},
    {"k.bias", "transformer.h.{}.attn.c_attn.bias", &kQkv},
    {"v.bias", "transformer.h.{}.attn.c_attn.bias", &kQkv},
    {"o.bias", "transformer.h.{}.attn.c_proj.bias"},
};
constexpr TensorName kGpt2MlpTensors[] = {
    {"norm.weight", "transformer.h.{}.ln_2.weight"},
    {"norm.bias", "transformer.h.{}.ln_2.bias"},
    {"up", "transformer.h.{}.mlp.c_fc.weight", nullptr, kTransposed},
    {"down", "transformer.h.{}.mlp.c_proj.weight", nullptr, kTransposed},
    {"up.bias", "transformer.h.{}.mlp.c_fc.bias"},
    {"down.bias", "transformer.h.{}.mlp.c_proj.bias"},
};
constexpr TensorName kGpt2Norm[] = {
    {"weight", "transformer.ln_f.weight"},
    {"bias", "transformer.ln_f.bias"},
};

constexpr Setting kGpt2Attention[] = {
    {"qkv_bias", 1},
    {"o_bias", 1},
    {.attribute = "scale", .value = 0.0, .field = "scale_attn_weights", .on = 0.0, .off = 1.0},
};
constexpr Setting kGpt2Mlp[] = {
    {"form", "plain"},
    {"bias", 1},
};
// `reorder_and_upcast_attn` is about 16-bit arithmetic, the summaries about other heads.
constexpr std::string_view kGpt2Ignored[] = {
    "intermediate_size",   "n_ctx",
    "num_key_value_heads", "reorder_and_upcast_attn",
    "summary_activation",  "summary_first_dropout",
    "summary_hidden_size", "summary_proj_to_labels",
    "summary_type",        "summary_use_proj",
};
constexpr std::string_view kGpt2Masks[] = {".attn.bias", ".attn.masked_bias"};

}  // namespace

constinit const Architecture kGpt2{
    .model_type = "gpt2",
    .class_name = "GPT2LMHeadModel",
    .base_prefix = "transformer.",
    .embed = {kGpt2EmbedTensors},
    .attention = {kGpt2AttentionTensors, kGpt2Attention},
    .mlp = {kGpt2MlpTensors, kGpt2Mlp},
    .norm = {kGpt2Norm},
    .head = {kLlamaHead},
    .norms = {.type = "layer", .eps = {{"layer_norm_epsilon"}}, .default_eps = 1e-5, .bias = true},
    .positions = Positions::kLearned,
    .sizes = {.width = {{"n_embd", "hidden_size"}},
              .channels = {{"n_inner"}},
              .layers = {{"n_layer", "num_hidden_layers"}},
              .heads = {{"n_head", "num_attention_heads"}},
              .key_value_heads = {},
              .head_dim = {},
              .positions = {{"n_positions", "max_position_embeddings"}}},
    .activation = {{"activation_function"}},
    .default_activation = "gelu_new",
    .max_positions = 1024,
    .channels_per_width = 4,
    .tied = true,
    .ignored_fields = kGpt2Ignored,
    .ignored_tensors = kGpt2Masks,
};

}  // namespace ashlar
