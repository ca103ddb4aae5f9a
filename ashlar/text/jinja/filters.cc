#include "ashlar/text/jinja/filters.h"

#include <charconv>

#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {

Result<std::vector<Value>> Items(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  Result<std::vector<Value>> items = call.machine().Iterate(call.self());
  if (!items.ok()) {
    return items.error().code == ErrorCode::kExhausted ? items.error()
                                                       : call.Wrong("{}", items.error().message);
  }
  ASHLAR_TRY(call.machine().Step(static_cast<std::int64_t>(items->size())));
  return items;
}

Result<Value> ListOf(const Call& call, std::vector<Value> items) {
  return call.machine().Make(List{std::move(items)});
}

Error TooLong(const Call& call) {
  return Exhausted("{}: the result has more than the {} bytes that are left", call.name(),
                   call.machine().room());
}

Result<Value> Dotted(Machine& machine, Value value, std::string_view path) {
  for (const std::string_view part : Split(path, ".", -1)) {
    std::int64_t index = 0;
    const auto number = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = number.ec == std::errc() && number.ptr == part.data() + part.size();
    ASHLAR_TRY(value, GetItem(machine, value, is_index ? Value(index) : Value(part)));
  }
  return value;
}

namespace {

// ---- Filters that take filters and tests

// The arguments from number `skip` on, for another function.
Arguments Rest(const Call& call, std::size_t skip) {
  const Arguments& all = call.arguments();
  return {{all.positional.begin() + static_cast<std::ptrdiff_t>(skip), all.positional.end()},
          all.named};
}

Result<std::string> FunctionName(const Call& call, std::size_t i) {
  const std::vector<Value>& arguments = call.arguments().positional;
  if (i >= arguments.size() || arguments[i].string() == nullptr) {
    return call.Wrong("argument {} must be a name", i + 1);
  }
  return *arguments[i].string();
}

// map('filter', arguments...), map(attribute='a.b', default=x).
Result<Value> Map(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  std::vector<Value> mapped;
  if (call.arguments().positional.empty()) {
    const Value* attribute = nullptr;
    const Value* otherwise = nullptr;
    for (const auto& [name, value] : call.arguments().named) {
      if (name != "attribute" && name != "default") {
        return call.Wrong("it has no argument \"{}\"", name);
      }
      (name == "attribute" ? attribute : otherwise) = &value;
    }
    if (attribute == nullptr) {
      return call.Wrong("it needs a filter, or attribute=");
    }
    for (const Value& item : items) {
      ASHLAR_TRY(Value value, Dotted(call.machine(), item, Str(*attribute)));
      if (value.undefined() != nullptr && otherwise != nullptr) {
        value = *otherwise;
      }
      mapped.push_back(std::move(value));
    }
    return ListOf(call, std::move(mapped));
  }
  ASHLAR_TRY(const std::string name, FunctionName(call, 0));
  const Function* filter = FindFilter(name);
  if (filter == nullptr) {
    return call.Wrong("there is no filter \"{}\"", name);
  }
  for (const Value& item : items) {
    ASHLAR_TRY(mapped.emplace_back(), (*filter)(call.machine(), item, Rest(call, 1)));
  }
  return ListOf(call, std::move(mapped));
}

// The items (or their attribute) that hold for a test, or that are true; kKeep: those, or the rest.
template <bool kOfAttribute, bool kKeep>
Result<Value> Select(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  constexpr std::size_t kSkip = kOfAttribute ? 1 : 0;
  std::string attribute;
  if (kOfAttribute) {
    ASHLAR_TRY(attribute, FunctionName(call, 0));
  }
  const Function* test = nullptr;
  if (call.arguments().positional.size() > kSkip) {
    ASHLAR_TRY(const std::string name, FunctionName(call, kSkip));
    test = FindTest(name);
    if (test == nullptr) {
      return call.Wrong("there is no test \"{}\"", name);
    }
  }
  std::vector<Value> kept;
  for (const Value& item : items) {
    Value tested = item;
    if (kOfAttribute) {
      ASHLAR_TRY(tested, Dotted(call.machine(), item, attribute));
    }
    if (test != nullptr) {
      ASHLAR_TRY(tested, (*test)(call.machine(), tested, Rest(call, kSkip + 1)));
    }
    if (tested.Truthy() == kKeep) {
      kept.push_back(item);
    }
  }
  return ListOf(call, std::move(kept));
}

// ---- Others

Result<Value> Default(const Call& call) {
  const bool missing =
      call.self().undefined() != nullptr || (call.FlagOr(1, false) && !call.self().Truthy());
  return !missing ? call.self() : call[0] != nullptr ? *call[0] : Value("");
}

Result<Value> Attr(const Call& call) {
  ASHLAR_TRY(const std::string name, call.StringOr(0, ""));
  return GetAttribute(call.machine(), call.self(), name);
}

Result<Value> ItemsFilter(const Call& call) {
  std::vector<Value> items;
  if (const Dict* dict = call.self().dict()) {
    for (const auto& [key, value] : dict->items) {
      items.emplace_back(List{{key, value}, true});
    }
  } else if (call.self().undefined() == nullptr) {
    return call.Wrong("expected a mapping, found {}", call.self().TypeName());
  }
  return ListOf(call, std::move(items));
}

constexpr Function kOtherFilters[] = {
    {"attr", Attr, 1, {"name"}},
    {"d", Default, 0, {"default_value", "boolean"}},
    {"default", Default, 0, {"default_value", "boolean"}},
    {"items", ItemsFilter},
    {"map", Map, Function::kAny},
    {"reject", Select<false, false>, Function::kAny},
    {"rejectattr", Select<true, false>, Function::kAny},
    {"select", Select<false, true>, Function::kAny},
    {"selectattr", Select<true, true>, Function::kAny},
};

}  // namespace

const Function* FindFilter(std::string_view name) {
  for (const std::span<const Function> table : {TextFilters(), NumberFilters(), SequenceFilters(),
                                                std::span<const Function>(kOtherFilters)}) {
    if (const Function* const filter = FindFunction(table, name)) {
      return filter;
    }
  }
  return nullptr;
}

}  // namespace ashlar::jinja
