#include "ashlar/text/jinja/expression_parser.h"

#include <charconv>

namespace ashlar::jinja {

Result<ExpressionPtr> ExpressionParser::ParseTuple(bool with_conditional) {
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

Result<ExpressionPtr> ExpressionParser::ParseExpression() {
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

Result<ExpressionPtr> ExpressionParser::ParseBinary(
    Kind kind, std::initializer_list<std::string_view> operators, Operand operand) {
  ASHLAR_TRY(ExpressionPtr a, (this->*operand)());
  while (Now().kind == kind && IsOneOf(Now().text, operators)) {
    ASHLAR_TRY(Link());
    const Token op = tokens_[at_++];
    ASHLAR_TRY(ExpressionPtr b, (this->*operand)());
    a = MakeBinary(op.line, op.text, std::move(a), std::move(b));
  }
  return a;
}
Result<ExpressionPtr> ExpressionParser::ParseOr() {
  return ParseBinary(Kind::kName, {"or"}, &ExpressionParser::ParseAnd);
}
Result<ExpressionPtr> ExpressionParser::ParseAnd() {
  return ParseBinary(Kind::kName, {"and"}, &ExpressionParser::ParseNot);
}
Result<ExpressionPtr> ExpressionParser::ParseNot() {
  if (!IsName("not") || (Next().kind == Kind::kName && Next().text == "in")) {
    return ParseComparison();
  }
  const Deeper deeper(*this);
  ASHLAR_TRY(deeper.Check());
  const int begin = tokens_[at_++].line;
  ASHLAR_TRY(ExpressionPtr operand, ParseNot());
  return MakeUnary(begin, '!', std::move(operand));
}

std::string ExpressionParser::TakeComparison() {
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
Result<ExpressionPtr> ExpressionParser::ParseComparison() {
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
    return MakeBinary(begin, rest.front().first, std::move(first), std::move(rest.front().second));
  }
  return MakeChain(begin, std::move(first), std::move(rest));
}

Result<ExpressionPtr> ExpressionParser::ParseSum() {
  return ParseBinary(Kind::kOperator, {"+", "-"}, &ExpressionParser::ParseConcatenation);
}
Result<ExpressionPtr> ExpressionParser::ParseConcatenation() {
  return ParseBinary(Kind::kOperator, {"~"}, &ExpressionParser::ParseProduct);
}
Result<ExpressionPtr> ExpressionParser::ParseProduct() {
  return ParseBinary(Kind::kOperator, {"*", "/", "//", "%"}, &ExpressionParser::ParsePower);
}
Result<ExpressionPtr> ExpressionParser::ParsePower() {
  return ParseBinary(Kind::kOperator, {"**"}, &ExpressionParser::ParseUnaryWithFilters);
}
Result<ExpressionPtr> ExpressionParser::ParseUnaryWithFilters() {
  ASHLAR_TRY(ExpressionPtr value, ParseUnary());
  return ParseFilters(std::move(value));
}
Result<ExpressionPtr> ExpressionParser::ParseUnary() {
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

Result<ExpressionPtr> ExpressionParser::ParsePrimary() {
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

Result<ExpressionPtr> ExpressionParser::ParseNamed(const Token& token) {
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

Result<ExpressionPtr> ExpressionParser::ParseNumber() {
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

Result<ExpressionPtr> ExpressionParser::ParseList(int begin) {
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

Result<ExpressionPtr> ExpressionParser::ParseDict(int begin) {
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

Result<ExpressionPtr> ExpressionParser::ParsePostfix(ExpressionPtr value, bool with_calls) {
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

Result<ExpressionPtr> ExpressionParser::ParseItem(int begin, ExpressionPtr object) {
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

Result<ArgumentList> ExpressionParser::ParseArguments() {
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
    } else if (Now().kind == Kind::kName && Next().kind == Kind::kOperator && Next().text == "=") {
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

Result<ExpressionPtr> ExpressionParser::ParseFilters(ExpressionPtr value) {
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

Result<ExpressionPtr> ExpressionParser::ParseFilter(ExpressionPtr input) {
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

Result<ExpressionPtr> ExpressionParser::ParseTest(int begin, ExpressionPtr input) {
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
bool ExpressionParser::BeginsTestArgument() const {
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

}  // namespace ashlar::jinja
