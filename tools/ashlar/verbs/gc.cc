#include "ashlar/plan/plan.h"
#include "ashlar/store/housekeeping.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kGcOptions[] = {
    {.name = "--dry-run", .kind = OptionKind::kFlag, .doc = "say what would go, remove nothing"},
};

Status RunGc(Session& session) {
  const bool dry_run = session.options.Flag("dry-run");
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const GcReport report, CollectGarbage(*store, dry_run ? Gc::kDryRun : Gc::kRemove));
  if (session.json) {
    Json removed = Json::Array();
    for (const BlobInfo& blob : report.removed) {
      removed.Append(Json::Of({{"digest", blob.digest.ToString()}, {"bytes", blob.size}}));
    }
    session.terminal.PrintJson(
        Json::Of({{"dry_run", dry_run},
                  {"kept_blobs", report.kept_blobs},
                  {"kept_bytes", report.kept_bytes},
                  {"removed_bytes", report.removed_bytes},
                  {"removed_temporary_files", report.removed_temporary_files},
                  {"removed", std::move(removed)}}));
    return {};
  }
  session.terminal.PrintLine(fmt::format("{} {} blobs, {} ({} blobs, {} stay)",
                                         dry_run ? "would remove" : "removed",
                                         report.removed.size(), FormatBytes(report.removed_bytes),
                                         report.kept_blobs, FormatBytes(report.kept_bytes)));
  return {};
}

}  // namespace

constinit const Verb kGc{
    .name = "gc",
    .summary = "free what no network reaches",
    .details = "Waits for running imports and derivations; never removes what they wrote or found.",
    .examples = "  ashlar gc --dry-run",
    .options = kGcOptions,
    .run = RunGc,
};

}  // namespace ashlar::cli
