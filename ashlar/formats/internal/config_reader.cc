#include "ashlar/formats/internal/config_reader.h"

#include <algorithm>

namespace ashlar::internal {

std::string_view ConfigReader::Spelled(const Spelling& field) const {
  for (const std::string_view name : field.names) {
    if (!name.empty() && Has(name)) {
      return name;
    }
  }
  return field.names[0];
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
    const bool off = value.value().boolean() != nullptr && !*value.value().boolean() &&
                     std::ranges::find(off_switches, key) != off_switches.end();
    const bool ignored =
        off || key.starts_with('_') || std::ranges::find(harmless, key) != harmless.end();
    if (!seen_.contains(key) && !ignored && !value.is_null()) {
      return Unsupported(
          "{} is a field that ashlar does not know for this architecture; it might change the "
          "result, so it is not ignored (remove it from config.json if it does not)",
          value.path());
    }
  }
  return {};
}

}  // namespace ashlar::internal
