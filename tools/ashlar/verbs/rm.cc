#include "ashlar/kinds/cpu_kind.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kOptions[] = {
    {.name = "NET",
     .kind = OptionKind::kValues,
     .value = "NAME",
     .required = true,
     .doc = "names to remove"},
};

Status Run(Session& session) {
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  Catalog catalog(*store, AllKinds());
  Json removed = Json::Array();
  for (const std::string& name : session.options.Texts("NET")) {
    ASHLAR_TRY(catalog.Remove(name));
    removed.Append(name);
    if (!session.json) {
      session.terminal.PrintLine(fmt::format("removed {}", name));
    }
  }
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"removed", std::move(removed)}}));
  }
  return {};
}

}  // namespace

constinit const Verb kRm{
    .name = "rm",
    .summary = "remove names; 'gc' then frees what no name reaches",
    .details = "",
    .examples = "  ashlar rm short\n  ashlar gc",
    .options = kOptions,
    .run = Run,
};

}  // namespace ashlar::cli
