// Text for a terminal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ashlar::internal {

// Columns as wide as their widest cell, two spaces apart; no spaces at the ends of lines. Cells are
// ASCII.
std::string AlignColumns(std::span<const std::vector<std::string>> rows);

// "512 B", "1.50 kB", "25.2 MB": three digits, powers of 1000.
std::string BytesForPeople(std::uint64_t bytes);

}  // namespace ashlar::internal
