// A parsed template: expressions, which have a value, and statements, which print.
//
// Immutable once parsed; a render keeps its state in a Machine and in Scopes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {

class Expression {
 public:
  explicit Expression(int line) : line_(line) {}
  virtual ~Expression() = default;
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  // The value, one step charged; an error has its line.
  Result<Value> Evaluate(Machine& machine, Scope& scope) const;
  int line() const { return line_; }

 protected:
  virtual Result<Value> Compute(Machine& machine, Scope& scope) const = 0;

 private:
  const int line_;
};
using ExpressionPtr = std::unique_ptr<const Expression>;

// What a statement leaves the rest of its loop to do.
enum class Flow { kOn, kBreak, kContinue };

class Statement {
 public:
  explicit Statement(int line) : line_(line) {}
  virtual ~Statement() = default;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  // Appends to `out` what the statement prints.
  Result<Flow> Run(Machine& machine, Scope& scope, std::string& out) const;

 protected:
  virtual Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const = 0;

 private:
  const int line_;
};
using StatementPtr = std::unique_ptr<const Statement>;
using Body = std::vector<StatementPtr>;

Result<Flow> RunBody(const Body& body, Machine& machine, Scope& scope, std::string& out);

// ---- Expressions. A null ExpressionPtr is a part that was left out.

// The arguments of a call, a filter or a test: in the order written.
struct Argument {
  enum class Kind { kPositional, kNamed, kUnpackList, kUnpackDict };
  Kind kind;
  std::string name;
  ExpressionPtr value;
};
using ArgumentList = std::vector<Argument>;

ExpressionPtr MakeLiteral(int line, Value value);
ExpressionPtr MakeName(int line, std::string name);
ExpressionPtr MakeList(int line, std::vector<ExpressionPtr> items, bool tuple);
ExpressionPtr MakeDict(int line, std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items);
ExpressionPtr MakeAttribute(int line, ExpressionPtr object, std::string name);
ExpressionPtr MakeItem(int line, ExpressionPtr object, ExpressionPtr key);
ExpressionPtr MakeSlice(int line, ExpressionPtr object, ExpressionPtr begin, ExpressionPtr end,
                        ExpressionPtr step);
ExpressionPtr MakeCall(int line, ExpressionPtr callee, ArgumentList arguments);
// A filter or a test; tests are negated by MakeUnary.
ExpressionPtr MakeFunction(int line, const Function& function, ExpressionPtr input,
                           ArgumentList arguments);
// `op` is one of + - * / // % ** ~ == != < <= > >= in `not in` and or.
ExpressionPtr MakeBinary(int line, std::string_view op, ExpressionPtr a, ExpressionPtr b);
ExpressionPtr MakeUnary(int line, char op, ExpressionPtr operand);  // '-', '+', '!'
// a < b < c: each operand is evaluated once.
ExpressionPtr MakeChain(int line, ExpressionPtr first,
                        std::vector<std::pair<std::string, ExpressionPtr>> rest);
ExpressionPtr MakeConditional(int line, ExpressionPtr condition, ExpressionPtr then,
                              ExpressionPtr otherwise);

// ---- Statements.

// What `set`, `for` and `with` give values to: names, perhaps nested, or a member of a namespace.
struct Target {
  std::string name;           // empty: parts
  std::string member;         // of namespace `name`; empty: the name itself
  std::vector<Target> parts;  // each takes one item
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // null: none
};

struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  // What of a call beyond the parameters the body speaks of; the rest is refused.
  bool takes_varargs = false;
  bool takes_kwargs = false;
  bool takes_caller = false;
};

StatementPtr MakeText(int line, std::string text);
StatementPtr MakeOutput(int line, ExpressionPtr value);
StatementPtr MakeIf(int line, std::vector<std::pair<ExpressionPtr, Body>> branches, Body otherwise);
StatementPtr MakeFor(int line, Target target, ExpressionPtr items, ExpressionPtr filter,
                     bool recursive, Body body, Body otherwise);
StatementPtr MakeSet(int line, Target target, ExpressionPtr value);
// {% set x %}...{% endset %}; `filter` (or null) reads the name kBlockText.
StatementPtr MakeSetBlock(int line, Target target, ExpressionPtr filter, Body body);
StatementPtr MakeFilterBlock(int line, ExpressionPtr filter, Body body);
StatementPtr MakeWith(int line, std::vector<std::pair<Target, ExpressionPtr>> values, Body body);
StatementPtr MakeMacro(int line, MacroDefinition definition);
// {% call(x) macro() %}...{% endcall %}: `call` sees the body as the name kCaller.
StatementPtr MakeCallBlock(int line, MacroDefinition body, ExpressionPtr call);
StatementPtr MakeJump(int line, Flow flow);

// Names that no template can spell.
inline constexpr std::string_view kBlockText = "<text>";
inline constexpr std::string_view kCaller = "caller";

}  // namespace ashlar::jinja
