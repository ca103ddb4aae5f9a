#include "ashlar/text/jinja/operators.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ashlar/text/jinja/format.h"

namespace ashlar::jinja {
namespace {

Error NotFor(std::string_view op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->undefined() != nullptr) {
      return Invalid("{}", value->undefined()->what);
    }
  }
  return Invalid("{} is not for {} and {}", op, a.TypeName(), b.TypeName());
}

// An operation on numbers: of integers where both are, else of reals.
template <class OnIntegers, class OnReals>
Result<Value> Arithmetic(std::string_view op, const Value& a, const Value& b,
                         const OnIntegers& on_integers, const OnReals& on_reals) {
  if (const auto x = a.AsInteger(), y = b.AsInteger(); x && y) {
    std::int64_t result = 0;
    if (on_integers(*x, *y, result)) {
      return Invalid("{} {} {} does not fit into 64 bits", *x, op, *y);
    }
    return Value(result);
  }
  if (const auto x = a.AsReal(), y = b.AsReal(); x && y) {
    return Value(on_reals(*x, *y));
  }
  return NotFor(op, a, b);
}

Result<Value> Add(Machine& machine, const Value& a, const Value& b) {
  if (a.string() != nullptr && b.string() != nullptr) {
    ASHLAR_TRY(machine.Charge(a.string()->size() + b.string()->size()));
    return Value(*a.string() + *b.string());
  }
  if (const List* x = a.list(), *y = b.list();
      x != nullptr && y != nullptr && x->tuple == y->tuple) {
    ASHLAR_TRY(machine.Charge(sizeof(Value) * (x->items.size() + y->items.size())));
    List sum = {x->items, x->tuple};
    sum.items.insert(sum.items.end(), y->items.begin(), y->items.end());
    return machine.Make(std::move(sum));
  }
  return Arithmetic(
      "+", a, b, [](auto x, auto y, auto& r) { return __builtin_add_overflow(x, y, &r); },
      [](double x, double y) { return x + y; });
}

Result<Value> Subtract(Machine&, const Value& a, const Value& b) {
  return Arithmetic(
      "-", a, b, [](auto x, auto y, auto& r) { return __builtin_sub_overflow(x, y, &r); },
      [](double x, double y) { return x - y; });
}

Result<Value> Multiply(Machine& machine, const Value& a, const Value& b) {
  const Value& many = a.AsInteger() ? b : a;
  const auto count = a.AsInteger() ? a.AsInteger() : b.AsInteger();
  if (count && (many.string() != nullptr || many.list() != nullptr)) {
    const auto times = static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
    const std::size_t bytes = many.string() != nullptr ? many.string()->size()
                                                       : sizeof(Value) * many.list()->items.size();
    std::size_t total = 0;
    if (__builtin_mul_overflow(times, bytes, &total)) {
      total = SIZE_MAX;
    }
    ASHLAR_TRY(machine.Charge(total));
    if (many.string() != nullptr) {
      std::string text;
      text.reserve(total);
      for (std::size_t i = 0; i < times && bytes > 0; ++i) {
        text += *many.string();
      }
      return Value(std::move(text));
    }
    List list = {{}, many.list()->tuple};
    for (std::size_t i = 0; i < times && bytes > 0; ++i) {
      list.items.insert(list.items.end(), many.list()->items.begin(), many.list()->items.end());
    }
    return machine.Make(std::move(list));
  }
  return Arithmetic(
      "*", a, b, [](auto x, auto y, auto& r) { return __builtin_mul_overflow(x, y, &r); },
      [](double x, double y) { return x * y; });
}

Status CheckDivisor(std::string_view op, const Value& a, const Value& b) {
  if (!a.IsNumber() || !b.IsNumber()) {
    return NotFor(op, a, b);
  }
  if (*b.AsReal() == 0) {
    return Invalid("division by zero");
  }
  return {};
}

Result<Value> Divide(Machine&, const Value& a, const Value& b) {
  ASHLAR_TRY(CheckDivisor("/", a, b));
  return Value(*a.AsReal() / *b.AsReal());
}

// Rounded down; the remainder has the divisor's sign.
Result<Value> FloorDivide(Machine&, const Value& a, const Value& b) {
  ASHLAR_TRY(CheckDivisor("//", a, b));
  return Arithmetic(
      "//", a, b,
      [](std::int64_t x, std::int64_t y, std::int64_t& r) {
        if (y == -1) {
          return __builtin_sub_overflow(std::int64_t{0}, x, &r);
        }
        r = x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0);
        return false;
      },
      [](double x, double y) { return std::floor(x / y); });
}

Result<Value> Modulo(Machine& machine, const Value& a, const Value& b) {
  if (a.string() != nullptr) {
    const bool several = b.list() != nullptr && b.list()->tuple;
    ASHLAR_TRY(std::string text,
               FormatPercent(machine, *a.string(), several ? b.list()->items : std::vector{b}));
    return Value(std::move(text));
  }
  ASHLAR_TRY(CheckDivisor("%", a, b));
  return Arithmetic(
      "%", a, b,
      [](std::int64_t x, std::int64_t y, std::int64_t& r) {
        r = y == -1 ? 0 : x % y;
        r += r != 0 && (r < 0) != (y < 0) ? y : 0;
        return false;
      },
      [](double x, double y) {
        const double r = std::fmod(x, y);
        return r != 0 && (r < 0) != (y < 0) ? r + y : r;
      });
}

Result<Value> Power(Machine& machine, const Value& a, const Value& b) {
  if (const auto y = b.AsInteger(); a.AsInteger() && y && *y >= 0) {
    Value result(std::int64_t{1});
    Value base = a;
    for (std::int64_t left = *y; left > 0; left /= 2) {
      if (left % 2 == 1) {
        ASHLAR_TRY(result, Multiply(machine, result, base));
      }
      if (left > 1) {
        ASHLAR_TRY(base, Multiply(machine, base, base));
      }
    }
    return result;
  }
  if (!a.IsNumber() || !b.IsNumber()) {
    return NotFor("**", a, b);
  }
  return Value(std::pow(*a.AsReal(), *b.AsReal()));
}

Result<Value> Concatenate(Machine& machine, const Value& a, const Value& b) {
  ASHLAR_TRY(machine.Walk(a));
  ASHLAR_TRY(machine.Walk(b));
  std::string text = Str(a);
  text += Str(b);
  return machine.Make(std::move(text));
}

Result<Value> IsEqual(Machine& machine, const Value& a, const Value& b) {
  ASHLAR_TRY(machine.Walk(a));
  return Value(Equal(a, b));
}
Result<Value> IsUnequal(Machine& machine, const Value& a, const Value& b) {
  ASHLAR_TRY(const Value equal, IsEqual(machine, a, b));
  return Value(!equal.Truthy());
}

template <class Accepts>
Result<Value> Ordered(Machine& machine, const Value& a, const Value& b, const Accepts& accepts) {
  ASHLAR_TRY(machine.Walk(a));
  ASHLAR_TRY(const int order, Compare(a, b));
  return Value(accepts(order));
}
Result<Value> IsLess(Machine& machine, const Value& a, const Value& b) {
  return Ordered(machine, a, b, [](int order) { return order < 0; });
}
Result<Value> IsLessOrEqual(Machine& machine, const Value& a, const Value& b) {
  return Ordered(machine, a, b, [](int order) { return order <= 0; });
}
Result<Value> IsGreater(Machine& machine, const Value& a, const Value& b) {
  return Ordered(machine, a, b, [](int order) { return order > 0; });
}
Result<Value> IsGreaterOrEqual(Machine& machine, const Value& a, const Value& b) {
  return Ordered(machine, a, b, [](int order) { return order >= 0; });
}

Result<Value> IsIn(Machine& machine, const Value& a, const Value& b) {
  ASHLAR_TRY(const bool contained, Contains(machine, b, a));
  return Value(contained);
}
Result<Value> IsNotIn(Machine& machine, const Value& a, const Value& b) {
  ASHLAR_TRY(const Value in, IsIn(machine, a, b));
  return Value(!in.Truthy());
}

struct OperatorRow {
  std::string_view name;
  Operator fn;
};
constexpr OperatorRow kOperators[] = {
    {"+", Add},          {"-", Subtract},
    {"*", Multiply},     {"/", Divide},
    {"//", FloorDivide}, {"%", Modulo},
    {"**", Power},       {"~", Concatenate},
    {"==", IsEqual},     {"!=", IsUnequal},
    {"<", IsLess},       {"<=", IsLessOrEqual},
    {">", IsGreater},    {">=", IsGreaterOrEqual},
    {"in", IsIn},        {"not in", IsNotIn},
};

}  // namespace

Operator FindOperator(std::string_view name) {
  const auto* found = std::ranges::find(kOperators, name, &OperatorRow::name);
  return found != std::end(kOperators) ? found->fn : nullptr;
}

}  // namespace ashlar::jinja
