// A SchemaCompiler draws the JSON texts that a schema allows.
//
// Each set of schemas that holds together (Parts) is a rule; rules that are asked for wait in a
// queue, so that recursion of a schema is recursion of rules and never of the compiler.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
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
  // Sets of schemas that hold together: choices within all of several choices multiply. And pairs
  // of branches of oneOf.
  static constexpr std::size_t kMaxSets = 1u << 14;

  // `escaped`: see JsonText. The root and the work must outlive it.
  SchemaCompiler(const Json& root, SourceWork& work, std::optional<char> escaped = std::nullopt)
      : root_(root), source_(root), json_(builder_, escaped), work_(work) {}

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
  // kExhausted when there are too many sets, or they are too large.
  Result<RuleId> RuleFor(Parts parts, Use use);
  // The same; any value where nothing is said.
  Result<RuleId> ValueRule(Parts parts, Use use);
  Status Draw(const Pending& pending);
  Status DrawChoice(const Facts& facts, Use use, StateId from);
  // Where enum or const name values: those that the rest allows. (Choices that are still to be made
  // may allow fewer.)
  Result<std::optional<std::vector<const Json*>>> ConstantsOf(const Facts& facts, Use use);
  // What the rest says of values that are named, each once one of that type was asked for.
  struct Conditions {
    StringConditions strings;
    std::optional<CharDfa> texts;  // of those, whatever their lengths
    std::optional<NumberConditions> numbers;
  };
  Result<bool> Allows(const Facts& facts, const Json& value, Use use, Conditions& conditions);
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
  // For Use::kOverlap: whether there is an object of just these members, which is whether there is
  // any object unless more are asked for. Names are not drawn, so that pairs of large objects take
  // little.
  Status DrawRequired(const Facts& facts, const std::set<std::string_view>& required, StateId from);
  // Whether `parts` name values, or `false`, such that none is under all. (Other parts are seen to
  // exclude each other when their rules derive nothing.)
  Result<bool> NameNoValue(const Parts& parts);
  Result<std::vector<Pattern>> PatternsOf(const Facts& facts);
  // The schemas for the value of a member: `name`, or one that just the patterns in `matching`
  // match.
  Parts PartsOfMember(const Facts& facts, const std::string* name,
                      const std::vector<std::string>& matching);
  // Those of the property `name`, which may match any of the patterns; nothing: no property may be
  // named so.
  Result<std::optional<Parts>> PartsOfProperty(const Facts& facts, const std::string& name,
                                               const std::vector<Pattern>& patterns,
                                               const std::optional<CharDfa>& allowed);
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
  std::size_t pairs_ = 0;  // of branches of oneOf
  SourceWork& work_;
  // By their conditions, since what is said of numbers and strings is often said again, and their
  // automata are large.
  std::map<std::string, RuleId> numbers_;
  std::map<std::string, RuleId> strings_;
  Multiples multiples_;
};

}  // namespace ashlar::grammar
