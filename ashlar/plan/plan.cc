#include "ashlar/plan/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace ashlar {
namespace {

constexpr std::uint64_t kSystemPage = 4096;

constexpr std::uint64_t RoundDown(std::uint64_t bytes) {
  return bytes / kSystemPage * kSystemPage;
}
constexpr std::uint64_t RoundUp(std::uint64_t bytes) {
  return RoundDown(bytes + kSystemPage - 1);
}

// Which parts of which blobs are resident, in whole pages of memory.
class ResidentRanges {
 public:
  void Add(const Network& network, const Precision& precision) {
    for (const Node& node : network.nodes) {
      for (const auto& [name, tensor] : network.blocks.at(node.block)->tensors) {
        AddTensor(tensor, precision);
      }
      for (const Digest& overlay : node.overlays) {
        for (const auto& [target, roles] : network.overlays.at(overlay)->targets) {
          for (const auto& [role, tensor] : roles) {
            AddTensor(tensor, precision);
          }
        }
      }
    }
  }

  std::uint64_t Bytes() {
    std::uint64_t total = 0;
    for (auto& [blob, ranges] : ranges_) {
      std::sort(ranges.begin(), ranges.end());
      std::uint64_t counted_to = 0;
      for (const auto& [begin, end] : ranges) {
        total += end > counted_to ? end - std::max(begin, counted_to) : 0;
        counted_to = std::max(counted_to, end);
      }
    }
    return total;
  }

 private:
  void AddTensor(const TensorManifest& tensor, const Precision& precision) {
    for (const Level& part : ResidentParts(tensor, precision)) {
      ranges_[part.blob].emplace_back(RoundDown(part.offset), RoundUp(part.offset + part.length));
    }
  }
  std::map<Digest, std::vector<std::pair<std::uint64_t, std::uint64_t>>> ranges_;
};

// Of each state slot that the network writes.
std::vector<Interface> SlotInterfaces(const Network& network) {
  std::vector<Interface> slots;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    const Interface interface = network.BlockOf(i).kind->interface(EffectiveAttributes(network, i));
    if (interface.stateful() && !network.nodes[i].state_of.has_value()) {
      slots.push_back(interface);
    }
  }
  return slots;
}

// What a position adds to the state.
std::uint64_t BytesOfPosition(const Interface& interface, KvFormat kv_format) {
  return KvBytes(kv_format, interface.state_floats, interface.state_vectors);
}

}  // namespace

std::uint64_t StatePageBytes(std::uint64_t bytes) {
  return RoundUp(bytes);
}

StatePage StatePageOf(const Interface& interface, KvFormat kv_format) {
  if (interface.carried_floats == 0) {
    const std::uint64_t used = kPositionsPerPage * BytesOfPosition(interface, kv_format);
    return {kPositionsPerPage, StatePageBytes(used), used};
  }
  constexpr std::int64_t kMostPositions = 1024;
  // A key and a value of each position, as wide as the rows.
  const std::int64_t attention_floats = 2 * interface.width_in;
  std::int64_t positions = kPositionsPerPage;
  while (positions < kMostPositions && interface.carried_floats > positions * attention_floats) {
    positions *= 2;
  }
  const std::uint64_t used = static_cast<std::uint64_t>(interface.carried_floats) * sizeof(float);
  return {positions, StatePageBytes(used), used};
}

std::uint64_t StateBytesPerPosition(const Network& network, KvFormat kv_format) {
  std::uint64_t bytes = 0;
  for (const Interface& slot : SlotInterfaces(network)) {
    bytes += BytesOfPosition(slot, kv_format);
  }
  return bytes;
}

std::uint64_t CarriedStateBytes(const Network& network) {
  std::uint64_t bytes = 0;
  for (const Interface& slot : SlotInterfaces(network)) {
    bytes += static_cast<std::uint64_t>(slot.carried_floats) * sizeof(float);
  }
  return bytes;
}

std::uint64_t SequencePageBytes(const Network& network, std::int64_t positions,
                                KvFormat kv_format) {
  std::uint64_t bytes = 0;
  for (const Interface& slot : SlotInterfaces(network)) {
    const StatePage page = StatePageOf(slot, kv_format);
    bytes +=
        static_cast<std::uint64_t>((positions + page.positions - 1) / page.positions) * page.bytes;
  }
  return bytes;
}

MemoryPlan PredictMemory(const PlanRequest& request) {
  MemoryPlan plan{.page_bytes = request.page_bytes,
                  .workspace_bytes = request.workspace_bytes,
                  .process_bytes = request.process_bytes};
  ResidentRanges together;
  std::uint64_t largest_sequence = 0;
  for (const Network* network : request.networks) {
    together.Add(*network, request.precision);
    ResidentRanges apart;
    apart.Add(*network, request.precision);
    plan.weight_bytes_apart += apart.Bytes();
    largest_sequence = std::max(
        largest_sequence, SequencePageBytes(*network, request.max_positions, request.kv_format));
  }
  plan.weight_bytes = together.Bytes();
  if (plan.page_bytes == 0) {
    plan.page_bytes = largest_sequence * static_cast<std::uint64_t>(request.max_sequences);
  }
  return plan;
}

Result<MemoryPlan> PlanWithin(const PlanRequest& request, std::uint64_t budget) {
  const MemoryPlan plan = PredictMemory(request);
  if (plan.total() <= budget) {
    return plan;
  }
  return Exhausted(
      "{} are needed (weights {}, state pages {}, workspace {}, the program itself {}), but the "
      "budget is {}: {} too little",
      FormatBytes(plan.total()), FormatBytes(plan.weight_bytes), FormatBytes(plan.page_bytes),
      FormatBytes(plan.workspace_bytes), FormatBytes(plan.process_bytes), FormatBytes(budget),
      FormatBytes(plan.total() - budget));
}

Result<std::uint64_t> ParseBytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  static constexpr Unit kUnits[] = {{"", 1},        {"K", 1e3},     {"M", 1e6},
                                    {"G", 1e9},     {"T", 1e12},    {"Ki", 0x1p10},
                                    {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}};
  const Error malformed = Invalid(
      "\"{}\" is no amount of memory: expected a number and perhaps K, M, G, T (powers of 1000) or "
      "Ki, Mi, Gi, Ti (of 1024), such as 300M or 1.5GiB",
      text.substr(0, 40));
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) {
    return malformed;
  }
  std::string_view unit = text.substr(end - text.data());
  while (unit.starts_with(' ')) {
    unit.remove_prefix(1);
  }
  if (unit.ends_with('B')) {
    unit.remove_suffix(1);
  }
  for (const Unit& known : kUnits) {
    if (unit == known.name) {
      const double bytes = std::floor(number * known.bytes);
      if (!(bytes < 0x1p63)) {
        return Invalid("\"{}\" is more memory than any machine has", text.substr(0, 40));
      }
      return static_cast<std::uint64_t>(bytes);
    }
  }
  return malformed;
}

std::string FormatBytes(std::uint64_t bytes) {
  if (bytes < 1000) {
    return fmt::format("{} B", bytes);
  }
  double value = static_cast<double>(bytes);
  const char* unit = "";
  // 999.95 would be printed as 1000.0 of its unit.
  for (const char* next : {"kB", "MB", "GB", "TB", "PB", "EB"}) {
    if (value < 999.95) {
      break;
    }
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

}  // namespace ashlar
