#include "ashlar/store/housekeeping.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kWhyOptions[] = {
    {.name = "DIGEST", .value = "sha256:...", .required = true, .doc = "a blob"},
};

std::string KindOf(const Descriptor& descriptor) {
  return descriptor.artifact_type.empty() ? descriptor.media_type : descriptor.artifact_type;
}

Status RunWhy(Session& session) {
  ASHLAR_TRY(const Digest digest, Digest::Parse(session.options.Text("DIGEST")));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  ASHLAR_TRY(const std::vector<Chain> chains, WhyStored(*store, digest));
  if (session.json) {
    Json list = Json::Array();
    for (const Chain& chain : chains) {
      Json path = Json::Array();
      for (const Descriptor& descriptor : chain.path) {
        path.Append(
            Json::Of({{"digest", descriptor.digest.ToString()}, {"kind", KindOf(descriptor)}}));
      }
      list.Append(Json::Of({{"network", chain.tag}, {"path", std::move(path)}}));
    }
    session.terminal.PrintJson(list);
    return {};
  }
  if (chains.empty()) {
    ASHLAR_TRY(const auto size, store->Stat(digest));
    if (!size) {
      return NotFound("the store has no blob {}", digest.ToString());
    }
    session.terminal.PrintLine("no network reaches it: gc would remove it");
    return {};
  }
  for (const Chain& chain : chains) {
    session.terminal.PrintLine(session.terminal.Styled(Style::kBold, chain.tag));
    for (const Descriptor& descriptor : chain.path) {
      session.terminal.PrintLine(
          fmt::format("  {}  {}", descriptor.digest.ToString(), KindOf(descriptor)));
    }
  }
  return {};
}

}  // namespace

constinit const Verb kWhy{
    .name = "why",
    .summary = "show which networks reach a blob, and through what",
    .details = "",
    .examples =
        "  ashlar why sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
    .options = kWhyOptions,
    .run = RunWhy,
};

}  // namespace ashlar::cli
