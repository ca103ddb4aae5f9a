#include "ashlar/base/join.h"
#include "ashlar/plan/plan.h"
#include "ashlar/store/housekeeping.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kFsckOptions[] = {
    {.name = "--keep", .kind = OptionKind::kFlag, .doc = "report only; quarantine nothing"},
};

std::string TextOfNames(const std::vector<std::string>& words) {
  return words.empty() ? "no network" : Join(words, ", ");
}

Status RunFsck(Session& session) {
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const FsckReport report,
             CheckStore(*store, {.quarantine = !session.options.Flag("keep"),
                                 .progress = [&](std::uint64_t done, std::uint64_t total) {
                                   session.terminal.Progress("checking", done, total);
                                 }}));
  session.terminal.EndProgress();
  if (session.json) {
    Json damage = Json::Array();
    for (const Damage& found : report.damage) {
      Json networks = Json::Array();
      for (const std::string& tag : found.tags) {
        networks.Append(tag);
      }
      damage.Append(Json::Of({{"digest", found.digest.ToString()},
                              {"what", found.what},
                              {"networks", std::move(networks)},
                              {"quarantined", found.quarantined}}));
    }
    session.terminal.PrintJson(Json::Of(
        {{"blobs", report.blobs}, {"bytes", report.bytes}, {"damage", std::move(damage)}}));
  } else {
    for (const Damage& found : report.damage) {
      session.terminal.PrintLine(
          fmt::format("{}  {}: {}; hurts {}", session.terminal.Styled(Style::kBad, "damaged"),
                      found.digest.ToString(), found.what, TextOfNames(found.tags)));
    }
    session.terminal.PrintLine(fmt::format(
        "checked {} blobs, {}: {}", report.blobs, FormatBytes(report.bytes),
        report.damage.empty() ? "all is well" : fmt::format("{} damaged", report.damage.size())));
  }
  if (report.quarantine_error) {
    return report.quarantine_error->In(fmt::format(
        "{} blobs are damaged or missing, and some could not be set aside", report.damage.size()));
  }
  if (!report.damage.empty()) {
    return Corrupt("{} blobs are damaged or missing; import or pull the networks named again",
                   report.damage.size());
  }
  return {};
}

}  // namespace

constinit const Verb kFsck{
    .name = "fsck",
    .summary = "check every blob and reference; set damaged ones aside",
    .details =
        "Exit code 1 when something is damaged. Damaged blobs go to ashlar/quarantine/, so that "
        "importing the same model again mends the store.",
    .examples = "  ashlar fsck",
    .options = kFsckOptions,
    .run = RunFsck,
};

}  // namespace ashlar::cli
