#include "ashlar/graph/diff.h"

#include <algorithm>
#include <set>

#include "ashlar/base/join.h"
#include "ashlar/graph/internal/text_table.h"

namespace ashlar {
namespace {

// ---- Matching

// A run of indices [begin, end).
struct Range {
  int begin, end;
  int size() const { return end - begin; }
};

// Calls `pair(i, j)` for the pairs of a longest common subsequence of the ranges under `alike`, in
// order. Parts of more than kMost cells (two times 4000 nodes that differ) are left unpaired.
template <class Alike, class Pair>
void MatchLongest(Range a, Range b, const Alike& alike, const Pair& pair) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  for (; a.size() > 0 && b.size() > 0 && alike(a.begin, b.begin); ++a.begin, ++b.begin) {
    pair(a.begin, b.begin);
  }
  int tail = 0;
  while (tail < std::min(a.size(), b.size()) && alike(a.end - 1 - tail, b.end - 1 - tail)) {
    ++tail;
  }
  a.end -= tail;
  b.end -= tail;
  if (std::int64_t{a.size()} * b.size() <= kMost) {
    // lengths[i][j]: of the longest common subsequence of what begins at i and j.
    const std::size_t columns = static_cast<std::size_t>(b.size()) + 1;
    std::vector<std::uint16_t> lengths((static_cast<std::size_t>(a.size()) + 1) * columns);
    const auto length = [&](int i, int j) -> std::uint16_t& {
      return lengths[static_cast<std::size_t>(i - a.begin) * columns +
                     static_cast<std::size_t>(j - b.begin)];
    };
    for (int i = a.end - 1; i >= a.begin; --i) {
      for (int j = b.end - 1; j >= b.begin; --j) {
        length(i, j) = alike(i, j) ? static_cast<std::uint16_t>(length(i + 1, j + 1) + 1)
                                   : std::max(length(i + 1, j), length(i, j + 1));
      }
    }
    for (int i = a.begin, j = b.begin; i < a.end && j < b.end;) {
      if (alike(i, j)) {
        pair(i++, j++);
      } else if (length(i + 1, j) >= length(i, j + 1)) {
        ++i;
      } else {
        ++j;
      }
    }
  }
  for (int k = 0; k < tail; ++k) {
    pair(a.end + k, b.end + k);
  }
}

// ---- What differs between two nodes of one kind

std::string WhatDiffers(const Network& a, int i, const Network& b, int j) {
  std::vector<std::string> parts;
  const Block& block_a = a.BlockOf(i);
  const Block& block_b = b.BlockOf(j);
  if (block_a.attributes != block_b.attributes) {
    parts.emplace_back("attributes");
  }
  std::vector<std::string> tensors;
  for (const auto& [name, tensor] : block_a.tensors) {
    const auto other = block_b.tensors.find(name);
    if (other == block_b.tensors.end() || !(other->second == tensor)) {
      tensors.push_back(name);
    }
  }
  for (const auto& [name, tensor] : block_b.tensors) {
    if (!block_a.tensors.contains(name)) {
      tensors.push_back(name);
    }
  }
  if (!tensors.empty()) {
    parts.push_back(fmt::format("tensors {}", Join(tensors, ", ")));
  }
  if (a.nodes[i].slice != b.nodes[j].slice) {
    const auto text = [](const Slice& slice) {
      std::vector<std::string> axes;
      for (const auto& [axis, value] : slice) {
        axes.push_back(fmt::format("{} {}", axis, value));
      }
      return axes.empty() ? std::string("none") : Join(axes, ", ");
    };
    parts.push_back(fmt::format("slice {} and {}", text(a.nodes[i].slice), text(b.nodes[j].slice)));
  }
  if (a.nodes[i].overlays != b.nodes[j].overlays) {
    parts.emplace_back("overlays");
  }
  return Join(parts, "; ");
}

// ---- Counting

template <class Key>
Shared CountShared(const std::map<Key, std::uint64_t>& a, const std::map<Key, std::uint64_t>& b) {
  Shared shared;
  for (const auto& [key, weight] : a) {
    (b.contains(key) ? shared.both : shared.only_a) += weight;
  }
  for (const auto& [key, weight] : b) {
    shared.only_b += a.contains(key) ? 0 : weight;
  }
  return shared;
}

// Everything that a network's nodes name, each with what it counts.
struct Contents {
  std::map<Digest, std::uint64_t> blocks;        // 1 each
  std::map<std::string, std::uint64_t> tensors;  // by identity; 1 each
  std::map<Level, std::uint64_t> bytes;
};

Contents ContentsOf(const Network& network) {
  Contents contents;
  const auto add = [&](const TensorManifest& tensor) {
    contents.tensors.emplace(CanonicalJson(ToJson(tensor)), 1);
    for (const Level& level : tensor.all_levels()) {
      contents.bytes.emplace(level, level.length);
    }
  };
  for (const Node& node : network.nodes) {
    if (contents.blocks.emplace(node.block, 1).second) {
      for (const auto& [name, tensor] : network.blocks.at(node.block)->tensors) {
        add(tensor);
      }
    }
    for (const Digest& overlay : node.overlays) {
      for (const auto& [target, roles] : network.overlays.at(overlay)->targets) {
        for (const auto& [role, tensor] : roles) {
          add(tensor);
        }
      }
    }
  }
  return contents;
}

const char* ChangeName(NodeChange change) {
  switch (change) {
    case NodeChange::kSame:
      return "same";
    case NodeChange::kChanged:
      return "changed";
    case NodeChange::kOnlyInA:
      return "only_a";
    case NodeChange::kOnlyInB:
      return "only_b";
  }
  CHECK(false);
}

Json SharedToJson(const Shared& shared) {
  return Json::Of({{"both", shared.both}, {"only_a", shared.only_a}, {"only_b", shared.only_b}});
}

}  // namespace

DiffReport Diff(const Network& a, const Network& b) {
  DiffReport report;
  report.same = a.digest() == b.digest();
  const std::vector<std::string> names_a = NodeNames(a);
  const std::vector<std::string> names_b = NodeNames(b);
  const auto kind = [](const Network& network, int i) { return network.BlockOf(i).kind->name; };
  const auto only_a = [&](int i) {
    report.nodes.push_back({.change = NodeChange::kOnlyInA,
                            .a = i,
                            .name_a = names_a[i],
                            .kind = std::string(kind(a, i))});
  };
  const auto only_b = [&](int j) {
    report.nodes.push_back({.change = NodeChange::kOnlyInB,
                            .b = j,
                            .name_b = names_b[j],
                            .kind = std::string(kind(b, j))});
  };
  const auto both = [&](NodeChange change, int i, int j, std::string what) {
    report.nodes.push_back({.change = change,
                            .a = i,
                            .b = j,
                            .name_a = names_a[i],
                            .name_b = names_b[j],
                            .kind = std::string(kind(a, i)),
                            .what = std::move(what)});
  };
  // Between two nodes that are the same, those of one kind are paired as changed.
  const auto gap = [&](Range in_a, Range in_b) {
    Range next_a = in_a;
    Range next_b = in_b;
    const auto skip_to = [&](int i, int j) {
      while (next_a.begin < i) {
        only_a(next_a.begin++);
      }
      while (next_b.begin < j) {
        only_b(next_b.begin++);
      }
    };
    MatchLongest(
        in_a, in_b, [&](int i, int j) { return kind(a, i) == kind(b, j); },
        [&](int i, int j) {
          skip_to(i, j);
          both(NodeChange::kChanged, next_a.begin++, next_b.begin++, WhatDiffers(a, i, b, j));
        });
    skip_to(in_a.end, in_b.end);
  };
  Range rest_a = {0, static_cast<int>(a.nodes.size())};
  Range rest_b = {0, static_cast<int>(b.nodes.size())};
  MatchLongest(
      rest_a, rest_b,
      [&](int i, int j) {
        return a.nodes[i].block == b.nodes[j].block && a.nodes[i].slice == b.nodes[j].slice &&
               a.nodes[i].overlays == b.nodes[j].overlays;
      },
      [&](int i, int j) {
        gap({rest_a.begin, i}, {rest_b.begin, j});
        both(NodeChange::kSame, i, j, "");
        rest_a.begin = i + 1;
        rest_b.begin = j + 1;
      });
  gap(rest_a, rest_b);

  const Contents in_a = ContentsOf(a);
  const Contents in_b = ContentsOf(b);
  report.blocks = CountShared(in_a.blocks, in_b.blocks);
  report.tensors = CountShared(in_a.tensors, in_b.tensors);
  report.bytes = CountShared(in_a.bytes, in_b.bytes);
  return report;
}

std::string DescribeDiff(const DiffReport& report, std::string_view name_a,
                         std::string_view name_b) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  const std::vector<std::vector<std::string>> counts = {
      {"", "both", fmt::format("only {}", name_a), fmt::format("only {}", name_b)},
      {"blocks", number(report.blocks.both), number(report.blocks.only_a),
       number(report.blocks.only_b)},
      {"tensors", number(report.tensors.both), number(report.tensors.only_a),
       number(report.tensors.only_b)},
      {"bytes", internal::BytesForPeople(report.bytes.both),
       internal::BytesForPeople(report.bytes.only_a),
       internal::BytesForPeople(report.bytes.only_b)}};

  std::vector<std::vector<std::string>> rows = {{"", std::string(name_a), std::string(name_b), ""}};
  for (std::size_t i = 0; i < report.nodes.size();) {
    const NodeDiff& first = report.nodes[i];
    std::size_t end = i + 1;
    while (end < report.nodes.size() && report.nodes[end].change == first.change &&
           report.nodes[end].what == first.what) {
      ++end;
    }
    const NodeDiff& last = report.nodes[end - 1];
    const auto run = [&](const std::string& from, const std::string& to) {
      return end - i == 1 || from.empty() ? from : fmt::format("{} .. {}", from, to);
    };
    std::string what = first.what;
    if (end - i > 1) {
      what = fmt::format("{} nodes{}{}", end - i, what.empty() ? "" : ": ", what);
    }
    const char* const mark = first.change == NodeChange::kSame      ? "="
                             : first.change == NodeChange::kChanged ? "~"
                             : first.change == NodeChange::kOnlyInA ? "-"
                                                                    : "+";
    rows.push_back(
        {mark, run(first.name_a, last.name_a), run(first.name_b, last.name_b), std::move(what)});
    i = end;
  }
  return fmt::format("{}{}\n{}", report.same ? "the same network\n\n" : "",
                     internal::AlignColumns(counts), internal::AlignColumns(rows));
}

Json ToJson(const DiffReport& report) {
  Json::Array nodes;
  for (const NodeDiff& node : report.nodes) {
    Json json = Json::Of({{"change", ChangeName(node.change)}, {"kind", node.kind}});
    if (node.a >= 0) {
      json.Set("a", Json::Of({{"node", node.a}, {"name", node.name_a}}));
    }
    if (node.b >= 0) {
      json.Set("b", Json::Of({{"node", node.b}, {"name", node.name_b}}));
    }
    if (!node.what.empty()) {
      json.Set("what", node.what);
    }
    nodes.push_back(std::move(json));
  }
  return Json::Of({{"same", report.same},
                   {"blocks", SharedToJson(report.blocks)},
                   {"tensors", SharedToJson(report.tensors)},
                   {"bytes", SharedToJson(report.bytes)},
                   {"nodes", std::move(nodes)}});
}

}  // namespace ashlar
