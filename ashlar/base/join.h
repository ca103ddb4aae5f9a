// What a list says in a message: its elements with a separator between them.
//
//   Invalid("unknown codec {}; known: {}", name, Join(names, ", "))
//
// (Not fmt::join: what that instantiates in each source was a twentieth of the modules' code.)
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace ashlar {

// Of texts, or of integers.
template <class Range>
std::string Join(const Range& range, std::string_view separator) {
  std::string all;
  std::string_view before;
  for (const auto& each : range) {
    all += before;
    if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(each)>>) {
      all += std::to_string(each);
    } else {
      all += each;
    }
    before = separator;
  }
  return all;
}

// Of texts, the first few and how many more there are: "a, b, and 3 more".
template <class Range>
std::string JoinSome(const Range& range) {
  constexpr std::size_t kMost = 8;
  std::string all;
  std::size_t count = 0;
  for (const auto& each : range) {
    if (count++ < kMost) {
      all += count == 1 ? "" : ", ";
      all += each;
    }
  }
  return count <= kMost ? all : all + ", and " + std::to_string(count - kMost) + " more";
}

}  // namespace ashlar
