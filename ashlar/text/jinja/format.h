// Python's printf: 'x is %d' % x, and the filter of that name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {

// Flags, width and precision; the conversions s r d i u f F e g x X o c %. kInvalid for others, and
// when values are left or missing.
Result<std::string> FormatPercent(Machine& machine, std::string_view format,
                                  std::span<const Value> values);

}  // namespace ashlar::jinja
