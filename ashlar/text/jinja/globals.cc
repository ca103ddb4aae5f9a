// The functions that every template knows.
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {
namespace {

Result<Value> Range(const Call& call) {
  constexpr std::int64_t kMost = 100'000;
  ASHLAR_TRY(std::int64_t begin, call.IntegerOr(0, 0));
  ASHLAR_TRY(std::int64_t end, call.IntegerOr(1, 0));
  ASHLAR_TRY(const std::int64_t step, call.IntegerOr(2, 1));
  if (call[1] == nullptr) {
    end = std::exchange(begin, 0);
  }
  if (step == 0) {
    return call.Wrong("the step cannot be 0");
  }
  List list;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (std::ssize(list.items) == kMost) {
      return Exhausted("range: more than {} numbers", kMost);
    }
    list.items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) {
      break;
    }
  }
  return call.machine().Make(std::move(list));
}

// dict(a=1), namespace(a=1); a mapping's members first.
Result<Dict> NamedArguments(const Call& call) {
  Dict dict;
  if (call.arguments().positional.size() > 1) {
    return call.Wrong("it takes one mapping at most");
  }
  for (const Value& value : call.arguments().positional) {
    if (value.dict() == nullptr) {
      return call.Wrong("expected a mapping, found {}", value.TypeName());
    }
    dict = *value.dict();
  }
  for (const auto& [name, value] : call.arguments().named) {
    dict.Set(name, value);
  }
  return dict;
}
Result<Value> MakeDictValue(const Call& call) {
  ASHLAR_TRY(Dict dict, NamedArguments(call));
  return call.machine().Make(Dict{std::move(dict.items)});
}
Result<Value> MakeNamespaceValue(const Call& call) {
  ASHLAR_TRY(Dict dict, NamedArguments(call));
  return call.machine().MakeNamespace(Dict{std::move(dict.items)});
}

Result<Value> RaiseException(const Call& call) {
  return Invalid("the template refuses: {}", Str(*call[0]));
}

Result<Value> StrftimeNow(const Call& call) {
  ASHLAR_TRY(const std::string format, call.StringOr(0, ""));
  if (format.empty()) {
    return Value("");
  }
  char buffer[1024];
  const std::size_t size =
      std::strftime(buffer, sizeof buffer, format.c_str(), &call.machine().now());
  if (size == 0) {
    return call.Wrong("the date would have more than {} bytes", sizeof buffer);
  }
  return call.machine().Make(internal::RepairUtf8({buffer, size}));
}

// ---- What changes each time that it is called.

// cycler(a, b, ...): next() gives one after the other, `current` what it would give.
class Cycler final : public Callable {
 public:
  explicit Cycler(Value items) : state_(std::make_shared<State>(State{std::move(items)})) {}

  Result<Value> Call(Machine&, Arguments) const override {
    return Invalid("a cycler is no function; it has next(), reset() and current");
  }
  std::optional<Value> Attribute(std::string_view name) const override {
    if (name == "current") {
      return state_->items.list()->items[state_->at];
    }
    if (name == "next" || name == "reset") {
      return Value(std::shared_ptr<const Callable>(std::make_shared<Turn>(state_, name == "next")));
    }
    return {};
  }
  Extent extent() const override { return state_->items.extent(); }

 private:
  struct State {
    Value items;  // a list that is not empty
    std::size_t at = 0;
  };
  class Turn final : public Callable {
   public:
    Turn(std::shared_ptr<State> state, bool next) : state_(std::move(state)), next_(next) {}
    Result<Value> Call(Machine&, Arguments arguments) const override {
      if (!arguments.positional.empty() || !arguments.named.empty()) {
        return Invalid("next() and reset() of a cycler take no arguments");
      }
      const std::vector<Value>& items = state_->items.list()->items;
      const std::size_t at = std::exchange(state_->at, next_ ? state_->at + 1 : 0);
      state_->at %= items.size();
      return next_ ? items[at] : Value();
    }
    Extent extent() const override { return state_->items.extent(); }

   private:
    const std::shared_ptr<State> state_;
    const bool next_;
  };
  const std::shared_ptr<State> state_;
};

Result<Value> MakeCycler(const Call& call) {
  if (call.arguments().positional.empty() || !call.arguments().named.empty()) {
    return call.Wrong("it needs values to go through");
  }
  ASHLAR_TRY(Value items, call.machine().Make(List{call.arguments().positional}));
  return Value(std::shared_ptr<const Callable>(std::make_shared<Cycler>(std::move(items))));
}

// joiner(", ") gives nothing when it is first called, and then what it was made with.
class Joiner final : public Callable {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  Result<Value> Call(Machine&, Arguments arguments) const override {
    if (!arguments.positional.empty() || !arguments.named.empty()) {
      return Invalid("a joiner takes no arguments");
    }
    return std::exchange(*used_, true) ? separator_ : Value("");
  }

 private:
  const Value separator_;  // a string
  const std::shared_ptr<bool> used_ = std::make_shared<bool>(false);
};

Result<Value> MakeJoiner(const Call& call) {
  ASHLAR_TRY(std::string text, call.StringOr(0, ", "));
  ASHLAR_TRY(Value separator, call.machine().Make(std::move(text)));
  return Value(std::shared_ptr<const Callable>(std::make_shared<Joiner>(std::move(separator))));
}

constexpr Function kGlobals[] = {
    {"cycler", MakeCycler, Function::kAny},
    {"dict", MakeDictValue, Function::kAny},
    {"joiner", MakeJoiner, 0, {"sep"}},
    {"namespace", MakeNamespaceValue, Function::kAny},
    {"raise_exception", RaiseException, 1, {"message"}},
    {"range", Range, 1, {"start", "stop", "step"}},
    {"strftime_now", StrftimeNow, 1, {"format"}},
};

}  // namespace

std::span<const Function> Globals() {
  return kGlobals;
}

}  // namespace ashlar::jinja
