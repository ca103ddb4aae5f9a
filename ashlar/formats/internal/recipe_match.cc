#include "ashlar/formats/internal/recipe_match.h"

#include <cmath>

#include "ashlar/base/json.h"

namespace ashlar::internal {
namespace {

std::string InWords(const AttributeValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return std::to_string(*integer);
  }
  const auto* real = std::get_if<double>(&value);
  return real != nullptr ? EcmaScriptNumber(*real) : std::get<std::string>(value);
}

bool IsNormOffset(std::string_view kind, std::string_view attribute) {
  return attribute == (kind == "norm" ? "offset" : "norm_offset");
}

bool Alike(const AttributeValue& a, const AttributeValue& b, RealsAlike alike) {
  const auto* const first = std::get_if<double>(&a);
  const auto* const second = std::get_if<double>(&b);
  if (a == b || alike == RealsAlike::kExactly || first == nullptr || second == nullptr) {
    return a == b;
  }
  const auto narrow = static_cast<float>(*first);
  const auto other = static_cast<float>(*second);
  return narrow == other || std::nextafter(narrow, other) == other;
}

class Matcher {
 public:
  Matcher(const DecoderFacts& facts, const Network& network, std::string_view whose,
          RealsAlike alike)
      : facts_(facts), names_(NodeNames(network)), whose_(whose), alike_(alike) {
    match_.norm_shifts.resize(facts.nodes.size());
  }

  RecipeMatch Match(const Recipe& recipe) {
    if (recipe.blocks.size() != facts_.nodes.size()) {
      Differ("the network has {} nodes; {} has {}", facts_.nodes.size(), whose_,
             recipe.blocks.size());
      return std::move(match_);
    }
    for (node_ = 0; node_ < std::ssize(facts_.nodes); ++node_) {
      MatchNode(recipe.blocks[static_cast<std::size_t>(node_)]);
    }
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      if (!layer.feed_forward) {
        continue;
      }
      node_ = *layer.feed_forward;
      const int reads = recipe.blocks[static_cast<std::size_t>(node_)].reads;
      if (reads != (layer.parallel ? 2 : 1)) {
        Differ("{} reads what {} reads too; {} has one after the other", name(),
               NameOf(layer.mixer), whose_);
      }
    }
    return std::move(match_);
  }

 private:
  const std::string& NameOf(int node) const { return names_[static_cast<std::size_t>(node)]; }
  const std::string& name() const { return NameOf(node_); }
  template <class... Args>
  void Differ(fmt::format_string<Args...> format, Args&&... args) {
    if (match_.differences++ == 0) {
      match_.first = fmt::format(format, std::forward<Args>(args)...);
    }
  }

  void MatchNode(const BlockRecipe& block) {
    const DecoderNode& fact = facts_.nodes[static_cast<std::size_t>(node_)];
    if (fact.kind->name != block.kind) {
      Differ("{} is of kind {}; {} has {} there", name(), fact.kind->name, whose_, block.kind);
      constexpr int kOther = 100;  // a kind counts for more than an attribute
      match_.differences += kOther;
      return;
    }
    const auto attributes = Attributes::Make(fact.kind->attributes, block.attributes);
    if (!attributes.ok()) {
      Differ("{} cannot be what {} has there: {}", name(), whose_, attributes.error().message);
      return;
    }
    for (const auto& [attribute, value] : fact.attributes.values()) {
      const AttributeValue& theirs = attributes->values().find(attribute)->second;
      if (Alike(value, theirs, alike_)) {
        continue;
      }
      if (IsNormOffset(block.kind, attribute)) {
        match_.norm_shifts[static_cast<std::size_t>(node_)] =
            std::get<double>(value) - std::get<double>(theirs);
      } else {
        Differ("{} has {} = {}; {} has {}", name(), attribute, InWords(value), whose_,
               InWords(theirs));
      }
    }
    if (fact.numbers != block.numbers) {
      Differ("{} has other factors of its rotation than {}", name(), whose_);
    }
  }

  const DecoderFacts& facts_;
  const std::vector<std::string> names_;
  const std::string_view whose_;
  const RealsAlike alike_;
  int node_ = 0;
  RecipeMatch match_;
};

}  // namespace

RecipeMatch MatchRecipe(const Recipe& recipe, const DecoderFacts& facts, const Network& network,
                        std::string_view whose, RealsAlike alike) {
  return Matcher(facts, network, whose, alike).Match(recipe);
}

bool IsNormWeight(std::string_view kind, std::string_view tensor) {
  if (kind == "norm") {
    return tensor == "weight";
  }
  // (Norms of latents, of values and of gated rows have no such thing.)
  return tensor == "norm.weight" || tensor == "post_norm.weight" ||
         (kind == "attention" && (tensor == "q_norm.weight" || tensor == "k_norm.weight"));
}

}  // namespace ashlar::internal
