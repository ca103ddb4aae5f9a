#include "ashlar/server/config/settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "ashlar/base/join.h"
#include "ashlar/base/json.h"
#include "ashlar/plan/plan.h"
#include "ashlar/server/config/toml.h"

namespace ashlar {
namespace {

constexpr std::string_view kFileSetting = "config";

const SettingSpec* FindSetting(std::span<const SettingSpec> table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &SettingSpec::name);
  return found == table.end() ? nullptr : &*found;
}

Error UnknownSetting(std::span<const SettingSpec> table, std::string_view what) {
  std::vector<std::string_view> known;
  for (const SettingSpec& spec : table) {
    known.push_back(spec.name);
  }
  return Invalid("{}: there is no such setting; known: {}", what, Join(known, ", "));
}

std::optional<double> ParseReal(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc() && end == text.data() + text.size();
  return good && std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

std::optional<double> ParseNumber(SettingKind kind, std::string_view text) {
  switch (kind) {
    case SettingKind::kText:
      return 0;
    case SettingKind::kFlag:
      return text == "true"    ? std::optional<double>(1)
             : text == "false" ? std::optional<double>(0)
                               : std::nullopt;
    case SettingKind::kBytes: {
      const auto bytes = ParseBytes(text);
      return bytes.ok() ? std::optional<double>(static_cast<double>(*bytes)) : std::nullopt;
    }
    case SettingKind::kInteger: {
      const auto value = ParseReal(text);
      return value && *value == std::floor(*value) ? value : std::nullopt;
    }
    case SettingKind::kSeconds:
      return ParseReal(text);
  }
  return std::nullopt;
}

std::string_view NounOf(SettingKind kind) {
  constexpr std::string_view kNouns[] = {"text", "an integer", "bytes, as in 300M",
                                         "a number of seconds", "true or false"};
  return kNouns[static_cast<std::size_t>(kind)];
}

// A value in a file, as it would be typed.
Result<std::string> TextOfValue(const Json& value, std::string_view source) {
  if (value.string() != nullptr) {
    return *value.string();
  }
  if (value.array() != nullptr || value.object() != nullptr || value.is_null()) {
    return Invalid("{}: expected one value, found {}", source, value.type_name());
  }
  return WriteJson(value);
}

struct Given {
  std::string text;
  std::string source;
};
using GivenByName = std::map<std::string, Given, std::less<>>;

Status CheckNotEmpty(const Given& given) {
  return given.text.empty()
             ? Status(Invalid("{}: is empty: give it a value, or leave it out", given.source))
             : Status();
}

Status AddFile(std::span<const SettingSpec> table, const Path& file, const Json& json,
               GivenByName& given) {
  if (json.object() == nullptr) {
    return Invalid("{}: expected an object, found {}", file.string(), json.type_name());
  }
  for (const auto& [name, value] : *json.object()) {
    const std::string source = fmt::format("{}: {}", file.string(), name);
    if (FindSetting(table, name) == nullptr) {
      return UnknownSetting(table, source);
    }
    if (name == kFileSetting) {
      return Invalid("{}: a file cannot name another", source);
    }
    ASHLAR_TRY(std::string text, TextOfValue(value, source));
    given.try_emplace(name, Given{.text = std::move(text), .source = source});
  }
  return {};
}

Status AddEnvironment(std::span<const SettingSpec> table, std::span<const char* const> environment,
                      GivenByName& given) {
  for (const std::string_view variable : environment) {
    if (!variable.starts_with(kSettingPrefix)) {
      continue;
    }
    const std::size_t equals = std::min(variable.find('='), variable.size());
    const std::string_view name = variable.substr(0, equals);
    const auto found = std::ranges::find_if(
        table, [&](const SettingSpec& spec) { return EnvironmentName(spec.name) == name; });
    if (found == table.end()) {
      return UnknownSetting(table, name);
    }
    given[std::string(found->name)] = {
        .text = std::string(variable.substr(std::min(equals + 1, variable.size()))),
        .source = std::string(name)};
  }
  return {};
}

}  // namespace

std::string EnvironmentName(std::string_view name) {
  std::string variable(kSettingPrefix);
  for (const char c : name) {
    variable += static_cast<char>(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return variable;
}

Result<Settings> Settings::Collect(std::span<const SettingSpec> table,
                                   const SettingSources& sources) {
  GivenByName given;
  ASHLAR_TRY(AddEnvironment(table, sources.environment, given));
  for (const auto& [name, text] : sources.flags) {
    if (FindSetting(table, name) == nullptr) {
      return UnknownSetting(table, fmt::format("--{}", name));
    }
    given[name] = {.text = text, .source = fmt::format("--{}", name)};
  }
  if (const auto file = given.find(kFileSetting); file != given.end()) {
    ASHLAR_TRY(CheckNotEmpty(file->second));
    const Given config = file->second;
    const Result<Json> json = ReadSettingsFile(config.text);
    if (!json.ok()) {
      return json.error().In(config.source);
    }
    ASHLAR_TRY(AddFile(table, config.text, *json, given));
  }
  for (const auto& [name, value] : given) {  // as of a variable that some other program left unset
    ASHLAR_TRY(CheckNotEmpty(value));
  }
  Settings settings;
  for (const SettingSpec& spec : table) {
    Value value{.kind = spec.kind, .text = std::string(spec.otherwise), .source = "default"};
    if (const auto found = given.find(spec.name); found != given.end()) {
      value.text = found->second.text;
      value.source = found->second.source;
    } else if (value.text.empty() && spec.kind != SettingKind::kText) {
      value.text = spec.kind == SettingKind::kFlag ? "false" : "0";
    }
    const std::optional<double> number = ParseNumber(spec.kind, value.text);
    if (!number) {
      return Invalid("{}: expected {}, found {}", value.source, NounOf(spec.kind),
                     QuoteForError(value.text));
    }
    if (value.source != "default" && (*number < spec.min || *number > spec.max)) {
      return Invalid("{}: expected {}, from {} to {}, found {}", value.source, NounOf(spec.kind),
                     spec.min, spec.max, value.text);
    }
    value.number = *number;
    settings.values_.emplace(spec.name, std::move(value));
  }
  return settings;
}

const Settings::Value& Settings::At(std::string_view name, SettingKind kind) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end());
  CHECK(found->second.kind == kind);
  return found->second;
}

const std::string& Settings::Text(std::string_view name) const {
  return At(name, SettingKind::kText).text;
}

std::int64_t Settings::Integer(std::string_view name) const {
  return static_cast<std::int64_t>(At(name, SettingKind::kInteger).number);
}

std::uint64_t Settings::Bytes(std::string_view name) const {
  return static_cast<std::uint64_t>(At(name, SettingKind::kBytes).number);
}

double Settings::Seconds(std::string_view name) const {
  return At(name, SettingKind::kSeconds).number;
}

bool Settings::Flag(std::string_view name) const {
  return At(name, SettingKind::kFlag).number != 0;
}

const std::string& Settings::source(std::string_view name) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end());
  return found->second.source;
}

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    if (end > 0) {
      parts.emplace_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

std::string SettingsMarkdown(std::span<const SettingSpec> table) {
  std::string text =
      "| flag, and name in the file | environment | default | what |\n|---|---|---|---|\n";
  for (const SettingSpec& spec : table) {
    const std::string otherwise = spec.otherwise.empty() ? "" : fmt::format("`{}`", spec.otherwise);
    text +=
        fmt::format("| `--{}{}{}` | `{}` | {} | {} |\n", spec.name, spec.value.empty() ? "" : " ",
                    spec.value, EnvironmentName(spec.name), otherwise, spec.doc);
  }
  return text;
}

}  // namespace ashlar
