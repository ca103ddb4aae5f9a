// Options: typed reading of what the user typed.
#include <charconv>
#include <cmath>

#include "ashlar/plan/plan.h"
#include "tools/ashlar/verb.h"

namespace ashlar::cli {
namespace {

const std::string kNothing;

template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

bool Options::Flag(std::string_view name) const {
  return Has(name);
}

bool Options::Has(std::string_view name) const {
  const auto found = values.find(name);
  CHECK(found != values.end());
  return !found->second.empty();
}

bool Options::Typed(std::string_view name) const {
  return Has(name) && !defaulted.contains(name);
}

const std::string& Options::Text(std::string_view name) const {
  const auto found = values.find(name);
  CHECK(found != values.end());
  return found->second.empty() ? kNothing : found->second.back();
}

std::span<const std::string> Options::Texts(std::string_view name) const {
  const auto found = values.find(name);
  CHECK(found != values.end());
  return found->second;
}

Result<std::int64_t> Options::Integer(std::string_view name, std::int64_t min,
                                      std::int64_t max) const {
  const auto value = ParseNumber<std::int64_t>(Text(name));
  if (!value || *value < min || *value > max) {
    return Invalid("--{}: expected an integer from {} to {}, found \"{}\"", name, min, max,
                   Text(name));
  }
  return *value;
}

Result<double> Options::Real(std::string_view name, double min, double max) const {
  const auto value = ParseNumber<double>(Text(name));
  if (!value || !std::isfinite(*value) || *value < min || *value > max) {
    return Invalid("--{}: expected a number from {} to {}, found \"{}\"", name, min, max,
                   Text(name));
  }
  return *value;
}

Result<std::uint64_t> Options::Bytes(std::string_view name) const {
  const auto bytes = ParseBytes(Text(name));
  if (!bytes.ok()) {
    return bytes.error().In(fmt::format("--{}", name));
  }
  return *bytes;
}

}  // namespace ashlar::cli
