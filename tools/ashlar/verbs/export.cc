#include <algorithm>

#include "ashlar/base/output_file.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/hugging_face_export.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kExportOptions[] = {
    {.name = "FORMAT",
     .value = "hf|gguf",
     .required = true,
     .doc = "hf: a Hugging Face directory; gguf: a file of llama.cpp's"},
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "PATH", .value = "PATH", .required = true, .doc = "written whole, or not at all"},
    {.name = "--dtype",
     .value = "TYPE",
     .doc = "hf: write every number as f32, f16 or bf16; without it each tensor as it is"},
    {.name = "--shard-size",
     .value = "BYTES",
     .doc = "hf: most bytes of tensors in a file, 5G if not given"},
    {.name = "--family",
     .value = "TYPE",
     .doc =
         "hf: the model_type to write; without it the one it was imported as, or the first it is "
         "one of"},
    {.name = "--type",
     .value = "TYPE",
     .doc = "gguf: write matrices as F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K or Q6_K; without it as "
            "they are stored, to the bit"},
};

// What was written, for people and as JSON.
struct Exported {
  std::string summary;
  Json json;
  std::vector<std::string> remarks;
};

using ExportFn = Result<Exported> (*)(Session& session, const Network& network,
                                      const Catalog& catalog);

std::function<void(std::uint64_t, std::uint64_t)> ProgressOf(Session& session) {
  return [&session](std::uint64_t done, std::uint64_t total) {
    session.terminal.Progress("exporting", done, total);
  };
}

Result<GgufOptions> GgufOptionsOf(const Options& options) {
  GgufOptions wanted;
  if (options.Has("type")) {
    const auto type = FindGgufExportType(options.Text("type"));
    if (!type.ok()) {
      return type.error().In("--type");
    }
    wanted.type = *type;
  }
  return wanted;
}

Result<Exported> ExportAsGguf(Session& session, const Network& network, const Catalog& catalog) {
  const std::string& path = session.options.Text("PATH");
  const std::string& name = session.options.Text("NET");
  ASHLAR_TRY(GgufOptions wanted, GgufOptionsOf(session.options));
  ASHLAR_TRY(const Provenance provenance, catalog.LoadProvenance(name));
  const std::string usual = ImportedFamily(provenance);
  wanted.usual = usual;
  auto report = ExportGguf(network, name, catalog.store(), path, wanted, ProgressOf(session));
  if (!report.ok()) {
    return BlameFile(report.error());
  }
  return Exported{.summary = fmt::format("{}: {}, {} tensors, {}", path, report->architecture,
                                         report->tensors, FormatBytes(report->file_bytes)),
                  .json = Json::Of({{"file", path},
                                    {"architecture", report->architecture},
                                    {"tensors", report->tensors},
                                    {"file_bytes", report->file_bytes}}),
                  .remarks = std::move(report->remarks)};
}

Result<HuggingFaceOptions> HuggingFaceOptionsOf(const Options& options) {
  HuggingFaceOptions wanted{.family = options.Text("family")};
  if (options.Has("dtype")) {
    constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};
    const auto dtype = std::ranges::find(kTypes, options.Text("dtype"), DTypeName);
    if (dtype == std::end(kTypes)) {
      return Invalid("--dtype: unknown type \"{}\"; known: f32, f16, bf16", options.Text("dtype"));
    }
    wanted.dtype = *dtype;
  }
  if (options.Has("shard-size")) {
    ASHLAR_TRY(wanted.shard_bytes, options.Bytes("shard-size"));
  }
  return wanted;
}

Result<Exported> ExportAsHuggingFace(Session& session, const Network& network,
                                     const Catalog& catalog) {
  const std::string& path = session.options.Text("PATH");
  ASHLAR_TRY(HuggingFaceOptions wanted, HuggingFaceOptionsOf(session.options));
  ASHLAR_TRY(const Provenance provenance, catalog.LoadProvenance(session.options.Text("NET")));
  const std::string usual = ImportedFamily(provenance);
  wanted.usual = usual;
  auto report = ExportHuggingFace(network, catalog.store(), path, wanted, ProgressOf(session));
  if (!report.ok()) {
    return BlameFile(report.error());
  }
  return Exported{.summary = fmt::format(
                      "{}: {}, {} tensors, {}{}", path, report->model_type, report->tensors,
                      FormatBytes(report->tensor_bytes),
                      report->shards == 1 ? "" : fmt::format(" in {} files", report->shards)),
                  .json = Json::Of({{"directory", path},
                                    {"model_type", report->model_type},
                                    {"tensors", report->tensors},
                                    {"tensor_bytes", report->tensor_bytes},
                                    {"shards", report->shards}}),
                  .remarks = std::move(report->remarks)};
}

Status InPath(const Status& target) {
  return target.ok() ? target : target.error().In("PATH");
}
Status CheckGgufOptions(const Options& options) {
  ASHLAR_TRY(GgufOptionsOf(options));
  return InPath(OutputFile::CheckTarget(options.Text("PATH")));
}
Status CheckHuggingFaceOptions(const Options& options) {
  ASHLAR_TRY(HuggingFaceOptionsOf(options));
  return InPath(CheckExportDirectory(options.Text("PATH")));
}

struct ExportFormat {
  std::string_view name;
  Status (*check)(const Options& options);  // before anything is read
  ExportFn write;
  std::span<const std::string_view> options;  // those that are for it alone
};
constexpr std::string_view kHuggingFaceOptions[] = {"dtype", "shard-size", "family"};
constexpr std::string_view kGgufOptions[] = {"type"};
constexpr ExportFormat kExportFormats[] = {
    {.name = "hf",
     .check = CheckHuggingFaceOptions,
     .write = ExportAsHuggingFace,
     .options = kHuggingFaceOptions},
    {.name = "gguf", .check = CheckGgufOptions, .write = ExportAsGguf, .options = kGgufOptions},
};

Result<const ExportFormat*> FormatOf(const Options& options) {
  const auto format =
      std::ranges::find(kExportFormats, options.Text("FORMAT"), &ExportFormat::name);
  if (format == std::end(kExportFormats)) {
    return Invalid(
        "unknown format \"{}\"; known: hf (a Hugging Face directory), gguf (llama.cpp's)",
        options.Text("FORMAT"));
  }
  for (const ExportFormat& other : kExportFormats) {
    for (const std::string_view option : other.options) {
      if (options.Typed(option) && &other != format) {
        return Invalid("--{} is for export {}, not for {}", option, other.name, format->name);
      }
    }
  }
  return format;
}

Status RunExport(Session& session) {
  const Options& options = session.options;
  ASHLAR_TRY(const ExportFormat* format, FormatOf(options));
  ASHLAR_TRY(format->check(options));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  const Catalog catalog(*store, AllKinds());
  ASHLAR_TRY(const Network network, catalog.Load(options.Text("NET")));
  Result<Exported> exported = format->write(session, network, catalog);
  session.terminal.EndProgress();
  ASHLAR_TRY(Exported done, std::move(exported));
  if (session.json) {
    Json remarks = Json::Array();
    for (const std::string& remark : done.remarks) {
      remarks.Append(remark);
    }
    done.json.Set("network", options.Text("NET"));
    done.json.Set("remarks", std::move(remarks));
    session.terminal.PrintJson(done.json);
    return {};
  }
  for (const std::string& remark : done.remarks) {
    session.terminal.Note(remark);
  }
  session.terminal.PrintLine(done.summary);
  return {};
}

}  // namespace

constinit const Verb kExport{
    .name = "export",
    .summary = "write a network for other engines",
    .details =
        "hf: an import of the directory gives the same network, to the digest. The family is found "
        "from the network itself; one that no family has is refused, with what stands in the way. "
        "4-bit and 8-bit tensors need a --dtype, but for stacks of experts in MXFP4 (gpt_oss).\n"
        "gguf: without --type lossless; q4 becomes Q4_0, q8 Q8_0, and f32, f16 and bf16 stay what "
        "they are. With --type vectors, routers and learned positions are F32 all the same, and "
        "what "
        "scores the vocabulary is Q6_K beside Q4_0, Q4_1 and Q4_K. The architecture is found from "
        "the network.\n"
        "A layer that stands several times in the network is written as often.",
    .examples =
        "  ashlar export hf short models/short\n"
        "  ashlar export hf base-q4 models/base --dtype bf16\n"
        "  ashlar export gguf base base.gguf\n"
        "  ashlar export gguf base base-q4_k.gguf --type Q4_K",
    .options = kExportOptions,
    .run = RunExport,
};

}  // namespace ashlar::cli
