#include "ashlar/text/jinja/render.h"

namespace ashlar::jinja {

Result<std::string> Render(const Body& body, const Json& variables, const std::tm& now,
                           const Limits& limits) {
  CHECK(variables.object() != nullptr);
  Machine machine(limits, now);
  Scope globals(nullptr);
  for (const Function& function : Globals()) {
    globals.Set(function.name, Bind(function, {}));
  }
  for (const auto& [name, value] : *variables.object()) {
    globals.Set(name, FromJson(value));
  }
  Scope names(&globals);
  std::string out;
  ASHLAR_TRY(RunBody(body, machine, names, out));
  return out;
}

}  // namespace ashlar::jinja
