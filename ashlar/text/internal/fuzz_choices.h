// A fuzzer's bytes as choices: what is made of them is nearly right, where few random bytes would
// get past the first check of a parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ashlar::internal {

class FuzzChoices {
 public:
  explicit FuzzChoices(std::string_view bytes) : bytes_(bytes) {}

  // Below `end`; 0 when there are no more bytes.
  std::size_t Below(std::size_t end) {
    if (bytes_.empty()) {
      return 0;
    }
    const auto byte = static_cast<std::uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return byte % end;
  }
  std::string_view Of(std::span<const std::string_view> table) {
    return table[Below(table.size())];
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace ashlar::internal
