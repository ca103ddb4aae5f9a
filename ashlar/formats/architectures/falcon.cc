#include "ashlar/formats/architectures/all_architectures.h"
#include "ashlar/formats/architectures/llama_names.h"

namespace ashlar {
namespace {

constexpr TensorName kFalconEmbed[] = {{"weight", "transformer.word_embeddings.weight"}};
constexpr TensorName kFalconNorm[] = {
    {"weight", "transformer.ln_f.weight"},
    {"bias", "transformer.ln_f.bias"},
};

// The tensors of attention and MLP, by the names of the norms before them.
constexpr std::string_view kFusedWeight = "transformer.h.{}.self_attention.query_key_value.weight";
constexpr std::string_view kFusedBias = "transformer.h.{}.self_attention.query_key_value.bias";

struct FalconTensors {
  TensorName attention[10];
  TensorName mlp[6];
};
constexpr FalconTensors NamedAfter(std::string_view attention_norm, std::string_view attention_bias,
                                   std::string_view mlp_norm, std::string_view mlp_bias) {
  return {.attention = {{"norm.weight", attention_norm},
                        {"norm.bias", attention_bias},
                        {"q", kFusedWeight, &kQkvByHead},
                        {"k", kFusedWeight, &kQkvByHead},
                        {"v", kFusedWeight, &kQkvByHead},
                        {"o", "transformer.h.{}.self_attention.dense.weight"},
                        {"q.bias", kFusedBias, &kQkvByHead},
                        {"k.bias", kFusedBias, &kQkvByHead},
                        {"v.bias", kFusedBias, &kQkvByHead},
                        {"o.bias", "transformer.h.{}.self_attention.dense.bias"}},
          .mlp = {{"norm.weight", mlp_norm},
                  {"norm.bias", mlp_bias},
                  {"up", "transformer.h.{}.mlp.dense_h_to_4h.weight"},
                  {"down", "transformer.h.{}.mlp.dense_4h_to_h.weight"},
                  {"up.bias", "transformer.h.{}.mlp.dense_h_to_4h.bias"},
                  {"down.bias", "transformer.h.{}.mlp.dense_4h_to_h.bias"}}};
}
constexpr FalconTensors kTwoNorms =
    NamedAfter("transformer.h.{}.ln_attn.weight", "transformer.h.{}.ln_attn.bias",
               "transformer.h.{}.ln_mlp.weight", "transformer.h.{}.ln_mlp.bias");
constexpr FalconTensors kSharedNorm =
    NamedAfter("transformer.h.{}.input_layernorm.weight", "transformer.h.{}.input_layernorm.bias",
               "transformer.h.{}.input_layernorm.weight", "transformer.h.{}.input_layernorm.bias");
constexpr FalconTensors kSequentialNorms =
    NamedAfter("transformer.h.{}.input_layernorm.weight", "transformer.h.{}.input_layernorm.bias",
               "transformer.h.{}.post_attention_layernorm.weight",
               "transformer.h.{}.post_attention_layernorm.bias");

constexpr Setting kFalconAttention[] = {
    {"qkv_bias", 0, "bias"},
    {"o_bias", 0, "bias"},
};
constexpr Setting kFalconMlp[] = {
    {"form", "plain"},
    {"bias", 0, "bias"},
};

// The newer form counts its key-value heads and has a norm each for attention and MLP, or one.
constexpr bool kCounts = true;
constexpr Condition kIsNewWithTwoNorms[] = {{"new_decoder_architecture", 1, 0},
                                            {"parallel_attn", 1, 1},
                                            {"num_ln_in_parallel_attn", 2, 2, {}, kCounts}};
constexpr Condition kIsNewWithOneNorm[] = {{"new_decoder_architecture", 1, 0},
                                           {"parallel_attn", 1, 1},
                                           {"num_ln_in_parallel_attn", 1, 2, {}, kCounts}};
constexpr Condition kIsParallel[] = {{"new_decoder_architecture", 0, 0},
                                     {"parallel_attn", 1, 1},
                                     {"num_ln_in_parallel_attn", 1, 1, {}, kCounts}};
constexpr Condition kIsSequential[] = {{"new_decoder_architecture", 0, 0}, {"parallel_attn", 0, 1}};
constexpr std::string_view kNewIgnores[] = {"ff_factor", "intermediate_size", "multi_query",
                                            "num_key_value_heads"};
constexpr std::string_view kOldIgnores[] = {"ff_factor", "intermediate_size", "n_head_kv",
                                            "num_key_value_heads", "num_kv_heads"};

constexpr Architecture Falcon(std::span<const Condition> when, const FalconTensors& tensors,
                              bool parallel, bool counts_key_value_heads) {
  Architecture falcon{
      .model_type = "falcon",
      .class_name = "FalconForCausalLM",
      .when = when,
      .base_prefix = "transformer.",
      .embed = {kFalconEmbed},
      .attention = {tensors.attention, kFalconAttention},
      .mlp = {tensors.mlp, kFalconMlp},
      .norm = {kFalconNorm},
      .head = {kLlamaHead},
      .norms = {.type = "layer",
                .eps = {{"layer_norm_epsilon"}},
                .default_eps = 1e-5,
                .bias = true},
      .parallel = {.otherwise = parallel},
      // (The reference rounds slopes, positions and their products to bf16, so that its bias
      // depends on where in a text two tokens stand: here it falls with their distance alone.)
      .alibi = {.used = {.field = "alibi"}, .in_scale = true},
      .sizes = {.width = {{"hidden_size", "n_embed"}},
                .channels = {{"ffn_hidden_size"}},
                .layers = {{"num_hidden_layers", "n_layer"}},
                .heads = {{"num_attention_heads", "n_head"}},
                .key_value_heads = {{"num_kv_heads", "n_head_kv"}},
                .head_dim = {}},
      .activation = {{"activation"}},
      .default_activation = "gelu",
      .channels_per_width = 4,
      .tied = true,
      .ignored_fields = kNewIgnores,
  };
  if (!counts_key_value_heads) {
    falcon.sizes.key_value_heads = {};
    falcon.multi_query = {.otherwise = true, .field = "multi_query"};
    falcon.ignored_fields = kOldIgnores;
  }
  return falcon;
}

}  // namespace

constinit const Architecture kFalconTwoNorms = Falcon(kIsNewWithTwoNorms, kTwoNorms, true, true);
constinit const Architecture kFalconOneNorm = Falcon(kIsNewWithOneNorm, kSharedNorm, true, true);
constinit const Architecture kFalconParallel = Falcon(kIsParallel, kSharedNorm, true, false);
constinit const Architecture kFalconSequential =
    Falcon(kIsSequential, kSequentialNorms, false, false);

}  // namespace ashlar
