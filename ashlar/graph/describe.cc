#include "ashlar/graph/describe.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "ashlar/base/join.h"
#include "ashlar/graph/internal/text_table.h"

namespace ashlar {
namespace {

// What the descriptions ask again and again about a network's nodes.
class Nodes {
 public:
  explicit Nodes(const Network& network) : network_(network), names_(NodeNames(network)) {
    for (int i = 0; i < size(); ++i) {
      attributes_.push_back(EffectiveAttributes(network, i));
      interfaces_.push_back(network.BlockOf(i).kind->interface(attributes_.back()));
    }
  }
  int size() const { return static_cast<int>(network_.nodes.size()); }
  const Node& node(int i) const { return network_.nodes[i]; }
  const Block& block(int i) const { return network_.BlockOf(i); }
  const std::string& name(int i) const { return names_[i]; }
  const Attributes& attributes(int i) const { return attributes_[i]; }
  const Interface& interface(int i) const { return interfaces_[i]; }

 private:
  const Network& network_;
  std::vector<std::string> names_;
  std::vector<Attributes> attributes_;
  std::vector<Interface> interfaces_;
};

// ---- One node

std::string ShapeText(const Interface& interface) {
  if (interface.width_in == 0) {
    return fmt::format("{} ids -> {}", interface.vocabulary, interface.width_out);
  }
  return fmt::format("{} -> {}{}", interface.width_in, interface.width_out,
                     interface.vocabulary != 0 ? " logits" : "");
}

std::string CodecsText(const Block& block) {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : block.tensors) {
    if (std::ranges::find(names, tensor.codec->name) == names.end()) {
      names.push_back(tensor.codec->name);
    }
  }
  return Join(names, ", ");
}

// Relative to node i, so that alike layers have alike texts.
std::string CombinationText(const Nodes& nodes, int i, const Combination& combination) {
  std::vector<std::string> terms;
  for (const Term& term : combination) {
    std::string of;
    if (term.node == i - 1) {
      of = "previous";
    } else if (nodes.node(term.node).layer) {
      of = fmt::format("{} back", i - term.node);
    } else {
      of = nodes.name(term.node);
    }
    terms.push_back(term.coefficient == 1
                        ? of
                        : fmt::format("{} x {}", EcmaScriptNumber(term.coefficient), of));
  }
  return Join(terms, " + ");
}

std::string ReadsText(const Nodes& nodes, int i) {
  if (nodes.interface(i).width_in == 0) {
    return "tokens";
  }
  std::vector<std::string> inputs;
  for (const auto& [name, combination] : nodes.node(i).inputs) {
    inputs.push_back(CombinationText(nodes, i, combination));
  }
  return Join(inputs, "; ");
}

std::string StateText(const Nodes& nodes, int i) {
  if (const std::optional<int> owner = nodes.node(i).state_of) {
    return "of " + nodes.name(*owner);
  }
  const Interface& interface = nodes.interface(i);
  if (interface.carried_floats > 0) {
    return fmt::format("{} floats, carried", interface.carried_floats);
  }
  return interface.stateful() ? fmt::format("{} floats", interface.state_floats) : "";
}

// The widths and the vocabulary stand in the shape.
std::string AttributesText(const Nodes& nodes, int i) {
  std::vector<std::string> texts;
  const Json json = nodes.attributes(i).ToJson();
  for (const auto& [name, value] : *json.object()) {
    if (name.starts_with("width") || name == "vocabulary") {
      continue;
    }
    const std::string* text = value.string();
    texts.push_back(fmt::format("{}={}", name, text != nullptr ? *text : WriteJson(value)));
    if (nodes.node(i).slice.contains(name)) {
      texts.back() += fmt::format(" of {}", nodes.block(i).attributes.Integer(name));
    }
  }
  return Join(texts, " ");
}

// ---- Rows

// A row, and the nodes that it stands for.
struct RowNodes {
  NodeRow row;
  std::vector<int> nodes;
};

bool LookAlike(const NodeRow& a, const NodeRow& b) {
  return a.shape == b.shape && a.codecs == b.codecs && a.reads == b.reads &&
         a.carries == b.carries && a.state == b.state && a.attributes == b.attributes;
}

// Fills in what depends on all nodes of a row.
void Finish(const Nodes& nodes, RowNodes& of) {
  std::set<Digest> blocks;
  std::set<Digest> overlays;
  std::set<Level> levels;
  for (const int i : of.nodes) {
    blocks.insert(nodes.node(i).block);
    overlays.insert(nodes.node(i).overlays.begin(), nodes.node(i).overlays.end());
    for (const auto& [name, tensor] : nodes.block(i).tensors) {
      for (const Level& level : tensor.all_levels()) {
        of.row.bytes += levels.insert(level).second ? level.length : 0;
      }
    }
  }
  of.row.block =
      blocks.size() == 1 ? blocks.begin()->Short() : fmt::format("{} blocks", blocks.size());
  if (!overlays.empty()) {
    of.row.block += fmt::format(" + {} overlays", overlays.size());
  }
  if (of.row.first_layer != of.row.last_layer) {
    of.row.name = fmt::format("layers.{}-{}.{}", of.row.first_layer, of.row.last_layer,
                              nodes.block(of.nodes.front()).kind->name);
  }
}

// The rows of one layer, or of one node outside the layers: nodes [begin, end).
std::vector<RowNodes> RowsOf(const Nodes& nodes, int begin, int end) {
  std::vector<RowNodes> rows;
  for (int i = begin; i < end; ++i) {
    const int layer = nodes.node(i).layer.value_or(-1);
    rows.push_back({.row = {.first_node = i,
                            .last_node = i,
                            .first_layer = layer,
                            .last_layer = layer,
                            .name = nodes.name(i),
                            .shape = ShapeText(nodes.interface(i)),
                            .codecs = CodecsText(nodes.block(i)),
                            .reads = ReadsText(nodes, i),
                            .carries = CombinationText(nodes, i, nodes.node(i).carry),
                            .state = StateText(nodes, i),
                            .attributes = AttributesText(nodes, i)},
                    .nodes = {i}});
  }
  return rows;
}

// Whether the layer `next` can join the run of layers that ends with `rows`' last rows.
bool Continues(const Nodes& nodes, std::span<const RowNodes> rows, std::span<const RowNodes> next) {
  if (rows.size() < next.size()) {
    return false;
  }
  const std::span<const RowNodes> run = rows.last(next.size());
  return std::ranges::equal(run, next, [&](const RowNodes& a, const RowNodes& b) {
    return a.row.last_layer >= 0 && b.row.first_layer == a.row.last_layer + 1 &&
           a.row.last_node + static_cast<int>(next.size()) == b.row.first_node &&
           nodes.block(a.row.last_node).kind == nodes.block(b.row.first_node).kind &&
           LookAlike(a.row, b.row);
  });
}

// ---- Graphs

// How much a term counts, as a label; empty for 1.
std::string CoefficientLabel(double coefficient) {
  return coefficient == 1 ? "" : "x " + EcmaScriptNumber(coefficient);
}

Json TermsAsTheyStand(const Combination& combination) {
  Json::Array terms;
  for (const Term& term : combination) {
    terms.emplace_back(Json::Array{Json(term.node), Json(term.coefficient)});
  }
  return terms;
}

Json NodeToJson(const Nodes& nodes, int i) {
  const Node& node = nodes.node(i);
  Json json = Json::Of({{"name", nodes.name(i)},
                        {"kind", nodes.block(i).kind->name},
                        {"block", node.block.ToString()}});
  if (node.layer) {
    json.Set("layer", *node.layer);
  }
  json.Set("attributes", nodes.attributes(i).ToJson());
  if (!node.slice.empty()) {
    Json slice{Json::Object{}};
    for (const auto& [axis, value] : node.slice) {
      slice.Set(axis, value);
    }
    json.Set("slice", std::move(slice));
  }
  Json tensors{Json::Object{}};
  for (const auto& [name, tensor] : nodes.block(i).tensors) {
    tensors.Set(name, ToJson(tensor));
  }
  json.Set("tensors", std::move(tensors));
  if (!node.inputs.empty()) {
    Json inputs{Json::Object{}};
    for (const auto& [name, combination] : node.inputs) {
      inputs.Set(name, TermsAsTheyStand(combination));
    }
    json.Set("inputs", std::move(inputs));
  }
  if (!node.carry.empty()) {
    json.Set("carry", TermsAsTheyStand(node.carry));
  }
  if (node.state_of) {
    json.Set("state_of", *node.state_of);
  }
  if (!node.overlays.empty()) {
    Json::Array overlays;
    for (const Digest& overlay : node.overlays) {
      overlays.emplace_back(overlay.ToString());
    }
    json.Set("overlays", std::move(overlays));
  }
  return json;
}

}  // namespace

std::vector<NodeRow> DescribeRows(const Network& network, Fold fold) {
  const Nodes nodes(network);
  std::vector<RowNodes> rows;
  for (int begin = 0; begin < nodes.size();) {
    int end = begin + 1;
    while (end < nodes.size() && nodes.node(begin).layer &&
           nodes.node(end).layer == nodes.node(begin).layer) {
      ++end;
    }
    std::vector<RowNodes> next = RowsOf(nodes, begin, end);
    if (fold == Fold::kYes && Continues(nodes, rows, next)) {
      for (std::size_t i = 0; i < next.size(); ++i) {
        RowNodes& row = rows[rows.size() - next.size() + i];
        row.row.last_node = next[i].row.last_node;
        row.row.last_layer = next[i].row.last_layer;
        row.nodes.push_back(next[i].nodes.front());
      }
    } else {
      std::ranges::move(next, std::back_inserter(rows));
    }
    begin = end;
  }
  std::vector<NodeRow> finished;
  for (RowNodes& row : rows) {
    Finish(nodes, row);
    finished.push_back(std::move(row.row));
  }
  return finished;
}

std::string DescribeTable(const Network& network, Fold fold) {
  std::vector<std::vector<std::string>> cells = {{"node", "name", "per row", "block", "bytes",
                                                  "codecs", "reads", "carries", "state",
                                                  "attributes"}};
  for (const NodeRow& row : DescribeRows(network, fold)) {
    const std::string nodes = row.first_node == row.last_node
                                  ? std::to_string(row.first_node)
                                  : fmt::format("{}..{}", row.first_node, row.last_node);
    cells.push_back({nodes, row.name, row.shape, row.block, internal::BytesForPeople(row.bytes),
                     row.codecs, row.reads, row.carries, row.state, row.attributes});
  }
  return internal::AlignColumns(cells);
}

std::string DescribeDot(const Network& network) {
  const Nodes nodes(network);
  std::string text = "digraph network {\n  rankdir=TB;\n  node [shape=box];\n";
  const auto edge = [&](int from, int to, std::string_view style, const std::string& label) {
    text += fmt::format("  n{} -> n{} [style={}{}];\n", from, to, style,
                        label.empty() ? "" : fmt::format(", label=\"{}\"", label));
  };
  for (int i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes.node(i);
    text += fmt::format("  n{} [label=\"{}\\n{}\\n{}\"];\n", i, nodes.name(i),
                        ShapeText(nodes.interface(i)), node.block.Short());
    for (const auto& [name, combination] : node.inputs) {
      for (const Term& term : combination) {
        edge(term.node, i, "solid", CoefficientLabel(term.coefficient));
      }
    }
    for (const Term& term : node.carry) {
      edge(term.node, i, "dashed", CoefficientLabel(term.coefficient));
    }
    if (node.state_of) {
      edge(*node.state_of, i, "dotted", "state");
    }
  }
  return text + "}\n";
}

std::string DescribeMermaid(const Network& network) {
  const Nodes nodes(network);
  std::string text = "flowchart TD\n";
  const auto edge = [&](int from, int to, std::string_view arrow, const std::string& label) {
    text += fmt::format("  n{} {}{} n{}\n", from, arrow,
                        label.empty() ? "" : fmt::format("|\"{}\"|", label), to);
  };
  for (int i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes.node(i);
    text += fmt::format("  n{}[\"{}<br/>{}<br/>{}\"]\n", i, nodes.name(i),
                        ShapeText(nodes.interface(i)), node.block.Short());
    for (const auto& [name, combination] : node.inputs) {
      for (const Term& term : combination) {
        edge(term.node, i, "-->", CoefficientLabel(term.coefficient));
      }
    }
    for (const Term& term : node.carry) {
      edge(term.node, i, "-.->", CoefficientLabel(term.coefficient));
    }
    if (node.state_of) {
      edge(*node.state_of, i, "==>", "state");
    }
  }
  return text;
}

Json DescribeJson(const Network& network) {
  const Nodes nodes(network);
  Json::Array nodes_json;
  for (int i = 0; i < nodes.size(); ++i) {
    nodes_json.push_back(NodeToJson(nodes, i));
  }
  return Json::Of({{"digest", network.digest().ToString()},
                   {"layers", network.layers()},
                   {"parameters", network.parameters()},
                   {"bytes", WeightBytes(network)},
                   {"nodes", std::move(nodes_json)}});
}

}  // namespace ashlar
