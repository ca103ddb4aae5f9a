// The tests of `x is name`.
#include "ashlar/text/jinja/machine.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

template <bool (*kHolds)(const Value&)>
Result<Value> Is(const Call& call) {
  return Value(kHolds(call.self()));
}

bool Defined(const Value& value) {
  return value.undefined() == nullptr;
}
bool NotDefined(const Value& value) {
  return value.undefined() != nullptr;
}
bool IsNone(const Value& value) {
  return value.is_none();
}
bool Boolean(const Value& value) {
  return value.boolean() != nullptr;
}
bool True(const Value& value) {
  return Boolean(value) && *value.boolean();
}
bool False(const Value& value) {
  return Boolean(value) && !*value.boolean();
}
bool Integer(const Value& value) {
  return value.integer() != nullptr;
}
bool Real(const Value& value) {
  return value.real() != nullptr;
}
bool Number(const Value& value) {
  return value.IsNumber();
}
bool String(const Value& value) {
  return value.string() != nullptr;
}
bool Mapping(const Value& value) {
  return value.dict() != nullptr;
}
bool Sequence(const Value& value) {
  return String(value) || Mapping(value) || value.list() != nullptr;
}
bool Iterable(const Value& value) {
  return Sequence(value) || NotDefined(value);
}
bool CanBeCalled(const Value& value) {
  return value.callable() != nullptr;
}
bool Never(const Value&) {
  return false;
}

template <std::string (*kMap)(std::string_view), std::string (*kOther)(std::string_view)>
Result<Value> InCase(const Call& call) {
  const std::string text = Str(call.self());
  return Value(kMap(text) == text && kOther(text) != text);
}

Result<Value> DivisibleBy(const Call& call) {
  ASHLAR_TRY(const std::int64_t divisor, call.IntegerOr(0, 0));
  const std::optional<std::int64_t> value = call.self().AsInteger();
  if (!value || divisor == 0) {
    return call.Wrong("expected an integer and a divisor that is not 0");
  }
  return Value(divisor == -1 || *value % divisor == 0);
}

template <int kRemainder>
Result<Value> Parity(const Call& call) {
  const std::optional<std::int64_t> value = call.self().AsInteger();
  if (!value) {
    return call.Wrong("expected an integer, found {}", call.self().TypeName());
  }
  return Value((*value & 1) == kRemainder);
}

template <bool kEqual>
Result<Value> Equals(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  return Value(Equal(call.self(), *call[0]) == kEqual);
}

// kLow to kHigh: the orders that hold.
template <int kLow, int kHigh>
Result<Value> InOrder(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  ASHLAR_TRY(const int order, Compare(call.self(), *call[0]));
  return Value(order >= kLow && order <= kHigh);
}

Result<Value> In(const Call& call) {
  ASHLAR_TRY(const bool contained, Contains(call.machine(), *call[0], call.self()));
  return Value(contained);
}

template <const Function* (*kFind)(std::string_view)>
Result<Value> Known(const Call& call) {
  return Value(call.self().string() != nullptr && kFind(*call.self().string()) != nullptr);
}

constexpr Function kTests[] = {
    {"defined", Is<Defined>},
    {"undefined", Is<NotDefined>},
    {"none", Is<IsNone>},
    {"boolean", Is<Boolean>},
    {"true", Is<True>},
    {"false", Is<False>},
    {"integer", Is<Integer>},
    {"float", Is<Real>},
    {"number", Is<Number>},
    {"string", Is<String>},
    {"mapping", Is<Mapping>},
    {"sequence", Is<Sequence>},
    {"iterable", Is<Iterable>},
    {"callable", Is<CanBeCalled>},
    {"escaped", Is<Never>},
    {"lower", InCase<Lower, Upper>},
    {"upper", InCase<Upper, Lower>},
    {"odd", Parity<1>},
    {"even", Parity<0>},
    {"divisibleby", DivisibleBy, 1, {"num"}},
    {"==", Equals<true>, 1, {"other"}},
    {"eq", Equals<true>, 1, {"other"}},
    {"equalto", Equals<true>, 1, {"other"}},
    {"sameas", Equals<true>, 1, {"other"}},
    {"!=", Equals<false>, 1, {"other"}},
    {"ne", Equals<false>, 1, {"other"}},
    {"<", InOrder<-1, -1>, 1, {"other"}},
    {"lt", InOrder<-1, -1>, 1, {"other"}},
    {"lessthan", InOrder<-1, -1>, 1, {"other"}},
    {"<=", InOrder<-1, 0>, 1, {"other"}},
    {"le", InOrder<-1, 0>, 1, {"other"}},
    {">", InOrder<1, 1>, 1, {"other"}},
    {"gt", InOrder<1, 1>, 1, {"other"}},
    {"greaterthan", InOrder<1, 1>, 1, {"other"}},
    {">=", InOrder<0, 1>, 1, {"other"}},
    {"ge", InOrder<0, 1>, 1, {"other"}},
    {"in", In, 1, {"seq"}},
    {"filter", Known<FindFilter>},
    {"test", Known<FindTest>},
};

}  // namespace

const Function* FindTest(std::string_view name) {
  return FindFunction(kTests, name);
}

}  // namespace ashlar::jinja
