// A ConfigReader reads config.json field by field and remembers which fields were read, so that
// those that nobody read can be named. A view, like JsonCursor.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/architecture.h"

namespace ashlar::internal {

class ConfigReader {
 public:
  explicit ConfigReader(const JsonCursor& json) : json_(json) {}

  const JsonCursor& json() const { return json_; }

  Result<std::int64_t> Size(std::string_view key) { return json_.Integer(Seen(key), 1, kMaxSize); }
  Result<std::int64_t> SizeOr(std::string_view key, std::int64_t otherwise) {
    return json_.IntegerOr(Seen(key), 1, kMaxSize, otherwise);
  }
  Result<double> Real(std::string_view key) { return json_.Real(Seen(key)); }
  Result<double> RealOr(std::string_view key, double otherwise) {
    return json_.RealOr(Seen(key), otherwise);
  }
  Result<bool> BoolOr(std::string_view key, bool otherwise) {
    return json_.BoolOr(Seen(key), otherwise);
  }
  Result<std::string> StringOr(std::string_view key, std::string_view otherwise) {
    return json_.StringOr(Seen(key), otherwise);
  }
  Result<std::string> String(std::string_view key) { return json_.String(Seen(key)); }
  // Nothing when absent or null.
  Result<std::optional<JsonCursor>> Find(std::string_view key) { return json_.Find(Seen(key)); }
  bool Has(std::string_view key) const { return json_.value().Find(key) != nullptr; }

  // The spelling that the configuration uses: the first that is there, else the first of all.
  // Empty when the family has no such field. Another spelling beside it must say the same.
  std::string_view Spelled(const Spelling& field);
  Result<std::int64_t> CountOf(const Count& count);
  // Without a field, what it is otherwise.
  Result<bool> Decide(const Switch& rule) {
    return rule.field.empty() ? Result<bool>(rule.otherwise) : BoolOr(rule.field, rule.otherwise);
  }
  // A field that is read as nothing: it changes no result here.
  void Ignore(std::string_view key) { Seen(key); }

  // kUnsupported names the first field that was not read, and is neither in `harmless` nor one of
  // `off_switches` that is false or empty. kInvalid names a field that has two spellings, which
  // differ.
  Status CheckAllSeen(std::span<const std::string_view> harmless,
                      std::span<const std::string_view> off_switches = {}) const;

  static constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;

 private:
  std::string_view Seen(std::string_view key) {
    seen_.emplace(key);
    return key;
  }

  JsonCursor json_;
  std::set<std::string, std::less<>> seen_;
  std::map<std::string, std::string, std::less<>> contradictions_;  // a spelling to the one read
};

}  // namespace ashlar::internal
