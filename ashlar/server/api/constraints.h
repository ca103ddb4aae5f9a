// What answers are held to: a JSON schema, a regular expression or a grammar becomes a limit of a
// generation.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ashlar/grammar/constraint.h"
#include "ashlar/server/api/parameters.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

enum class GrammarKind : std::uint8_t { kJsonObject, kJsonSchema, kRegex, kGbnf };

struct GrammarSource {
  GrammarKind kind = GrammarKind::kJsonObject;
  std::string text;  // empty for kJsonObject
  std::string path;  // of the parameter to blame: "$.guided_regex"
};

// Parameters that limit an answer whatever it is an answer to.
extern const ParameterPart kGuideParameters;
// Nothing when none of them is given; kInvalid for more than one.
Result<std::optional<GrammarSource>> ReadGuide(const Parameters& parameters);

// Makes limits, and keeps what is costly to make: of the last grammars, what was found out about
// them. Thread-safe.
class Constraints {
 public:
  // Sets `constraint`. Requires: all that ends the generation is set. Errors blame the source's
  // path, and name what the grammar cannot enforce.
  Status Limit(const GrammarSource& source, Generation& generation);

 private:
  struct Kept {
    std::string network;  // digest
    GrammarKind kind;
    std::string text;
    std::vector<std::int32_t> ends;
    std::shared_ptr<const TokenVocabulary> vocabulary;
    std::shared_ptr<GrammarMasks> masks;
  };
  Result<Kept> Make(const GrammarSource& source, const NetworkCard& network,
                    std::vector<std::int32_t> ends);

  std::mutex mutex_;
  std::vector<Kept> kept_;  // most lately used first
};

}  // namespace ashlar
