#include <algorithm>
#include <array>
#include <cmath>

#include "ashlar/text/jinja/format.h"
#include "ashlar/text/jinja/nodes.h"
#include "ashlar/text/jinja/operators.h"

namespace ashlar::jinja {
namespace {

class Literal : public Expression {
 public:
  Literal(int line, Value value) : Expression(line), value_(std::move(value)) {}

 private:
  Result<Value> Compute(Machine&, Scope&) const override { return value_; }
  const Value value_;
};

class Name : public Expression {
 public:
  Name(int line, std::string name) : Expression(line), name_(std::move(name)) {}

 private:
  Result<Value> Compute(Machine&, Scope& scope) const override {
    const Value* found = scope.Find(name_);
    return found != nullptr ? *found : Undefined{fmt::format("'{}' is undefined", name_)};
  }
  const std::string name_;
};

class ListNode : public Expression {
 public:
  ListNode(int line, std::vector<ExpressionPtr> items, bool tuple)
      : Expression(line), items_(std::move(items)), tuple_(tuple) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    List list = {{}, tuple_};
    for (const ExpressionPtr& item : items_) {
      ASHLAR_TRY(list.items.emplace_back(), item->Evaluate(machine, scope));
    }
    return machine.Make(std::move(list));
  }
  const std::vector<ExpressionPtr> items_;
  const bool tuple_;
};

class DictNode : public Expression {
 public:
  DictNode(int line, std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items)
      : Expression(line), items_(std::move(items)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    Dict dict;
    for (const auto& [key, value] : items_) {
      ASHLAR_TRY(Value name, key->Evaluate(machine, scope));
      if (name.list() != nullptr || name.dict() != nullptr) {
        return Invalid("a {} cannot be a key", name.TypeName());
      }
      ASHLAR_TRY(Value item, value->Evaluate(machine, scope));
      ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(dict.items.size() / 8)));
      dict.Set(std::move(name), std::move(item));
    }
    return machine.Make(std::move(dict));
  }
  const std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items_;
};

class AttributeNode : public Expression {
 public:
  AttributeNode(int line, ExpressionPtr object, std::string name)
      : Expression(line), object_(std::move(object)), name_(std::move(name)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value object, object_->Evaluate(machine, scope));
    return GetAttribute(machine, object, name_);
  }
  const ExpressionPtr object_;
  const std::string name_;
};

class ItemNode : public Expression {
 public:
  ItemNode(int line, ExpressionPtr object, ExpressionPtr key)
      : Expression(line), object_(std::move(object)), key_(std::move(key)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value object, object_->Evaluate(machine, scope));
    ASHLAR_TRY(const Value key, key_->Evaluate(machine, scope));
    return GetItem(machine, object, key);
  }
  const ExpressionPtr object_;
  const ExpressionPtr key_;
};

// The positions that x[begin:end:step] takes of `size` items.
struct SliceRange {
  std::int64_t begin, end, step;

  static SliceRange Of(std::int64_t size, std::optional<std::int64_t> begin,
                       std::optional<std::int64_t> end, std::int64_t step) {
    const auto place = [&](std::int64_t at) {
      at = at < 0 ? at + size : at;
      return step > 0 ? std::clamp<std::int64_t>(at, 0, size)
                      : std::clamp<std::int64_t>(at, -1, size - 1);
    };
    return {begin ? place(*begin) : (step > 0 ? 0 : size - 1),
            end ? place(*end) : (step > 0 ? size : -1), step};
  }
  // Calls take(i) for each.
  template <class Take>
  void ForEach(const Take& take) const {
    for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
      take(static_cast<std::size_t>(i));
      if (__builtin_add_overflow(i, step, &i)) {
        return;
      }
    }
  }
};

class SliceNode : public Expression {
 public:
  SliceNode(int line, ExpressionPtr object, std::array<ExpressionPtr, 3> bounds)
      : Expression(line), object_(std::move(object)), bounds_(std::move(bounds)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value object, object_->Evaluate(machine, scope));
    std::optional<std::int64_t> bounds[3];
    for (std::size_t i = 0; i < 3; ++i) {
      if (bounds_[i] == nullptr) {
        continue;
      }
      ASHLAR_TRY(const Value bound, bounds_[i]->Evaluate(machine, scope));
      bounds[i] = bound.AsInteger();
      if (!bounds[i] && !bound.is_none()) {
        return Invalid("the bound of a slice must be an integer, found {}", bound.TypeName());
      }
    }
    if (bounds[2] == 0) {
      return Invalid("the step of a slice cannot be 0");
    }
    const auto range = [&](std::size_t size) {
      return SliceRange::Of(static_cast<std::int64_t>(size), bounds[0], bounds[1],
                            bounds[2].value_or(1));
    };
    if (const std::string* text = object.string()) {
      ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(text->size() / 8)));
      const std::vector<std::string_view> characters = Characters(*text);
      std::string taken;
      range(characters.size()).ForEach([&](std::size_t i) { taken += characters[i]; });
      return machine.Make(std::move(taken));
    }
    if (const List* list = object.list()) {
      List taken = {{}, list->tuple};
      range(list->items.size()).ForEach([&](std::size_t i) {
        taken.items.push_back(list->items[i]);
      });
      return machine.Make(std::move(taken));
    }
    if (object.undefined() != nullptr) {
      return Invalid("{}", object.undefined()->what);
    }
    return Invalid("{} cannot be sliced", object.TypeName());
  }
  const ExpressionPtr object_;
  const std::array<ExpressionPtr, 3> bounds_;
};

Result<Arguments> EvaluateArguments(const ArgumentList& list, Machine& machine, Scope& scope) {
  Arguments arguments;
  for (const Argument& argument : list) {
    ASHLAR_TRY(Value value, argument.value->Evaluate(machine, scope));
    switch (argument.kind) {
      case Argument::Kind::kPositional:
        arguments.positional.push_back(std::move(value));
        break;
      case Argument::Kind::kNamed:
        arguments.named.emplace_back(argument.name, std::move(value));
        break;
      case Argument::Kind::kUnpackList: {
        ASHLAR_TRY(const std::vector<Value> items, machine.Iterate(value));
        arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
        break;
      }
      case Argument::Kind::kUnpackDict:
        if (value.dict() == nullptr) {
          return Invalid("** takes a mapping, found {}", value.TypeName());
        }
        for (const auto& [key, item] : value.dict()->items) {
          arguments.named.emplace_back(Str(key), item);
        }
        break;
    }
  }
  return arguments;
}

class CallNode : public Expression {
 public:
  CallNode(int line, ExpressionPtr callee, ArgumentList arguments)
      : Expression(line), callee_(std::move(callee)), arguments_(std::move(arguments)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value callee, callee_->Evaluate(machine, scope));
    if (callee.undefined() != nullptr) {
      return Invalid("{}", callee.undefined()->what);
    }
    if (callee.callable() == nullptr) {
      return Invalid("{} cannot be called", callee.TypeName());
    }
    ASHLAR_TRY(Arguments arguments, EvaluateArguments(arguments_, machine, scope));
    return callee.callable()->Call(machine, std::move(arguments));
  }
  const ExpressionPtr callee_;
  const ArgumentList arguments_;
};

// A filter or a test.
class FunctionNode : public Expression {
 public:
  FunctionNode(int line, const Function& function, ExpressionPtr input, ArgumentList arguments)
      : Expression(line),
        function_(function),
        input_(std::move(input)),
        arguments_(std::move(arguments)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value input, input_->Evaluate(machine, scope));
    ASHLAR_TRY(Arguments arguments, EvaluateArguments(arguments_, machine, scope));
    return function_(machine, input, std::move(arguments));
  }
  const Function& function_;
  const ExpressionPtr input_;
  const ArgumentList arguments_;
};

class BinaryNode : public Expression {
 public:
  BinaryNode(int line, Operator op, ExpressionPtr a, ExpressionPtr b)
      : Expression(line), op_(op), a_(std::move(a)), b_(std::move(b)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value a, a_->Evaluate(machine, scope));
    ASHLAR_TRY(const Value b, b_->Evaluate(machine, scope));
    return op_(machine, a, b);
  }
  const Operator op_;
  const ExpressionPtr a_;
  const ExpressionPtr b_;
};

// `and` and `or`: the first operand, where it decides, else the second.
class LogicNode : public Expression {
 public:
  LogicNode(int line, bool is_or, ExpressionPtr a, ExpressionPtr b)
      : Expression(line), is_or_(is_or), a_(std::move(a)), b_(std::move(b)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(Value a, a_->Evaluate(machine, scope));
    if (a.Truthy() == is_or_) {
      return a;
    }
    return b_->Evaluate(machine, scope);
  }
  const bool is_or_;
  const ExpressionPtr a_;
  const ExpressionPtr b_;
};

class UnaryNode : public Expression {
 public:
  UnaryNode(int line, char op, ExpressionPtr operand)
      : Expression(line), op_(op), operand_(std::move(operand)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value operand, operand_->Evaluate(machine, scope));
    if (op_ == '!') {
      return Value(!operand.Truthy());
    }
    const Value zero(std::int64_t{0});
    if (op_ == '-' && operand.real() != nullptr) {
      return Value(-*operand.real());
    }
    return FindOperator(op_ == '-' ? "-" : "+")(machine, zero, operand);
  }
  const char op_;
  const ExpressionPtr operand_;
};

class ChainNode : public Expression {
 public:
  ChainNode(int line, ExpressionPtr first, std::vector<std::pair<Operator, ExpressionPtr>> rest)
      : Expression(line), first_(std::move(first)), rest_(std::move(rest)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(Value left, first_->Evaluate(machine, scope));
    for (const auto& [op, operand] : rest_) {
      ASHLAR_TRY(Value right, operand->Evaluate(machine, scope));
      ASHLAR_TRY(Value holds, op(machine, left, right));
      if (!holds.Truthy()) {
        return holds;
      }
      left = std::move(right);
    }
    return Value(true);
  }
  const ExpressionPtr first_;
  const std::vector<std::pair<Operator, ExpressionPtr>> rest_;
};

class ConditionalNode : public Expression {
 public:
  ConditionalNode(int line, ExpressionPtr condition, ExpressionPtr then, ExpressionPtr otherwise)
      : Expression(line),
        condition_(std::move(condition)),
        then_(std::move(then)),
        otherwise_(std::move(otherwise)) {}

 private:
  Result<Value> Compute(Machine& machine, Scope& scope) const override {
    ASHLAR_TRY(const Value condition, condition_->Evaluate(machine, scope));
    if (condition.Truthy()) {
      return then_->Evaluate(machine, scope);
    }
    if (otherwise_ == nullptr) {
      return Undefined{"the inline if was false and has no else"};
    }
    return otherwise_->Evaluate(machine, scope);
  }
  const ExpressionPtr condition_;
  const ExpressionPtr then_;
  const ExpressionPtr otherwise_;
};

}  // namespace

Result<Value> Expression::Evaluate(Machine& machine, Scope& scope) const {
  Status step = machine.Step();
  if (!step.ok()) {
    return machine.At(line_, step.error());
  }
  Result<Value> value = Compute(machine, scope);
  if (!value.ok()) {
    return machine.At(line_, std::move(value).error());
  }
  return value;
}

ExpressionPtr MakeLiteral(int line, Value value) {
  return std::make_unique<Literal>(line, std::move(value));
}
ExpressionPtr MakeName(int line, std::string name) {
  return std::make_unique<Name>(line, std::move(name));
}
ExpressionPtr MakeList(int line, std::vector<ExpressionPtr> items, bool tuple) {
  return std::make_unique<ListNode>(line, std::move(items), tuple);
}
ExpressionPtr MakeDict(int line, std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items) {
  return std::make_unique<DictNode>(line, std::move(items));
}
ExpressionPtr MakeAttribute(int line, ExpressionPtr object, std::string name) {
  return std::make_unique<AttributeNode>(line, std::move(object), std::move(name));
}
ExpressionPtr MakeItem(int line, ExpressionPtr object, ExpressionPtr key) {
  return std::make_unique<ItemNode>(line, std::move(object), std::move(key));
}
ExpressionPtr MakeSlice(int line, ExpressionPtr object, ExpressionPtr begin, ExpressionPtr end,
                        ExpressionPtr step) {
  return std::make_unique<SliceNode>(
      line, std::move(object),
      std::array<ExpressionPtr, 3>{std::move(begin), std::move(end), std::move(step)});
}
ExpressionPtr MakeCall(int line, ExpressionPtr callee, ArgumentList arguments) {
  return std::make_unique<CallNode>(line, std::move(callee), std::move(arguments));
}
ExpressionPtr MakeFunction(int line, const Function& function, ExpressionPtr input,
                           ArgumentList arguments) {
  return std::make_unique<FunctionNode>(line, function, std::move(input), std::move(arguments));
}
ExpressionPtr MakeBinary(int line, std::string_view op, ExpressionPtr a, ExpressionPtr b) {
  if (op == "and" || op == "or") {
    return std::make_unique<LogicNode>(line, op == "or", std::move(a), std::move(b));
  }
  return std::make_unique<BinaryNode>(line, FindOperator(op), std::move(a), std::move(b));
}
ExpressionPtr MakeUnary(int line, char op, ExpressionPtr operand) {
  return std::make_unique<UnaryNode>(line, op, std::move(operand));
}
ExpressionPtr MakeChain(int line, ExpressionPtr first,
                        std::vector<std::pair<std::string, ExpressionPtr>> rest) {
  std::vector<std::pair<Operator, ExpressionPtr>> operators;
  for (auto& [op, operand] : rest) {
    operators.emplace_back(FindOperator(op), std::move(operand));
  }
  return std::make_unique<ChainNode>(line, std::move(first), std::move(operators));
}
ExpressionPtr MakeConditional(int line, ExpressionPtr condition, ExpressionPtr then,
                              ExpressionPtr otherwise) {
  return std::make_unique<ConditionalNode>(line, std::move(condition), std::move(then),
                                           std::move(otherwise));
}

}  // namespace ashlar::jinja
