// What it may take to make grammars of what one client sends, since a few lines can ask for very
// much: of one source, or of several together.
#pragma once

#include <cstdint>

#include "ashlar/base/result.h"

namespace ashlar {

// Counts steps, each some 0.1 us: edges of automata that are looked at or made (some 2 s and 64 MB
// of them in all), and by their weights what takes longer. Confined.
struct SourceWork {
  static constexpr std::uint64_t kMost = 16'000'000;
  // A schema among those that hold together is looked up by every keyword.
  static constexpr std::uint64_t kPart = 16;
  // An edge of an automaton as it is read, which has a set of its own.
  static constexpr std::uint64_t kReadEdge = 4;

  std::uint64_t left = kMost;

  // kExhausted, and nothing is left, when `steps` are more than are left.
  Status Take(std::uint64_t steps) {
    if (steps > left) {
      left = 0;
      return Exhausted(
          "the conditions (patterns, formats, lengths, other names, multiples, values, schemas "
          "that hold together) take too much work together, more than {} steps for this schema "
          "and those before it in one request, as tools have them: say less of them, or give fewer "
          "tools or simpler schemas",
          kMost);
    }
    left -= steps;
    return {};
  }
};

}  // namespace ashlar
