// For tests: a charsmap (charsmap.h) with given entries.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/text/base64.h"

namespace ashlar::internal {

class CharsmapWriter {
 public:
  // Keys are not empty and hold no zero byte.
  static std::string Write(const std::map<std::string, std::string>& entries) {
    CharsmapWriter writer;
    writer.units_.resize(1);
    for (const auto& [key, text] : entries) {
      writer.offsets_[key] = static_cast<std::uint32_t>(writer.texts_.size());
      writer.texts_ += text + '\0';
    }
    writer.Place(0, "");
    std::string bytes;
    const auto append = [&](std::uint32_t value) {
      for (int shift = 0; shift < 32; shift += 8) {
        bytes.push_back(static_cast<char>(value >> shift & 0xFF));
      }
    };
    append(static_cast<std::uint32_t>(4 * writer.units_.size()));
    for (const std::uint32_t unit : writer.units_) {
      append(unit);
    }
    return bytes + writer.texts_;
  }

 private:
  // Makes the node at `at`, which `prefix` leads to, and all below it.
  void Place(std::uint32_t at, const std::string& prefix) {
    std::vector<std::uint8_t> bytes;
    const bool leaf = offsets_.contains(prefix);
    for (const auto& [key, offset] : offsets_) {
      if (key.size() > prefix.size() && key.starts_with(prefix)) {
        const auto byte = static_cast<std::uint8_t>(key[prefix.size()]);
        if (bytes.empty() || bytes.back() != byte) {
          bytes.push_back(byte);
        }
      }
    }
    // A block of its own for each node: simple, and small enough.
    const auto base = static_cast<std::uint32_t>((units_.size() + 255) / 256 * 256);
    units_.resize(base + 256);
    CHECK_LT(base ^ at, 1u << 21);
    units_[at] |= (base ^ at) << 10 | (leaf ? 1u << 8 : 0);
    if (leaf) {
      units_[base] = 1u << 31 | offsets_.at(prefix);
    }
    for (const std::uint8_t byte : bytes) {
      units_[base ^ byte] |= byte;
    }
    for (const std::uint8_t byte : bytes) {
      Place(base ^ byte, prefix + static_cast<char>(byte));
    }
  }

  std::map<std::string, std::uint32_t> offsets_;
  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace ashlar::internal
