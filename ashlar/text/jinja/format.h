// Python's two ways to put values into texts: 'x is %d' % x, which a filter does too, and
// 'x is {}'.format(x).
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

// Fields that are counted, numbered or named, with attributes and items, !s and !r; specs of
// strings and numbers. kInvalid for others (!a, types c and n, zeros before grouped digits, for
// reals a precision without a type and #, widths above 1000), and when an argument is missing.
Result<std::string> FormatBraces(Machine& machine, std::string_view format,
                                 const Arguments& arguments);

}  // namespace ashlar::jinja
