#include "ashlar/server/api/constraints.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ashlar/grammar/grammar.h"
#include "ashlar/server/api/generation_parameters.h"

namespace ashlar {
namespace {

constexpr std::size_t kGrammarsKept = 64;
constexpr std::uint64_t kMostBytes = 32u << 20;
constexpr std::uint64_t kShareOfMemory = 16;
constexpr std::size_t kMostChoices = 1024;

constexpr Parameter kGuideRows[] = {
    {.name = "grammar",
     .types = json_type::kString,
     .doc = "the answer is a text of this grammar, in GBNF"},
    {.name = "guided_grammar", .types = json_type::kString, .doc = "another name of `grammar`"},
    {.name = "guided_json",
     .types = json_type::kObject | json_type::kString,
     .doc = "the answer is JSON that is valid under this schema"},
    {.name = "guided_regex",
     .types = json_type::kString,
     .doc = "the answer matches this regular expression of ECMAScript, as a whole"},
    {.name = "guided_choice",
     .types = json_type::kArray,
     .doc = "the answer is one of these texts"},
};

constexpr std::pair<std::string_view, GrammarKind> kGuides[] = {
    {"grammar", GrammarKind::kGbnf},           {"guided_grammar", GrammarKind::kGbnf},
    {"guided_json", GrammarKind::kJsonSchema}, {"guided_regex", GrammarKind::kRegex},
    {"guided_choice", GrammarKind::kRegex},
};

// Texts as a regular expression of one of them.
Result<std::string> RegexOfChoices(const JsonCursor& value) {
  ASHLAR_TRY(const std::vector<std::string> choices, ReadStrings(value, kMostChoices));
  if (choices.empty()) {
    return value.Invalid("expected at least one text");
  }
  std::string regex;
  for (const std::string& choice : choices) {
    regex += regex.empty() ? "(?:" : "|(?:";
    for (const char c : choice) {
      constexpr std::string_view kSyntax = "^$\\.*+?()[]{}|/";
      if (kSyntax.find(c) != std::string_view::npos) {
        regex += '\\';
      }
      regex += c;
    }
    regex += ')';
  }
  return regex;
}

// What a grammar or an answer to it comes to is the request's fault, and asking again does not
// help. A limit is one of grammars: there is nothing that the server has run out of, nor the
// context.
Error FaultOf(Error error, const std::string& path) {
  if (error.code == ErrorCode::kExhausted) {
    error.code = ErrorCode::kInvalid;
  }
  return error.In(path);
}

Result<Grammar> MakeGrammar(const GrammarSource& source, const std::optional<Grammar>& instead) {
  switch (source.kind) {
    case GrammarKind::kJsonObject:
      return GrammarForAnyJsonObject();
    case GrammarKind::kJsonSchema:
      return GrammarFromJsonSchema(source.text);
    case GrammarKind::kRegex:
      return GrammarFromRegex(source.text);
    case GrammarKind::kGbnf:
      return ParseGbnf(source.text);
    case GrammarKind::kCalls:
      return GrammarOfCalls(*source.calls, source.place, source.text, instead);
  }
  return GrammarForAnyJsonObject();
}

// Errors blame the path of the source that is wrong.
Result<Grammar> ParseSource(const GrammarSource& source) {
  std::optional<Grammar> instead;
  if (source.instead != nullptr) {
    ASHLAR_TRY(instead, ParseSource(*source.instead));
  }
  auto grammar = MakeGrammar(source, instead);
  return grammar.ok() ? std::move(grammar) : FaultOf(grammar.error(), source.path);
}

// Whether two sources are one grammar.
bool SameGrammar(const GrammarSource& a, const GrammarSource& b) {
  const bool alike = a.kind == b.kind && a.text == b.text && a.calls == b.calls &&
                     a.place == b.place && (a.instead == nullptr) == (b.instead == nullptr);
  return alike && (a.instead == nullptr || SameGrammar(*a.instead, *b.instead));
}

// The tokens that may stand in text around calls though no grammar knows them: special ones, but
// for those that could make an opener, and ids without a token.
std::vector<std::int32_t> SilentTokens(const GrammarSource& source, const NetworkCard& network,
                                       const TokenVocabulary& vocabulary) {
  std::vector<std::int32_t> silent;
  if (source.kind == GrammarKind::kCalls && source.place == CallPlace::kWithinText) {
    for (std::int32_t token = 0; token < vocabulary.size(); ++token) {
      if (vocabulary.Bytes(token).empty() &&
          !MayMakeAnOpener(*source.calls, network.tokenizer->TokenContent(token))) {
        silent.push_back(token);
      }
    }
  }
  return silent;
}

class HeldAnswer final : public TokenConstraint {
 public:
  HeldAnswer(std::shared_ptr<KeptGrammars> kept, std::shared_ptr<GrammarMasks> masks,
             std::string path)
      : kept_(std::move(kept)), constraint_(std::move(masks)), path_(std::move(path)) {}

  Result<std::span<const std::uint64_t>> Allowed() override {
    kept_->TrimIfTooMuch();
    auto allowed = constraint_.Allowed();
    return allowed.ok() ? allowed : FaultOf(allowed.error(), path_);
  }
  Status Accept(std::int32_t token) override {
    const Status status = constraint_.Accept(token);
    return status.ok() ? status : FaultOf(status.error(), path_);
  }
  bool finished() const override { return constraint_.ended() || constraint_.must_end(); }

 private:
  const std::shared_ptr<KeptGrammars> kept_;
  Constraint constraint_;
  const std::string path_;  // of the parameter to blame
};

}  // namespace

constinit const ParameterPart kGuideParameters = kGuideRows;

Result<std::optional<GrammarSource>> ReadGuide(const Parameters& parameters) {
  std::optional<GrammarSource> source;
  for (const auto& [name, kind] : kGuides) {
    const JsonCursor* const value = parameters.Find(name);
    if (value == nullptr) {
      continue;
    }
    if (source) {
      return value->Invalid("goes without {}: give one of them", source->path.substr(2));
    }
    source = GrammarSource{.kind = kind, .path = value->path()};
    if (value->value().array() != nullptr) {
      ASHLAR_TRY(source->text, RegexOfChoices(*value));
    } else {
      const std::string* const text = value->value().string();
      source->text = text != nullptr ? *text : WriteJson(value->value());
    }
  }
  return source;
}

KeptGrammars::KeptGrammars(std::size_t most_bytes)
    : masks_(std::make_shared<MaskBytes>(most_bytes)) {}

Result<std::shared_ptr<GrammarMasks>> KeptGrammars::Find(const GrammarSource& source,
                                                         const NetworkCard& network,
                                                         std::string_view scope,
                                                         std::vector<std::int32_t> ends) {
  Kept kept{.network = network.digest.ToString(),
            .scope = std::string(scope),
            .source = source,
            .ends = std::move(ends)};
  if (source.kind == GrammarKind::kCalls) {
    kept.written = MarksOfCalls(*source.calls, source.place, *network.tokenizer);
  }
  {
    const std::lock_guard lock(mutex_);
    for (auto known = kept_.begin(); known != kept_.end(); ++known) {
      if (known->network != kept.network || known->written != kept.written) {
        continue;
      }
      kept.vocabulary = known->vocabulary;
      if (known->scope == kept.scope && SameGrammar(known->source, kept.source) &&
          known->ends == kept.ends) {
        std::rotate(kept_.begin(), known, known + 1);
        return kept_.front().masks;
      }
    }
  }
  // Not under the lock: a large schema takes its time.
  if (kept.vocabulary == nullptr) {
    kept.vocabulary = std::make_shared<TokenVocabulary>(
        *network.tokenizer, static_cast<std::int32_t>(network.logits), kept.written);
  }
  ASHLAR_TRY(Grammar grammar, ParseSource(source));
  kept.masks =
      std::make_shared<GrammarMasks>(std::move(grammar), kept.vocabulary, kept.ends, masks_,
                                     SilentTokens(source, network, *kept.vocabulary));
  auto masks = kept.masks;
  {
    const std::lock_guard lock(mutex_);
    kept_.insert(kept_.begin(), std::move(kept));
  }
  Trim(masks_->most);
  return masks;
}

void KeptGrammars::TrimIfTooMuch() {
  if (masks_->used > masks_->most) {
    Trim(masks_->most);
  }
}

std::uint64_t KeptGrammars::bytes() const {
  const std::lock_guard lock(mutex_);
  return Bytes(/*unused_only=*/true);
}

std::size_t KeptGrammars::Bytes(bool unused_only) const {
  std::map<const TokenVocabulary*, bool> counted;  // by vocabulary
  std::size_t bytes = 0;
  for (const Kept& kept : kept_) {
    const bool counts = !unused_only || !kept.used();
    bytes += counts ? kept.bytes() : 0;
    counted.try_emplace(kept.vocabulary.get(), true).first->second &= counts;
  }
  for (const auto& [vocabulary, counts] : counted) {
    bytes += counts ? vocabulary->bytes() : 0;
  }
  return bytes;
}

void KeptGrammars::Trim(std::size_t most_bytes) {
  std::vector<Kept> dropped;  // freed without the lock
  const std::lock_guard lock(mutex_);
  for (auto i = kept_.size(); i-- > 0;) {
    if (Bytes(/*unused_only=*/false) <= most_bytes && kept_.size() <= kGrammarsKept) {
      return;
    }
    if (!kept_[i].used()) {
      dropped.push_back(std::move(kept_[i]));
      kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

Constraints::Constraints(std::uint64_t memory_bytes)
    : kept_(std::make_shared<KeptGrammars>(
          memory_bytes == 0 ? kMostBytes : std::min(kMostBytes, memory_bytes / kShareOfMemory))) {}

Status Constraints::Limit(const GrammarSource& source, Generation& generation) {
  const NetworkCard& network = *generation.network;
  std::vector<std::int32_t> ends = generation.stop_tokens;
  if (!generation.ignore_eos) {
    const auto& eos = network.network.metadata.eos_tokens;
    ends.insert(ends.end(), eos.begin(), eos.end());
  }
  std::ranges::sort(ends);
  auto masks = kept_->Find(source, network, generation.cache_scope, std::move(ends));
  if (!masks.ok()) {
    return masks.error();
  }
  // Called where the engine steps, as the masks want it.
  generation.constraint = [kept = kept_, masks = *std::move(masks),
                           path = source.path]() -> std::unique_ptr<TokenConstraint> {
    return std::make_unique<HeldAnswer>(kept, masks, path);
  };
  return {};
}

}  // namespace ashlar
