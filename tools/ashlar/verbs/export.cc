#include "ashlar/base/output_file.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kExportOptions[] = {
    {.name = "FORMAT", .value = "gguf", .required = true, .doc = "gguf: llama.cpp's format"},
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "FILE", .value = "PATH", .required = true, .doc = "written whole, or not at all"},
};

Status RunExport(Session& session) {
  const Options& options = session.options;
  if (options.Text("FORMAT") != "gguf") {
    return Invalid("unknown format \"{}\"; known: gguf (llama.cpp's)", options.Text("FORMAT"));
  }
  if (const Status target = OutputFile::CheckTarget(options.Text("FILE")); !target.ok()) {
    return target.error().In("FILE");
  }
  const std::string& name = options.Text("NET");
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  const Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(const Network network, catalog.Load(name));
  const Result<GgufReport> report = ExportGguf(
      network, name, *store, options.Text("FILE"), [&](std::uint64_t done, std::uint64_t total) {
        session.terminal.Progress("exporting", done, total);
      });
  session.terminal.EndProgress();
  if (!report.ok()) {
    return BlameFile(report.error());
  }
  if (session.json) {
    Json remarks = Json::Array();
    for (const std::string& remark : report->remarks) {
      remarks.Append(remark);
    }
    session.terminal.PrintJson(Json::Of({{"network", name},
                                         {"file", options.Text("FILE")},
                                         {"architecture", report->architecture},
                                         {"tensors", report->tensors},
                                         {"file_bytes", report->file_bytes},
                                         {"remarks", std::move(remarks)}}));
    return {};
  }
  for (const std::string& remark : report->remarks) {
    session.terminal.Note(remark);
  }
  session.terminal.PrintLine(fmt::format("{}: {}, {} tensors, {}", options.Text("FILE"),
                                         report->architecture, report->tensors,
                                         FormatBytes(report->file_bytes)));
  return {};
}

}  // namespace

constinit const Verb kExport{
    .name = "export",
    .summary = "write a network as a file for other engines",
    .details =
        "Lossless: q4 becomes Q4_0, q8 Q8_0, and f32, f16 and bf16 stay what they are. GGUF holds "
        "plain chains of alike layers; anything else is refused, with the node and the reason. A "
        "layer that stands several times in the network is written as often.",
    .examples = "  ashlar export gguf base base.gguf",
    .options = kExportOptions,
    .run = RunExport,
};

}  // namespace ashlar::cli
