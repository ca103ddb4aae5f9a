#include "ashlar/graph/internal/surgery.h"

#include <algorithm>

#include "ashlar/graph/internal/manifest_json.h"

namespace ashlar::internal {
namespace {

// Every node that `node` refers to.
std::set<int> References(const Node& node) {
  std::set<int> references;
  for (const auto& [name, combination] : node.inputs) {
    for (const Term& term : combination) {
      references.insert(term.node);
    }
  }
  for (const Term& term : node.carry) {
    references.insert(term.node);
  }
  if (node.state_of) {
    references.insert(*node.state_of);
  }
  return references;
}

// Appends copies of nodes and gives their references new targets.
class Assembler {
 public:
  Assembler(const Network& base, const std::vector<LayerSpan>& spans) : base_(base) {
    result_ = base;
    result_.nodes.clear();
    prelude_ = spans.empty() ? static_cast<int>(base.nodes.size()) : spans.front().begin;
    tail_ = spans.empty() ? prelude_ : spans.back().end;
  }

  Status AppendPrelude() {
    return Append(base_, {0, prelude_}, std::nullopt, [](int node) -> Result<int> { return node; });
  }

  Status AppendLayer(const Network& network, LayerSpan span, int prelude, int layer) {
    const int start = size();
    return Append(network, span, layer, [&, start](int node) -> Result<int> {
      const bool follows_prelude = span.begin == prelude;
      if (node < prelude && !(follows_prelude && node == prelude - 1)) {
        if (&network != &base_) {
          return Invalid(
              "it reads {}, which stands before the layers of its own network and is "
              "not taken",
              NodeName(network, node));
        }
        return node;
      }
      return std::max(start - (span.begin - node), prelude_ - 1);
    });
  }

  Status AppendTail() {
    const LayerSpan span = {tail_, static_cast<int>(base_.nodes.size())};
    const int start = size();
    return Append(base_, span, std::nullopt, [&, start](int node) -> Result<int> {
      if (node == tail_ - 1) {
        return start - 1;
      }
      return LastCopy(base_, node);
    });
  }

  Network Finish() && { return std::move(result_); }

 private:
  int size() const { return static_cast<int>(result_.nodes.size()); }

  Result<int> LastCopy(const Network& network, int node) const {
    const auto copy = copies_.find({&network, node});
    if (copy == copies_.end()) {
      return Invalid("it needs {}, which is not taken, or only later", NodeName(network, node));
    }
    return copy->second;
  }

  // Copies nodes [span.begin, span.end); `outside` gives the new place of a node before the span.
  template <class Outside>
  Status Append(const Network& network, LayerSpan span, std::optional<int> layer,
                const Outside& outside) {
    const int start = size();
    if (start + (span.end - span.begin) > static_cast<int>(kMaxNodes)) {
      return Invalid("the result has more than {} nodes", kMaxNodes);
    }
    const auto move = [&](int node) -> Result<int> {
      return node >= span.begin ? Result<int>(start + node - span.begin) : outside(node);
    };
    for (int i = span.begin; i < span.end; ++i) {
      Node copy = network.nodes[i];
      copy.layer = layer;
      if (const Status moved = MoveReferences(network, span.begin, copy, move); !moved.ok()) {
        return moved.error().In(NodeName(network, i));
      }
      TakeParts(network, copy);
      copies_[{&network, i}] = size();
      result_.nodes.push_back(std::move(copy));
    }
    return {};
  }

  template <class Move>
  Status MoveReferences(const Network& network, int begin, Node& node, const Move& move) const {
    const auto move_combination = [&](Combination& combination) -> Status {
      for (Term& term : combination) {
        ASHLAR_TRY(term.node, move(term.node));
      }
      combination = Canonical(std::move(combination));
      return {};
    };
    for (auto& [name, combination] : node.inputs) {
      ASHLAR_TRY(move_combination(combination));
    }
    ASHLAR_TRY(move_combination(node.carry));
    if (node.state_of && *node.state_of < begin) {
      ASHLAR_TRY(node.state_of, LastCopy(network, *node.state_of));
    } else if (node.state_of) {
      ASHLAR_TRY(node.state_of, move(*node.state_of));
    }
    return {};
  }

  void TakeParts(const Network& network, const Node& node) {
    result_.blocks.emplace(node.block, network.blocks.at(node.block));
    for (const Digest& overlay : node.overlays) {
      result_.overlays.emplace(overlay, network.overlays.at(overlay));
    }
  }

  const Network& base_;
  Network result_;
  int prelude_;  // the base's layers are the nodes [prelude_, tail_)
  int tail_;
  std::map<std::pair<const Network*, int>, int> copies_;  // the last copy of each node
};

}  // namespace

Result<Network> RemoveNodes(const Network& network, const std::set<int>& removed) {
  Network result = network;
  result.nodes.clear();
  const std::vector<std::string> names = NodeNames(network);
  // By old node: the new node itself, or what a removed node carries.
  std::vector<Combination> replacements;
  const auto replace = [&](int node) -> const Combination& { return replacements[node]; };
  std::map<int, int> places;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    Node node = network.nodes[i];
    if (removed.contains(i)) {
      replacements.push_back(Substitute(node.carry, replace));
      continue;
    }
    for (const int j : References(node)) {
      if (!removed.contains(j)) {
        continue;
      }
      if (node.state_of == j) {
        return Invalid("{} cannot be removed: {} uses its state", names[j], names[i]);
      }
      if (replacements[j].empty()) {
        return Invalid(
            "{} cannot be removed: {} reads it, and it carries nothing that could take "
            "its place",
            names[j], names[i]);
      }
    }
    for (auto& [name, combination] : node.inputs) {
      combination = Substitute(combination, replace);
    }
    node.carry = Substitute(node.carry, replace);
    if (node.state_of) {
      node.state_of = places.at(*node.state_of);
    }
    const int place = static_cast<int>(result.nodes.size());
    places.emplace(i, place);
    replacements.push_back({{place, 1.0}});
    result.nodes.push_back(std::move(node));
  }
  return result;
}

std::vector<std::string> RemoveUnusedNodes(Network& network) {
  std::vector<bool> used(network.nodes.size());
  if (!used.empty()) {
    used.back() = true;
  }
  for (int i = static_cast<int>(network.nodes.size()) - 1; i >= 0; --i) {
    if (used[i]) {
      for (const int j : References(network.nodes[i])) {
        used[j] = true;
      }
    }
  }
  std::vector<std::string> names;
  std::set<int> unused;
  for (int i = 0; i < static_cast<int>(used.size()); ++i) {
    if (!used[i]) {
      unused.insert(i);
      names.push_back(NodeName(network, i));
    }
  }
  if (!unused.empty()) {
    Result<Network> rest = RemoveNodes(network, unused);
    CHECK(rest.ok());  // no kept node refers to an unused one
    network = *std::move(rest);
  }
  return names;
}

Result<std::vector<LayerSpan>> LayerSpans(const Network& network) {
  std::vector<LayerSpan> spans;
  bool after = false;  // whether a node without a layer stood behind a layer
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    const std::optional<int> layer = network.nodes[i].layer;
    const int last = static_cast<int>(spans.size()) - 1;
    if (!layer) {
      after = !spans.empty();
    } else if (after) {
      return Invalid("{} belongs to no layer, and stands between layers: they cannot be moved",
                     NodeName(network, i - 1));
    } else if (layer == last) {
      spans.back().end = i + 1;
    } else if (layer == last + 1) {
      spans.push_back({i, i + 1});
    } else {
      return Invalid("the nodes of layer {} are not consecutive: layers cannot be moved", *layer);
    }
  }
  return spans;
}

Result<Network> Assemble(const Network& base, std::span<const LayerOf> layers) {
  ASHLAR_TRY(const std::vector<LayerSpan> base_spans, LayerSpans(base));
  std::map<const Network*, std::vector<LayerSpan>> spans = {{&base, base_spans}};
  Assembler assembler(base, base_spans);
  ASHLAR_TRY(assembler.AppendPrelude());
  int number = 0;
  for (const LayerOf& layer : layers) {
    auto known = spans.find(layer.network);
    if (known == spans.end()) {
      ASHLAR_TRY(std::vector<LayerSpan> other, LayerSpans(*layer.network));
      known = spans.emplace(layer.network, std::move(other)).first;
    }
    const std::vector<LayerSpan>& of = known->second;
    ASHLAR_TRY(assembler.AppendLayer(*layer.network, of[layer.layer], of.front().begin, number++));
  }
  ASHLAR_TRY(assembler.AppendTail());
  return std::move(assembler).Finish();
}

}  // namespace ashlar::internal
