#include <algorithm>

#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/hugging_face.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kImportOptions[] = {
    {.name = "FORMAT",
     .value = "hf|gguf",
     .required = true,
     .doc = "hf: a Hugging Face directory; gguf: a file of llama.cpp's, or its first shard"},
    {.name = "SOURCE", .value = "PATH", .required = true, .doc = "where the model lies"},
    {.name = "--as", .value = "NAME", .required = true, .doc = "the name of the new network"},
};

using ImportFn = Result<ImportReport> (*)(const Path&, std::string_view, Catalog&,
                                          const std::function<void(const ImportProgress&)>&);
struct ImportFormat {
  std::string_view name;
  Status (*check)(const Path& source);  // whether it is of the kind at all; before a store is made
  ImportFn import;
};

// (A file that the directory lacks is named by the import.)
Status CheckHuggingFaceSource(const Path& source) {
  std::error_code error;
  if (!std::filesystem::is_directory(source, error)) {
    return Invalid(
        "SOURCE: {} is a file; expected the directory with its config.json ('ashlar import gguf' "
        "reads a file of llama.cpp's)",
        source.string());
  }
  if (std::filesystem::exists(source / "adapter_config.json", error) &&
      !std::filesystem::exists(source / "config.json", error)) {
    return Unsupported(
        "SOURCE: {} is an adapter (adapter_config.json), not a whole network: merge it into the "
        "network that it belongs to (in PEFT, merge_and_unload), and import what that saves",
        source.string());
  }
  return {};
}
Status CheckGgufSource(const Path& source) {
  if (std::error_code error; std::filesystem::is_directory(source, error)) {
    return Invalid(
        "SOURCE: {} is a directory; expected a file ('ashlar import hf' reads a Hugging Face "
        "directory)",
        source.string());
  }
  return {};
}

constexpr ImportFormat kFormats[] = {
    {.name = "hf", .check = CheckHuggingFaceSource, .import = ImportHuggingFace},
    {.name = "gguf", .check = CheckGgufSource, .import = ImportGguf},
};

Status RunImport(Session& session) {
  const Options& options = session.options;
  const auto format = std::ranges::find(kFormats, options.Text("FORMAT"), &ImportFormat::name);
  if (format == std::end(kFormats)) {
    return Invalid("unknown format \"{}\"; known: hf (a Hugging Face directory), gguf (a file)",
                   options.Text("FORMAT"));
  }
  const std::string& name = options.Text("as");
  ASHLAR_TRY(CheckNetworkName(name));
  if (std::error_code error; !std::filesystem::exists(options.Text("SOURCE"), error)) {
    return NotFound("SOURCE: there is nothing at {}", options.Text("SOURCE"));
  }
  ASHLAR_TRY(format->check(options.Text("SOURCE")));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/true));
  Catalog catalog(*store, AllKinds());
  const auto imported =
      format->import(options.Text("SOURCE"), name, catalog, [&](const ImportProgress& progress) {
        session.terminal.Progress("importing", progress.done_bytes, progress.total_bytes);
      });
  session.terminal.EndProgress();
  if (!imported.ok()) {
    return BlameFile(imported.error());
  }
  const ImportReport& report = *imported;
  if (session.json) {
    Json remarks = Json::Array();
    for (const std::string& remark : report.remarks) {
      remarks.Append(remark);
    }
    session.terminal.PrintJson(Json::Of({{"name", name},
                                         {"digest", report.network.ToString()},
                                         {"parameters", report.parameters},
                                         {"source_bytes", report.source_bytes},
                                         {"added_bytes", report.added_bytes},
                                         {"found_bytes", report.found_bytes},
                                         {"remarks", std::move(remarks)}}));
    return {};
  }
  for (const std::string& remark : report.remarks) {
    session.terminal.Note(remark);
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
        "not written twice. The name appears when everything is durable; a network that had it "
        "before loses it, and without another name goes with the next 'ashlar gc'.",
    .examples =
        "  ashlar import hf models/llama --as base\n"
        "  ashlar import gguf llama-q4_k_m.gguf --as base-q4",
    .options = kImportOptions,
    .run = RunImport,
};

}  // namespace ashlar::cli
