#include "ashlar/formats/internal/gguf_limits.h"

#include <algorithm>
#include <iterator>

namespace ashlar::internal {
namespace {

std::int64_t ContextOf(const DecoderFacts& facts) {
  return facts.metadata.context_length.value_or(kDefaultContext);
}
std::int64_t LeastWindow(const DecoderFacts& facts) {
  std::int64_t least = 0;
  for (const DecoderFacts::Layer& layer : facts.layers) {
    const std::int64_t window = WindowOf(facts.mixer(layer).attributes);
    least = window != 0 && (least == 0 || window < least) ? window : least;
  }
  return least;
}

// As large as the networks that llama.cpp knows to make queries without a latent: DeepSeek-V2-Lite
// and GigaChat 3, and, by its vocabulary, Kanana 2.
bool IsLight(const DecoderFacts& facts) {
  const std::int64_t layers = std::ssize(facts.layers);
  return layers == 26 || layers == 27 ||
         (layers == 48 && facts.embed().attributes.Integer("vocabulary") == 128'256);
}

}  // namespace

std::int64_t WindowOf(const Attributes& attention) {
  const auto found = attention.values().find("window");
  return found == attention.values().end() ? 0 : std::get<std::int64_t>(found->second);
}

DecoderFacts WithoutIdleWindows(DecoderFacts facts) {
  const std::int64_t window = LeastWindow(facts);
  if (window == 0 || window < ContextOf(facts)) {
    return facts;
  }
  for (const DecoderFacts::Layer& layer : facts.layers) {
    DecoderNode& node = facts.nodes[static_cast<std::size_t>(layer.mixer)];
    node.attributes =
        WindowOf(node.attributes) == 0 ? node.attributes : node.attributes.With("window", 0);
  }
  return facts;
}

Status CheckGgufLimits(const DecoderFacts& facts, const GgufFamily& family, std::string_view usual,
                       std::vector<std::string>& remarks) {
  const std::int64_t width = facts.embed().attributes.Integer("width");
  const DecoderNode* const attends = facts.FirstMixer(/*recurrent=*/false);
  if (family.square) {
    const Attributes& attention = attends->attributes;
    const std::int64_t heads = attention.Integer("heads") * attention.Integer("key_dim");
    if (heads != width) {
      return Unsupported(
          "llama.cpp's {} has heads that are together as wide as the network, {}; they are {}",
          family.architecture, width, heads);
    }
  }
  std::vector<std::string> otherwise;
  if (family.key_of_each_head &&
      attends->attributes.Integer("kv_heads") != attends->attributes.Integer("heads")) {
    otherwise.push_back(fmt::format(
        "llama.cpp's {} has as many heads of keys as of queries, {}, and would not load "
        "a file with {}",
        family.architecture, attends->attributes.Integer("heads"),
        attends->attributes.Integer("kv_heads")));
  }
  if (family.doubles_width) {
    const Attributes& state = facts.FirstMixer(/*recurrent=*/true)->attributes;
    const std::int64_t channels = state.Integer("heads") * state.Integer("head_dim");
    if (channels != 2 * width) {
      otherwise.push_back(
          fmt::format("llama.cpp's {} has twice as many channels as the network is wide, {}, and "
                      "would not load a file with {}",
                      family.architecture, 2 * width, channels));
    }
  }
  const auto ranks_best = [](const DecoderNode& node) {
    return node.kind->name == "moe" && node.attributes.Choice("group_rank") == "best";
  };
  if (family.ranks_two && std::ranges::any_of(facts.nodes, ranks_best)) {
    otherwise.push_back(
        fmt::format("llama.cpp's {} takes groups of experts by their two best, and the network by "
                    "their best: it would choose others",
                    family.architecture));
  }
  const std::int64_t layers = std::ssize(facts.layers);
  if (family.light && *family.light != IsLight(facts)) {
    otherwise.push_back(
        fmt::format("llama.cpp's {} has queries without a latent in networks of 26 or 27 layers, "
                    "or of 48 and 128256 tokens, and with one in others, and would not load a file "
                    "of {} layers {} one",
                    family.architecture, layers, *family.light ? "without" : "with"));
  }
  if (layers < family.head_norms_from && attends->attributes.Choice("qk_norm") != "none") {
    otherwise.push_back(
        fmt::format("llama.cpp's {} has norms of queries and keys in networks of {} layers or "
                    "more, and would not load a file of {}",
                    family.architecture, family.head_norms_from, layers));
  }
  if (family.biased && attends->attributes.Integer("o_bias") == 0) {
    otherwise.push_back(fmt::format("llama.cpp's {} has biases, and would not load a file without",
                                    family.architecture));
  }
  const std::int64_t window = LeastWindow(facts);
  if (window != 0 && family.windows_of != 0 && layers != family.windows_of) {
    otherwise.push_back(
        fmt::format("llama.cpp's {} has windows, and layers that do not turn, in networks of {} "
                    "layers only, and would compute something else with {}",
                    family.architecture, family.windows_of, layers));
  }
  if (window != 0 && window < ContextOf(facts) && !family.windows) {
    otherwise.push_back(fmt::format(
        "llama.cpp would not apply the window of {} positions, which is within the context of {}",
        window, ContextOf(facts)));
  }
  if (!otherwise.empty() && family.model_type != usual) {
    return Unsupported("{}", otherwise.front());
  }
  std::ranges::move(otherwise, std::back_inserter(remarks));
  return {};
}

}  // namespace ashlar::internal
