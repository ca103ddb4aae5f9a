#include "ashlar/text/jinja/parser.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "ashlar/base/json.h"
#include "ashlar/text/jinja/lexer.h"

namespace ashlar::jinja {
namespace {

using Kind = Token::Kind;

// Of brackets, blocks and operators in each other; and of links (a + b + c, x.y.z) in a row, which
// nest as well once they are parsed.
constexpr int kMaxNesting = 100;
constexpr int kMaxLinks = 1000;

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Body> Run() {
    ASHLAR_TRY(Body body, ParseBody({}));
    return body;
  }

 private:
  // ---- Tokens

  const Token& Now() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  int line() const { return Now().line; }
  bool IsOperator(std::string_view op) const {
    return Now().kind == Kind::kOperator && Now().text == op;
  }
  bool IsName(std::string_view name) const {
    return Now().kind == Kind::kName && Now().text == name;
  }
  bool TakeOperator(std::string_view op) {
    const bool there = IsOperator(op);
    at_ += there ? 1 : 0;
    return there;
  }
  bool TakeName(std::string_view name) {
    const bool there = IsName(name);
    at_ += there ? 1 : 0;
    return there;
  }
  std::string Found() const {
    switch (Now().kind) {
      case Kind::kEnd:
        return "the template's end";
      case Kind::kBlockEnd:
      case Kind::kOutputEnd:
        return "the tag's end";
      case Kind::kText:
      case Kind::kBlockBegin:
      case Kind::kOutputBegin:
        return "text outside of a tag";
      default:
        return QuoteForError(Now().text);
    }
  }
  template <class... Args>
  Error Wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("line {}: {}", line(), fmt::format(format, std::forward<Args>(args)...));
  }
  Error Expected(std::string_view what) const {
    return Wrong("expected {}, found {}", what, Found());
  }
  Status ExpectOperator(std::string_view op) {
    if (!TakeOperator(op)) {
      return Expected(fmt::format("\"{}\"", op));
    }
    return {};
  }
  Status ExpectBlockEnd() {
    if (Now().kind != Kind::kBlockEnd) {
      return Expected("%}");
    }
    ++at_;
    return {};
  }
  Result<std::string> ExpectName(std::string_view what) {
    if (Now().kind != Kind::kName) {
      return Expected(what);
    }
    return tokens_[at_++].text;
  }

  // Deeper for the time of a scope.
  class Deeper {
   public:
    explicit Deeper(Parser& parser) : parser_(parser) { ++parser_.nesting_; }
    ~Deeper() { --parser_.nesting_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    Status Check() const {
      if (parser_.nesting_ > kMaxNesting) {
        return parser_.Wrong("nested more than {} deep", kMaxNesting);
      }
      return {};
    }

   private:
    Parser& parser_;
  };
  Status Link() {
    if (++links_ > kMaxLinks) {
      return Wrong("an expression has more than {} operators", kMaxLinks);
    }
    return {};
  }

  // ---- Statements

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

  // ---- Expressions, from the loosest to the tightest

  // One, or several with commas: a tuple.
  Result<ExpressionPtr> ParseTuple(bool with_conditional = true) {
    const int begin = line();
    std::vector<ExpressionPtr> items;
    bool tuple = false;
    for (;;) {
      ASHLAR_TRY(items.emplace_back(), with_conditional ? ParseExpression() : ParseOr());
      if (!TakeOperator(",")) {
        break;
      }
      tuple = true;
      if (IsOperator(")") || Now().kind == Kind::kBlockEnd || Now().kind == Kind::kOutputEnd ||
          IsOperator("=")) {
        break;
      }
    }
    if (!tuple) {
      return std::move(items.front());
    }
    return MakeList(begin, std::move(items), /*tuple=*/true);
  }

  Result<ExpressionPtr> ParseExpression() {
    const Deeper deeper(*this);
    ASHLAR_TRY(deeper.Check());
    ASHLAR_TRY(ExpressionPtr value, ParseOr());
    while (IsName("if")) {
      const int begin = line();
      ASHLAR_TRY(Link());
      ++at_;
      ASHLAR_TRY(ExpressionPtr condition, ParseOr());
      ExpressionPtr otherwise;
      if (TakeName("else")) {
        ASHLAR_TRY(otherwise, ParseExpression());
      }
      value = MakeConditional(begin, std::move(condition), std::move(value), std::move(otherwise));
    }
    return value;
  }

  using Operand = Result<ExpressionPtr> (Parser::*)();

  // operand (op operand)*, from the left.
  Result<ExpressionPtr> ParseBinary(Kind kind, std::initializer_list<std::string_view> operators,
                                    Operand operand) {
    ASHLAR_TRY(ExpressionPtr a, (this->*operand)());
    while (Now().kind == kind && IsOneOf(Now().text, operators)) {
      ASHLAR_TRY(Link());
      const Token op = tokens_[at_++];
      ASHLAR_TRY(ExpressionPtr b, (this->*operand)());
      a = MakeBinary(op.line, op.text, std::move(a), std::move(b));
    }
    return a;
  }
  Result<ExpressionPtr> ParseOr() { return ParseBinary(Kind::kName, {"or"}, &Parser::ParseAnd); }
  Result<ExpressionPtr> ParseAnd() { return ParseBinary(Kind::kName, {"and"}, &Parser::ParseNot); }
  Result<ExpressionPtr> ParseNot() {
    if (!IsName("not") || (Next().kind == Kind::kName && Next().text == "in")) {
      return ParseComparison();
    }
    const Deeper deeper(*this);
    ASHLAR_TRY(deeper.Check());
    const int begin = tokens_[at_++].line;
    ASHLAR_TRY(ExpressionPtr operand, ParseNot());
    return MakeUnary(begin, '!', std::move(operand));
  }

  // The comparison that begins here, taken; empty when there is none.
  std::string TakeComparison() {
    if (Now().kind == Kind::kOperator && IsOneOf(Now().text, {"==", "!=", "<", "<=", ">", ">="})) {
      return tokens_[at_++].text;
    }
    if (TakeName("in")) {
      return "in";
    }
    if (IsName("not") && Next().kind == Kind::kName && Next().text == "in") {
      at_ += 2;
      return "not in";
    }
    return "";
  }
  Result<ExpressionPtr> ParseComparison() {
    const int begin = line();
    ASHLAR_TRY(ExpressionPtr first, ParseSum());
    std::vector<std::pair<std::string, ExpressionPtr>> rest;
    for (std::string op = TakeComparison(); !op.empty(); op = TakeComparison()) {
      ASHLAR_TRY(Link());
      ASHLAR_TRY(ExpressionPtr operand, ParseSum());
      rest.emplace_back(std::move(op), std::move(operand));
    }
    if (rest.empty()) {
      return first;
    }
    if (rest.size() == 1) {
      return MakeBinary(begin, rest.front().first, std::move(first),
                        std::move(rest.front().second));
    }
    return MakeChain(begin, std::move(first), std::move(rest));
  }

  Result<ExpressionPtr> ParseSum() {
    return ParseBinary(Kind::kOperator, {"+", "-"}, &Parser::ParseConcatenation);
  }
  Result<ExpressionPtr> ParseConcatenation() {
    return ParseBinary(Kind::kOperator, {"~"}, &Parser::ParseProduct);
  }
  Result<ExpressionPtr> ParseProduct() {
    return ParseBinary(Kind::kOperator, {"*", "/", "//", "%"}, &Parser::ParsePower);
  }
  Result<ExpressionPtr> ParsePower() {
    return ParseBinary(Kind::kOperator, {"**"}, &Parser::ParseUnaryWithFilters);
  }
  Result<ExpressionPtr> ParseUnaryWithFilters() {
    ASHLAR_TRY(ExpressionPtr value, ParseUnary());
    return ParseFilters(std::move(value));
  }
  Result<ExpressionPtr> ParseUnary() {
    if (IsOperator("-") || IsOperator("+")) {
      const Deeper deeper(*this);
      ASHLAR_TRY(deeper.Check());
      const Token op = tokens_[at_++];
      ASHLAR_TRY(ExpressionPtr operand, ParseUnary());
      return MakeUnary(op.line, op.text.front(), std::move(operand));
    }
    ASHLAR_TRY(ExpressionPtr value, ParsePrimary());
    return ParsePostfix(std::move(value));
  }

  Result<ExpressionPtr> ParsePrimary() {
    const Token token = Now();
    switch (token.kind) {
      case Kind::kName:
        ++at_;
        return ParseNamed(token);
      case Kind::kString: {
        std::string text;
        while (Now().kind == Kind::kString) {
          text += tokens_[at_++].text;
        }
        return MakeLiteral(token.line, Value(std::move(text)));
      }
      case Kind::kInteger:
      case Kind::kReal:
        return ParseNumber();
      case Kind::kOperator: {
        const Deeper deeper(*this);
        ASHLAR_TRY(deeper.Check());
        if (TakeOperator("(")) {
          if (TakeOperator(")")) {
            return MakeList(token.line, {}, /*tuple=*/true);
          }
          ASHLAR_TRY(ExpressionPtr value, ParseTuple());
          ASHLAR_TRY(ExpectOperator(")"));
          return value;
        }
        if (TakeOperator("[")) {
          return ParseList(token.line);
        }
        if (TakeOperator("{")) {
          return ParseDict(token.line);
        }
        return Expected("a value");
      }
      default:
        return Expected("a value");
    }
  }

  Result<ExpressionPtr> ParseNamed(const Token& token) {
    static const std::pair<std::string_view, Value> kConstants[] = {
        {"true", true},   {"True", true},   {"false", false},
        {"False", false}, {"none", None{}}, {"None", None{}},
    };
    const auto* constant =
        std::ranges::find(kConstants, token.text, &std::pair<std::string_view, Value>::first);
    if (constant != std::end(kConstants)) {
      return MakeLiteral(token.line, constant->second);
    }
    names_.insert(token.text);
    return MakeName(token.line, token.text);
  }

  Result<ExpressionPtr> ParseNumber() {
    const Token& token = tokens_[at_++];
    const char* const end = token.text.data() + token.text.size();
    std::int64_t integer = 0;
    double real = 0;
    const auto result = token.kind == Kind::kInteger
                            ? std::from_chars(token.text.data(), end, integer)
                            : std::from_chars(token.text.data(), end, real);
    if (result.ec != std::errc() || result.ptr != end) {
      return Invalid("line {}: the number {} does not fit into 64 bits", token.line,
                     QuoteForError(token.text));
    }
    return MakeLiteral(token.line, token.kind == Kind::kInteger ? Value(integer) : Value(real));
  }

  Result<ExpressionPtr> ParseList(int begin) {
    std::vector<ExpressionPtr> items;
    while (!TakeOperator("]")) {
      if (!items.empty()) {
        ASHLAR_TRY(ExpectOperator(","));
        if (TakeOperator("]")) {
          break;
        }
      }
      ASHLAR_TRY(items.emplace_back(), ParseExpression());
    }
    return MakeList(begin, std::move(items), /*tuple=*/false);
  }

  Result<ExpressionPtr> ParseDict(int begin) {
    std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
    while (!TakeOperator("}")) {
      if (!items.empty()) {
        ASHLAR_TRY(ExpectOperator(","));
        if (TakeOperator("}")) {
          break;
        }
      }
      ASHLAR_TRY(ExpressionPtr key, ParseExpression());
      ASHLAR_TRY(ExpectOperator(":"));
      ASHLAR_TRY(ExpressionPtr value, ParseExpression());
      items.emplace_back(std::move(key), std::move(value));
    }
    return MakeDict(begin, std::move(items));
  }

  // Attributes, items and calls.
  Result<ExpressionPtr> ParsePostfix(ExpressionPtr value, bool with_calls = true) {
    for (;;) {
      const int begin = line();
      if (IsOperator(".") || IsOperator("[") || (with_calls && IsOperator("("))) {
        ASHLAR_TRY(Link());
      }
      if (TakeOperator(".")) {
        if (Now().kind == Kind::kInteger) {
          ASHLAR_TRY(ExpressionPtr index, ParseNumber());
          value = MakeItem(begin, std::move(value), std::move(index));
        } else {
          ASHLAR_TRY(std::string name, ExpectName("an attribute"));
          value = MakeAttribute(begin, std::move(value), std::move(name));
        }
      } else if (TakeOperator("[")) {
        ASHLAR_TRY(value, ParseItem(begin, std::move(value)));
      } else if (with_calls && IsOperator("(")) {
        ASHLAR_TRY(ArgumentList arguments, ParseArguments());
        value = MakeCall(begin, std::move(value), std::move(arguments));
      } else {
        return value;
      }
    }
  }

  // Behind x[: a key, or the bounds of a slice.
  Result<ExpressionPtr> ParseItem(int begin, ExpressionPtr object) {
    ExpressionPtr parts[3];
    std::size_t part = 0;
    for (; !IsOperator("]"); ++part) {
      if (part == 3) {
        return Expected("\"]\"");
      }
      if (!IsOperator(":")) {
        ASHLAR_TRY(parts[part], part == 0 ? ParseTuple() : ParseExpression());
      }
      if (!TakeOperator(":")) {
        break;
      }
    }
    // The last colon counts though nothing follows it.
    const bool slice = part > 0;
    if (!slice && parts[0] == nullptr) {
      return Expected("a key");
    }
    ASHLAR_TRY(ExpectOperator("]"));
    return slice ? MakeSlice(begin, std::move(object), std::move(parts[0]), std::move(parts[1]),
                             std::move(parts[2]))
                 : MakeItem(begin, std::move(object), std::move(parts[0]));
  }

  Result<ArgumentList> ParseArguments() {
    const Deeper deeper(*this);
    ASHLAR_TRY(deeper.Check());
    ASHLAR_TRY(ExpectOperator("("));
    ArgumentList arguments;
    while (!TakeOperator(")")) {
      if (!arguments.empty()) {
        ASHLAR_TRY(ExpectOperator(","));
        if (TakeOperator(")")) {
          break;
        }
      }
      Argument argument{Argument::Kind::kPositional, "", nullptr};
      if (TakeOperator("**")) {
        argument.kind = Argument::Kind::kUnpackDict;
      } else if (TakeOperator("*")) {
        argument.kind = Argument::Kind::kUnpackList;
      } else if (Now().kind == Kind::kName && Next().kind == Kind::kOperator &&
                 Next().text == "=") {
        argument.kind = Argument::Kind::kNamed;
        argument.name = Now().text;
        at_ += 2;
      } else if (!arguments.empty() && arguments.back().kind == Argument::Kind::kNamed) {
        return Wrong("an argument without a name follows one with a name");
      }
      ASHLAR_TRY(argument.value, ParseExpression());
      arguments.push_back(std::move(argument));
    }
    return arguments;
  }

  // value | filter ..., value is test ..., and calls of the results.
  Result<ExpressionPtr> ParseFilters(ExpressionPtr value) {
    for (;;) {
      const int begin = line();
      if (TakeOperator("|")) {
        ASHLAR_TRY(Link());
        ASHLAR_TRY(value, ParseFilter(std::move(value)));
      } else if (TakeName("is")) {
        ASHLAR_TRY(Link());
        ASHLAR_TRY(value, ParseTest(begin, std::move(value)));
      } else if (IsOperator("(")) {
        ASHLAR_TRY(Link());
        ASHLAR_TRY(ArgumentList arguments, ParseArguments());
        value = MakeCall(begin, std::move(value), std::move(arguments));
      } else {
        return value;
      }
    }
  }

  Result<ExpressionPtr> ParseFilter(ExpressionPtr input) {
    const int begin = line();
    ASHLAR_TRY(const std::string name, ExpectName("a filter"));
    const Function* filter = jinja::FindFilter(name);
    if (filter == nullptr) {
      return Unsupported("line {}: there is no filter \"{}\"", begin, name);
    }
    ArgumentList arguments;
    if (IsOperator("(")) {
      ASHLAR_TRY(arguments, ParseArguments());
    }
    return MakeFunction(begin, *filter, std::move(input), std::move(arguments));
  }

  Result<ExpressionPtr> ParseTest(int begin, ExpressionPtr input) {
    const bool negated = TakeName("not");
    ASHLAR_TRY(const std::string name, ExpectName("a test"));
    const Function* test = jinja::FindTest(name);
    if (test == nullptr) {
      return Unsupported("line {}: there is no test \"{}\"", begin, name);
    }
    ArgumentList arguments;
    if (IsOperator("(")) {
      ASHLAR_TRY(arguments, ParseArguments());
    } else if (BeginsTestArgument()) {
      ASHLAR_TRY(ExpressionPtr argument, ParsePrimary());
      ASHLAR_TRY(argument, ParsePostfix(std::move(argument)));
      arguments.push_back({Argument::Kind::kPositional, "", std::move(argument)});
    }
    ExpressionPtr result = MakeFunction(begin, *test, std::move(input), std::move(arguments));
    return negated ? MakeUnary(begin, '!', std::move(result)) : std::move(result);
  }
  bool BeginsTestArgument() const {
    switch (Now().kind) {
      case Kind::kName:
        return !IsOneOf(Now().text, {"else", "or", "and", "if", "is", "in", "not", "recursive"});
      case Kind::kString:
      case Kind::kInteger:
      case Kind::kReal:
        return true;
      default:
        return IsOperator("[") || IsOperator("{");
    }
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int links_ = 0;
  int loops_ = 0;                             // around the statement, within its macro
  std::set<std::string, std::less<>> names_;  // that were read, within the macro
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
