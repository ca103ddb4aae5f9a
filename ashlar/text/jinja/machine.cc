#include "ashlar/text/jinja/machine.h"

#include <algorithm>

namespace ashlar::jinja {
namespace {

// What an item of a list, or a name of a scope, takes beside its value's own bytes.
constexpr std::size_t kItemBytes = 64;

class BoundFunction : public Callable {
 public:
  BoundFunction(const Function& function, Value self)
      : function_(function), self_(std::move(self)) {}
  Result<Value> Call(Machine& machine, Arguments arguments) const override {
    return function_(machine, self_, std::move(arguments));
  }
  Extent extent() const override { return self_.extent(); }

 private:
  const Function& function_;
  const Value self_;
};

}  // namespace

const Value* Scope::Find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent_) {
    const auto found =
        std::ranges::find(scope->names_, name, &std::pair<std::string, Value>::first);
    if (found != scope->names_.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

void Scope::Set(std::string_view name, Value value) {
  const auto found = std::ranges::find(names_, name, &std::pair<std::string, Value>::first);
  if (found != names_.end()) {
    found->second = std::move(value);
  } else {
    names_.emplace_back(name, std::move(value));
  }
}

Machine::~Machine() {
  for (const std::shared_ptr<Namespace>& ns : namespaces_) {
    ns->values.items.clear();
  }
}

Status Machine::Step(std::int64_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) {
    return Exhausted("the template takes more than {} steps", limits_.steps);
  }
  return {};
}

Status Machine::Walk(const Value& value) {
  return Step(value.extent().weight / 64);
}

Status Machine::Charge(std::size_t bytes) {
  if (bytes > room()) {
    return Exhausted("the template makes more than {} bytes", limits_.bytes);
  }
  bytes_ += bytes;
  return {};
}

Result<std::vector<Value>> Machine::Iterate(const Value& value) {
  if (const std::string* text = value.string()) {
    ASHLAR_TRY(Charge((sizeof(Value) + kItemBytes) * text->size()));
  } else if (const List* list = value.list()) {
    ASHLAR_TRY(Charge(sizeof(Value) * list->items.size()));
  } else if (const Dict* dict = value.dict()) {
    ASHLAR_TRY(Charge(sizeof(Value) * dict->items.size()));
  }
  return jinja::Iterate(value);
}

Status Machine::Enter() {
  if (depth_ == limits_.depth) {
    return Exhausted("macros and loops call each other more than {} deep", limits_.depth);
  }
  ++depth_;
  return {};
}

Result<Value> Machine::Make(std::string text) {
  ASHLAR_TRY(Charge(text.size()));
  return Value(std::move(text));
}

Result<Value> Machine::Make(List list) {
  ASHLAR_TRY(Charge((list.items.size() + 1) * kItemBytes));
  return Bounded(std::move(list));
}

Result<Value> Machine::Make(Dict dict) {
  ASHLAR_TRY(Charge((dict.items.size() + 1) * 2 * kItemBytes));
  return Bounded(std::move(dict));
}

Result<Value> Machine::Bounded(Value value) {
  if (value.extent().depth > kMaxDepth) {
    return Exhausted("lists lie more than {} deep in each other", kMaxDepth);
  }
  if (value.extent().weight > kMaxWeight) {
    return Exhausted("a {} holds more than {} bytes", value.TypeName(), kMaxWeight);
  }
  return value;
}

Result<Value> Machine::MakeNamespace(Dict dict) {
  ASHLAR_TRY(Charge((dict.items.size() + 1) * 2 * kItemBytes));
  namespaces_.push_back(std::make_shared<Namespace>(Namespace{std::move(dict)}));
  return Value(namespaces_.back());
}

Result<Scope*> Machine::MakeScope(Scope* parent) {
  ASHLAR_TRY(Charge(2 * kItemBytes));
  scopes_.push_back(std::make_unique<Scope>(parent));
  return scopes_.back().get();
}

Status Machine::Print(std::string_view text, std::string& out) {
  if (text.size() > static_cast<std::size_t>(limits_.output_bytes) - out.size()) {
    return Exhausted("the template prints more than {} bytes", limits_.output_bytes);
  }
  ASHLAR_TRY(Charge(text.size()));
  out += text;
  return {};
}

Error Machine::At(int line, Error error) {
  if (located_) {
    return error;
  }
  located_ = true;
  return error.In(fmt::format("line {}", line));
}

Status Call::Match(std::span<const std::string_view> parameters, int required) {
  parameters_.assign(parameters.begin(), parameters.end());
  matched_.resize(parameters_.size());
  if (arguments_.positional.size() > parameters_.size()) {
    return Wrong("{} arguments, but it takes {} at most", arguments_.positional.size(),
                 parameters_.size());
  }
  std::ranges::move(arguments_.positional, matched_.begin());
  for (auto& [name, value] : arguments_.named) {
    const auto found = std::ranges::find(parameters_, name);
    if (found == parameters_.end()) {
      return Wrong("it has no argument \"{}\"", name);
    }
    std::optional<Value>& place = matched_[static_cast<std::size_t>(found - parameters_.begin())];
    if (place) {
      return Wrong("argument \"{}\" is given twice", name);
    }
    place = std::move(value);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(required); ++i) {
    if (!matched_[i]) {
      return Wrong("argument \"{}\" is missing", parameters_[i]);
    }
  }
  return {};
}

const Value* Call::operator[](std::size_t i) const {
  return i < matched_.size() && matched_[i] ? &*matched_[i] : nullptr;
}

Result<std::int64_t> Call::IntegerOr(std::size_t i, std::int64_t otherwise) const {
  const Value* value = (*this)[i];
  if (value == nullptr || value->is_none()) {
    return otherwise;
  }
  const std::optional<std::int64_t> integer = value->AsInteger();
  if (!integer) {
    return Wrong("\"{}\" must be an integer, found {}", parameters_[i], value->TypeName());
  }
  return *integer;
}

Result<std::string> Call::StringOr(std::size_t i, std::string_view otherwise) const {
  const Value* value = (*this)[i];
  if (value == nullptr || value->is_none()) {
    return std::string(otherwise);
  }
  if (value->string() == nullptr) {
    return Wrong("\"{}\" must be a string, found {}", parameters_[i], value->TypeName());
  }
  return *value->string();
}

bool Call::FlagOr(std::size_t i, bool otherwise) const {
  const Value* value = (*this)[i];
  return value != nullptr ? value->Truthy() : otherwise;
}

Result<std::string_view> Call::Text() const {
  if (self_.string() != nullptr) {
    return std::string_view(*self_.string());
  }
  if (self_.undefined() != nullptr) {
    return Wrong("{}", self_.undefined()->what);
  }
  return Wrong("expected a string, found {}", self_.TypeName());
}

Result<Value> Function::operator()(Machine& machine, const Value& self, Arguments arguments) const {
  Call call(machine, self, name, std::move(arguments));
  if (required != kAny) {
    const auto end = std::ranges::find(parameters, std::string_view());
    ASHLAR_TRY(call.Match({parameters.begin(), end}, required));
  }
  return fn(call);
}

const Function* FindFunction(std::span<const Function> table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Function::name);
  return found != table.end() ? &*found : nullptr;
}

Value Bind(const Function& function, Value self) {
  return Value(
      std::shared_ptr<const Callable>(std::make_shared<BoundFunction>(function, std::move(self))));
}

Result<Value> GetAttribute(Machine& machine, const Value& object, std::string_view name) {
  if (object.undefined() != nullptr) {
    return Invalid("{}", object.undefined()->what);
  }
  if (object.ns() != nullptr) {
    const Value* found = object.ns()->values.Find(name);
    return found != nullptr ? *found : Undefined{fmt::format("the namespace has no '{}'", name)};
  }
  if (object.callable() != nullptr) {
    if (std::optional<Value> found = object.callable()->Attribute(name)) {
      return *std::move(found);
    }
  }
  if (const Function* method = FindMethod(object, name)) {
    return Bind(*method, object);
  }
  if (object.dict() != nullptr) {
    ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(object.dict()->items.size() / 8)));
    if (const Value* found = object.dict()->Find(name)) {
      return *found;
    }
  }
  return Undefined{fmt::format("'{}' has no attribute '{}'", object.TypeName(), name)};
}

Result<Value> GetItem(Machine& machine, const Value& object, const Value& key) {
  if (object.undefined() != nullptr) {
    return Invalid("{}", object.undefined()->what);
  }
  if (object.dict() != nullptr) {
    ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(object.dict()->items.size() / 8)));
    if (const Value* found = object.dict()->Find(key)) {
      return *found;
    }
  } else if (const std::optional<std::int64_t> integer = key.AsInteger();
             integer && (object.list() != nullptr || object.string() != nullptr)) {
    const auto pick = [&](const auto& items) -> std::optional<Value> {
      const auto size = static_cast<std::int64_t>(items.size());
      const std::int64_t at = *integer < 0 ? *integer + size : *integer;
      return at >= 0 && at < size ? std::optional(Value(items[static_cast<std::size_t>(at)]))
                                  : std::nullopt;
    };
    if (object.string() != nullptr) {
      ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(object.string()->size() / 8)));
    }
    if (std::optional<Value> found = object.list() != nullptr
                                         ? pick(object.list()->items)
                                         : pick(Characters(*object.string()))) {
      return *std::move(found);
    }
    return Undefined{fmt::format("'{}' has no item {}", object.TypeName(), *integer)};
  }
  if (key.string() != nullptr) {
    return GetAttribute(machine, object, *key.string());
  }
  return Undefined{fmt::format("'{}' has no item {}", object.TypeName(), Repr(key))};
}

Result<bool> Contains(Machine& machine, const Value& where, const Value& what) {
  ASHLAR_TRY(machine.Walk(where));
  if (where.string() != nullptr) {
    if (what.string() == nullptr) {
      return Invalid("in is not for {} and {}", what.TypeName(), where.TypeName());
    }
    return where.string()->find(*what.string()) != std::string::npos;
  }
  ASHLAR_TRY(const std::vector<Value> items, Iterate(where));
  ASHLAR_TRY(machine.Step(static_cast<std::int64_t>(items.size())));
  return std::ranges::any_of(items, [&](const Value& item) { return Equal(what, item); });
}

}  // namespace ashlar::jinja
