#include <algorithm>

#include "ashlar/text/jinja/nodes.h"

namespace ashlar::jinja {
namespace {

Status Assign(const Target& target, Value value, Machine& machine, Scope& scope) {
  if (target.parts.empty() && target.member.empty()) {
    ASHLAR_TRY(machine.Charge(target.name.size()));
    scope.Set(target.name, std::move(value));
    return {};
  }
  if (!target.member.empty()) {
    const Value* ns = scope.Find(target.name);
    if (ns == nullptr || ns->ns() == nullptr) {
      return Invalid("'{}' is no namespace, so nothing in it can be set", target.name);
    }
    ASHLAR_TRY(machine.Charge(target.member.size()));
    ns->ns()->values.Set(target.member, std::move(value));
    return {};
  }
  ASHLAR_TRY(std::vector<Value> items, machine.Iterate(value));
  if (items.size() != target.parts.size()) {
    return Invalid("{} values for {} names", items.size(), target.parts.size());
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASHLAR_TRY(Assign(target.parts[i], std::move(items[i]), machine, scope));
  }
  return {};
}

class Text : public Statement {
 public:
  Text(int line, std::string text) : Statement(line), text_(std::move(text)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope&, std::string& out) const override {
    ASHLAR_TRY(machine.Print(text_, out));
    return Flow::kOn;
  }
  const std::string text_;
};

class Output : public Statement {
 public:
  Output(int line, ExpressionPtr value) : Statement(line), value_(std::move(value)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    ASHLAR_TRY(const Value value, value_->Evaluate(machine, scope));
    ASHLAR_TRY(machine.Print(value.string() != nullptr ? *value.string() : Str(value), out));
    return Flow::kOn;
  }
  const ExpressionPtr value_;
};

class If : public Statement {
 public:
  If(int line, std::vector<std::pair<ExpressionPtr, Body>> branches, Body otherwise)
      : Statement(line), branches_(std::move(branches)), otherwise_(std::move(otherwise)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    for (const auto& [condition, body] : branches_) {
      ASHLAR_TRY(const Value holds, condition->Evaluate(machine, scope));
      if (holds.Truthy()) {
        return RunBody(body, machine, scope, out);
      }
    }
    return RunBody(otherwise_, machine, scope, out);
  }
  const std::vector<std::pair<ExpressionPtr, Body>> branches_;
  const Body otherwise_;
};

// A for statement, and one run of it over some items: the `loop` of its body.
class For : public Statement {
 public:
  For(int line, Target target, ExpressionPtr items, ExpressionPtr filter, bool recursive, Body body,
      Body otherwise)
      : Statement(line),
        target_(std::move(target)),
        items_(std::move(items)),
        filter_(std::move(filter)),
        recursive_(recursive),
        body_(std::move(body)),
        otherwise_(std::move(otherwise)) {}

 private:
  class Loop;

  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    ASHLAR_TRY(const Value items, items_->Evaluate(machine, scope));
    return RunOver(items, 0, machine, scope, out);
  }

  Result<Flow> RunOver(const Value& over, int depth, Machine& machine, Scope& scope,
                       std::string& out) const;

  const Target target_;
  const ExpressionPtr items_;
  const ExpressionPtr filter_;
  const bool recursive_;
  const Body body_;
  const Body otherwise_;
};

class For::Loop : public Callable {
 public:
  // `extent`: of what the items were taken from.
  Loop(const For& statement, std::vector<Value> items, Extent extent, int depth, Scope& scope)
      : statement_(statement),
        items_(std::move(items)),
        extent_(extent),
        depth_(depth),
        scope_(scope) {}
  Extent extent() const override { return extent_; }

  const std::vector<Value>& items() const { return items_; }
  void Go(std::size_t at) { at_ = at; }
  // At the end: what changed() kept may be the loop itself.
  void Forget() { last_->reset(); }

  // loop(items): the loop's own body over these, one level further down.
  Result<Value> Call(Machine& machine, Arguments arguments) const override {
    if (!statement_.recursive_) {
      return Invalid("loop() is for loops that are marked \"recursive\"");
    }
    if (arguments.positional.size() != 1 || !arguments.named.empty()) {
      return Invalid("loop() takes one argument: what to go over");
    }
    ASHLAR_TRY(machine.Enter());
    std::string out;
    ASHLAR_TRY(statement_.RunOver(arguments.positional.front(), depth_ + 1, machine, scope_, out));
    machine.Leave();
    return Value(std::move(out));
  }

  std::optional<Value> Attribute(std::string_view name) const override {
    const auto index = static_cast<std::int64_t>(at_);
    const auto size = static_cast<std::int64_t>(items_.size());
    const auto neighbour = [&](std::size_t at) {
      return at < items_.size() ? items_[at] : Value(Undefined{"the loop has no such item"});
    };
    const std::pair<std::string_view, Value> attributes[] = {
        {"index", index + 1},
        {"index0", index},
        {"revindex", size - index},
        {"revindex0", size - index - 1},
        {"first", index == 0},
        {"last", index + 1 == size},
        {"length", size},
        {"depth", std::int64_t{depth_} + 1},
        {"depth0", std::int64_t{depth_}},
        {"previtem", neighbour(at_ - 1)},  // wraps around, to no item
        {"nextitem", neighbour(at_ + 1)},
    };
    const auto* found =
        std::ranges::find(attributes, name, &std::pair<std::string_view, Value>::first);
    if (found != std::end(attributes)) {
      return found->second;
    }
    if (name == "cycle") {
      return Value(std::shared_ptr<const Callable>(std::make_shared<Cycle>(at_)));
    }
    if (name == "changed") {
      return Value(std::shared_ptr<const Callable>(std::make_shared<Changed>(last_)));
    }
    return {};
  }

 private:
  class Cycle : public Callable {
   public:
    explicit Cycle(std::size_t at) : at_(at) {}
    Result<Value> Call(Machine&, Arguments arguments) const override {
      if (arguments.positional.empty()) {
        return Invalid("loop.cycle() needs values to choose from");
      }
      return arguments.positional[at_ % arguments.positional.size()];
    }

   private:
    const std::size_t at_;
  };
  class Changed : public Callable {
   public:
    explicit Changed(std::shared_ptr<std::optional<Value>> last) : last_(std::move(last)) {}
    Result<Value> Call(Machine& machine, Arguments arguments) const override {
      ASHLAR_TRY(Value now, machine.Make(List{std::move(arguments.positional), true}));
      ASHLAR_TRY(machine.Walk(now));
      const bool changed = !*last_ || !Equal(**last_, now);
      *last_ = std::move(now);
      return Value(changed);
    }

   private:
    const std::shared_ptr<std::optional<Value>> last_;
  };

  const For& statement_;
  const std::vector<Value> items_;
  const Extent extent_;
  const int depth_;
  Scope& scope_;
  std::size_t at_ = 0;
  const std::shared_ptr<std::optional<Value>> last_ = std::make_shared<std::optional<Value>>();
};

Result<Flow> For::RunOver(const Value& over, int depth, Machine& machine, Scope& scope,
                          std::string& out) const {
  ASHLAR_TRY(std::vector<Value> items, machine.Iterate(over));
  if (filter_ != nullptr) {
    std::vector<Value> kept;
    for (Value& item : items) {
      Scope inner(&scope);
      ASHLAR_TRY(Assign(target_, item, machine, inner));
      ASHLAR_TRY(const Value holds, filter_->Evaluate(machine, inner));
      if (holds.Truthy()) {
        kept.push_back(std::move(item));
      }
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    return RunBody(otherwise_, machine, scope, out);
  }
  const auto loop = std::make_shared<Loop>(*this, std::move(items), over.extent(), depth, scope);
  struct AtEnd {
    Loop& loop;
    ~AtEnd() { loop.Forget(); }
  };
  const AtEnd at_end{*loop};
  for (std::size_t i = 0; i < loop->items().size(); ++i) {
    loop->Go(i);
    // A scope for each turn: what is set within one is gone in the next. (Of the machine's, since a
    // macro that is defined in it may outlive it.)
    ASHLAR_TRY(Scope* const inner, machine.MakeScope(&scope));
    inner->Set("loop", Value(std::shared_ptr<const Callable>(loop)));
    ASHLAR_TRY(Assign(target_, loop->items()[i], machine, *inner));
    ASHLAR_TRY(const Flow flow, RunBody(body_, machine, *inner, out));
    if (flow == Flow::kBreak) {
      break;
    }
  }
  return Flow::kOn;
}

class Set : public Statement {
 public:
  Set(int line, Target target, ExpressionPtr value)
      : Statement(line), target_(std::move(target)), value_(std::move(value)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string&) const override {
    ASHLAR_TRY(Value value, value_->Evaluate(machine, scope));
    ASHLAR_TRY(Assign(target_, std::move(value), machine, scope));
    return Flow::kOn;
  }
  const Target target_;
  const ExpressionPtr value_;
};

// What a body prints, through a filter (or null).
Result<Value> Capture(const Body& body, const ExpressionPtr& filter, Machine& machine, Scope& scope,
                      Flow& flow) {
  ASHLAR_TRY(Scope* const inner, machine.MakeScope(&scope));
  std::string text;
  ASHLAR_TRY(flow, RunBody(body, machine, *inner, text));
  if (filter == nullptr) {
    return Value(std::move(text));
  }
  inner->Set(kBlockText, Value(std::move(text)));
  return filter->Evaluate(machine, *inner);
}

class SetBlock : public Statement {
 public:
  SetBlock(int line, Target target, ExpressionPtr filter, Body body)
      : Statement(line),
        target_(std::move(target)),
        filter_(std::move(filter)),
        body_(std::move(body)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string&) const override {
    Flow flow = Flow::kOn;
    ASHLAR_TRY(Value value, Capture(body_, filter_, machine, scope, flow));
    ASHLAR_TRY(Assign(target_, std::move(value), machine, scope));
    return flow;
  }
  const Target target_;
  const ExpressionPtr filter_;
  const Body body_;
};

class FilterBlock : public Statement {
 public:
  FilterBlock(int line, ExpressionPtr filter, Body body)
      : Statement(line), filter_(std::move(filter)), body_(std::move(body)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    Flow flow = Flow::kOn;
    ASHLAR_TRY(const Value value, Capture(body_, filter_, machine, scope, flow));
    ASHLAR_TRY(machine.Print(Str(value), out));
    return flow;
  }
  const ExpressionPtr filter_;
  const Body body_;
};

class With : public Statement {
 public:
  With(int line, std::vector<std::pair<Target, ExpressionPtr>> values, Body body)
      : Statement(line), values_(std::move(values)), body_(std::move(body)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    ASHLAR_TRY(Scope* const inner, machine.MakeScope(&scope));
    for (const auto& [target, expression] : values_) {
      ASHLAR_TRY(Value value, expression->Evaluate(machine, scope));
      ASHLAR_TRY(Assign(target, std::move(value), machine, *inner));
    }
    return RunBody(body_, machine, *inner, out);
  }
  const std::vector<std::pair<Target, ExpressionPtr>> values_;
  const Body body_;
};

// A macro as a value: its body, and the scope that it was defined in.
class Macro : public Callable {
 public:
  Macro(const MacroDefinition& definition, Scope& scope) : definition_(definition), scope_(scope) {}

  Result<Value> Call(Machine& machine, Arguments arguments) const override {
    ASHLAR_TRY(machine.Enter());
    ASHLAR_TRY(Scope* const inner, machine.MakeScope(&scope_));
    ASHLAR_TRY(Take(std::move(arguments), machine, *inner));
    std::string out;
    ASHLAR_TRY(RunBody(definition_.body, machine, *inner, out));
    machine.Leave();
    return Value(std::move(out));
  }

 private:
  template <class... Args>
  Error Wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("macro {}: {}", definition_.name,
                   fmt::format(format, std::forward<Args>(args)...));
  }

  // Binds the parameters in `inner`.
  Status Take(Arguments arguments, Machine& machine, Scope& inner) const {
    const std::vector<Parameter>& parameters = definition_.parameters;
    std::vector<std::optional<Value>> values(parameters.size());
    List rest = {{}, true};
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
      if (i < values.size()) {
        values[i] = std::move(arguments.positional[i]);
      } else if (definition_.takes_varargs) {
        rest.items.push_back(std::move(arguments.positional[i]));
      } else {
        return Wrong("{} arguments, but it takes {} at most", arguments.positional.size(),
                     values.size());
      }
    }
    Dict named;
    for (auto& [name, value] : arguments.named) {
      const auto found = std::ranges::find(parameters, name, &Parameter::name);
      if (found != parameters.end()) {
        values[static_cast<std::size_t>(found - parameters.begin())] = std::move(value);
      } else if (name == kCaller && definition_.takes_caller) {
        inner.Set(kCaller, std::move(value));
      } else if (definition_.takes_kwargs) {
        named.Set(name, std::move(value));
      } else {
        return Wrong("it has no argument \"{}\"", name);
      }
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!values[i] && parameters[i].otherwise != nullptr) {
        ASHLAR_TRY(values[i], parameters[i].otherwise->Evaluate(machine, inner));
      }
      inner.Set(parameters[i].name, values[i] ? *std::move(values[i])
                                              : Undefined{fmt::format("argument '{}' was not given",
                                                                      parameters[i].name)});
    }
    if (definition_.takes_varargs) {
      ASHLAR_TRY(Value value, machine.Make(std::move(rest)));
      inner.Set("varargs", std::move(value));
    }
    if (definition_.takes_kwargs) {
      ASHLAR_TRY(Value value, machine.Make(std::move(named)));
      inner.Set("kwargs", std::move(value));
    }
    return {};
  }

  const MacroDefinition& definition_;
  Scope& scope_;
};

Value MacroValue(const MacroDefinition& definition, Scope& scope) {
  return Value(std::shared_ptr<const Callable>(std::make_shared<Macro>(definition, scope)));
}

class MacroStatement : public Statement {
 public:
  MacroStatement(int line, MacroDefinition definition)
      : Statement(line), definition_(std::move(definition)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string&) const override {
    ASHLAR_TRY(machine.Charge(sizeof(Macro)));
    scope.Set(definition_.name, MacroValue(definition_, scope));
    return Flow::kOn;
  }
  const MacroDefinition definition_;
};

class CallBlock : public Statement {
 public:
  CallBlock(int line, MacroDefinition body, ExpressionPtr call)
      : Statement(line), body_(std::move(body)), call_(std::move(call)) {}

 private:
  Result<Flow> Execute(Machine& machine, Scope& scope, std::string& out) const override {
    ASHLAR_TRY(Scope* const inner, machine.MakeScope(&scope));
    inner->Set(kCaller, MacroValue(body_, scope));
    ASHLAR_TRY(const Value value, call_->Evaluate(machine, *inner));
    ASHLAR_TRY(machine.Print(Str(value), out));
    return Flow::kOn;
  }
  const MacroDefinition body_;
  const ExpressionPtr call_;
};

class Jump : public Statement {
 public:
  Jump(int line, Flow flow) : Statement(line), flow_(flow) {}

 private:
  Result<Flow> Execute(Machine&, Scope&, std::string&) const override { return flow_; }
  const Flow flow_;
};

}  // namespace

Result<Flow> Statement::Run(Machine& machine, Scope& scope, std::string& out) const {
  Status step = machine.Step();
  if (!step.ok()) {
    return machine.At(line_, step.error());
  }
  Result<Flow> flow = Execute(machine, scope, out);
  if (!flow.ok()) {
    return machine.At(line_, std::move(flow).error());
  }
  return flow;
}

Result<Flow> RunBody(const Body& body, Machine& machine, Scope& scope, std::string& out) {
  for (const StatementPtr& statement : body) {
    ASHLAR_TRY(const Flow flow, statement->Run(machine, scope, out));
    if (flow != Flow::kOn) {
      return flow;
    }
  }
  return Flow::kOn;
}

StatementPtr MakeText(int line, std::string text) {
  return std::make_unique<Text>(line, std::move(text));
}
StatementPtr MakeOutput(int line, ExpressionPtr value) {
  return std::make_unique<Output>(line, std::move(value));
}
StatementPtr MakeIf(int line, std::vector<std::pair<ExpressionPtr, Body>> branches,
                    Body otherwise) {
  return std::make_unique<If>(line, std::move(branches), std::move(otherwise));
}
StatementPtr MakeFor(int line, Target target, ExpressionPtr items, ExpressionPtr filter,
                     bool recursive, Body body, Body otherwise) {
  return std::make_unique<For>(line, std::move(target), std::move(items), std::move(filter),
                               recursive, std::move(body), std::move(otherwise));
}
StatementPtr MakeSet(int line, Target target, ExpressionPtr value) {
  return std::make_unique<Set>(line, std::move(target), std::move(value));
}
StatementPtr MakeSetBlock(int line, Target target, ExpressionPtr filter, Body body) {
  return std::make_unique<SetBlock>(line, std::move(target), std::move(filter), std::move(body));
}
StatementPtr MakeFilterBlock(int line, ExpressionPtr filter, Body body) {
  return std::make_unique<FilterBlock>(line, std::move(filter), std::move(body));
}
StatementPtr MakeWith(int line, std::vector<std::pair<Target, ExpressionPtr>> values, Body body) {
  return std::make_unique<With>(line, std::move(values), std::move(body));
}
StatementPtr MakeMacro(int line, MacroDefinition definition) {
  return std::make_unique<MacroStatement>(line, std::move(definition));
}
StatementPtr MakeCallBlock(int line, MacroDefinition body, ExpressionPtr call) {
  return std::make_unique<CallBlock>(line, std::move(body), std::move(call));
}
StatementPtr MakeJump(int line, Flow flow) {
  return std::make_unique<Jump>(line, flow);
}

}  // namespace ashlar::jinja
