#include "ashlar/grammar/json_reference.h"

#include <algorithm>
#include <string>

namespace ashlar {
namespace {

// Undoes "%41" of a URI's fragment, then "~1" and "~0" of a pointer's step.
std::string UnescapedStep(std::string_view step) {
  std::string plain;
  for (std::size_t i = 0; i < step.size(); ++i) {
    const auto hex = [&step, i](std::size_t at) {
      const auto digit = std::string_view("0123456789abcdef").find(step[i + at] | 0x20);
      return digit == std::string_view::npos ? -1 : static_cast<int>(digit);
    };
    if (step[i] == '%' && i + 2 < step.size() && hex(1) >= 0 && hex(2) >= 0) {
      plain += static_cast<char>(hex(1) * 16 + hex(2));
      i += 2;
    } else {
      plain += step[i];
    }
  }
  for (const auto& [written, meant] : {std::pair("~1", "/"), std::pair("~0", "~")}) {
    for (std::size_t at = 0; (at = plain.find(written, at)) != std::string::npos; ++at) {
      plain.replace(at, 2, meant);
    }
  }
  return plain;
}

const Json* FindStep(const Json& from, const std::string& step) {
  if (const Json::Array* elements = from.array()) {
    for (std::size_t i = 0; i < elements->size(); ++i) {
      if (step == std::to_string(i)) {
        return &(*elements)[i];
      }
    }
  }
  return from.Find(step);
}

}  // namespace

const Json* FindReferred(const Json& root, std::string_view reference) {
  if (reference != "#" && !reference.starts_with("#/")) {
    return nullptr;
  }
  const Json* place = &root;
  for (std::size_t at = 1; at < reference.size() && place != nullptr;) {
    const std::size_t end = std::min(reference.find('/', at + 1), reference.size());
    place = FindStep(*place, UnescapedStep(reference.substr(at + 1, end - at - 1)));
    at = end;
  }
  return place;
}

}  // namespace ashlar
