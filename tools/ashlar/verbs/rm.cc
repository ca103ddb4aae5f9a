#include "ashlar/kinds/cpu_kind.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kRmOptions[] = {
    {.name = "NET",
     .kind = OptionKind::kValues,
     .value = "NAME",
     .required = true,
     .doc = "names to remove"},
};

Status RunRm(Session& session) {
  const auto typed = session.options.Texts("NET");
  const std::set<std::string> names(typed.begin(), typed.end());
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  if (const Status removed = Catalog(*store, AllKinds()).Remove(names); !removed.ok()) {
    return names.size() == 1 ? removed.error() : removed.error().In("nothing was removed");
  }
  if (session.json) {
    Json removed = Json::Array();
    for (const std::string& name : names) {
      removed.Append(name);
    }
    session.terminal.PrintJson(Json::Of({{"removed", std::move(removed)}}));
    return {};
  }
  for (const std::string& name : names) {
    session.terminal.PrintLine(fmt::format("removed {}", name));
  }
  return {};
}

}  // namespace

constinit const Verb kRm{
    .name = "rm",
    .summary = "remove names; 'gc' then frees what no name reaches",
    .details =
        "Several names go together: when one of them is not there, none is removed. A damaged "
        "network can be removed too.",
    .examples = "  ashlar rm short\n  ashlar gc",
    .options = kRmOptions,
    .run = RunRm,
};

}  // namespace ashlar::cli
