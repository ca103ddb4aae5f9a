#include "ashlar/server/config/toml.h"

#include <algorithm>
#include <cmath>

#define TOML_HEADER_ONLY 0  // Debian's library has the code
#include <toml++/toml.h>

namespace ashlar {
namespace {

constexpr std::size_t kMaxTomlBytes = 1 << 20;
constexpr int kMaxTomlLevels = 64;
// Each dot of a key is a level; the parser counts none of them, and frees levels by recursion.
constexpr std::ptrdiff_t kMaxDotsInLine = 64;

Error At(const toml::source_region& where, std::string_view what) {
  return Invalid("line {}, column {}: {}", where.begin.line, where.begin.column, what);
}

Status CheckDots(std::string_view text) {
  std::size_t line = 1;
  while (!text.empty()) {
    const std::string_view now = text.substr(0, text.find('\n'));
    if (std::ranges::count(now, '.') > kMaxDotsInLine) {
      return Invalid("line {}: more than {} dots", line, kMaxDotsInLine);
    }
    text.remove_prefix(std::min(now.size() + 1, text.size()));
    ++line;
  }
  return {};
}

Result<Json> ToJson(const toml::node& node, int levels) {
  if (levels == 0) {
    return At(node.source(), fmt::format("more than {} levels", kMaxTomlLevels));
  }
  if (const toml::table* table = node.as_table()) {
    Json::Object object;
    for (const auto& [key, value] : *table) {
      ASHLAR_TRY(Json member, ToJson(value, levels - 1));
      object.emplace_back(std::string(key.str()), std::move(member));
    }
    return Json(std::move(object));
  }
  if (const toml::array* array = node.as_array()) {
    Json::Array values;
    for (const toml::node& value : *array) {
      ASHLAR_TRY(Json element, ToJson(value, levels - 1));
      values.push_back(std::move(element));
    }
    return Json(std::move(values));
  }
  if (const auto* text = node.as_string()) {
    return Json(text->get());
  }
  if (const auto* integer = node.as_integer()) {
    return Json(integer->get());
  }
  if (const auto* boolean = node.as_boolean()) {
    return Json(boolean->get());
  }
  if (const auto* real = node.as_floating_point()) {
    return std::isfinite(real->get()) ? Result<Json>(Json(real->get()))
                                      : At(node.source(), "expected a finite number");
  }
  return At(node.source(), "a date or a time, which no setting is");
}

}  // namespace

Result<Json> ParseToml(std::string_view text) {
  if (text.size() > kMaxTomlBytes) {
    return Invalid("expected at most {} bytes of TOML, found {}", kMaxTomlBytes, text.size());
  }
  ASHLAR_TRY(CheckDots(text));
  try {
    const toml::table table = toml::parse(text);
    return ToJson(table, kMaxTomlLevels);
  } catch (const toml::parse_error& error) {
    return At(error.source(), error.description());
  }
}

Result<Json> ReadSettingsFile(const Path& path) {
  ASHLAR_TRY(const std::string text, ReadTextFile(path, kMaxTomlBytes));
  Result<Json> read = path.extension() == ".json" ? ParseJson(text) : ParseToml(text);
  return read.ok() ? std::move(read) : read.error().In(path.string());
}

}  // namespace ashlar
