// Settings are what somebody has decided of a table: by flags, in the environment, in a file, or
// not at all. Each place has the same names:
//
//   --max-body 8M      ASHLAR_SERVE_MAX_BODY=8M      max-body = "8M"
//
// A flag goes before the environment, that before the file, and that before the default. A name
// that the table has not is an error that names it and its place, never ignored. Immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/base/result.h"

namespace ashlar {

enum class SettingKind : std::uint8_t {
  kText,
  kInteger,
  kBytes,    // 4096, "300M", "2Gi"
  kSeconds,  // a real number
  kFlag,     // true or false; as a flag: there or not
};

// A row of a table. All text, so that help, the documentation and errors say the same.
struct SettingSpec {
  std::string_view name;  // "max-body"
  SettingKind kind = SettingKind::kText;
  std::string_view value = {};      // what stands for the value in help: "N", "FILE"
  std::string_view otherwise = {};  // the default; empty: "", 0 or false
  double min = 0;                   // of numbers
  double max = 9.0e15;
  std::string_view doc;
};

// Where settings can come from, besides the defaults.
struct SettingSources {
  std::map<std::string, std::string, std::less<>> flags;  // typed ones, by name
  // "NAME=value", as the process has them. Only names that begin with kSettingPrefix are looked at.
  std::span<const char* const> environment;
};

inline constexpr std::string_view kSettingPrefix = "ASHLAR_SERVE_";
std::string EnvironmentName(std::string_view name);  // "max-body" -> "ASHLAR_SERVE_MAX_BODY"

class Settings {
 public:
  // kInvalid: an unknown name, a value of another type or out of range; says where.
  static Result<Settings> Collect(std::span<const SettingSpec> table,
                                  const SettingSources& sources);

  // Requires: the table has `name`, of this kind.
  const std::string& Text(std::string_view name) const;
  std::int64_t Integer(std::string_view name) const;
  std::uint64_t Bytes(std::string_view name) const;
  double Seconds(std::string_view name) const;
  bool Flag(std::string_view name) const;
  // Where it was decided: "--port", "ASHLAR_SERVE_PORT", "serve.toml", "default".
  const std::string& source(std::string_view name) const;

 private:
  struct Value {
    SettingKind kind;
    std::string text;
    double number = 0;  // of all kinds but kText
    std::string source;
  };
  const Value& At(std::string_view name, SettingKind kind) const;

  std::map<std::string, Value, std::less<>> values_;
};

// The parts between commas that are not empty.
std::vector<std::string> SplitList(std::string_view list);

// The table as Markdown, for the documentation.
std::string SettingsMarkdown(std::span<const SettingSpec> table);

}  // namespace ashlar
