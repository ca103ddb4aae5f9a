#include "ashlar/formats/internal/gguf_names.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace ashlar::internal {
namespace {

constexpr std::string_view kQkvParts[] = {"q", "k", "v"};
constexpr Joined kQkv{kQkvParts};
constexpr std::string_view kGateUpParts[] = {"gate", "up"};
constexpr Joined kGateUp{kGateUpParts};
// The matrix of each head that keys and values are made with, as checkpoints have it: before
// llama.cpp computed in latents, files had it too.
constexpr std::string_view kKeyValueParts[] = {"q_latent", "v"};
constexpr Joined kKeyValue{.parts = kKeyValueParts, .turned = "q_latent"};

constexpr GgufName kNames[] = {
    {"embed", "weight", "token_embd.weight"},
    {"embed", "positions", "position_embd.weight"},
    {"attention", "norm.weight", "blk.{}.attn_norm.weight"},
    {"attention", "norm.bias", "blk.{}.attn_norm.bias"},
    {"attention", "q", "blk.{}.attn_q.weight"},
    {"attention", "q", "blk.{}.attn_qkv.weight", &kQkv},
    {"attention", "k", "blk.{}.attn_k.weight"},
    {"attention", "k", "blk.{}.attn_qkv.weight", &kQkv},
    {"attention", "v", "blk.{}.attn_v.weight"},
    {"attention", "v", "blk.{}.attn_qkv.weight", &kQkv},
    {"attention", "o", "blk.{}.attn_output.weight"},
    {"attention", "q.bias", "blk.{}.attn_q.bias"},
    {"attention", "q.bias", "blk.{}.attn_qkv.bias", &kQkv},
    {"attention", "k.bias", "blk.{}.attn_k.bias"},
    {"attention", "k.bias", "blk.{}.attn_qkv.bias", &kQkv},
    {"attention", "v.bias", "blk.{}.attn_v.bias"},
    {"attention", "v.bias", "blk.{}.attn_qkv.bias", &kQkv},
    {"attention", "o.bias", "blk.{}.attn_output.bias"},
    {"attention", "q_norm.weight", "blk.{}.attn_q_norm.weight"},
    {"attention", "k_norm.weight", "blk.{}.attn_k_norm.weight"},
    {"attention", "post_norm.weight", "blk.{}.post_attention_norm.weight"},
    {"attention", "sinks", "blk.{}.attn_sinks.weight"},
    {"latent_attention", "norm.weight", "blk.{}.attn_norm.weight"},
    {"latent_attention", "q_down", "blk.{}.attn_q_a.weight"},
    {"latent_attention", "q_norm.weight", "blk.{}.attn_q_a_norm.weight"},
    {"latent_attention", "q", "blk.{}.attn_q_b.weight"},
    {"latent_attention", "kv_down", "blk.{}.attn_kv_a_mqa.weight"},
    {"latent_attention", "kv_norm.weight", "blk.{}.attn_kv_a_norm.weight"},
    {"latent_attention", "heads.{}.q_latent", "blk.{}.attn_k_b.weight"},
    {"latent_attention", "heads.{}.q_latent", "blk.{}.attn_kv_b.weight", &kKeyValue},
    {"latent_attention", "heads.{}.v", "blk.{}.attn_v_b.weight"},
    {"latent_attention", "heads.{}.v", "blk.{}.attn_kv_b.weight", &kKeyValue},
    {"latent_attention", "o", "blk.{}.attn_output.weight"},
    {"mlp", "norm.weight", "blk.{}.ffn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.ffn_norm.bias"},
    {"mlp", "gate", "blk.{}.ffn_gate.weight"},
    {"mlp", "gate", "blk.{}.ffn_up.weight", &kGateUp},
    {"mlp", "up", "blk.{}.ffn_up.weight"},
    {"mlp", "up", "blk.{}.ffn_up.weight", &kGateUp},
    {"mlp", "down", "blk.{}.ffn_down.weight"},
    {"mlp", "gate.bias", "blk.{}.ffn_gate.bias"},
    {"mlp", "up.bias", "blk.{}.ffn_up.bias"},
    {"mlp", "down.bias", "blk.{}.ffn_down.bias"},
    {"mlp", "post_norm.weight", "blk.{}.post_ffw_norm.weight"},
    {"moe", "norm.weight", "blk.{}.ffn_norm.weight"},
    {"moe", "router", "blk.{}.ffn_gate_inp.weight"},
    {"moe", "router.bias", "blk.{}.ffn_gate_inp.bias"},
    {"moe", "router.selection_bias", "blk.{}.exp_probs_b.bias"},
    {"moe", "experts.{}.gate", "blk.{}.ffn_gate_exps.weight"},
    {"moe", "experts.{}.up", "blk.{}.ffn_up_exps.weight"},
    {"moe", "experts.{}.down", "blk.{}.ffn_down_exps.weight"},
    {"moe", "experts.{}.gate.bias", "blk.{}.ffn_gate_exps.bias"},
    {"moe", "experts.{}.up.bias", "blk.{}.ffn_up_exps.bias"},
    {"moe", "experts.{}.down.bias", "blk.{}.ffn_down_exps.bias"},
    {"moe", "shared.gate", "blk.{}.ffn_gate_shexp.weight"},
    {"moe", "shared.up", "blk.{}.ffn_up_shexp.weight"},
    {"moe", "shared.down", "blk.{}.ffn_down_shexp.weight"},
    {"moe", "shared_gate", "blk.{}.ffn_gate_inp_shexp.weight"},
    {"norm", "weight", "output_norm.weight"},
    {"norm", "bias", "output_norm.bias"},
    {"head", "weight", "output.weight"},
    {"head", "bias", "output.bias"},
};

// Whether `name` is `pattern`, and the number in place of its {}.
struct Match {
  bool same = false;
  std::optional<std::int64_t> number = {};
};
Match MatchName(std::string_view pattern, std::string_view name) {
  const std::size_t at = pattern.find("{}");
  if (at == pattern.npos) {
    return {.same = pattern == name};
  }
  const std::string_view end = pattern.substr(at + 2);
  if (!name.starts_with(pattern.substr(0, at)) || !name.ends_with(end) ||
      name.size() <= at + end.size()) {
    return {};
  }
  const std::string_view digits = name.substr(at, name.size() - at - end.size());
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || stop != digits.data() + digits.size()) {
    return {};
  }
  return {.same = true, .number = number};
}

// Whether the block has all that is joined: an MLP without a gate has none to be joined with.
bool HasParts(const GgufName& name, const TensorSpec& tensor, std::span<const TensorSpec> tensors) {
  return name.joined == nullptr ||
         std::ranges::all_of(name.joined->parts, [&](std::string_view part) {
           return std::ranges::find(tensors, NameBeside(tensor, part), &TensorSpec::name) !=
                  tensors.end();
         });
}

Result<GgufPlace> GgufPlaceOf(const GgufName& name, const TensorSpec& tensor,
                              std::span<const TensorSpec> tensors, const Attributes& attributes,
                              std::int64_t layer, std::optional<std::int64_t> member) {
  GgufPlace place{.name = std::string(name.gguf),
                  .rows = {},
                  .convert = name.convert,
                  .joined = name.joined != nullptr};
  if (const std::size_t at = place.name.find("{}"); at != std::string::npos) {
    place.name.replace(at, 2, std::to_string(layer));
  }
  TensorSource source{.tensors = {place.name}, .joined = name.joined, .dims = name.dims};
  if (member) {
    source.stack = std::ranges::count_if(
        tensors, [&](const TensorSpec& spec) { return MatchName(name.tensor, spec.name).same; });
    source.index = *member;
    source.flat = place.joined;
  }
  ASHLAR_TRY(place.rows, PlaceOf(tensor, tensors, attributes, source));
  return place;
}

}  // namespace

Result<std::vector<GgufPlace>> GgufPlacesOf(std::string_view kind, const TensorSpec& tensor,
                                            std::span<const TensorSpec> tensors,
                                            const Attributes& attributes, std::int64_t layer,
                                            std::span<const GgufName> special) {
  std::vector<GgufPlace> places;
  for (const std::span<const GgufName> names : {special, std::span<const GgufName>(kNames)}) {
    for (const GgufName& name : names) {
      const Match match = MatchName(name.tensor, tensor.name);
      if (name.kind == kind && match.same && HasParts(name, tensor, tensors)) {
        ASHLAR_TRY(GgufPlace place,
                   GgufPlaceOf(name, tensor, tensors, attributes, layer, match.number));
        places.push_back(std::move(place));
      }
    }
    if (!places.empty()) {
      break;
    }
  }
  return places;
}

RowOrder GgufRowOrder(bool turns_neighbours, std::string_view kind, std::string_view tensor,
                      const Attributes& attributes) {
  const bool turned = turns_neighbours && kind == "attention" &&
                      (tensor == "q" || tensor == "k" || tensor == "q.bias" || tensor == "k.bias");
  return turned ? RowOrder(attributes.Integer("key_dim")) : RowOrder();
}

}  // namespace ashlar::internal
