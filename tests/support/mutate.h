// For fuzzers: what they change in a valid input so that most of it stays valid. Bytes changed
// anywhere are refused at once; a field that lies goes as far as the code that believes it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ashlar/base/json.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace ashlar::testing {

class Chance {
 public:
  explicit Chance(unsigned seed) : random_(seed) {}
  std::size_t Below(std::size_t end) { return end == 0 ? 0 : random_() % end; }
  bool OneIn(std::size_t n) { return Below(n) == 0; }
  template <class T>
  T& Of(std::vector<T>& items) {
    return items[Below(items.size())];
  }
  template <class T, std::size_t n>
  const T& Of(const T (&items)[n]) {
    return items[Below(n)];
  }
  // Small, or at the edge of what a field can say.
  std::uint64_t Number() {
    constexpr std::uint64_t kEdges[] = {31,         32,         255,        256,        4096,
                                        10'000,     65'536,     1ull << 24, 1ull << 30, 1ull << 31,
                                        1ull << 32, 1ull << 40, 1ull << 48, 1ull << 62, ~0ull >> 1,
                                        1ull << 63, ~0ull - 31, ~0ull};
    return OneIn(2) ? Below(20) : Of(kEdges);
  }

 private:
  std::minstd_rand random_;
};

// `json` and all values in it.
inline void AppendValues(Json& json, std::vector<Json*>& values) {
  values.push_back(&json);
  if (Json::Object* const object = json.object()) {
    for (auto& [key, value] : *object) {
      AppendValues(value, values);
    }
  } else if (Json::Array* const array = json.array()) {
    for (Json& item : *array) {
      AppendValues(item, values);
    }
  }
}

inline Json StrangeValue(Chance& chance) {
  constexpr double kReals[] = {0.5, -1.0, 1e-12, 1e300, -0.0, 1.0, 4.0, 1e5, 0.1};
  constexpr std::string_view kTexts[] = {"", "1", "none", "gelu", "yarn", "linear", "default"};
  switch (chance.Below(8)) {
    case 0:
      return nullptr;
    case 1:
      return chance.OneIn(2);
    case 2:
      return chance.Of(kReals);
    case 3:
      return chance.Of(kTexts);
    case 4:
      return chance.OneIn(2) ? Json(Json::Array()) : Json(Json::Object());
    default:
      return static_cast<std::int64_t>(chance.Number());
  }
}

// Changes one value: for a strange one, for one that stands elsewhere, by a little, or away.
inline void MutateJson(Json& json, Chance& chance) {
  std::vector<Json*> values;
  AppendValues(json, values);
  Json& value = *chance.Of(values);
  Json::Object* const object = value.object();
  Json::Array* const array = value.array();
  const std::int64_t* const integer = value.integer();
  if (object != nullptr && !object->empty() && chance.OneIn(2)) {
    object->erase(object->begin() + static_cast<std::ptrdiff_t>(chance.Below(object->size())));
  } else if (array != nullptr && !array->empty() && chance.OneIn(2)) {
    const auto at = array->begin() + static_cast<std::ptrdiff_t>(chance.Below(array->size()));
    if (chance.OneIn(2)) {
      array->erase(at);
    } else {
      array->push_back(Json(*at));
    }
  } else if (integer != nullptr && *integer > -1000 && *integer < 1'000'000 && chance.OneIn(2)) {
    const std::int64_t changed[] = {*integer + 1, *integer - 1, *integer * 2, *integer / 2,
                                    -*integer};
    value = chance.Of(changed);
  } else if (const bool* const flag = value.boolean(); flag != nullptr && chance.OneIn(2)) {
    value = !*flag;
  } else if (chance.OneIn(3)) {
    value = Json(*chance.Of(values));
  } else {
    value = StrangeValue(chance);
  }
}

// Puts a member of an object of `from` into an object of `json`.
inline void CrossJson(Json& json, Json from, Chance& chance) {
  const auto objects_of = [](Json& root) {
    std::vector<Json*> values;
    AppendValues(root, values);
    std::erase_if(values, [](Json* value) { return value->object() == nullptr; });
    return values;
  };
  std::vector<Json*> to = objects_of(json);
  std::vector<Json*> sources = objects_of(from);
  if (to.empty() || sources.empty()) {
    return;
  }
  Json::Object& members = *chance.Of(sources)->object();
  if (!members.empty()) {
    const auto& [key, value] = chance.Of(members);
    chance.Of(to)->Set(key, value);
  }
}

// ---- libFuzzer's own mutations, of an input as what it says. A Format has
//   static std::optional<T> Read(std::span<const std::uint8_t> input);   // nothing: it is none
//   static std::string Write(T value);
//   static void Mutate(T& value, Chance& chance);
//   static void Cross(T& value, T from, Chance& chance);

namespace internal {
inline std::size_t PutInput(const std::string& text, std::uint8_t* out, std::size_t max_size) {
  const std::size_t length = std::min(text.size(), max_size);
  std::memcpy(out, text.data(), length);
  return length;
}
}  // namespace internal

// What LLVMFuzzerCustomMutator does: one change or more; now and then, of any bytes.
template <class Format>
std::size_t MutateAs(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  Chance chance(seed);
  auto value = Format::Read({data, size});
  if (!value || chance.OneIn(20)) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  do {
    Format::Mutate(*value, chance);
  } while (!chance.OneIn(2));
  return internal::PutInput(Format::Write(*std::move(value)), data, max_size);
}

// What LLVMFuzzerCustomCrossOver does: something of `second` comes into `first`.
template <class Format>
std::size_t CrossAs(std::span<const std::uint8_t> first, std::span<const std::uint8_t> second,
                    std::uint8_t* out, std::size_t max_size, unsigned seed) {
  Chance chance(seed);
  auto value = Format::Read(first);
  auto from = Format::Read(second);
  if (!value || !from) {
    return 0;
  }
  Format::Cross(*value, *std::move(from), chance);
  return internal::PutInput(Format::Write(*std::move(value)), out, max_size);
}

}  // namespace ashlar::testing
