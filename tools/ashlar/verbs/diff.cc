#include "ashlar/graph/diff.h"

#include "ashlar/kinds/cpu_kind.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kDiffOptions[] = {
    {.name = "A", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "B", .value = "NAME", .required = true, .doc = "another"},
};

Status RunDiff(Session& session) {
  const std::string& name_a = session.options.Text("A");
  const std::string& name_b = session.options.Text("B");
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  const Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(const Network a, catalog.Load(name_a));
  ASHLAR_TRY(const Network b, catalog.Load(name_b));
  const DiffReport report = Diff(a, b);
  if (session.json) {
    session.terminal.PrintJson(ToJson(report));
  } else {
    session.terminal.Print(DescribeDiff(report, name_a, name_b));
  }
  return {};
}

}  // namespace

constinit const Verb kDiff{
    .name = "diff",
    .summary = "show which nodes, blocks, tensors and bytes two networks share",
    .details = "",
    .examples = "  ashlar diff base short",
    .options = kDiffOptions,
    .run = RunDiff,
};

}  // namespace ashlar::cli
