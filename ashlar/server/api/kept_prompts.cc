#include "ashlar/server/api/kept_prompts.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ashlar/base/ascii.h"
#include "ashlar/runtime/session.h"
#include "ashlar/server/api/completions.h"
#include "ashlar/server/api/management.h"

namespace ashlar {
namespace {

constexpr Parameter kPromptRows[] = {
    {.name = "prompt",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "text or token ids, as of a completion. Whole pages of 16 tokens are kept; the last "
            "token of a text may be another one where more text follows"},
    {.name = "add_special_tokens",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether the tokenizer puts its tokens, such as a begin-of-text, around a prompt that "
            "is text; false for what `/apply-template` gives"},
};
constexpr Parameter kScopeRows[] = {
    {.name = "model",
     .types = json_type::kString,
     .required = true,
     .doc = "a network of the store"},
    {.name = "tenant",
     .types = json_type::kString,
     .otherwise = "who asks",
     .doc = "whose requests find it: a tenant's name, or `*` for all who share their prefixes"},
};
constexpr Parameter kSessionRows[] = {
    {.name = "file",
     .types = json_type::kString,
     .required = true,
     .doc = "its name in the directory `--sessions`: letters, digits, `.`, `_` and `-`"},
};

constexpr std::size_t kLongestFileName = 128;

// That of the tenant whose requests are to find it.
Result<std::string> ScopeOf(const Parameters& parameters, const ServerContext& context) {
  const std::string name = parameters.String("tenant", context.tenant.name);
  if (name == "*") {
    return name;
  }
  if (name == context.tenant.name) {
    return context.tenant.cache_scope();
  }
  if (context.tenants != nullptr) {
    for (const std::shared_ptr<const Tenant>& tenant : context.tenants->all()) {
      if (tenant->name == name) {
        return tenant->cache_scope();
      }
    }
  }
  return NotFound("$.tenant: there is no tenant {}", QuoteForError(name));
}

// An error about what was read: of a request that says nothing else, it is the prompt's.
Error BlamePrompt(const Error& error) {
  return error.code == ErrorCode::kInvalid ? error.In("$.prompt") : error;
}

Result<Generation> ReadingOf(const Parameters& parameters, const ServerContext& context) {
  Generation generation{.tenant = context.tenant.name, .priority = context.tenant.priority};
  ASHLAR_TRY(generation.cache_scope, ScopeOf(parameters, context));
  ASHLAR_TRY(generation.network, FindNamed(context, parameters.String("model", "")));
  ASHLAR_TRY(std::vector<TextPrompt> prompts,
             ReadPrompts(*parameters.Find("prompt"), *generation.network, 1,
                         parameters.Bool("add_special_tokens", true)));
  generation.prompt = std::move(prompts.front().tokens);
  return generation;
}

// For another tokenizer. Nothing for a prompt of token ids: what these mean only their own knows.
PromptOf PromptOfText(const Parameters& parameters) {
  const Json& prompt = parameters.Find("prompt")->value();
  const Json* first = &prompt;
  while (first->array() != nullptr && !first->array()->empty()) {
    first = &first->array()->front();
  }
  if (first->string() == nullptr) {
    return nullptr;
  }
  return [text = *first->string(), special = parameters.Bool("add_special_tokens", true)](
             const NetworkCard& network) -> Result<std::vector<std::int32_t>> {
    ASHLAR_TRY(const Tokenizer* const tokenizer, network.RequireTokenizer());
    return tokenizer->Encode(text, {.add_special_tokens = special});
  };
}

Json PrefixEntry(const PrefixStatus& prefix) {
  return Json::Of({{"id", std::to_string(static_cast<std::uint64_t>(prefix.id))},
                   {"model", prefix.network},
                   {"tenant", prefix.cache_scope},
                   {"prompt_tokens", prefix.tokens},
                   {"cached_tokens", prefix.positions},
                   {"plan", prefix.plan == 0 ? Json() : Json(PlanName(prefix.plan))},
                   {"bytes", prefix.bytes},
                   {"failure", prefix.failure ? Json(prefix.failure->message) : Json()}});
}

Result<Path> SessionPath(const Parameters& parameters, const ServerContext& context) {
  const Path& directory = context.service.options().session_directory;
  if (directory.empty()) {
    return Unsupported("the server was started without --sessions, a directory for them");
  }
  const std::string name = parameters.String("file", "");
  const bool plain = std::ranges::all_of(
      name, [](char c) { return IsAsciiLetterOrDigit(c) || c == '.' || c == '_' || c == '-'; });
  if (!plain || name.empty() || name.front() == '.' || name.size() > kLongestFileName) {
    return Invalid(
        "$.file: expected a name of at most {} letters, digits, \".\", \"_\" and "
        "\"-\" that does not begin with \".\", found {}",
        kLongestFileName, QuoteForError(name));
  }
  return directory / name;
}

}  // namespace

constinit const ParameterPart kPromptParameters = kPromptRows;
constinit const ParameterPart kScopeParameters = kScopeRows;
constinit const ParameterPart kSessionParameters = kSessionRows;

Result<Json> PinPrefix(const Parameters& parameters, const ServerContext& context) {
  ASHLAR_TRY(Generation generation, ReadingOf(parameters, context));
  const Result<PrefixStatus> prefix =
      context.service.PinPrefix(std::move(generation), PromptOfText(parameters));
  return prefix.ok() ? Result<Json>(PrefixEntry(*prefix)) : BlamePrompt(prefix.error());
}

Result<Json> ListPrefixes(const Parameters&, const ServerContext& context) {
  Json::Array list;
  for (const PrefixStatus& prefix : context.service.PinnedPrefixes()) {
    list.push_back(PrefixEntry(prefix));
  }
  return Json::Of({{"prefixes", std::move(list)}});
}

Result<Json> UnpinPrefix(const Parameters&, const ServerContext& context) {
  const std::string& text = context.path_tail;
  std::uint64_t id = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return NotFound("no prefix {} is pinned", QuoteForError(text));
  }
  ASHLAR_TRY(context.service.UnpinPrefix(PrefixId{id}));
  return Json::Of({{"id", text}, {"deleted", true}});
}

Result<Json> SaveSession(const Parameters& parameters, const ServerContext& context) {
  ASHLAR_TRY(const Path path, SessionPath(parameters, context));
  ASHLAR_TRY(Generation generation, ReadingOf(parameters, context));
  const Result<Session> session = context.service.SaveSession(std::move(generation));
  if (!session.ok()) {
    return BlamePrompt(session.error());
  }
  ASHLAR_TRY(RealFileSystem().CreateDirectories(path.parent_path()));
  ASHLAR_TRY(WriteSessionFile(path, *session));
  std::uint64_t bytes = 0;
  for (const SessionSlot& slot : session->slots) {
    bytes += slot.pages.size();
  }
  return Json::Of({{"model", parameters.String("model", "")},
                   {"file", path.filename().string()},
                   {"prompt_tokens", session->tokens.size()},
                   {"bytes", bytes}});
}

Result<Json> RestoreSession(const Parameters& parameters, const ServerContext& context) {
  ASHLAR_TRY(const Path path, SessionPath(parameters, context));
  ASHLAR_TRY(const auto card, FindNamed(context, parameters.String("model", "")));
  ASHLAR_TRY(const std::string scope, ScopeOf(parameters, context));
  const Result<Session> session = ReadSessionFile(path);
  if (!session.ok()) {
    return session.error().In("$.file");
  }
  const Result<std::int64_t> cached = context.service.RestoreSession(card, *session, scope);
  if (!cached.ok()) {
    return cached.error().code == ErrorCode::kInvalid ? cached.error().In("$.file")
                                                      : cached.error();
  }
  return Json::Of({{"model", card->name},
                   {"file", path.filename().string()},
                   {"prompt_tokens", session->tokens.size()},
                   {"cached_tokens", *cached}});
}

}  // namespace ashlar
