#include "ashlar/text/jinja/parser.h"

#include "ashlar/text/jinja/expression_parser.h"

namespace ashlar::jinja {
namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Result<Body> Run() { return ParseBody({}); }

 private:
  // Statements up to {% word %} for one of `ends`, which is left at its word; up to the end when
  // there are none.
  Result<Body> ParseBody(std::initializer_list<std::string_view> ends) {
    const Deeper deeper(*this);
    ASHLAR_TRY(deeper.Check());
    const int begin = line();
    Body body;
    for (;;) {
      links_ = 0;
      const Token& token = Now();
      switch (token.kind) {
        case Kind::kEnd:
          if (ends.size() > 0) {
            return Invalid("line {}: a block has no end; expected {{% {} %}}", begin,
                           *(ends.end() - 1));
          }
          return body;
        case Kind::kText:
          body.push_back(MakeText(token.line, std::move(tokens_[at_].text)));
          ++at_;
          break;
        case Kind::kOutputBegin: {
          ++at_;
          ASHLAR_TRY(ExpressionPtr value, ParseTuple());
          if (Now().kind != Kind::kOutputEnd) {
            return Expected("}}");
          }
          ++at_;
          body.push_back(MakeOutput(token.line, std::move(value)));
          break;
        }
        default: {
          ++at_;  // {%
          if (Now().kind == Kind::kName && IsOneOf(Now().text, ends)) {
            return body;
          }
          ASHLAR_TRY(body.emplace_back(), ParseStatement());
        }
      }
    }
  }

  // Behind the word that ended a body: the rest of its tag.
  Status EndBody() {
    ++at_;
    return ExpectBlockEnd();
  }

  using StatementParser = Result<StatementPtr> (Parser::*)(int line);
  struct Row {
    std::string_view word;
    StatementParser parse;
  };

  Result<StatementPtr> ParseStatement() {
    static constexpr Row kStatements[] = {
        {"if", &Parser::ParseIf},
        {"for", &Parser::ParseFor},
        {"set", &Parser::ParseSet},
        {"macro", &Parser::ParseMacro},
        {"call", &Parser::ParseCall},
        {"filter", &Parser::ParseFilterBlock},
        {"with", &Parser::ParseWith},
        {"break", &Parser::ParseBreak},
        {"continue", &Parser::ParseContinue},
        {"generation", &Parser::ParseGeneration},
    };
    const int begin = line();
    ASHLAR_TRY(const std::string word, ExpectName("a statement"));
    const auto* row = std::ranges::find(kStatements, word, &Row::word);
    if (row != std::end(kStatements)) {
      return (this->*row->parse)(begin);
    }
    if (IsOneOf(word, {"include", "import", "from", "extends", "block"})) {
      return Unsupported("line {}: a chat template has no other templates to {}", begin, word);
    }
    return Invalid("line {}: unexpected {{% {} %}}", begin, word);
  }

  Result<StatementPtr> ParseIf(int begin) {
    std::vector<std::pair<ExpressionPtr, Body>> branches;
    Body otherwise;
    for (;;) {
      ASHLAR_TRY(ExpressionPtr condition, ParseTuple());
      ASHLAR_TRY(ExpectBlockEnd());
      ASHLAR_TRY(Body body, ParseBody({"elif", "else", "endif"}));
      branches.emplace_back(std::move(condition), std::move(body));
      if (!TakeName("elif")) {
        break;
      }
    }
    if (TakeName("else")) {
      ASHLAR_TRY(ExpectBlockEnd());
      ASHLAR_TRY(otherwise, ParseBody({"endif"}));
    }
    ASHLAR_TRY(EndBody());
    return MakeIf(begin, std::move(branches), std::move(otherwise));
  }

  Result<StatementPtr> ParseFor(int begin) {
    ASHLAR_TRY(Target target, ParseTarget(/*with_members=*/false));
    if (!TakeName("in")) {
      return Expected("in");
    }
    ASHLAR_TRY(ExpressionPtr items, ParseTuple(/*with_conditional=*/false));
    ExpressionPtr filter;
    if (TakeName("if")) {
      ASHLAR_TRY(filter, ParseExpression());
    }
    const bool recursive = TakeName("recursive");
    ASHLAR_TRY(ExpectBlockEnd());
    ++loops_;
    ASHLAR_TRY(Body body, ParseBody({"else", "endfor"}));
    --loops_;
    Body otherwise;
    if (TakeName("else")) {
      ASHLAR_TRY(ExpectBlockEnd());
      ASHLAR_TRY(otherwise, ParseBody({"endfor"}));
    }
    ASHLAR_TRY(EndBody());
    return MakeFor(begin, std::move(target), std::move(items), std::move(filter), recursive,
                   std::move(body), std::move(otherwise));
  }

  Result<StatementPtr> ParseSet(int begin) {
    ASHLAR_TRY(Target target, ParseTarget(/*with_members=*/true));
    if (TakeOperator("=")) {
      ASHLAR_TRY(ExpressionPtr value, ParseTuple());
      ASHLAR_TRY(ExpectBlockEnd());
      return MakeSet(begin, std::move(target), std::move(value));
    }
    ExpressionPtr filter;
    if (IsOperator("|")) {
      ASHLAR_TRY(filter, ParseFilters(MakeName(begin, std::string(kBlockText))));
    }
    ASHLAR_TRY(ExpectBlockEnd());
    ASHLAR_TRY(Body body, ParseBody({"endset"}));
    ASHLAR_TRY(EndBody());
    return MakeSetBlock(begin, std::move(target), std::move(filter), std::move(body));
  }

  Result<StatementPtr> ParseFilterBlock(int begin) {
    ASHLAR_TRY(ExpressionPtr filter, ParseFilter(MakeName(begin, std::string(kBlockText))));
    ASHLAR_TRY(filter, ParseFilters(std::move(filter)));
    ASHLAR_TRY(ExpectBlockEnd());
    ASHLAR_TRY(Body body, ParseBody({"endfilter"}));
    ASHLAR_TRY(EndBody());
    return MakeFilterBlock(begin, std::move(filter), std::move(body));
  }

  Result<StatementPtr> ParseWith(int begin) {
    std::vector<std::pair<Target, ExpressionPtr>> values;
    while (Now().kind != Kind::kBlockEnd) {
      if (!values.empty()) {
        ASHLAR_TRY(ExpectOperator(","));
      }
      ASHLAR_TRY(Target target, ParseTarget(/*with_members=*/false));
      ASHLAR_TRY(ExpectOperator("="));
      ASHLAR_TRY(ExpressionPtr value, ParseExpression());
      values.emplace_back(std::move(target), std::move(value));
    }
    ++at_;
    ASHLAR_TRY(Body body, ParseBody({"endwith"}));
    ASHLAR_TRY(EndBody());
    return MakeWith(begin, std::move(values), std::move(body));
  }

  Result<StatementPtr> ParseMacro(int begin) {
    MacroDefinition macro;
    ASHLAR_TRY(macro.name, ExpectName("the macro's name"));
    ASHLAR_TRY(ParseMacroBody("endmacro", macro));
    return MakeMacro(begin, std::move(macro));
  }

  Result<StatementPtr> ParseCall(int begin) {
    MacroDefinition body;
    body.name = kCaller;
    if (IsOperator("(")) {
      ASHLAR_TRY(ParseParameters(body));
    }
    ASHLAR_TRY(ExpressionPtr callee, ParsePrimary());
    ASHLAR_TRY(callee, ParsePostfix(std::move(callee), /*with_calls=*/false));
    ASHLAR_TRY(ArgumentList arguments, ParseArguments());
    arguments.push_back(
        {Argument::Kind::kNamed, std::string(kCaller), MakeName(begin, std::string(kCaller))});
    ExpressionPtr call = MakeCall(begin, std::move(callee), std::move(arguments));
    ASHLAR_TRY(ParseMacroBody("endcall", body));
    return MakeCallBlock(begin, std::move(body), std::move(call));
  }

  // The parameters, if they are not parsed yet, and the body with its end.
  Status ParseMacroBody(std::string_view end, MacroDefinition& macro) {
    if (IsOperator("(")) {
      ASHLAR_TRY(ParseParameters(macro));
    }
    ASHLAR_TRY(ExpectBlockEnd());
    const std::set<std::string, std::less<>> outer_names = std::move(names_);
    const int outer_loops = loops_;
    names_.clear();
    loops_ = 0;
    ASHLAR_TRY(macro.body, ParseBody({end}));
    macro.takes_varargs = names_.contains("varargs");
    macro.takes_kwargs = names_.contains("kwargs");
    macro.takes_caller = names_.contains(kCaller);
    names_ = outer_names;
    loops_ = outer_loops;
    return EndBody();
  }

  Status ParseParameters(MacroDefinition& macro) {
    ASHLAR_TRY(ExpectOperator("("));
    while (!TakeOperator(")")) {
      if (!macro.parameters.empty()) {
        ASHLAR_TRY(ExpectOperator(","));
      }
      Parameter parameter;
      ASHLAR_TRY(parameter.name, ExpectName("a parameter"));
      if (std::ranges::find(macro.parameters, parameter.name, &Parameter::name) !=
          macro.parameters.end()) {
        return Wrong("parameter \"{}\" stands twice", parameter.name);
      }
      if (TakeOperator("=")) {
        ASHLAR_TRY(parameter.otherwise, ParseExpression());
      }
      macro.parameters.push_back(std::move(parameter));
    }
    return {};
  }

  Result<StatementPtr> ParseJump(int begin, Flow flow) {
    if (loops_ == 0) {
      return Invalid("line {}: break and continue are for loops", begin);
    }
    ASHLAR_TRY(ExpectBlockEnd());
    return MakeJump(begin, flow);
  }
  Result<StatementPtr> ParseBreak(int begin) { return ParseJump(begin, Flow::kBreak); }
  Result<StatementPtr> ParseContinue(int begin) { return ParseJump(begin, Flow::kContinue); }

  // Marks what a network would be trained on; prints its body.
  Result<StatementPtr> ParseGeneration(int begin) {
    ASHLAR_TRY(ExpectBlockEnd());
    ASHLAR_TRY(Body body, ParseBody({"endgeneration"}));
    ASHLAR_TRY(EndBody());
    return MakeWith(begin, {}, std::move(body));
  }

  // a, or a, b, or (a, b), c; or ns.a where members may be set.
  Result<Target> ParseTarget(bool with_members) {
    const Deeper deeper(*this);
    ASHLAR_TRY(deeper.Check());
    Target first;
    ASHLAR_TRY(first, ParseOneTarget(with_members));
    if (!IsOperator(",")) {
      return first;
    }
    Target target;
    target.parts.push_back(std::move(first));
    while (TakeOperator(",")) {
      if (Now().kind != Kind::kName && !IsOperator("(")) {
        break;  // a, = ...
      }
      ASHLAR_TRY(target.parts.emplace_back(), ParseOneTarget(with_members));
    }
    return target;
  }
  Result<Target> ParseOneTarget(bool with_members) {
    Target target;
    if (TakeOperator("(")) {
      ASHLAR_TRY(target, ParseTarget(with_members));
      ASHLAR_TRY(ExpectOperator(")"));
      return target;
    }
    ASHLAR_TRY(target.name, ExpectName("a name to give a value to"));
    if (IsOneOf(target.name, {"true", "false", "none", "True", "False", "None"})) {
      return Wrong("\"{}\" cannot be given a value", target.name);
    }
    if (with_members && TakeOperator(".")) {
      ASHLAR_TRY(target.member, ExpectName("a name in the namespace"));
    }
    return target;
  }

  int loops_ = 0;  // around the statement, within its macro
};

}  // namespace

Result<Body> Parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return Invalid("a template has {} bytes; at most {} are allowed", source.size(),
                   kMaxSourceBytes);
  }
  ASHLAR_TRY(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace ashlar::jinja
