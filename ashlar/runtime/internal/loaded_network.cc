#include "ashlar/runtime/internal/loaded_network.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/runtime/internal/page_memory.h"

namespace ashlar::internal {
namespace {

std::vector<WeightedTerm> Weighted(const Combination& combination) {
  std::vector<WeightedTerm> terms;
  for (const Term& term : Canonical(combination)) {
    terms.push_back({term.node, static_cast<float>(term.coefficient)});
  }
  return terms;
}

// Of the keys and values that the block reads, if it does. (A carried state has one format.)
std::optional<KvFormat> FormatOfState(const Interface& interface, KvFormat kv_format) {
  return interface.state_floats > 0 ? std::optional(kv_format) : std::nullopt;
}

Result<LoadedNode> LoadNode(const Network& network, int index, BlockBinder& binder,
                            const Precision& precision, KvFormat kv_format) {
  const Node& node = network.nodes[index];
  if (!node.overlays.empty()) {
    return Unsupported("it has {} overlays, which this version cannot apply", node.overlays.size());
  }
  LoadedNode loaded{.kind = network.BlockOf(index).kind};
  const Interface interface = loaded.kind->interface(EffectiveAttributes(network, index));
  ASHLAR_TRY(loaded.bound,
             binder.Bind(network, index, precision, FormatOfState(interface, kv_format)));
  loaded.width_in = interface.width_in;
  loaded.width_out = interface.width_out;
  if (const auto x = node.inputs.find("x"); x != node.inputs.end()) {
    loaded.read = Weighted(x->second);
  }
  loaded.carry = Weighted(node.carry);
  loaded.writes_state = interface.stateful() && !node.state_of.has_value();
  return loaded;
}

// In the time that attention takes for an operation the kernels of weights do so many: those read a
// weight once for many rows, it reads keys and values of each sequence from memory. (`ashlar bench
// NET --prompt 2048 --profile`, by the operations of both.)
constexpr double kAttentionWeight = 4;

// The values that are read by a node whose own value is not among `other`.
std::set<Digest> ReadBeyond(const LoadedNetwork& network, const std::set<Digest>& other) {
  std::set<Digest> values;
  for (std::size_t i = 0; i < network.nodes.size(); ++i) {
    if (!other.contains(network.keys.value[i])) {
      for (const int source : network.sources[i]) {
        values.insert(network.keys.value[source]);
      }
    }
  }
  return values;
}

std::set<Digest> ValuesOf(const LoadedNetwork& network) {
  return {network.keys.value.begin(), network.keys.value.end()};
}

}  // namespace

std::uint64_t LoadedNetwork::value_page_bytes(int node) const {
  return PageMemory::PageBytes(nodes[node].width_out * kPageLength * sizeof(float));
}

std::uint64_t LoadedNetwork::StateBytes(std::int64_t positions) const {
  std::uint64_t bytes = 0;
  for (const StateSlot& slot : slots) {
    bytes += slot.page.bytes * static_cast<std::uint64_t>(slot.PagesFor(positions));
  }
  return bytes;
}

std::uint64_t LoadedNetwork::plan() const {
  std::uint64_t plan = 0;
  for (const std::byte byte : std::as_bytes(std::span(keys.value.back().bytes())).first(8)) {
    plan = plan << 8 | std::to_integer<std::uint64_t>(byte);
  }
  return plan;
}

void LoadedNetwork::Touch() const {
  for (const LoadedNode& node : nodes) {
    node.bound->weights.Touch();
  }
}

std::uint32_t MeetingNumbers::NumberOf(const Node& node, std::optional<KvFormat> kv_format,
                                       bool output) {
  const std::lock_guard lock(mutex_);
  const auto next = static_cast<std::uint32_t>(numbers_.size());
  return numbers_.emplace(Key{node.block, node.slice, kv_format, output}, next).first->second;
}

Result<LoadedNetwork> LoadNetwork(const Network& network, BlockBinder& binder,
                                  MeetingNumbers& meetings, const Precision& precision,
                                  KvFormat kv_format) {
  ASHLAR_TRY(Validate(network));
  LoadedNetwork loaded;
  loaded.form = {.kv_format = std::string(KvFormatName(kv_format)),
                 .kernel_form = KernelForm(binder.context().isa)};
  loaded.keys = ComputeMerkleKeys(network, {.kv_format = loaded.form.kv_format,
                                            .kernel_form = loaded.form.kernel_form,
                                            .precision = &precision});
  loaded.any_keys =
      ComputeMerkleKeys(network, {.kv_format = std::string(KvFormatName(kv_format)),
                                  .kernel_form = KernelForm(binder.context().isa) + ", any"});
  loaded.token_limit = std::numeric_limits<std::int64_t>::max();
  loaded.max_positions = binder.context().max_positions;
  std::vector<std::int64_t> widths;
  const int output = static_cast<int>(network.nodes.size()) - 1;
  for (int i = 0; i <= output; ++i) {
    Result<LoadedNode> made = LoadNode(network, i, binder, precision, kv_format);
    if (!made.ok()) {
      return made.error().In(NodeName(network, i));
    }
    LoadedNode node = *std::move(made);
    const Block& block = network.BlockOf(i);
    const Interface interface = block.kind->interface(EffectiveAttributes(network, i));
    if (node.writes_state) {
      node.slot = static_cast<int>(loaded.slots.size());
      loaded.slots.push_back({i, StatePageOf(interface, kv_format), interface.carried_floats > 0,
                              loaded.keys.state[i]});
    } else if (network.nodes[i].state_of.has_value()) {
      node.slot = loaded.nodes[*network.nodes[i].state_of].slot;
    }
    if (node.width_in == 0) {
      loaded.token_limit = std::min(loaded.token_limit, interface.vocabulary);
    }
    if (interface.max_positions != 0) {
      loaded.max_positions = std::min(loaded.max_positions, interface.max_positions);
    }
    std::set<int> sources;
    for (const std::vector<WeightedTerm>* terms : {&node.read, &node.carry}) {
      for (const WeightedTerm& term : *terms) {
        sources.insert(term.node);
      }
    }
    loaded.sources.emplace_back(sources.begin(), sources.end());
    if (i != output) {
      const Cost cost = block.kind->cost(EffectiveAttributes(network, i));
      loaded.row_work.fixed += cost.flops;
      loaded.row_work.per_position += kAttentionWeight * cost.flops_per_position;
    }
    widths.push_back(i == output ? 0 : node.width_out);
    loaded.merge.push_back(
        {meetings.NumberOf(network.nodes[i], FormatOfState(interface, kv_format), i == output),
         std::max<std::uint64_t>(block.bytes(), 1)});
    loaded.nodes.push_back(std::move(node));
  }
  loaded.logits = loaded.nodes.back().width_out;
  loaded.hidden = loaded.nodes.back().width_in;
  if (loaded.logits > loaded.token_limit) {
    return Invalid("{} scores {} tokens, but the network can read only {}",
                   NodeName(network, output), loaded.logits, loaded.token_limit);
  }
  const RegisterPlan registers = PlanRegisters(loaded.sources, widths);
  for (int i = 0; i <= output; ++i) {
    loaded.nodes[i].value_offset = registers.offset[i];
  }
  loaded.register_floats = registers.floats;
  return loaded;
}

std::vector<int> BoundaryNodes(const LoadedNetwork& network,
                               std::span<const LoadedNetwork* const> others) {
  const std::set<Digest> own = ValuesOf(network);
  std::set<Digest> wanted;
  for (const LoadedNetwork* other : others) {
    const std::set<Digest> theirs = ValuesOf(*other);
    for (const std::set<Digest>& beyond : {ReadBeyond(network, theirs), ReadBeyond(*other, own)}) {
      std::ranges::set_intersection(beyond, theirs, std::inserter(wanted, wanted.end()));
    }
  }
  std::vector<int> nodes;
  for (int i = 0; i < network.output(); ++i) {
    // One node stands for all that have its value.
    if (wanted.erase(network.keys.value[i]) > 0) {
      nodes.push_back(i);
    }
  }
  return nodes;
}

}  // namespace ashlar::internal
