#include "tools/ashlar/expert_use.h"

#include <algorithm>
#include <map>

#include "tools/ashlar/text_windows.h"

namespace ashlar::cli {
namespace {

struct MixtureUse {
  std::string name;  // of its node
  std::int64_t per_token = 0;
  std::int64_t tokens = 0;
  std::vector<std::int64_t> uses;  // of each expert
  std::int64_t neighbours = 0;     // tokens with one before them in their window
  std::int64_t shared = 0;         // experts that those share with it, added up

  // Of a token's experts, how many it shares with the token before it, on average.
  double overlap() const {
    return neighbours == 0
               ? 0
               : static_cast<double>(shared) / static_cast<double>(neighbours * per_token);
  }
};

// Counts what the engine tells.
class ExpertCounter {
 public:
  explicit ExpertCounter(const Network& network) {
    const std::vector<std::string> names = NodeNames(network);
    for (int node = 0; node < static_cast<int>(network.nodes.size()); ++node) {
      if (network.BlockOf(node).kind->name == "moe") {
        const Attributes attributes = EffectiveAttributes(network, node);
        const auto experts = static_cast<std::size_t>(attributes.Integer("experts"));
        uses_[node] = {.name = names[static_cast<std::size_t>(node)],
                       .per_token = attributes.Integer("experts_per_token"),
                       .uses = std::vector<std::int64_t>(experts)};
      }
    }
  }

  const std::map<int, MixtureUse>& uses() const { return uses_; }

  // Positions of a request come in order.
  void Add(const ChosenExperts& chosen) {
    MixtureUse& use = uses_.at(chosen.node);
    std::vector<std::int32_t>& before = last_[{chosen.request, chosen.node}];
    for (std::size_t at = 0; at < chosen.experts.size();
         at += static_cast<std::size_t>(chosen.per_row)) {
      const auto experts = chosen.experts.subspan(at, static_cast<std::size_t>(chosen.per_row));
      for (const std::int32_t expert : experts) {
        ++use.uses[static_cast<std::size_t>(expert)];
        use.shared += std::ranges::find(before, expert) != before.end() ? 1 : 0;
      }
      use.neighbours += before.empty() ? 0 : 1;
      ++use.tokens;
      before.assign(experts.begin(), experts.end());
    }
  }

 private:
  std::map<int, MixtureUse> uses_;                                       // by node
  std::map<std::pair<RequestId, int>, std::vector<std::int32_t>> last_;  // position's experts
};

std::string Percent(double share) {
  return fmt::format("{:.1f}", 100 * share);
}

// A line of heading for each mixture, and its experts ten to a line.
void PrintUses(const std::map<int, MixtureUse>& uses, Terminal& terminal) {
  constexpr std::size_t kPerLine = 10;
  for (const auto& [node, use] : uses) {
    const auto experts = static_cast<double>(use.uses.size());
    terminal.PrintLine(fmt::format(
        "{}: {} of {} experts; a token shares {} % of its experts with the one before it ({} % "
        "were they drawn evenly)",
        use.name, use.per_token, use.uses.size(), Percent(use.overlap()),
        Percent(static_cast<double>(use.per_token) / experts)));
    for (std::size_t first = 0; first < use.uses.size(); first += kPerLine) {
      std::string line = fmt::format("  {:>4}", first);
      for (std::size_t i = first; i < std::min(first + kPerLine, use.uses.size()); ++i) {
        line += fmt::format(
            "  {:>5}", Percent(static_cast<double>(use.uses[i]) / static_cast<double>(use.tokens)));
      }
      terminal.PrintLine(line);
    }
  }
}

Json JsonOf(const MixtureUse& use) {
  Json counts = Json::Array();
  for (const std::int64_t count : use.uses) {
    counts.Append(count);
  }
  return Json::Of({{"node", use.name},
                   {"experts_per_token", use.per_token},
                   {"uses", std::move(counts)},
                   {"overlap", use.overlap()}});
}

}  // namespace

Status CountExperts(Session& session) {
  ASHLAR_TRY(TextWindows text, TextWindows::Open(session));
  const HostedNetwork& network = text.network();
  ExpertCounter counter(network.network);
  if (counter.uses().empty()) {
    return Invalid("{} has no mixture of experts", network.name);
  }
  text.engine().set_expert_listener([&](const ChosenExperts& chosen) { counter.Add(chosen); });
  // Logits are asked for, and dropped: so that every position is computed to the end.
  ASHLAR_TRY(text.Read(session,
                       [](std::size_t, std::int64_t, std::span<const float>) { return Status(); }));
  text.engine().set_expert_listener({});
  if (!session.json) {
    session.terminal.PrintLine(fmt::format("{}: % of {} tokens ({} windows of {}) by expert",
                                           network.name, text.tokens(), text.count(),
                                           text.window()));
    PrintUses(counter.uses(), session.terminal);
    return {};
  }
  Json mixtures = Json::Array();
  for (const auto& [node, use] : counter.uses()) {
    mixtures.Append(JsonOf(use));
  }
  session.terminal.PrintJson(Json::Of(
      {{"network", network.name}, {"tokens", text.tokens()}, {"mixtures", std::move(mixtures)}}));
  return {};
}

}  // namespace ashlar::cli
