#include "ashlar/formats/architectures/all_architectures.h"

namespace ashlar {
namespace {

constexpr TensorName kRwkvEmbed[] = {{"weight", "rwkv.embeddings.weight"}};
constexpr TensorName kRwkvEmbedNorm[] = {
    {"weight", "rwkv.blocks.0.pre_ln.weight"},
    {"bias", "rwkv.blocks.0.pre_ln.bias"},
};
constexpr std::string_view kMixDims[] = {"1", "1", ""};

constexpr TensorName kRwkvTimeMixing[] = {
    {"norm.weight", "rwkv.blocks.{}.ln1.weight"},
    {"norm.bias", "rwkv.blocks.{}.ln1.bias"},
    {.tensor = "mix.k", .checkpoint = "rwkv.blocks.{}.attention.time_mix_key", .dims = kMixDims},
    {.tensor = "mix.v", .checkpoint = "rwkv.blocks.{}.attention.time_mix_value", .dims = kMixDims},
    {.tensor = "mix.gate",
     .checkpoint = "rwkv.blocks.{}.attention.time_mix_receptance",
     .dims = kMixDims},
    {"k", "rwkv.blocks.{}.attention.key.weight"},
    {"v", "rwkv.blocks.{}.attention.value.weight"},
    {"gate", "rwkv.blocks.{}.attention.receptance.weight"},
    {"decay_log", "rwkv.blocks.{}.attention.time_decay"},
    {"bonus", "rwkv.blocks.{}.attention.time_first"},
    {"o", "rwkv.blocks.{}.attention.output.weight"},
};
constexpr TensorName kRwkvChannelMixing[] = {
    {"norm.weight", "rwkv.blocks.{}.ln2.weight"},
    {"norm.bias", "rwkv.blocks.{}.ln2.bias"},
    {.tensor = "mix.up",
     .checkpoint = "rwkv.blocks.{}.feed_forward.time_mix_key",
     .dims = kMixDims},
    {.tensor = "mix.out_gate",
     .checkpoint = "rwkv.blocks.{}.feed_forward.time_mix_receptance",
     .dims = kMixDims},
    {"up", "rwkv.blocks.{}.feed_forward.key.weight"},
    {"down", "rwkv.blocks.{}.feed_forward.value.weight"},
    {"out_gate", "rwkv.blocks.{}.feed_forward.receptance.weight"},
};
constexpr TensorName kRwkvNorm[] = {
    {"weight", "rwkv.ln_out.weight"},
    {"bias", "rwkv.ln_out.bias"},
};
constexpr TensorName kRwkvHead[] = {{"weight", "head.weight"}};

constexpr Setting kRwkvTimeSettings[] = {
    {.attribute = "channels", .value = 0, .field = "attention_hidden_size", .per_width = 1},
};
constexpr Setting kRwkvChannelSettings[] = {
    {"form", "plain"},
    {"activation", "relu2"},
    {"shift", 1},
    {"out_gate", 1},
};
constexpr std::string_view kRwkvIgnored[] = {"num_attention_heads", "num_key_value_heads"};

}  // namespace

constinit const Architecture kRwkv{
    .model_type = "rwkv",
    .class_name = "RwkvForCausalLM",
    .base_prefix = "rwkv.",
    .embed = {kRwkvEmbed},
    .embed_norm = {kRwkvEmbedNorm},
    .recurrent = {.kind = "wkv", .block = {kRwkvTimeMixing, kRwkvTimeSettings}},
    .mlp = {kRwkvChannelMixing, kRwkvChannelSettings},
    .norm = {kRwkvNorm},
    .head = {kRwkvHead},
    .norms = {.type = "layer",
              .eps = {{"layer_norm_epsilon"}},
              .default_eps = 1e-5,
              .bias = true,
              .last_eps = 1e-5,
              .halved_every = {{{"rescale_every"}}, 6}},
    .sizes = {.positions = {{"context_length", "max_position_embeddings"}}},
    .activation = {},
    .default_activation = "",
    .max_positions = 1024,
    .channels_per_width = 4,
    .ignored_fields = kRwkvIgnored,
};

}  // namespace ashlar
