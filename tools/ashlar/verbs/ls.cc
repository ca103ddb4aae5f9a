#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

Status Run(Session& session) {
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const std::vector<NetworkInfo> networks, Catalog(*store, AllKinds()).List());
  if (session.json) {
    Json list = Json::Array();
    for (const NetworkInfo& network : networks) {
      list.Append(Json::Of({{"name", network.name},
                            {"digest", network.digest.ToString()},
                            {"parameters", network.parameters},
                            {"unique_bytes", network.unique_bytes},
                            {"shared_bytes", network.shared_bytes}}));
    }
    session.terminal.PrintJson(list);
    return {};
  }
  if (networks.empty()) {
    session.terminal.Note("the store has no networks yet: ashlar import hf DIR --as NAME");
    return {};
  }
  constexpr Column kColumns[] = {{"NETWORK"},
                                 {"DIGEST"},
                                 {"PARAMETERS", Align::kRight},
                                 {"UNIQUE", Align::kRight},
                                 {"SHARED", Align::kRight}};
  std::vector<std::vector<std::string>> rows;
  for (const NetworkInfo& network : networks) {
    rows.push_back({network.name, network.digest.Short(),
                    fmt::format("{:.2f} M", static_cast<double>(network.parameters) * 1e-6),
                    FormatBytes(network.unique_bytes), FormatBytes(network.shared_bytes)});
  }
  session.terminal.PrintTable(kColumns, rows);
  return {};
}

}  // namespace

constinit const Verb kLs{
    .name = "ls",
    .summary = "list the networks and what each keeps alone or shares",
    .details =
        "UNIQUE is what removing the network (and gc) would free; SHARED is what another "
        "network in the store reaches too.",
    .examples = "  ashlar ls\n  ashlar ls --json",
    .options = {},
    .run = Run,
};

}  // namespace ashlar::cli
