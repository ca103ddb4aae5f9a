// What a template runs on: bounds on its work, scopes of names, and things that can be called.
#pragma once

#include <array>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/text/jinja/value.h"

namespace ashlar::jinja {

// A template comes from a file that somebody else wrote, so all that it does is bounded.
struct Limits {
  std::int64_t steps = 5'000'000;  // nodes evaluated
  std::int64_t bytes = 128 << 20;  // made, printed or not
  std::int64_t output_bytes = 32 << 20;
  int depth = 100;  // of macros that call each other
};
inline constexpr int kMaxDepth = 200;                 // of one value
inline constexpr std::int64_t kMaxWeight = 32 << 20;  // of one value

// Names and their values, inside of those of `parent`.
class Scope {
 public:
  explicit Scope(Scope* parent) : parent_(parent) {}
  const Value* Find(std::string_view name) const;  // here or further out
  void Set(std::string_view name, Value value);    // here

 private:
  Scope* const parent_;
  std::vector<std::pair<std::string, Value>> names_;
};

class Machine {
 public:
  Machine(const Limits& limits, const std::tm& now) : limits_(limits), now_(now) {}
  // Drops what namespaces hold, which may be themselves.
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // ---- Each kExhausted beyond its limit.
  Status Step(std::int64_t steps = 1);
  Status Walk(const Value& value);  // steps for all that the value holds
  Status Charge(std::size_t bytes);
  std::size_t room() const { return static_cast<std::size_t>(limits_.bytes) - bytes_; }
  // The items that a loop goes over, charged before they are made. kInvalid when there are none.
  Result<std::vector<Value>> Iterate(const Value& value);
  Status Enter();
  void Leave() { --depth_; }

  // A value that was computed, its bytes charged, and itself within kMaxDepth and kMaxWeight.
  Result<Value> Make(std::string text);
  Result<Value> Make(List list);
  Result<Value> Make(Dict dict);
  Result<Value> MakeNamespace(Dict dict);
  Result<Scope*> MakeScope(Scope* parent);  // lives as long as the machine

  // Appends to what is printed, `out`.
  Status Print(std::string_view text, std::string& out);

  // The error with its line, unless it has one.
  Error At(int line, Error error);

  const std::tm& now() const { return now_; }

 private:
  Result<Value> Bounded(Value value);

  const Limits limits_;
  const std::tm now_;
  std::int64_t steps_ = 0;
  std::size_t bytes_ = 0;
  int depth_ = 0;
  bool located_ = false;
  std::vector<std::unique_ptr<Scope>> scopes_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

// What a call is given.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

class Callable {
 public:
  virtual ~Callable() = default;
  virtual Result<Value> Call(Machine& machine, Arguments arguments) const = 0;
  virtual std::optional<Value> Attribute(std::string_view) const { return {}; }
  // Of the values that it holds: those that hold each other through functions are bounded too.
  virtual Extent extent() const { return {}; }
};

// A call that was matched with parameters.
class Call {
 public:
  Call(Machine& machine, const Value& self, std::string_view name, Arguments arguments)
      : machine_(machine), self_(self), name_(name), arguments_(std::move(arguments)) {}
  // kInvalid when there are more arguments than parameters, one twice, or fewer than `required`.
  Status Match(std::span<const std::string_view> parameters, int required);

  Machine& machine() const { return machine_; }
  const Value& self() const { return self_; }
  std::string_view name() const { return name_; }
  const Arguments& arguments() const { return arguments_; }  // unless matched

  // Argument `i` of the parameters, or null. (None counts as given.)
  const Value* operator[](std::size_t i) const;
  // Typed, with what holds when it is not given, or None.
  Result<std::int64_t> IntegerOr(std::size_t i, std::int64_t otherwise) const;
  Result<std::string> StringOr(std::size_t i, std::string_view otherwise) const;
  bool FlagOr(std::size_t i, bool otherwise) const;

  template <class... Args>
  Error Wrong(fmt::format_string<Args...> format, Args&&... args) const {
    return Invalid("{}: {}", name_, fmt::format(format, std::forward<Args>(args)...));
  }
  // `self` as a string; kInvalid when it is none.
  Result<std::string_view> Text() const;

 private:
  Machine& machine_;
  const Value& self_;
  std::string_view name_;
  Arguments arguments_;
  std::vector<std::string_view> parameters_;
  std::vector<std::optional<Value>> matched_;
};

// A row of a table of functions: filters, tests, methods, globals.
struct Function {
  using Fn = Result<Value> (*)(const Call& call);
  static constexpr int kAny = -1;  // takes the arguments as they are

  std::string_view name;
  Fn fn;
  int required = 0;
  std::array<std::string_view, 5> parameters = {};

  Result<Value> operator()(Machine& machine, const Value& self, Arguments arguments) const;
};

const Function* FindFunction(std::span<const Function> table, std::string_view name);
// A row as a value, bound to `self`.
Value Bind(const Function& function, Value self);

// ---- The tables.

const Function* FindFilter(std::string_view name);
const Function* FindTest(std::string_view name);  // of `x is name`; results are booleans
// The methods of the value's type.
const Function* FindMethod(const Value& self, std::string_view name);
std::span<const Function> Globals();

// x.name or x['name']: kInvalid when x is undefined; an undefined value when there is none.
// Attributes come before items for x.name, after them for x['name'].
Result<Value> GetAttribute(Machine& machine, const Value& object, std::string_view name);
Result<Value> GetItem(Machine& machine, const Value& object, const Value& key);

// what in where: a part of a string, an item of a list, a key of a dict.
Result<bool> Contains(Machine& machine, const Value& where, const Value& what);

}  // namespace ashlar::jinja
