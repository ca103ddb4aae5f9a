#include "ashlar/formats/internal/gguf_decoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace ashlar::internal {
namespace {

// llama.cpp reads these at fixed places of its code; each is a row of what it assumes there.
constexpr GgufArchitecture kLlama{
    .name = "llama", .turns_neighbours = true, .takes_frequency_factors = true};
constexpr GgufArchitecture kQwen2{
    .name = "qwen2", .turns_neighbours = false, .takes_frequency_factors = false};
constexpr GgufArchitecture kQwen3{
    .name = "qwen3", .turns_neighbours = false, .takes_frequency_factors = false};

// What a network that does not say counts as trained for.
constexpr std::int64_t kDefaultContext = 4096;

// The attributes of each kind that have a place in GGUF; any other must have its default.
constexpr std::string_view kEmbedAttributes[] = {"width", "vocabulary"};
constexpr std::string_view kAttentionAttributes[] = {
    "width",
    "heads",
    "kv_heads",
    "key_dim",
    "value_dim",
    "qkv_bias",
    "o_bias",
    "window",
    "norm",
    "norm_eps",
    "qk_norm",
    "rope_dims",
    "rope_theta",
    "rope_scaling",
    "rope_factor",
    "rope_original_positions",
    "rope_low_frequency_factor",
    "rope_high_frequency_factor",
};
constexpr std::string_view kMlpAttributes[] = {"width", "channels", "form",    "activation",
                                               "bias",  "norm",     "norm_eps"};
constexpr std::string_view kNormAttributes[] = {"width", "type", "eps"};

struct KindRule {
  std::string_view kind;
  std::span<const std::string_view> attributes;
  bool reads;    // the value of the node before it
  bool carries;  // that value too
};
constexpr KindRule kEmbedRule{"embed", kEmbedAttributes, false, false};
constexpr KindRule kAttentionRule{"attention", kAttentionAttributes, true, true};
constexpr KindRule kMlpRule{"mlp", kMlpAttributes, true, true};
constexpr KindRule kNormRule{"norm", kNormAttributes, true, false};
constexpr KindRule kHeadRule{"head", kEmbedAttributes, true, false};

// Reads one node after the other, and says of which an error speaks.
class ChainReader {
 public:
  explicit ChainReader(const Network& network) : network_(network), names_(NodeNames(network)) {}

  int size() const { return static_cast<int>(network_.nodes.size()); }
  const std::string& name(int node) const { return names_[static_cast<std::size_t>(node)]; }

  template <class... Args>
  Error Refuse(int node, fmt::format_string<Args...> format, Args&&... args) const {
    return Unsupported("{}: {}", name(node), fmt::format(format, std::forward<Args>(args)...));
  }

  Status Check(int node, const KindRule& rule) const {
    const Node& at = network_.nodes[static_cast<std::size_t>(node)];
    const std::string_view kind = network_.BlockOf(node).kind->name;
    if (kind != rule.kind) {
      return Refuse(node,
                    "GGUF holds an embedding, layers of attention and then MLP, a norm and a head; "
                    "here it needs {} {}, and the node is {}",
                    rule.kind == "embed" || rule.kind == "attention" ? "an" : "a", rule.kind, kind);
    }
    if (!at.overlays.empty()) {
      return Refuse(node, "GGUF cannot hold its {} overlays", at.overlays.size());
    }
    if (at.state_of) {
      return Refuse(node, "GGUF cannot hold a node that reads the state of {}", name(*at.state_of));
    }
    const Combination before = {{node - 1, 1.0}};
    const std::map<std::string, Combination, std::less<>> reads = {{"x", before}};
    if (rule.reads ? at.inputs != reads : !at.inputs.empty()) {
      return Refuse(node, "GGUF holds plain chains only, where a node reads the one before it");
    }
    if (at.carry != (rule.carries ? before : Combination())) {
      return Refuse(node,
                    "GGUF holds plain chains only, where attention and MLP add to what they read");
    }
    const Json attributes = EffectiveAttributes(network_, node).ToJson();
    for (const auto& [attribute, value] : *attributes.object()) {
      if (std::ranges::find(rule.attributes, attribute) == rule.attributes.end()) {
        return Refuse(node, "GGUF cannot hold {} = {}", attribute, WriteJson(value));
      }
    }
    return {};
  }

  Attributes AttributesOf(int node) const { return EffectiveAttributes(network_, node); }

 private:
  const Network& network_;
  const std::vector<std::string> names_;
};

Status CheckChoice(const ChainReader& chain, int node, const Attributes& attributes,
                   std::string_view attribute, std::string_view wanted) {
  if (attributes.Choice(attribute) != wanted) {
    return chain.Refuse(node, "GGUF needs {} = {}, found {}", attribute, wanted,
                        attributes.Choice(attribute));
  }
  return {};
}

Status CheckAttention(const ChainReader& chain, int node, std::int64_t context) {
  const Attributes attributes = chain.AttributesOf(node);
  ASHLAR_TRY(CheckChoice(chain, node, attributes, "norm", "rms"));
  const std::int64_t dims = attributes.Integer("key_dim");
  if (attributes.Integer("value_dim") != dims || attributes.Integer("rope_dims") != dims) {
    return chain.Refuse(node,
                        "llama.cpp needs key_dim, value_dim and rope_dims alike, found {}, {} and "
                        "{}",
                        dims, attributes.Integer("value_dim"), attributes.Integer("rope_dims"));
  }
  const std::int64_t window = attributes.Integer("window");
  if (window != 0 && window < context) {
    return chain.Refuse(node,
                        "llama.cpp would not apply its window of {} positions, which is within the "
                        "context of {}",
                        window, context);
  }
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  if (context > kMost || attributes.Integer("rope_original_positions") > kMost) {
    return chain.Refuse(node, "GGUF counts positions up to {}", kMost);
  }
  constexpr std::string_view kScalings[] = {"none", "linear", "llama3", "yarn"};
  const std::string& scaling = attributes.Choice("rope_scaling");
  if (std::ranges::find(kScalings, scaling) == std::end(kScalings)) {
    return chain.Refuse(node, "GGUF cannot hold rope_scaling = {}", scaling);
  }
  const std::string& qk_norm = attributes.Choice("qk_norm");
  if (qk_norm != "none" && qk_norm != "rms_per_head") {
    return chain.Refuse(node, "GGUF cannot hold qk_norm = {}", qk_norm);
  }
  return {};
}

Result<const GgufArchitecture*> ChooseArchitecture(const ChainReader& chain,
                                                   const GgufDecoder& decoder) {
  const Attributes& attention = decoder.layer;
  const bool qkv_bias = attention.Integer("qkv_bias") != 0;
  const bool other_bias =
      attention.Integer("o_bias") != 0 || decoder.layer_mlp.Integer("bias") != 0;
  const bool qk_norm = attention.Choice("qk_norm") != "none";
  const bool llama3 = attention.Choice("rope_scaling") == "llama3";
  const bool square =
      attention.Integer("heads") * attention.Integer("key_dim") == attention.Integer("width");
  if (qk_norm) {
    if (qkv_bias || other_bias || llama3) {
      return chain.Refuse(decoder.attention.front(),
                          "of llama.cpp's architectures, the one with norms of query and key heads "
                          "(qwen3) has no biases and no rope_scaling = llama3");
    }
    return &kQwen3;
  }
  return qkv_bias && !other_bias && !llama3 && square ? &kQwen2 : &kLlama;
}

}  // namespace

Result<GgufDecoder> ReadAsDecoder(const Network& network) {
  const ChainReader chain(network);
  constexpr int kEnds = 3;  // embedding, norm, head
  if (chain.size() < kEnds + 2 || (chain.size() - kEnds) % 2 != 0) {
    return Unsupported(
        "GGUF holds an embedding, layers of attention and MLP, a norm and a head; the network's {} "
        "nodes are no such chain",
        chain.size());
  }
  GgufDecoder decoder{
      .embed = 0,
      .norm = chain.size() - 2,
      .head = chain.size() - 1,
      .context = network.metadata.context_length.value_or(kDefaultContext),
  };
  ASHLAR_TRY(chain.Check(decoder.embed, kEmbedRule));
  for (int node = 1; node < decoder.norm; node += 2) {
    ASHLAR_TRY(chain.Check(node, kAttentionRule));
    ASHLAR_TRY(chain.Check(node + 1, kMlpRule));
    decoder.attention.push_back(node);
    decoder.mlp.push_back(node + 1);
  }
  ASHLAR_TRY(chain.Check(decoder.norm, kNormRule));
  ASHLAR_TRY(chain.Check(decoder.head, kHeadRule));

  decoder.layer = chain.AttributesOf(decoder.attention.front());
  decoder.layer_mlp = chain.AttributesOf(decoder.mlp.front());
  for (std::size_t i = 0; i < decoder.attention.size(); ++i) {
    for (const auto& [node, wanted] : {std::pair(decoder.attention[i], &decoder.layer),
                                       std::pair(decoder.mlp[i], &decoder.layer_mlp)}) {
      if (chain.AttributesOf(node) != *wanted) {
        return chain.Refuse(node,
                            "GGUF holds layers that are alike: its attributes are {}, those of the "
                            "first layer {}",
                            WriteJson(chain.AttributesOf(node).ToJson()),
                            WriteJson(wanted->ToJson()));
      }
    }
  }
  ASHLAR_TRY(CheckAttention(chain, decoder.attention.front(), decoder.context));
  const int mlp = decoder.mlp.front();
  ASHLAR_TRY(CheckChoice(chain, mlp, decoder.layer_mlp, "norm", "rms"));
  ASHLAR_TRY(CheckChoice(chain, mlp, decoder.layer_mlp, "form", "gated"));
  ASHLAR_TRY(CheckChoice(chain, mlp, decoder.layer_mlp, "activation", "silu"));
  const Attributes norm = chain.AttributesOf(decoder.norm);
  ASHLAR_TRY(CheckChoice(chain, decoder.norm, norm, "type", "rms"));
  const double eps = norm.Real("eps");
  for (const auto& [node, attributes] :
       {std::pair(decoder.attention.front(), &decoder.layer), std::pair(mlp, &decoder.layer_mlp)}) {
    if (attributes->Real("norm_eps") != eps) {
      return chain.Refuse(node, "GGUF has one epsilon for all norms; norm_eps is {}, that of {} {}",
                          attributes->Real("norm_eps"), chain.name(decoder.norm), eps);
    }
  }
  const std::int64_t ids = chain.AttributesOf(decoder.embed).Integer("vocabulary");
  const std::int64_t logits = chain.AttributesOf(decoder.head).Integer("vocabulary");
  if (ids != logits) {
    return chain.Refuse(decoder.head, "GGUF needs as many logits as ids, found {} and {}", logits,
                        ids);
  }
  decoder.tied = network.BlockOf(decoder.head).tensors.at("weight") ==
                 network.BlockOf(decoder.embed).tensors.at("weight");
  ASHLAR_TRY(decoder.architecture, ChooseArchitecture(chain, decoder));
  return decoder;
}

GgufMetadata DecoderMetadata(const Network& network, const GgufDecoder& decoder) {
  GgufMetadata metadata;
  const auto add = [&](std::string_view key, GgufValue value) {
    metadata.emplace_back(fmt::format("{}.{}", decoder.architecture->name, key), std::move(value));
  };
  const auto integer = [](const Attributes& attributes, std::string_view name) {
    return static_cast<std::uint32_t>(attributes.Integer(name));
  };
  const auto real = [](const Attributes& attributes, std::string_view name) {
    return static_cast<float>(attributes.Real(name));
  };
  const Attributes& attention = decoder.layer;
  add("block_count", static_cast<std::uint32_t>(decoder.attention.size()));
  add("context_length", static_cast<std::uint32_t>(decoder.context));
  add("embedding_length", integer(attention, "width"));
  add("feed_forward_length", integer(decoder.layer_mlp, "channels"));
  add("attention.head_count", integer(attention, "heads"));
  add("attention.head_count_kv", integer(attention, "kv_heads"));
  add("attention.key_length", integer(attention, "key_dim"));
  add("attention.value_length", integer(attention, "value_dim"));
  add("attention.layer_norm_rms_epsilon", real(attention, "norm_eps"));
  add("rope.dimension_count", integer(attention, "rope_dims"));
  add("rope.freq_base", real(attention, "rope_theta"));
  add("vocab_size", integer(EffectiveAttributes(network, decoder.embed), "vocabulary"));
  const std::string& scaling = attention.Choice("rope_scaling");
  if (scaling == "linear" || scaling == "yarn") {
    add("rope.scaling.type", scaling);
    add("rope.scaling.factor", real(attention, "rope_factor"));
  }
  if (scaling == "yarn") {
    add("rope.scaling.original_context_length", integer(attention, "rope_original_positions"));
  }
  return metadata;
}

std::vector<float> FrequencyFactors(const Attributes& attention) {
  const double factor = attention.Real("rope_factor");
  const double low = attention.Real("rope_low_frequency_factor");
  const double high = attention.Real("rope_high_frequency_factor");
  const auto original = static_cast<double>(attention.Integer("rope_original_positions"));
  const std::int64_t dims = attention.Integer("rope_dims");
  std::vector<float> factors;
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const double wavelength = 2 * std::numbers::pi *
                              std::pow(attention.Real("rope_theta"),
                                       static_cast<double>(2 * i) / static_cast<double>(dims));
    const double turns = original / wavelength;  // within the original context
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - keep) / factor + keep)));
  }
  return factors;
}

}  // namespace ashlar::internal
