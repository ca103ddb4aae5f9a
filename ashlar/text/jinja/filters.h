// Filters by what they work on: each table is a file of its own. And what several of them use.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/text/jinja/machine.h"

namespace ashlar::jinja {

std::span<const Function> TextFilters();
std::span<const Function> NumberFilters();
std::span<const Function> SequenceFilters();

// The items of what the filter is applied to, their steps charged.
Result<std::vector<Value>> Items(const Call& call);
Result<Value> ListOf(const Call& call, std::vector<Value> items);
Error TooLong(const Call& call);  // kExhausted
// x.a.b, or x.0: an attribute by its dotted name.
Result<Value> Dotted(Machine& machine, Value value, std::string_view path);

}  // namespace ashlar::jinja
