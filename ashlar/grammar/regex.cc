#include "ashlar/grammar/internal/regex.h"

#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/internal/builder.h"

namespace ashlar {

Result<Grammar> GrammarFromRegex(std::string_view pattern) {
  using namespace grammar;
  ASHLAR_TRY(const CharNfa nfa, ReadRegex(pattern));
  Builder builder;
  const RuleId root = builder.AddRule();
  const auto as_is = [&builder](StateId from, const CharSet& set, StateId to) {
    builder.Chars(from, set, to);
  };
  Draw(builder, builder.start(root), nfa.Plain(/*anywhere=*/false), as_is, kEnd);
  auto made = std::move(builder).Finish(root);
  return made.ok() ? std::move(made) : made.error().In("regular expression");
}

}  // namespace ashlar
