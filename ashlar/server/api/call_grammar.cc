#include "ashlar/server/api/call_grammar.h"

#include <algorithm>
#include <span>

#include "ashlar/server/api/tag_grammar.h"

namespace ashlar {
namespace {

constexpr int kMostCallsOfAList = 16;

// The grammars that one of calls is made of, which are together no more than a grammar may be: each
// of a thousand tools may send one that large.
class GivenGrammars {
 public:
  // kExhausted when they are too large together.
  Status Add(std::string name, Grammar grammar) {
    states_ += grammar.states();
    edges_ += grammar.edges();
    if (states_ > Grammar::kMaxStates - kRoom || edges_ > Grammar::kMaxEdges - kRoom) {
      return Exhausted(
          "with this, what calls may be takes more than {} states or {} edges of a grammar: offer "
          "fewer tools, or say less of what is long (maxLength, maxItems, enum)",
          Grammar::kMaxStates - kRoom, Grammar::kMaxEdges - kRoom);
    }
    all_.push_back({std::move(name), std::move(grammar)});
    return {};
  }
  const std::vector<NamedGrammar>& all() const { return all_; }

 private:
  static constexpr std::uint32_t kRoom = 1u << 13;  // for what stands around them

  std::vector<NamedGrammar> all_;
  std::size_t states_ = 0;
  std::size_t edges_ = 0;
};

Result<Grammar> GrammarOfCall(const ToolSyntax& syntax, const CallableTool& tool,
                              SourceWork& work) {
  if (syntax.body == ToolBody::kTags) {
    return GrammarOfTaggedCall(syntax.tags, tool.name, tool.arguments, work);
  }
  ASHLAR_TRY(Grammar json, GrammarFromJsonSchemaWith(SchemaTextOf(tool), work));
  const NamedGrammar arguments = {"arguments", std::move(json)};
  if (syntax.body == ToolBody::kNamed) {
    return GrammarOfCallRule(GbnfText(tool.name + std::string(syntax.argument_mark)) + " arguments",
                             std::span(&arguments, 1));
  }
  return GrammarOfCallRule(
      fmt::format(
          R"("{{" blank "\"name\":" blank {} "," blank "\"{}\":" blank arguments blank "}}")",
          GbnfText(WriteJson(tool.name)), syntax.arguments_key),
      std::span(&arguments, 1));
}

// What stands behind an opener, up to where text may follow.
std::string RuleOfCalls(const ToolSyntax& syntax, CallPlace place, std::int64_t most) {
  if (syntax.body == ToolBody::kList) {
    return fmt::format(R"("[" blank call ("," blank call){{0,{}}} blank "]")", most - 1);
  }
  if (syntax.bare && place == CallPlace::kWithinText) {
    return "call (space ([;,] space)? call)*";
  }
  return "call";
}

std::string RuleOfAnswer(const ToolSyntax& syntax, CallPlace place, bool parallel) {
  if (place == CallPlace::kWhole) {
    return syntax.body == ToolBody::kTags ? "blank calls" : "calls";
  }
  if (place == CallPlace::kInstead) {
    return fmt::format("json | (space marked){}\nmarked ::= {} {} calls {}", parallel ? "+" : "",
                       GbnfText(syntax.opener), syntax.body == ToolBody::kNamed ? "" : "blank",
                       syntax.closer.empty() ? "" : "space " + GbnfText(syntax.closer));
  }
  const std::string more =
      fmt::format("(up-to-opener {} calls)* rest", syntax.body == ToolBody::kNamed ? "" : "blank");
  return syntax.bare ? "first-rest | (space calls | first-up-to-opener blank calls) " + more : more;
}

}  // namespace

std::string SchemaTextOf(const CallableTool& tool) {
  return tool.arguments.is_null() ? R"({"type":"object"})" : WriteJson(tool.arguments);
}

std::string WriteCallableTools(const std::vector<CallableTool>& tools, bool parallel) {
  Json::Array list;
  for (const CallableTool& tool : tools) {
    list.push_back(Json::Of({{"name", tool.name}, {"arguments", tool.arguments}}));
  }
  return WriteJson(
      Json::Of({{"most", parallel ? kMostCallsOfAList : 1}, {"tools", std::move(list)}}));
}

bool CallsAreNoJson(const ToolSyntax& syntax) {
  return !syntax.bare;
}

Result<Grammar> GrammarOfCalls(const ToolSyntax& syntax, CallPlace place, std::string_view tools,
                               const std::optional<Grammar>& json) {
  SourceWork work;  // of all tools: each of a thousand may ask for all of it
  return GrammarOfCallsWith(syntax, place, tools, work, json);
}

Result<Grammar> GrammarOfCallsWith(const ToolSyntax& syntax, CallPlace place,
                                   std::string_view tools, SourceWork& work,
                                   const std::optional<Grammar>& json) {
  ASHLAR_TRY(const Json written, ParseJson(tools));
  GivenGrammars given;
  if (place == CallPlace::kWithinText) {
    // A bare call is JSON that the answer begins with, or that follows another call.
    const FreeText later = {.mark = syntax.opener, .not_first = syntax.bare ? "{;," : ""};
    const FreeText first = {.mark = syntax.opener, .not_first = syntax.bare ? "{" : ""};
    ASHLAR_TRY(given.Add("up-to-opener", FreeTextUpToMark(later)));
    ASHLAR_TRY(given.Add("rest", FreeTextWithoutMark(later)));
    ASHLAR_TRY(given.Add("first-up-to-opener", FreeTextUpToMark(first)));
    ASHLAR_TRY(given.Add("first-rest", FreeTextWithoutMark(first)));
  }
  if (place == CallPlace::kInstead) {
    ASHLAR_TRY(given.Add("json", *json));
  }
  std::string call;
  for (const Json& each : *written.Find("tools")->array()) {
    const CallableTool tool = {*each.Find("name")->string(), *each.Find("arguments")};
    const std::string name = fmt::format("call-{}", given.all().size());
    Result<Grammar> grammar = GrammarOfCall(syntax, tool, work);
    const Status added =
        grammar.ok() ? given.Add(name, *std::move(grammar)) : Status(grammar.error());
    if (!added.ok()) {
      return added.error().In(fmt::format("the parameters of {}", QuoteForError(tool.name)));
    }
    call += (call.empty() ? "" : " | ") + name;
  }
  const std::int64_t most = *written.Find("most")->integer();
  return GrammarOfCallRule(
      fmt::format("{}\ncalls ::= {}\ncall ::= {}", RuleOfAnswer(syntax, place, most > 1),
                  RuleOfCalls(syntax, place, most), call),
      given.all());
}

std::vector<std::int32_t> MarksOfCalls(const ToolSyntax& syntax, CallPlace place,
                                       const Tokenizer& tokenizer) {
  std::vector<std::int32_t> marks;
  for (const std::string_view mark :
       {place == CallPlace::kWhole ? "" : syntax.opener, syntax.argument_mark}) {
    const auto token = tokenizer.TokenId(mark);
    if (!mark.empty() && token && tokenizer.IsSpecial(*token)) {
      marks.push_back(*token);
    }
  }
  return marks;
}

bool MayMakeAnOpener(const ToolSyntax& syntax, std::string_view content) {
  const std::string_view opener = syntax.opener;
  if (content.empty()) {
    return false;
  }
  if (content.find(opener) != std::string_view::npos ||
      opener.find(content) != std::string_view::npos) {
    return true;
  }
  for (std::size_t size = 1; size < std::min(opener.size(), content.size()); ++size) {
    if (content.ends_with(opener.substr(0, size)) ||
        content.starts_with(opener.substr(opener.size() - size))) {
      return true;
    }
  }
  return false;
}

}  // namespace ashlar
