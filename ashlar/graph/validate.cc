// All checks of a network that need no weights.
#include <algorithm>
#include <cmath>
#include <set>

#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

class Validator {
 public:
  explicit Validator(const Network& network) : network_(network) {}

  Status Check() {
    if (network_.nodes.empty()) {
      return Invalid("the network has no nodes");
    }
    if (network_.nodes.size() > internal::kMaxNodes) {
      return Invalid("the network has {} nodes; at most {} are supported", network_.nodes.size(),
                     internal::kMaxNodes);
    }
    ASHLAR_TRY(CheckLayerNumbers());
    for (int i = 0; i < size(); ++i) {
      ASHLAR_TRY(CheckUsedBlock(i));
      interfaces_.push_back(node(i).slice.empty()
                                ? InterfaceOf(i, network_.BlockOf(i).attributes)
                                : InterfaceOf(i, EffectiveAttributes(network_, i)));
      ASHLAR_TRY(CheckInputs(i));
      ASHLAR_TRY(CheckCarry(i));
      ASHLAR_TRY(CheckState(i));
      ASHLAR_TRY(CheckOverlays(i));
    }
    ASHLAR_TRY(CheckEveryNodeIsUsed());
    return CheckVocabulary();
  }

 private:
  int size() const { return static_cast<int>(network_.nodes.size()); }
  const Node& node(int i) const { return network_.nodes[i]; }
  std::string Name(int i) const { return NodeName(network_, i); }
  Interface InterfaceOf(int i, const Attributes& attributes) const {
    return network_.BlockOf(i).kind->interface(attributes);
  }

  Status CheckLayerNumbers() const {
    int next = 0;
    for (int i = 0; i < size(); ++i) {
      const std::optional<int> layer = node(i).layer;
      if (layer && (*layer < 0 || *layer > next)) {
        return Invalid(
            "node {} is of layer {}, and {} stand before it; layers are numbered in "
            "order of first appearance",
            i, *layer, next == 0 ? "none" : fmt::format("layers 0 to {}", next - 1));
      }
      next += layer == next ? 1 : 0;
    }
    return {};
  }

  Status CheckUsedBlock(int i) {
    const auto found = network_.blocks.find(node(i).block);
    if (found == network_.blocks.end()) {
      return Invalid("node {}: its block {} is not among the network's blocks", i,
                     node(i).block.ToString());
    }
    const Block& block = *found->second;
    if (checked_blocks_.insert(found->first).second) {
      if (const Status checked = CheckBlock(block); !checked.ok()) {
        return checked.error().In(fmt::format("{}: block {}", Name(i), found->first.Short()));
      }
      if (const Digest actual = block.digest(); actual != found->first) {
        return Invalid("{}: the block named {} has the digest {}", Name(i), found->first.ToString(),
                       actual.ToString());
      }
    }
    if (const Status slice = CheckSlice(block, node(i).slice); !slice.ok()) {
      return slice.error().In(Name(i));
    }
    return {};
  }

  // `verb` is what node i does with the combination: "reads".
  Status CheckCombination(int i, const Combination& combination, std::int64_t width,
                          std::string_view verb) const {
    if (combination.size() > internal::kMaxTerms) {
      return Invalid("{} {} {} nodes; at most {} are supported", Name(i), verb, combination.size(),
                     internal::kMaxTerms);
    }
    int last = -1;
    for (const Term& term : combination) {
      if (term.node < 0 || term.node >= i) {
        return Invalid("{} is node {} and {} node {}; a node refers to earlier ones only", Name(i),
                       i, verb, term.node);
      }
      if (term.node <= last) {
        return Invalid("{} {} node {} after node {}; terms ascend, and each node stands once",
                       Name(i), verb, term.node, last);
      }
      last = term.node;
      if (!std::isfinite(term.coefficient) || term.coefficient == 0) {
        return Invalid("{} {} {} with the coefficient {}; it must be finite and not 0", Name(i),
                       verb, Name(term.node), term.coefficient);
      }
      if (const std::int64_t given = interfaces_[term.node].width_out; given != width) {
        return Invalid("{} {} {} floats per row, and {} gives {}", Name(i), verb, width,
                       Name(term.node), given);
      }
    }
    return {};
  }

  Status CheckInputs(int i) const {
    const std::int64_t width = interfaces_[i].width_in;
    for (const auto& [name, combination] : node(i).inputs) {
      if (width == 0) {
        return Invalid("{} reads token ids, and has an input {}", Name(i), QuoteForError(name));
      }
      if (name != "x") {
        return Invalid("{} has an unknown input {}; its input is \"x\"", Name(i),
                       QuoteForError(name));
      }
    }
    if (width == 0) {
      return {};
    }
    const auto x = node(i).inputs.find("x");
    if (x == node(i).inputs.end() || x->second.empty()) {
      return Invalid("{} reads {} floats per row, and its input \"x\" names no node", Name(i),
                     width);
    }
    return CheckCombination(i, x->second, width, "reads");
  }

  Status CheckCarry(int i) const {
    return CheckCombination(i, node(i).carry, interfaces_[i].width_out, "carries");
  }

  Status CheckState(int i) const {
    if (!node(i).state_of) {
      return {};
    }
    const int owner = *node(i).state_of;
    if (owner < 0 || owner >= i) {
      return Invalid(
          "{} is node {} and uses the state of node {}; a node refers to earlier ones "
          "only",
          Name(i), i, owner);
    }
    if (!interfaces_[i].stateful()) {
      return Invalid("{} is stateless, and uses the state of {}", Name(i), Name(owner));
    }
    if (!interfaces_[owner].stateful()) {
      return Invalid("{} uses the state of {}, which is stateless", Name(i), Name(owner));
    }
    if (interfaces_[i].carried_floats > 0 || interfaces_[owner].carried_floats > 0) {
      return Invalid(
          "{} uses the state of {}: a state that is carried from position to position cannot be "
          "shared",
          Name(i), Name(owner));
    }
    if (node(owner).state_of) {
      return Invalid("{} uses the state of {}, which itself uses that of {}", Name(i), Name(owner),
                     Name(*node(owner).state_of));
    }
    if (interfaces_[i].state_shape != interfaces_[owner].state_shape) {
      return Invalid("{} uses a state of {}, and that of {} is {}", Name(i),
                     interfaces_[i].state_shape, Name(owner), interfaces_[owner].state_shape);
    }
    return {};
  }

  Status CheckOverlays(int i) const {
    for (const Digest& digest : node(i).overlays) {
      const auto overlay = network_.overlays.find(digest);
      if (overlay == network_.overlays.end()) {
        return Invalid("{}: its overlay {} is not among the network's overlays", Name(i),
                       digest.ToString());
      }
      const Block& block = network_.BlockOf(i);
      for (const auto& [target, tensors] : overlay->second->targets) {
        if (!block.tensors.contains(target)) {
          return Invalid("{}: overlay {} has the target {}, and the block has no such tensor",
                         Name(i), digest.Short(), QuoteForError(target));
        }
      }
    }
    return {};
  }

  // What nothing uses would be computed for nothing, and give one network two digests.
  Status CheckEveryNodeIsUsed() const {
    std::vector<bool> used(network_.nodes.size());
    used.back() = true;
    for (const Node& node : network_.nodes) {
      for (const auto& [name, combination] : node.inputs) {
        for (const Term& term : combination) {
          used[term.node] = true;
        }
      }
      for (const Term& term : node.carry) {
        used[term.node] = true;
      }
      if (node.state_of) {
        used[*node.state_of] = true;
      }
    }
    if (const auto unused = std::ranges::find(used, false); unused != used.end()) {
      const int i = static_cast<int>(unused - used.begin());
      return Invalid("{} (node {}) is used by no later node, and is not the last", Name(i), i);
    }
    return {};
  }

  Status CheckVocabulary() const {
    const int last = size() - 1;
    const std::int64_t scored = interfaces_[last].width_in == 0 ? 0 : interfaces_[last].vocabulary;
    if (scored == 0) {
      return Invalid("the last node, {}, gives {} floats per row and not logits", Name(last),
                     interfaces_[last].width_out);
    }
    if (network_.vocabulary < 0) {
      return Invalid("a vocabulary of {} ids is not possible", network_.vocabulary);
    }
    for (int i = 0; i < size(); ++i) {
      if (interfaces_[i].vocabulary != 0 && interfaces_[i].vocabulary < network_.vocabulary) {
        return Invalid("{} knows {} token ids, and the tokenizer gives {}", Name(i),
                       interfaces_[i].vocabulary, network_.vocabulary);
      }
    }
    std::vector<std::int64_t> special = network_.metadata.eos_tokens;
    if (network_.metadata.bos_token) {
      special.push_back(*network_.metadata.bos_token);
    }
    for (const std::int64_t token : special) {
      if (token < 0 || token >= scored) {
        return Invalid("the metadata name token {}, and {} knows {} token ids", token, Name(last),
                       scored);
      }
    }
    return {};
  }

  const Network& network_;
  std::vector<Interface> interfaces_;  // of the nodes checked so far, after their slices
  std::set<Digest> checked_blocks_;
};

}  // namespace

Status Validate(const Network& network) {
  return Validator(network).Check();
}

}  // namespace ashlar
