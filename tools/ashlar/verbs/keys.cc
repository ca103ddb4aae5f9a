#include "ashlar/base/join.h"
#include "ashlar/server/config/toml.h"
#include "ashlar/server/tenants/keys_file.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kKeysOptions[] = {
    {.name = "ACTION", .value = "new|list", .required = true, .doc = "what to do"},
    {.name = "WHAT",
     .value = "NAME|FILE",
     .required = true,
     .doc = "of new: the tenant's name; of list: a keys file"},
};

// The key is shown this once: the file, and all that reads it, has its digest only.
Status RunKeysNew(Session& session, const std::string& tenant) {
  const std::string key = NewKey();
  const std::string digest = KeyDigestText(DigestOfKey(key));
  // The same check as of a file, so that what is printed can stand in one.
  const Json settings = Json::Of(
      {{"tenant", Json::Array{Json::Of({{"name", tenant}, {"keys", Json::Array{digest}}})}}});
  ASHLAR_TRY(ParseKeys(settings));
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"name", tenant}, {"key", key}, {"digest", digest}}));
    return {};
  }
  session.terminal.Note(fmt::format("the key of {}, shown only now: {}", tenant, key));
  session.terminal.Print(
      fmt::format("[[tenant]]\nname = \"{}\"\nkeys = [\"{}\"]\n", tenant, digest));
  return {};
}

Status RunKeysList(Session& session, const Path& file) {
  const auto read = [&]() -> Result<std::vector<KeyedTenant>> {
    ASHLAR_TRY(const Json settings, ReadSettingsFile(file));
    auto parsed = ParseKeys(settings);
    return parsed.ok() ? std::move(parsed) : parsed.error().In(file.string());
  };
  const Result<std::vector<KeyedTenant>> tenants = read();
  if (!tenants.ok()) {
    return BlameFile(tenants.error());
  }
  if (session.json) {
    Json::Array list;
    for (const auto& [tenant, keys] : *tenants) {
      list.push_back(
          Json::Of({{"name", tenant.name},
                    {"keys", keys.size()},
                    {"networks", Json::Array(tenant.networks.begin(), tenant.networks.end())},
                    {"concurrent_requests", tenant.limits.concurrent_requests},
                    {"tokens_per_minute", tenant.limits.tokens_per_minute},
                    {"context_length", tenant.limits.context_length},
                    {"priority", tenant.priority},
                    {"share_prefix_cache", tenant.share_prefix_cache},
                    {"reuse_any_precision", tenant.reuse_any_precision},
                    {"admin", tenant.admin}}));
    }
    session.terminal.PrintJson(Json::Of({{"tenants", std::move(list)}}));
    return {};
  }
  const auto limit = [](std::int64_t value) {
    return value == 0 ? std::string("-") : fmt::format("{}", value);
  };
  constexpr Column kColumns[] = {{"TENANT"},
                                 {"KEYS", Align::kRight},
                                 {"AT ONCE", Align::kRight},
                                 {"TOKENS/MIN", Align::kRight},
                                 {"CONTEXT", Align::kRight},
                                 {"PRIORITY", Align::kRight},
                                 {"ADMIN"},
                                 {"NETWORKS"}};
  std::vector<std::vector<std::string>> rows;
  for (const auto& [tenant, keys] : *tenants) {
    rows.push_back({tenant.name, fmt::format("{}", keys.size()),
                    limit(tenant.limits.concurrent_requests),
                    limit(tenant.limits.tokens_per_minute), limit(tenant.limits.context_length),
                    fmt::format("{}", tenant.priority), tenant.admin ? "yes" : "no",
                    Join(tenant.networks, " ")});
  }
  session.terminal.PrintTable(kColumns, rows);
  return {};
}

Status RunKeys(Session& session) {
  const std::string& action = session.options.Text("ACTION");
  const std::string& what = session.options.Text("WHAT");
  if (action == "new") {
    return RunKeysNew(session, what);
  }
  if (action == "list") {
    return RunKeysList(session, what);
  }
  return Invalid("ACTION: expected new or list, found {}", QuoteForError(action));
}

}  // namespace

constinit const Verb kKeys{
    .name = "keys",
    .summary = "make a key for a server's tenant, or list a keys file",
    .details =
        "new prints a key on standard error, and on standard output the lines for the file of a "
        "server's keys, which hold only its digest. list checks such a file and says what each "
        "tenant may do.",
    .examples = "  ashlar keys new alice >> keys.toml\n  ashlar keys list keys.toml",
    .options = kKeysOptions,
    .run = RunKeys,
};

}  // namespace ashlar::cli
