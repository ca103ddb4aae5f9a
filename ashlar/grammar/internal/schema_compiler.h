// A SchemaCompiler draws the JSON texts that a schema allows.
//
// Each set of schemas that holds together (Parts) is a rule; rules that are asked for wait in a
// queue, so that recursion of a schema is recursion of rules and never of the compiler.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ashlar/grammar/internal/builder.h"
#include "ashlar/grammar/internal/json_text.h"
#include "ashlar/grammar/internal/schema.h"
#include "ashlar/grammar/internal/schema_numbers.h"
#include "ashlar/grammar/internal/schema_strings.h"

namespace ashlar::grammar {

class SchemaCompiler {
 public:
  // Sets of schemas that hold together: choices within all of several choices multiply.
  static constexpr std::size_t kMaxSets = 1u << 14;

  // `escaped`: see JsonText. The root must outlive it.
  explicit SchemaCompiler(const Json& root, std::optional<char> escaped = std::nullopt)
      : root_(root), source_(root), json_(builder_, escaped) {}

  Result<Grammar> Compile() &&;
  // A grammar for each of `names` among the properties of the root.
  Result<std::vector<Grammar>> CompileProperties(std::span<const std::string> names) &&;

 private:
  // What a rule is for. Branches of oneOf exclude each other where no value is under both; rules
  // that are drawn to find that out may allow more than those for answers, and must not allow less.
  enum class Use { kAnswer, kOverlap };
  using Key = std::pair<Use, Parts>;
  struct Pending {
    RuleId rule;
    Use use;
    Parts parts;
  };

  // Draws all rules that are asked for.
  Status DrawPending();
  RuleId RuleFor(Parts parts, Use use);
  // The same; any value where nothing is said.
  RuleId ValueRule(Parts parts, Use use);
  Status Draw(const Pending& pending);
  Status DrawChoice(const Facts& facts, Use use, StateId from);
  // When a value is named: those of enum and const that the rest allows. Says whether there were.
  Result<bool> DrawConstants(const Facts& facts, Use use, StateId from);
  // `texts`: the strings under the conditions, once one was asked for.
  Result<bool> Allows(const Facts& facts, const Json& value, Use use,
                      std::optional<CharDfa>& texts);
  Status DrawString(const Facts& facts, Use use, StateId from);
  Status DrawNumber(const Facts& facts, Use use, StateId from);
  Status DrawArray(const Facts& facts, Use use, StateId from);

  // ---- Objects: schema_objects.cc
  struct Pattern {
    std::string text;
    CharDfa names;
  };
  struct Property {
    std::string name;
    RuleId member;  // its name, ":" and its value
    bool required;
  };
  struct Members {
    std::vector<Property> properties;  // in order
    std::optional<RuleId> others;      // a member with another name
    std::uint32_t min;
    std::uint32_t max;
  };
  Status DrawObject(const Facts& facts, Use use, StateId from);
  Result<std::vector<Pattern>> PatternsOf(const Facts& facts);
  // The schemas for the value of a member: `name`, or one that just the patterns in `matching`
  // match.
  Parts PartsOfMember(const Facts& facts, const std::string* name,
                      const std::vector<std::string>& matching) const;
  // open: also names that no pattern matches.
  Result<std::optional<RuleId>> OtherMembers(const Facts& facts, bool open,
                                             const std::vector<std::string>& names,
                                             const std::vector<Pattern>& patterns, Use use);
  Result<std::optional<CharDfa>> NamesAllowed(const Facts& facts, Use use);
  void DrawMembers(const Members& members, StateId from);
  // `from` is behind the name.
  void DrawMemberValue(StateId from, RuleId value);

  const Json& root_;
  SchemaSource source_;
  Builder builder_;
  JsonText json_;
  std::map<Key, RuleId> rules_;
  std::deque<Pending> pending_;
  AutomatonWork work_;
  std::map<std::string, RuleId> numbers_;  // by their conditions: automata of fractions are large
  UnitFractions unit_fractions_;
};

}  // namespace ashlar::grammar
