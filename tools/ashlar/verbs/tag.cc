#include "ashlar/kinds/cpu_kind.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kTagOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network, by name or digest"},
    {.name = "NEW", .value = "NAME", .required = true, .doc = "another name for it"},
};

Status RunTag(Session& session) {
  const std::string& net = session.options.Text("NET");
  const std::string& name = session.options.Text("NEW");
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(Catalog(*store, AllKinds()).Tag(net, name));
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"name", name}, {"of", net}}));
  } else {
    session.terminal.PrintLine(fmt::format("{} is {}", name, net));
  }
  return {};
}

}  // namespace

constinit const Verb kTag{
    .name = "tag",
    .summary = "give a network another name",
    .details = "A name that exists is moved.",
    .examples = "  ashlar tag base production",
    .options = kTagOptions,
    .run = RunTag,
};

}  // namespace ashlar::cli
