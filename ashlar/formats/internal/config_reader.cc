#include "ashlar/formats/internal/config_reader.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// 10000 is 10000.0.
bool AreEqual(const Json& a, const Json& b) {
  const Result<double> numbers[] = {JsonCursor(a, "").AsReal(), JsonCursor(b, "").AsReal()};
  return numbers[0].ok() && numbers[1].ok() ? *numbers[0] == *numbers[1] : a == b;
}

// False, or nothing in it.
bool SaysNo(const Json& value) {
  return (value.boolean() != nullptr && !*value.boolean()) ||
         (value.object() != nullptr && value.object()->empty()) ||
         (value.array() != nullptr && value.array()->empty());
}

}  // namespace

std::string_view ConfigReader::Spelled(const Spelling& field) {
  std::string_view first;
  for (const std::string_view name : field.names) {
    if (name.empty() || !Has(name)) {
      continue;
    }
    if (first.empty() || json_.value().Find(first)->is_null()) {
      first = name;
    } else if (AreEqual(*json_.value().Find(first), *json_.value().Find(name))) {
      Seen(name);
    } else {
      contradictions_.emplace(name, first);
    }
  }
  return first.empty() ? field.names[0] : first;
}

Result<std::int64_t> ConfigReader::CountOf(const Count& count) {
  const std::string_view key = Spelled(count.names);
  if (key.empty() || !Has(key)) {
    return count.otherwise;
  }
  return json_.IntegerOr(Seen(key), 0, kMaxSize, 0);
}

Status ConfigReader::CheckAllSeen(std::span<const std::string_view> harmless,
                                  std::span<const std::string_view> off_switches) const {
  ASHLAR_TRY(const auto members, json_.AsObject());
  for (const auto& [key, value] : members) {
    const bool off =
        SaysNo(value.value()) && std::ranges::find(off_switches, key) != off_switches.end();
    const bool ignored =
        off || key.starts_with('_') || std::ranges::find(harmless, key) != harmless.end();
    if (seen_.contains(key) || ignored || value.is_null()) {
      continue;
    }
    if (const auto other = contradictions_.find(key); other != contradictions_.end()) {
      return value.Invalid("it is another spelling of {}, and they differ; remove the wrong one",
                           other->second);
    }
    return Unsupported(
        "{} is a field that ashlar does not know for this architecture; it might change the "
        "result, so it is not ignored (remove it from config.json if it does not)",
        value.path());
  }
  return {};
}

}  // namespace ashlar::internal
