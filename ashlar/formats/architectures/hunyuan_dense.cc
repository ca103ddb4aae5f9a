#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kHunyuanTensors[] = {
    {"norm.weight", "model.layers.{}.input_layernorm.weight"},
    {"q", "model.layers.{}.self_attn.q_proj.weight"},
    {"k", "model.layers.{}.self_attn.k_proj.weight"},
    {"v", "model.layers.{}.self_attn.v_proj.weight"},
    {"o", "model.layers.{}.self_attn.o_proj.weight"},
    {"q.bias", "model.layers.{}.self_attn.q_proj.bias"},
    {"k.bias", "model.layers.{}.self_attn.k_proj.bias"},
    {"v.bias", "model.layers.{}.self_attn.v_proj.bias"},
    {"o.bias", "model.layers.{}.self_attn.o_proj.bias"},
    {"q_norm.weight", "model.layers.{}.self_attn.query_layernorm.weight"},
    {"k_norm.weight", "model.layers.{}.self_attn.key_layernorm.weight"},
};
constexpr Setting kHunyuanAttention[] = {
    {"qkv_bias", 0, "attention_bias"},
    {"o_bias", 0, "attention_bias"},
    {"qk_norm", "rms_per_head"},
    {"qk_norm_after_rope", 1},
};
// Checkpoints carry fields of other models of the house, which the reference does not read.
constexpr std::string_view kHunyuanIgnored[] = {
    "add_classification_head",
    "attention_head_dim",
    "cla_share_factor",
    "class_num",
    "dense_list",
    "enable_lm_head_fp32",
    "im_end_id",
    "im_newline_id",
    "im_start_id",
    "mask_init_id",
    "norm_type",
    "num_media_embeds",
    "org_vocab_size",
    "pad_id",
    "pool_type",
    "position_embedding_xdrope",
    "sep_token_id",
    "text_end_id",
    "text_start_id",
    "use_cla",
    "use_qk_norm",
    "use_rotary_pos_emb",
};

}  // namespace

constinit const Architecture kHunyuanDense{
    .model_type = "hunyuan_v1_dense",
    .class_name = "HunYuanDenseV1ForCausalLM",
    .embed = {kLlamaEmbed},
    .attention = {kHunyuanTensors, kHunyuanAttention},
    .mlp = {kLlamaMlp},
    .norm = {kLlamaNorm},
    .head = {kLlamaHead},
    .norms = {.default_eps = 1e-5},
    .rope = {.dynamic_alpha = true},
    .ignored_fields = kHunyuanIgnored,
};

}  // namespace ashlar
