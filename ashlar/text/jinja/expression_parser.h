// Expressions of templates, from the loosest operators to the tightest.
#pragma once

#include <set>
#include <string>

#include "ashlar/text/jinja/nodes.h"
#include "ashlar/text/jinja/token_cursor.h"

namespace ashlar::jinja {

// Each method parses what its name says from where the cursor stands, and leaves it behind that.
class ExpressionParser : protected TokenCursor {
 protected:
  using TokenCursor::TokenCursor;

  // One, or several with commas: a tuple.
  Result<ExpressionPtr> ParseTuple(bool with_conditional = true);
  Result<ExpressionPtr> ParseExpression();
  Result<ExpressionPtr> ParsePrimary();
  // Attributes, items and calls.
  Result<ExpressionPtr> ParsePostfix(ExpressionPtr value, bool with_calls = true);
  Result<ArgumentList> ParseArguments();
  // value | filter ..., value is test ..., and calls of the results.
  Result<ExpressionPtr> ParseFilters(ExpressionPtr value);
  Result<ExpressionPtr> ParseFilter(ExpressionPtr input);

  std::set<std::string, std::less<>> names_;  // that were read, within the macro

 private:
  using Operand = Result<ExpressionPtr> (ExpressionParser::*)();

  // operand (op operand)*, from the left.
  Result<ExpressionPtr> ParseBinary(Kind kind, std::initializer_list<std::string_view> operators,
                                    Operand operand);
  Result<ExpressionPtr> ParseOr();
  Result<ExpressionPtr> ParseAnd();
  Result<ExpressionPtr> ParseNot();
  // The comparison that begins here, taken; empty when there is none.
  std::string TakeComparison();
  Result<ExpressionPtr> ParseComparison();
  Result<ExpressionPtr> ParseSum();
  Result<ExpressionPtr> ParseConcatenation();
  Result<ExpressionPtr> ParseProduct();
  Result<ExpressionPtr> ParsePower();
  Result<ExpressionPtr> ParseUnaryWithFilters();
  Result<ExpressionPtr> ParseUnary();
  Result<ExpressionPtr> ParseNamed(const Token& token);
  Result<ExpressionPtr> ParseNumber();
  Result<ExpressionPtr> ParseList(int begin);
  Result<ExpressionPtr> ParseDict(int begin);
  // Behind x[: a key, or the bounds of a slice.
  Result<ExpressionPtr> ParseItem(int begin, ExpressionPtr object);
  Result<ExpressionPtr> ParseTest(int begin, ExpressionPtr input);
  bool BeginsTestArgument() const;
};

}  // namespace ashlar::jinja
