#include "ashlar/grammar/json_reference.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace ashlar {
namespace {

// Undoes "%41" of a URI's fragment, then "~1" and "~0" of a pointer's step.
std::string UnescapedStep(std::string_view step) {
  std::string plain;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const auto hex = [&step, i](std::size_t at) {
      const auto digit = std::string_view("0123456789abcdefABCDEF").find(step[i + at]);
      return digit == std::string_view::npos ? -1
                                             : static_cast<int>(digit < 16 ? digit : digit - 6);
    };
    if (step[i] == '%' && i + 2 < step.size() && hex(1) >= 0 && hex(2) >= 0) {
      plain += static_cast<char>(hex(1) * 16 + hex(2));
      i += 2;
    } else {
      plain += step[i];
    }
  }
  std::string meant;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const bool escaped =
        plain[i] == '~' && i + 1 < plain.size() && (plain[i + 1] == '0' || plain[i + 1] == '1');
    meant += !escaped ? plain[i] : plain[++i] == '0' ? '~' : '/';
  }
  return meant;
}

const Json* ElementAt(const Json::Array& elements, const std::string& step) {
  std::size_t index = elements.size();
  std::from_chars(step.data(), step.data() + step.size(), index);
  return index < elements.size() && step == std::to_string(index) ? &elements[index] : nullptr;
}

}  // namespace

const Json* JsonPlaces::Referred(const Json& reference) {
  const std::string* const text = reference.string();
  if (text == nullptr) {
    return nullptr;
  }
  const auto [known, is_new] = referred_.try_emplace(&reference);
  if (is_new) {
    known->second = Read(*text);
  }
  return known->second;
}

const Json* JsonPlaces::Read(std::string_view reference) {
  if (reference != "#" && !reference.starts_with("#/")) {
    return nullptr;
  }
  const Json* place = &root_;
  for (std::size_t at = 1; at < reference.size() && place != nullptr;) {
    const std::size_t end = std::min(reference.find('/', at + 1), reference.size());
    const std::string step = UnescapedStep(reference.substr(at + 1, end - at - 1));
    place = place->array() != nullptr ? ElementAt(*place->array(), step) : Member(*place, step);
    at = end;
  }
  return place;
}

const Json* JsonPlaces::Member(const Json& object, std::string_view key) {
  constexpr std::size_t kFew = 32;
  if (object.object() == nullptr || object.object()->size() <= kFew) {
    return object.Find(key);
  }
  const auto [place, is_new] = large_.try_emplace(&object);
  if (is_new) {
    for (const Json::Member& member : *object.object()) {
      place->second.emplace(member.first, &member.second);
    }
  }
  const auto found = place->second.find(key);
  return found != place->second.end() ? found->second : nullptr;
}

}  // namespace ashlar
