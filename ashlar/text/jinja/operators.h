// Operators of two operands, as Python has them.
#pragma once

#include <string_view>

#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {

using Operator = Result<Value> (*)(Machine& machine, const Value& a, const Value& b);

// + - * / // % ** ~ == != < <= > >= in `not in`; null for another.
Operator FindOperator(std::string_view name);

}  // namespace ashlar::jinja
