#include "ashlar/base/join.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

Json ToJson(const NetworkInfo& network) {
  Json json = Json::Of({{"name", network.name},
                        {"digest", network.digest ? Json(network.digest->ToString()) : Json()},
                        {"parameters", network.parameters ? Json(*network.parameters) : Json()},
                        {"unique_bytes", network.unique_bytes},
                        {"shared_bytes", network.shared_bytes}});
  if (network.damage) {
    json.Set("error", ErrorJson(*network.damage));
  }
  return json;
}

void PrintTable(Terminal& terminal, std::span<const NetworkInfo> networks) {
  constexpr Column kColumns[] = {{"NETWORK"},
                                 {"DIGEST"},
                                 {"PARAMETERS", Align::kRight},
                                 {"UNIQUE", Align::kRight},
                                 {"SHARED", Align::kRight}};
  std::vector<std::vector<std::string>> rows;
  for (const NetworkInfo& network : networks) {
    const std::string parameters =
        network.damage ? "damaged"
        : network.parameters
            ? fmt::format("{:.2f} M", static_cast<double>(*network.parameters) * 1e-6)
            : "?";
    rows.push_back({network.name, network.digest ? network.digest->Short() : "?", parameters,
                    FormatBytes(network.unique_bytes), FormatBytes(network.shared_bytes)});
  }
  terminal.PrintTable(kColumns, rows);
}

Status RunLs(Session& session) {
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const std::vector<NetworkInfo> networks, Catalog(*store, AllKinds()).List());
  if (session.json) {
    Json list = Json::Array();
    for (const NetworkInfo& network : networks) {
      list.Append(ToJson(network));
    }
    session.terminal.PrintJson(list);
  } else if (networks.empty()) {
    session.terminal.Note("the store has no networks yet: ashlar import hf DIR --as NAME");
  } else {
    PrintTable(session.terminal, networks);
  }
  std::vector<std::string> damage;
  for (const NetworkInfo& network : networks) {
    if (network.damage) {
      damage.push_back(fmt::format("\"{}\" is damaged: {}", network.name, network.damage->message));
    }
  }
  if (!damage.empty()) {
    return Corrupt("{}; 'ashlar fsck' tells all, importing again mends, 'ashlar rm' removes",
                   Join(damage, "; "));
  }
  return {};
}

}  // namespace

constinit const Verb kLs{
    .name = "ls",
    .summary = "list the networks and what each keeps alone or shares",
    .details =
        "UNIQUE is what removing the network (and gc) would free; SHARED is what another "
        "network in the store reaches too. A damaged network is listed as such (with --json it has "
        "an \"error\"), and the exit code is 1.",
    .examples = "  ashlar ls\n  ashlar ls --json",
    .options = {},
    .run = RunLs,
};

}  // namespace ashlar::cli
