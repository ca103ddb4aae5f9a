#include "ashlar/grammar/constraint.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/sanitized.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/grammar/testing_answers.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;

// ---- An oracle: a grammar of plain parts, and which texts begin its sentences, by tables of all
// spans, filled until nothing changes.

struct Part {
  enum Kind { kText, kSet, kRule, kAll, kAny, kTimes } kind;
  std::string text;         // kText; kSet: its characters, of one byte each
  int rule = 0;             // kRule
  std::vector<Part> parts;  // kAll: one after another; kAny: alternatives; kTimes: the first
  int min = 0;
  int max = 0;  // kTimes; below 0: no end
};

std::string Written(const Part& part) {
  std::string text;
  switch (part.kind) {
    case Part::kText:
      return "\"" + part.text + "\"";
    case Part::kSet:
      return "[" + part.text + "]";
    case Part::kRule:
      return part.rule == 0 ? "root" : fmt::format("r{}", part.rule);
    case Part::kAll:
    case Part::kAny:
      for (const Part& each : part.parts) {
        text += (text.empty() ? "" : part.kind == Part::kAny ? " | " : " ") + Written(each);
      }
      return "(" + text + ")";
    case Part::kTimes:
      text = part.max < 0 ? fmt::format("{{{},}}", part.min)
                          : fmt::format("{{{},{}}}", part.min, part.max);
      return "(" + Written(part.parts[0]) + text + ")";
  }
  return text;
}

class Oracle {
 public:
  Oracle(const std::vector<Part>& rules, std::string_view text) : rules_(rules), text_(text) {
    ends_.assign(rules.size(), std::vector<std::set<std::size_t>>(text.size() + 1));
    begins_.assign(rules.size(), std::vector<bool>(text.size() + 1));
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        for (std::size_t from = 0; from <= text.size(); ++from) {
          Found found = Match(rules[rule], from);
          changed |= found.ends != ends_[rule][from] || found.begins != begins_[rule][from];
          ends_[rule][from] = std::move(found.ends);
          begins_[rule][from] = found.begins;
        }
      }
    }
  }
  bool is_sentence() const { return ends_[0][0].contains(text_.size()); }
  bool begins_sentence() const { return is_sentence() || begins_[0][0]; }

 private:
  struct Found {
    std::set<std::size_t> ends;  // where a match may end
    bool begins = false;         // whether one reads all the text, and goes on
  };

  Found Match(const Part& part, std::size_t from) const {
    Found found;
    const std::string_view rest = text_.substr(from);
    switch (part.kind) {
      case Part::kText:
        if (rest.starts_with(part.text)) {
          found.ends.insert(from + part.text.size());
        } else {
          found.begins = part.text.starts_with(rest);
        }
        break;
      case Part::kSet:
        found.begins = rest.empty();
        if (!rest.empty() && part.text.find(rest[0]) != std::string::npos) {
          found.ends.insert(from + 1);
        }
        break;
      case Part::kRule:
        return {ends_[part.rule][from], begins_[part.rule][from]};
      case Part::kAny:
        for (const Part& each : part.parts) {
          Join(Match(each, from), found);
        }
        break;
      case Part::kAll:
        found.ends = {from};
        for (const Part& each : part.parts) {
          found = Then(found, each);
        }
        break;
      case Part::kTimes: {
        Found now;
        now.ends = {from};
        const int most = part.max < 0 ? part.min + static_cast<int>(text_.size()) + 1 : part.max;
        for (int i = 0; i <= most; ++i) {
          if (i >= part.min) {
            Join(now, found);
          }
          found.begins |= now.begins;
          if (i < most) {
            now = Then(now, part.parts[0]);
          }
        }
        break;
      }
    }
    return found;
  }
  static void Join(const Found& from, Found& to) {
    to.ends.insert(from.ends.begin(), from.ends.end());
    to.begins |= from.begins;
  }
  Found Then(const Found& before, const Part& part) const {
    Found found;
    found.begins = before.begins;
    for (const std::size_t end : before.ends) {
      Join(Match(part, end), found);
    }
    return found;
  }

  const std::vector<Part>& rules_;
  std::string_view text_;
  std::vector<std::vector<std::set<std::size_t>>> ends_;
  std::vector<std::vector<bool>> begins_;
};

Part RandomPart(std::mt19937_64& random, int rules, int depth) {
  switch (random() % (depth > 2 ? 3 : 7)) {
    case 0:
    case 1: {
      Part text{.kind = Part::kText};
      for (auto size = random() % 3 + (random() % 8 != 0); size > 0; --size) {
        text.text += static_cast<char>('a' + random() % 3);
      }
      return text;
    }
    case 2:
      if (random() % 3 == 0) {
        return {.kind = Part::kSet, .text = random() % 2 == 0 ? "ab" : "bc"};
      }
      return {.kind = Part::kRule, .rule = static_cast<int>(random() % rules)};
    case 3: {
      Part times{.kind = Part::kTimes, .parts = {RandomPart(random, rules, depth + 1)}};
      times.min = static_cast<int>(random() % 2 * (random() % 3));
      times.max = random() % 2 == 0 ? -1 : times.min + static_cast<int>(random() % 3);
      return times;
    }
    default: {
      Part group{.kind = random() % 3 == 0 ? Part::kAny : Part::kAll};
      for (auto size = 1 + random() % 3; size > 0; --size) {
        group.parts.push_back(RandomPart(random, rules, depth + 1));
      }
      return group;
    }
  }
}

TEST(Constraint, AllowsExactlyTheTokensThatBeginASentenceOfRandomGrammars) {
  std::mt19937_64 random(TestSeed());
  int tokens_seen = 0;
  for (int round = 0; round < (kSanitized ? 10 : 60); ++round) {
    std::vector<Part> rules(1 + random() % 3);
    std::string source;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      // Each rule can end: the oracle takes for granted that what is begun can be.
      rules[i] = {.kind = Part::kAny,
                  .parts = {RandomPart(random, static_cast<int>(rules.size()), 0),
                            {.kind = Part::kText, .text = std::string(random() % 2, 'c')}}};
      source +=
          fmt::format("{} ::= {}\n", i == 0 ? "root" : fmt::format("r{}", i), Written(rules[i]));
    }
    std::vector<std::string> tokens = {"a", "b", "c", "", "d"};
    for (int i = 0; i < 12; ++i) {
      tokens.emplace_back();
      for (auto size = 1 + random() % 4; size > 0; --size) {
        tokens.back() += static_cast<char>('a' + random() % 3);
      }
    }
    const Result<Grammar> grammar = ParseGbnf(source);
    ASSERT_TRUE(grammar.ok()) << grammar.error().message << "\n" << source;
    constexpr std::int32_t kEndToken = 3;  // it writes nothing
    const auto masks = std::make_shared<GrammarMasks>(
        *grammar, std::make_shared<TokenVocabulary>(tokens), std::vector{kEndToken});
    for (int walk = 0; walk < 2; ++walk) {
      Constraint constraint(masks);
      std::string text;
      while (text.size() < 7) {
        const auto mask = constraint.Allowed();
        ASSERT_TRUE(mask.ok()) << mask.error().message << "\n" << source << text;
        std::vector<std::int32_t> allowed;
        for (std::int32_t id = 0; id < std::ssize(tokens); ++id) {
          const std::string with = text + tokens[id];
          const bool expected = id == kEndToken ? Oracle(rules, text).is_sentence()
                                                : Oracle(rules, with).begins_sentence();
          ASSERT_EQ(IsAllowed(*mask, id), expected) << source << text << " + " << tokens[id];
          ++tokens_seen;
          if (expected && id != kEndToken) {
            allowed.push_back(id);
          } else if (!expected) {
            ASSERT_FALSE(Constraint(constraint).Accept(id).ok());
          }
        }
        ASSERT_EQ(constraint.may_end(), IsAllowed(*mask, kEndToken));
        if (allowed.empty()) {
          break;
        }
        const std::int32_t token = allowed[random() % allowed.size()];
        ASSERT_TRUE(constraint.Accept(token).ok());
        text += tokens[token];
      }
    }
  }
  EXPECT_GT(tokens_seen, 300);
}

// ---- What a server relies on.

TEST(Constraint, ACopyGoesItsOwnWay) {
  const auto masks = ByteMasks(*ParseGbnf("root ::= \"ab\" | \"ac\" \"d\"*"));
  Constraint first(masks);
  ASSERT_TRUE(first.Accept('a').ok());
  Constraint second = first;
  ASSERT_TRUE(first.Accept('b').ok());
  ASSERT_TRUE(second.Accept('c').ok());
  EXPECT_FALSE(first.Accept('d').ok());
  EXPECT_TRUE(second.Accept('d').ok());
  first = second;
  EXPECT_TRUE(first.Accept('d').ok());
  ASSERT_TRUE(first.Accept(kByteEnd).ok());
  EXPECT_TRUE(first.ended());
  EXPECT_FALSE(second.ended());
}

TEST(Constraint, EveryWayToFailIsAnErrorThatSaysWhere) {
  const Grammar grammar = *ParseGbnf("root ::= \"aé\"");
  Constraint constraint(ByteMasks(grammar));
  EXPECT_THAT(constraint.Accept('b').error().message,
              HasSubstr("token 98 (\"b\") may not come after 0 bytes"));
  EXPECT_THAT(constraint.Accept(kByteEnd).error().message, HasSubstr("would end the answer"));
  EXPECT_THAT(constraint.Accept(999).error().message, HasSubstr("not in the vocabulary of 257"));
  EXPECT_THAT(constraint.Accept(-1).error().message, HasSubstr("not in the vocabulary"));
  for (const char byte : std::string("aé")) {
    ASSERT_TRUE(constraint.Accept(static_cast<std::uint8_t>(byte)).ok());
  }
  ASSERT_TRUE(constraint.Accept(kByteEnd).ok());
  EXPECT_THAT(constraint.Allowed().error().message, HasSubstr("has ended after 3 bytes"));
  EXPECT_FALSE(constraint.Accept(kByteEnd).ok());

  // Without an end token an answer is over where nothing can be added.
  Constraint endless(
      std::make_shared<GrammarMasks>(grammar, ByteVocabulary(), std::span<const std::int32_t>()));
  for (const char byte : std::string("aé")) {
    ASSERT_TRUE(!endless.must_end() && endless.Accept(static_cast<std::uint8_t>(byte)).ok());
  }
  EXPECT_TRUE(endless.must_end());
  EXPECT_THAT(endless.Allowed().error().message, HasSubstr("the answer is whole"));
  // What must come is a token that ends the answer, which may not come here.
  const std::int32_t letter_ends[] = {kByteEnd, 'a'};
  Constraint ended(std::make_shared<GrammarMasks>(grammar, ByteVocabulary(), letter_ends));
  EXPECT_THAT(
      ended.Allowed().error().message,
      HasSubstr("no token of the vocabulary may come next: what must be written would end"));
  // A vocabulary that cannot write é leads to a place without a way on.
  const std::vector<std::string> tokens = {"a", "b", ""};
  const std::int32_t ends[] = {2};
  Constraint stuck(
      std::make_shared<GrammarMasks>(grammar, std::make_shared<TokenVocabulary>(tokens), ends));
  ASSERT_TRUE(stuck.Accept(0).ok());
  const auto none = stuck.Allowed();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(none.error().message, HasSubstr("after 1 bytes of the answer: no token"));
}

// What derives nothing but the empty text is nothing to wait for.
TEST(Constraint, AnAnswerIsOverWhereOnlyEmptyTextFollows) {
  for (const char* text : {"root ::= \"a\" e\ne ::= \"\"",
                           "root ::= \"a\" e e\ne ::= f f | f\nf ::= g*\ng ::= \"\" | g",
                           "root ::= \"a\" e{3} | \"b\"\ne ::= () | \"\" ()*"}) {
    Constraint answer(ByteMasks(*ParseGbnf(text)));
    ASSERT_TRUE(!answer.must_end() && answer.Accept('a').ok()) << text;
    EXPECT_TRUE(answer.must_end()) << text;
  }
  Constraint more(ByteMasks(*ParseGbnf("root ::= \"a\" e\ne ::= f\nf ::= \"\" | \"b\"")));
  ASSERT_TRUE(more.Accept('a').ok());
  EXPECT_TRUE(more.may_end() && !more.must_end());
}

TEST(Constraint, AGrammarThatIsAmbiguousAboutOneListIsAFewStates) {
  struct Row {
    std::string_view grammar;
    std::string_view answer;  // again and again
  };
  constexpr Row kRows[] = {
      {"root ::= s s\ns ::= s s | \"a\"", "a"},
      {"root ::= s\ns ::= s s | \"a\" | \"b\" | \"ab\" | \"aa\"", "aab"},
      {"root ::= s\ns ::= s s | [a-z 1] | [A-Z] | [a-z][a-z]", "is A1"},
      {"root ::= s\ns ::= s s | t\nt ::= s | \"a\" | t t", "a"},
      {"root ::= s\ns ::= s s s | s s | \"a\" | \"\"", "a"},
      {"root ::= l\nl ::= l m | m\nm ::= r m | r\nr ::= \"a\" | \"a\" r", "a"},
      {"root ::= (e \"+\")* e\ne ::= e \"+\" e | e \"*\" e | \"(\" e \")\" | [0-9]",
       "1+2*(3+4+5)+"},
  };
  for (const auto& [grammar, answer] : kRows) {
    const auto masks = ByteMasks(*ParseGbnf(grammar));
    Constraint constraint(masks);
    std::size_t after_some = 0;
    for (int i = 0; i < 400; ++i) {
      for (const char byte : answer) {
        ASSERT_TRUE(constraint.Allowed().ok() &&
                    constraint.Accept(static_cast<std::uint8_t>(byte)).ok())
            << grammar;
      }
      after_some = i == 3 ? masks->bytes() : after_some;
    }
    EXPECT_EQ(masks->bytes(), after_some) << grammar;
    EXPECT_LT(after_some, 100'000u) << grammar;
  }
}

// Where every letter may end as many rules as there are letters before it, in ways that do not come
// to the same, work grows with the text: such answers are right as far as they come, which is some
// hundred letters, and then they say why.
TEST(Constraint, AnswersToVeryAmbiguousGrammarsAreRightUntilTheyAreRefused) {
  struct Row {
    std::string_view grammar;
    int multiple;  // of "a", and `rest` more, are sentences
    int rest;
  };
  constexpr Row kRows[] = {
      {"root ::= s\ns ::= s s s | \"a\"", 2, 1},
      {"root ::= s s\ns ::= s s s | \"a\"", 2, 0},
      {"root ::= s\ns ::= s s s s | \"a\"", 3, 1},
      {"root ::= s\ns ::= s s s s s | s s s | \"a\"", 2, 1},
      {"root ::= s\ns ::= \"a\" s s | s s \"a\" | \"a\"", 2, 1},
      {"root ::= s\ns ::= s t | t s | t\nt ::= \"aa\" | t t", 2, 0},
      {"root ::= l\nl ::= l l l | \"aaa\" | l \"\"", 6, 3},
  };
  constexpr int kMostLetters = kSanitized ? 60 : 300;
  for (const Row& row : kRows) {
    const Result<Grammar> grammar = ParseGbnf(row.grammar);
    ASSERT_TRUE(grammar.ok()) << row.grammar << grammar.error().message;
    Constraint answer(ByteMasks(*grammar));
    int length = 0;
    for (Status status; status.ok() && length < kMostLetters;) {
      const auto allowed = answer.Allowed();
      status = allowed.ok() ? answer.Accept('a') : allowed.error();
      if (!status.ok()) {
        EXPECT_THAT(status.error().message, HasSubstr("too ambiguous")) << row.grammar;
        break;
      }
      ++length;
      ASSERT_EQ(answer.may_end(), length % row.multiple == row.rest) << row.grammar << length;
      ASSERT_FALSE(Constraint(answer).Accept('b').ok());
    }
    EXPECT_GE(length, 50) << row.grammar;
  }
}

// Not ambiguous, though each state has many goals of its own: what looks for doubles must not take
// the cube of them.
TEST(Constraint, GrammarsOfManyRulesTakeWorkInProportion) {
  constexpr int kRules = 1500;
  std::string chain = "root ::= \"a\" r1 \"z\"\n";
  std::string levels = "root ::= e1\n";
  for (int i = 1; i < kRules; ++i) {
    chain += fmt::format("r{} ::= r{} \"x\"\n", i, i + 1);
  }
  chain += fmt::format("r{} ::= \"b\" r1 \"y\" | \"q\"\n", kRules);
  constexpr int kLevels = 26;
  for (int i = 1; i < kLevels; ++i) {
    levels += fmt::format("e{} ::= e{} \"{}\" e{} | e{}\n", i, i, static_cast<char>('a' + i), i + 1,
                          i + 1);
  }
  levels += fmt::format("e{} ::= \"(\" e1 \")\" | \"1\"\n", kLevels);
  for (const auto& [grammar, answer] : {std::pair{chain, "abbb"}, {levels, "1b(1c1d(1e1)f1)g1"}}) {
    Constraint constraint(ByteMasks(*ParseGbnf(grammar)));
    for (int i = 0; i < 25; ++i) {
      for (const char byte : std::string_view(answer)) {
        if (i > 0 && byte == 'a') {
          continue;  // the chain's first
        }
        const auto allowed = constraint.Allowed();
        ASSERT_TRUE(allowed.ok()) << allowed.error().message;
        const Status status = constraint.Accept(static_cast<std::uint8_t>(byte));
        ASSERT_TRUE(status.ok()) << status.error().message;
      }
      if (answer[0] == '1') {
        ASSERT_TRUE(constraint.Accept('b').ok());
      }
    }
  }
}

TEST(Constraint, AnAnswerTakesNoMoreWorkThanItsTokensBring) {
  // Each b may close any of the calls that are open, so the items of a state grow with the text.
  const auto masks = ByteMasks(*ParseGbnf(
      "root ::= x x x x x x x x\nx ::= x x | \"a\" x \"b\" | \"a\" x | \"a\" | x \"b\""));
  Constraint constraint(masks);
  Status status;
  int tokens = 0;
  // What is found costs memory, at most some 16 bytes for each item that was looked at.
  const auto most_bytes = [&] {
    return 16 * (Constraint::kWorkAtFirst + tokens * Constraint::kWorkPerToken);
  };
  while (status.ok() && tokens < 1000) {
    const auto allowed = constraint.Allowed();
    status = allowed.ok() ? constraint.Accept(tokens++ % 50 == 49 ? 'b' : 'a') : allowed.error();
    ASSERT_LE(masks->bytes(), most_bytes());
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(status.error().message, HasSubstr("too ambiguous"));
}

TEST(Constraint, NestingIsBoundedAndListsAreNot) {
  const auto nested = ByteMasks(*ParseGbnf("root ::= \"(\" root \")\" | \"x\""));
  Constraint deep(nested);
  int depth = 0;
  while (deep.Accept('(').ok()) {
    ASSERT_LT(++depth, 5000);
  }
  EXPECT_GT(depth, 4000);
  ASSERT_TRUE(deep.Accept('x').ok());
  for (; depth > 0; --depth) {
    ASSERT_TRUE(deep.Accept(')').ok());
  }
  EXPECT_TRUE(deep.may_end());

  // Right and left recursion are lists: a long one is the same few states.
  for (const char* text : {"root ::= \"x\" root | \"\"", "root ::= root \"x\" | \"\""}) {
    const auto list = ByteMasks(*ParseGbnf(text));
    Constraint answer(list);
    ASSERT_TRUE(answer.Accept('x').ok());
    ASSERT_TRUE(answer.Accept('x').ok());
    const std::size_t bytes = list->bytes();
    for (int i = 0; i < 5000; ++i) {
      ASSERT_TRUE(answer.Accept('x').ok());
    }
    EXPECT_LE(list->bytes(), bytes + 4096) << text;
  }
}

TEST(Constraint, WhatIsKeptIsBoundedAndALiveMaskStays) {
  // A number in base 2 of its own for each answer: no two answers share their states.
  const auto masks = ByteMasks(*ParseGbnf("root ::= \"0\" root \"0\" | \"1\" root \"1\" | \"x\""));
  std::mt19937_64 random(TestSeed());
  std::vector<std::pair<Constraint, std::string>> answers;
  for (int round = 0; round < (kSanitized ? 10 : 150); ++round) {
    Constraint constraint(masks);
    std::string opened;
    for (int i = 0; i < 1000; ++i) {
      opened += static_cast<char>('0' + random() % 2);
      ASSERT_TRUE(constraint.Accept(opened.back()).ok());
    }
    ASSERT_TRUE(constraint.Accept('x').ok());
    if (round % 50 == 7) {
      answers.emplace_back(constraint, opened);
    }
    // Masks are valid side by side, whatever was dropped meanwhile.
    std::vector<std::span<const std::uint64_t>> live;
    for (auto& [answer, text] : answers) {
      live.push_back(*answer.Allowed());
    }
    for (std::size_t i = 0; i < live.size(); ++i) {
      ASSERT_TRUE(IsAllowed(live[i], answers[i].second.back()));
    }
    ASSERT_LT(masks->bytes(), 2 * GrammarMasks::kMaxBytes);
  }
  for (auto& [answer, text] : answers) {
    for (auto byte = text.rbegin(); byte != text.rend(); ++byte) {
      const auto mask = answer.Allowed();
      ASSERT_TRUE(mask.ok() && IsAllowed(*mask, *byte) && !IsAllowed(*mask, *byte ^ 1));
      ASSERT_TRUE(answer.Accept(*byte).ok());
    }
    EXPECT_TRUE(answer.may_end());
  }
}

TEST(Constraint, GrammarsThatShareTheirBytesDropWhatNoAnswerIsAt) {
  const auto together = std::make_shared<MaskBytes>(2u << 20);
  std::vector<std::shared_ptr<GrammarMasks>> all;
  const std::int32_t ends[] = {kByteEnd};
  for (int i = 0; i < 4; ++i) {
    all.push_back(std::make_shared<GrammarMasks>(
        *ParseGbnf("root ::= \"0\" root \"0\" | \"1\" root \"1\" | \"x\""), ByteVocabulary(), ends,
        together));
  }
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < (kSanitized ? 20 : 200); ++round) {
    Constraint answer(all[static_cast<std::size_t>(round) % all.size()]);
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(answer.Allowed().ok() &&
                  answer.Accept('0' + static_cast<int>(random() % 2)).ok());
    }
    // (Each may keep a little, and twice what an answer is at.)
    ASSERT_LT(together->used, together->most + (2u << 20));
  }
  all.clear();
  EXPECT_EQ(together->used, 0u);
}

}  // namespace
}  // namespace ashlar
