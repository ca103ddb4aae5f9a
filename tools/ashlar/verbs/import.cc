#include "ashlar/formats/hugging_face.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kImportOptions[] = {
    {.name = "FORMAT", .value = "hf", .required = true, .doc = "hf: a Hugging Face directory"},
    {.name = "DIR", .value = "PATH", .required = true, .doc = "where the model lies"},
    {.name = "--as", .value = "NAME", .required = true, .doc = "the name of the new network"},
};

Status RunImport(Session& session) {
  const Options& options = session.options;
  if (options.Text("FORMAT") != "hf") {
    return Invalid("unknown format \"{}\"; known: hf (a Hugging Face directory)",
                   options.Text("FORMAT"));
  }
  const std::string& name = options.Text("as");
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/true));
  Catalog catalog(*store, AllKinds());
  const auto imported =
      ImportHuggingFace(options.Text("DIR"), name, catalog, [&](const ImportProgress& progress) {
        session.terminal.Progress("importing", progress.done_bytes, progress.total_bytes);
      });
  session.terminal.EndProgress();
  if (!imported.ok()) {
    return BlameFile(imported.error());
  }
  const ImportReport& report = *imported;
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"name", name},
                                         {"digest", report.network.ToString()},
                                         {"parameters", report.parameters},
                                         {"source_bytes", report.source_bytes},
                                         {"added_bytes", report.added_bytes},
                                         {"found_bytes", report.found_bytes}}));
    return {};
  }
  session.terminal.PrintLine(
      fmt::format("{}: {:.1f} M parameters from {}; the store grew by {}{}", name,
                  static_cast<double>(report.parameters) * 1e-6, FormatBytes(report.source_bytes),
                  FormatBytes(report.added_bytes),
                  report.found_bytes == 0
                      ? ""
                      : fmt::format(" ({} were there already)", FormatBytes(report.found_bytes))));
  return {};
}

}  // namespace

constinit const Verb kImport{
    .name = "import",
    .summary = "bring a model into the store",
    .details =
        "Streams tensor by tensor. Interrupted, run it again: what was stored is found and "
        "not written twice. The name appears when everything is durable.",
    .examples = "  ashlar import hf models/llama --as base",
    .options = kImportOptions,
    .run = RunImport,
};

}  // namespace ashlar::cli
