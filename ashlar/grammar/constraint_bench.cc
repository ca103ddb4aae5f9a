// What masks cost at a vocabulary of 128 thousand tokens, in microseconds per token: of a first
// answer, which finds the states and masks, and of one after it. `worst` is the worst single token.
//
// The vocabulary is that of demo/tokenizer.json with pairs of its tokens, which gives lengths as
// large vocabularies have them. An answer is a fixed text, cut into the longest tokens.
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <benchmark/benchmark.h>
#include <time.h>

#include "ashlar/base/file.h"
#include "ashlar/grammar/constraint.h"

namespace ashlar {
namespace {

constexpr std::int32_t kVocabulary = 128 * 1024;
constexpr std::int32_t kEnd = kVocabulary - 1;

const std::vector<std::string>& Tokens() {
  static const std::vector<std::string> tokens = [] {
    const Result<std::string> json = ReadTextFile("demo/tokenizer.json");
    CHECK(json.ok());
    const Tokenizer tokenizer = *Tokenizer::FromJson(*json);
    std::set<std::string> known;
    std::vector<std::string> all;
    const auto add = [&](std::string token) {
      if (!token.empty() && std::cmp_less(all.size(), kEnd) && known.insert(token).second) {
        all.push_back(std::move(token));
      }
    };
    for (int byte = 0; byte < 256; ++byte) {
      add(std::string(1, static_cast<char>(byte)));
    }
    for (std::int32_t id = 0; id < tokenizer.vocabulary_size(); ++id) {
      add(tokenizer.IsSpecial(id) ? "" : tokenizer.TokenBytes(id));
    }
    const std::size_t own = all.size();
    std::mt19937_64 random(1);
    while (std::cmp_less(all.size(), kEnd)) {
      add(all[random() % own] + all[random() % own]);
    }
    all.emplace_back();  // the end
    return all;
  }();
  return tokens;
}

std::shared_ptr<const TokenVocabulary> Vocabulary() {
  static const auto vocabulary = std::make_shared<const TokenVocabulary>(Tokens());
  return vocabulary;
}

std::vector<std::int32_t> LongestTokens(std::string_view text) {
  static const std::map<std::string_view, std::int32_t> ids = [] {
    std::map<std::string_view, std::int32_t> made;
    for (std::int32_t id = 0; id < kEnd; ++id) {
      made.emplace(Tokens()[id], id);
    }
    return made;
  }();
  std::vector<std::int32_t> tokens;
  while (!text.empty()) {
    std::size_t size = std::min<std::size_t>(text.size(), 32);
    while (!ids.contains(text.substr(0, size))) {
      --size;
    }
    tokens.push_back(ids.at(text.substr(0, size)));
    text.remove_prefix(size);
  }
  tokens.push_back(kEnd);
  return tokens;
}

struct Case {
  const char* name;
  Result<Grammar> (*read)(std::string_view);
  const char* source;
  const char* answer;
};

// Text that is free until a call begins, as answers are that may call strict tools.
Result<Grammar> ReadCalls(std::string_view schema) {
  const FreeText text = {.mark = "<tool_call>"};
  const NamedGrammar given[] = {{"call", *GrammarFromJsonSchema(schema)},
                                {"up-to-opener", FreeTextUpToMark(text)},
                                {"rest", FreeTextWithoutMark(text)}};
  return ParseGbnfWith("root ::= (up-to-opener [ \\n]? call)* rest", given);
}

constexpr Case kCases[] = {
    {"any_object", [](std::string_view) -> Result<Grammar> { return GrammarForAnyJsonObject(); },
     "",
     R"({"city": "Paris", "population": 2102650, "districts": [{"name": "Le Marais", "known for":
 "its streets of the seventeenth century"}, {"name": "Montmartre", "known for": null}], "ok": true})"},
    {"person", GrammarFromJsonSchema,
     R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
"maximum":150},"email":{"type":"string","format":"email"},"address":{"type":"object","properties":
{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},
"required":["street","city"],"additionalProperties":false},"tags":{"type":"array","items":{"type":
"string","maxLength":20},"maxItems":5}},"required":["name","age","email"],
"additionalProperties":false})",
     R"({"name": "Ada Lovelace", "age": 36, "email": "ada@example.org", "address": {"street":
 "12 St. James's Square", "city": "London", "zip": "10115"}, "tags": ["mathematics", "engines"]})"},
    {"tool_call", GrammarFromJsonSchema,
     R"({"anyOf":[{"type":"object","properties":{"name":{"const":"search"},"arguments":{"type":
"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200},"limit":{"type":
"integer","minimum":1,"maximum":50}},"required":["query"]}},"required":["name","arguments"]},
{"type":"object","properties":{"name":{"const":"weather"},"arguments":{"type":"object","properties":
{"place":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},"day":{"type":"string","format":
"date"}},"required":["place"]}},"required":["name","arguments"]}]})",
     R"({"name": "search", "arguments": {"query": "how the blocks of an ashlar wall are cut and laid",
 "limit": 10}})"},
    {"tree", GrammarFromJsonSchema,
     R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"label":{"type":
"string"},"children":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["label",
"children"]}}})",
     R"({"label": "root", "children": [{"label": "left side", "children": [{"label": "leaf",
 "children": []}]}, {"label": "right side", "children": []}]})"},
    {"regex_date_list", GrammarFromRegex, R"(([0-9]{4}-[0-9]{2}-[0-9]{2}, )*end of list\.)",
     "2024-01-05, 2024-02-17, 2025-11-30, end of list."},
    {"gbnf_arithmetic", ParseGbnf,
     "root ::= expr\nexpr ::= term ([+-] term)*\nterm ::= factor ([*/] factor)*\n"
     "factor ::= [0-9]+ | \"(\" expr \")\" | [a-z]+",
     "(12+alpha)*(beta-7/(gamma+3))*42"},
    {"free_text", ReadCalls, R"({"type":"object"})",
     "The wall is of ashlar: blocks < 1 m, cut so that no mortar is needed between them. Whoever "
     "lays them needs a level and patience; what was laid first bears all the rest."},
    {"text_and_call", ReadCalls,
     R"({"type":"object","properties":{"name":{"const":"weather"},"arguments":{"type":"object",
"properties":{"place":{"type":"string"},"day":{"type":"string","format":"date"}},"required":["place"]}},
"required":["name","arguments"]})",
     R"(I shall look.
<tool_call>
{"name": "weather", "arguments": {"place": "Cusco", "day": "2026-03-01"}}
</tool_call>)"},
};

// Of this thread's own time, which a busy machine does not lengthen.
double Microseconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

struct Cost {
  double total = 0;
  double worst = 0;
};

Cost Answer(const std::shared_ptr<GrammarMasks>& masks, const std::vector<std::int32_t>& tokens) {
  Constraint constraint(masks);
  Cost cost;
  for (const std::int32_t token : tokens) {
    const double from = Microseconds();
    const auto mask = constraint.Allowed();
    CHECK(mask.ok());
    const Status accepted = constraint.Accept(token);
    if (!accepted.ok()) {
      CheckFailed(__FILE__, __LINE__, accepted.error().message);
    }
    const double taken = Microseconds() - from;
    cost.total += taken;
    cost.worst = std::max(cost.worst, taken);
  }
  return cost;
}

// The medians over answers.
void Report(benchmark::State& state, std::size_t tokens, std::vector<Cost> costs) {
  const auto median = [&costs](double Cost::*field) {
    std::ranges::sort(costs, {}, field);
    return costs[costs.size() / 2].*field;
  };
  state.counters["mean_us"] = median(&Cost::total) / static_cast<double>(tokens);
  state.counters["worst_us"] = median(&Cost::worst);
  state.counters["tokens"] = static_cast<double>(tokens);
}

void BM_FirstAnswer(benchmark::State& state) {
  const Case& item = kCases[state.range(0)];
  const Grammar grammar = *item.read(item.source);
  const auto tokens = LongestTokens(item.answer);
  const std::int32_t ends[] = {kEnd};
  std::vector<Cost> costs;
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto masks = std::make_shared<GrammarMasks>(grammar, Vocabulary(), ends);
    costs.push_back(Answer(masks, tokens));
    bytes = masks->bytes();
  }
  Report(state, tokens.size(), std::move(costs));
  state.counters["kept_MB"] = static_cast<double>(bytes) / 1e6;
  state.SetLabel(item.name);
}
BENCHMARK(BM_FirstAnswer)->DenseRange(0, std::size(kCases) - 1)->Unit(benchmark::kMillisecond);

void BM_NextAnswer(benchmark::State& state) {
  const Case& item = kCases[state.range(0)];
  const auto tokens = LongestTokens(item.answer);
  const std::int32_t ends[] = {kEnd};
  const auto masks = std::make_shared<GrammarMasks>(*item.read(item.source), Vocabulary(), ends);
  Answer(masks, tokens);
  std::vector<Cost> costs;
  for (auto _ : state) {
    costs.push_back(Answer(masks, tokens));
  }
  Report(state, tokens.size(), std::move(costs));
  state.SetLabel(item.name);
}
BENCHMARK(BM_NextAnswer)->DenseRange(0, std::size(kCases) - 1)->Unit(benchmark::kMicrosecond);

void BM_ReadSource(benchmark::State& state) {
  const Case& item = kCases[state.range(0)];
  for (auto _ : state) {
    benchmark::DoNotOptimize(item.read(item.source));
  }
  state.SetLabel(item.name);
}
BENCHMARK(BM_ReadSource)->DenseRange(0, std::size(kCases) - 1)->Unit(benchmark::kMicrosecond);

void BM_MakeVocabulary(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(TokenVocabulary(Tokens()));
  }
}
BENCHMARK(BM_MakeVocabulary)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ashlar
