// What answers are held to: a JSON schema, a regular expression or a grammar becomes a limit of a
// generation.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/grammar/constraint.h"
#include "ashlar/server/api/call_grammar.h"
#include "ashlar/server/api/parameters.h"
#include "ashlar/server/memory/spare_memory.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

enum class GrammarKind : std::uint8_t { kJsonObject, kJsonSchema, kRegex, kGbnf, kCalls };

struct GrammarSource {
  GrammarKind kind = GrammarKind::kJsonObject;
  std::string text;  // empty for kJsonObject
  std::string path;  // of the parameter to blame: "$.guided_regex"
  // kCalls: how they are written, and where; `text` is what WriteCallableTools writes.
  const ToolSyntax* calls = nullptr;
  CallPlace place = CallPlace::kWhole;
  std::shared_ptr<const GrammarSource> instead;  // CallPlace::kInstead: of the JSON
};

// Parameters that limit an answer whatever it is an answer to.
extern const ParameterPart kGuideParameters;
// Nothing when none of them is given; kInvalid for more than one.
Result<std::optional<GrammarSource>> ReadGuide(const Parameters& parameters);

// What is costly to make of the last grammars that were asked for, within so many bytes; what was
// least lately used goes first. It is the service's to let go of when memory is short.
//
// Thread-safe; but answers, and so the masks, are the engine's thread's.
class KeptGrammars final : public SpareMemory {
 public:
  explicit KeptGrammars(std::size_t most_bytes);

  // The masks of `source`. `scope`: whose requests share them, so that no time that a request takes
  // tells of another tenant's.
  Result<std::shared_ptr<GrammarMasks>> Find(const GrammarSource& source,
                                             const NetworkCard& network, std::string_view scope,
                                             std::vector<std::int32_t> ends);
  // Drops what nobody uses until the rest is within the bytes.
  void TrimIfTooMuch();

  std::uint64_t bytes() const override;
  void Release() override { Trim(0); }

 private:
  struct Kept {
    std::string network;  // digest
    std::string scope;
    GrammarSource source;
    std::vector<std::int32_t> ends;
    std::vector<std::int32_t> written;  // special tokens that the vocabulary writes
    std::shared_ptr<const TokenVocabulary> vocabulary;
    std::shared_ptr<GrammarMasks> masks;
    bool used() const { return masks.use_count() > 1; }
    std::size_t bytes() const {
      const std::size_t instead = source.instead != nullptr ? source.instead->text.capacity() : 0;
      return sizeof(Kept) + source.text.capacity() + instead + masks->bytes();
    }
  };
  // With the vocabularies, of those alone that nobody uses or of all. Requires: locked.
  std::size_t Bytes(bool unused_only) const;
  void Trim(std::size_t most_bytes);

  const std::shared_ptr<MaskBytes> masks_;  // of all that there are
  mutable std::mutex mutex_;
  std::vector<Kept> kept_;  // most lately used first
};

// Makes limits. Thread-safe.
class Constraints {
 public:
  // What is kept is small against `memory_bytes`, the budget of the process; 0: there is none.
  explicit Constraints(std::uint64_t memory_bytes = 0);

  // Sets `constraint`. Requires: all that ends the generation is set. Errors blame the source's
  // path, and name what the grammar cannot enforce.
  Status Limit(const GrammarSource& source, Generation& generation);

  const std::shared_ptr<KeptGrammars>& kept() const { return kept_; }

 private:
  const std::shared_ptr<KeptGrammars> kept_;
};

}  // namespace ashlar
