#include "ashlar/graph/describe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kShowOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network, by name or digest"},
    {.name = "--graph",
     .value = "FORM",
     .doc = "print the graph alone, every node: dot (Graphviz), mermaid or json"},
    {.name = "--all", .kind = OptionKind::kFlag, .doc = "do not fold layers that are alike"},
};

Json ProvenanceOf(const Catalog& catalog, const std::string& name) {
  auto provenance = catalog.LoadProvenance(name);
  return provenance.ok() ? *std::move(provenance) : Json();
}

// "import from demo | drop layers=3,4"
std::string DescribeProvenance(const Json& provenance) {
  std::string text;
  for (const Json& step : provenance.array() != nullptr ? *provenance.array() : Json::Array()) {
    const Json* transform = step.Find("transform");
    if (transform == nullptr || transform->string() == nullptr) {
      continue;
    }
    text += (text.empty() ? "" : " | ") + *transform->string();
    const Json* arguments = step.Find("arguments");
    if (arguments == nullptr || arguments->object() == nullptr) {
      continue;
    }
    for (const auto& [key, value] : *arguments->object()) {
      text += fmt::format(" {}={}", key,
                          value.string() != nullptr ? *value.string() : WriteJson(value));
    }
  }
  return text;
}

Status RunShow(Session& session) {
  const Options& options = session.options;
  const std::string& name = options.Text("NET");
  const std::string& graph = options.Text("graph");
  if (options.Flag("all") && (session.json || !graph.empty())) {
    return Invalid("--all is for the table; --graph and --json have every node anyway");
  }
  if (!graph.empty() && graph != "dot" && graph != "mermaid" && graph != "json") {
    return Invalid("--graph: expected dot, mermaid or json, found \"{}\"", graph);
  }
  if (session.json && !graph.empty() && graph != "json") {
    return Invalid("--json and --graph {} are two forms; choose one", graph);
  }
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  const Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(const Network network, catalog.Load(name));
  if (session.json || graph == "json") {
    Json description = DescribeJson(network);
    if (Json provenance = ProvenanceOf(catalog, name); !provenance.is_null()) {
      description.Set("provenance", std::move(provenance));
    }
    session.terminal.PrintJson(description);
  } else if (graph == "dot") {
    session.terminal.Print(DescribeDot(network));
  } else if (graph == "mermaid") {
    session.terminal.Print(DescribeMermaid(network));
  } else {
    Terminal& terminal = session.terminal;
    terminal.PrintLine(
        fmt::format("{}  {}", terminal.Styled(Style::kBold, name), network.digest().ToString()));
    terminal.PrintLine(
        fmt::format("{:.2f} M parameters, {} of weights, {} layers, vocabulary {}{}",
                    static_cast<double>(network.parameters()) * 1e-6,
                    FormatBytes(WeightBytes(network)), network.layers(), network.vocabulary,
                    network.metadata.context_length
                        ? fmt::format(", context {}", *network.metadata.context_length)
                        : ""));
    if (const std::string made = DescribeProvenance(ProvenanceOf(catalog, name)); !made.empty()) {
      terminal.PrintLine(terminal.Styled(Style::kDim, "made by: " + made));
    }
    terminal.PrintLine("");
    terminal.Print(DescribeTable(network, options.Flag("all") ? Fold::kNo : Fold::kYes));
  }
  return {};
}

}  // namespace

constinit const Verb kShow{
    .name = "show",
    .summary = "show a network's graph",
    .details = "",
    .examples = "  ashlar show base\n  ashlar show base --graph dot | dot -Tsvg > base.svg",
    .options = kShowOptions,
    .run = RunShow,
};

}  // namespace ashlar::cli
