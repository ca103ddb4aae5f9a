// For fuzzers: GGUF files as their fields, which a mutation changes one at a time. What is kept of
// a file is all but its tensors' bytes: those follow from the fields again, as zeros, so that an
// input is a few kilobytes.
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "ashlar/base/byte_reader.h"
#include "ashlar/formats/testing_gguf.h"
#include "tests/support/mutate.h"

namespace ashlar::testing {

// Of all tensors of a file together; what claims more has none.
inline constexpr std::uint64_t kMostDataBytes = 4u << 20;

// Bytes of a value of a type, or of a text or an array where one begins. Nothing when it is cut.
inline std::optional<std::uint64_t> GgufValueBytes(ByteReader reader, std::uint32_t type) {
  constexpr std::uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  const std::uint64_t start = reader.offset();
  if (type == 8) {
    const auto length = reader.Read<std::uint64_t>("");
    return length.ok() && reader.ReadBytes(*length, "").ok()
               ? std::optional(reader.offset() - start)
               : std::nullopt;
  }
  if (type == 9) {
    const auto element = reader.Read<std::uint32_t>("");
    const auto count = reader.Read<std::uint64_t>("");
    if (!element.ok() || !count.ok() || *element == 9) {
      return std::nullopt;
    }
    for (std::uint64_t i = 0; i < *count; ++i) {
      const auto bytes = GgufValueBytes(reader, *element);
      if (!bytes || !reader.ReadBytes(*bytes, "").ok() || *bytes == 0) {
        return std::nullopt;
      }
    }
    return reader.offset() - start;
  }
  return type < std::size(kBytes) ? std::optional(kBytes[type]) : std::nullopt;
}

// Gives each tensor as many zeros as its type and dimensions take.
inline void FillGguf(GgufLies& file) {
  std::uint64_t left = kMostDataBytes;
  for (GgufLies::Tensor& tensor : file.tensors) {
    tensor.data.clear();
    const auto type = FindGgufType(tensor.type);
    if (!type.ok()) {
      continue;
    }
    std::uint64_t bytes = static_cast<std::uint64_t>((*type)->block_bytes);
    for (std::size_t i = 0; i < tensor.dims.size(); ++i) {
      const std::uint64_t each =
          i > 0 ? tensor.dims[i]
                : tensor.dims[i] / static_cast<std::uint64_t>((*type)->block_columns);
      bytes = each == 0 || bytes > left / each ? left + 1 : bytes * each;
    }
    if (bytes <= left) {
      tensor.data.assign(bytes, '\0');
      left -= bytes;
    }
  }
}

// The fields of a file whose tensors' bytes may be missing. Nothing when it is none.
inline std::optional<GgufLies> ReadGguf(std::span<const std::byte> bytes) {
  GgufLies file;
  ByteReader reader(bytes);
  const auto magic = reader.ReadText(4, "");
  const auto version = reader.Read<std::uint32_t>("");
  const auto tensors = reader.Read<std::uint64_t>("");
  const auto pairs = reader.Read<std::uint64_t>("");
  if (!pairs.ok()) {
    return std::nullopt;
  }
  file.magic = *magic;
  file.version = *version;
  const auto text = [&]() -> std::optional<std::string> {
    const auto length = reader.Read<std::uint64_t>("");
    const auto found = length.ok() ? reader.ReadText(*length, "") : Result<std::string_view>("");
    return length.ok() && found.ok() ? std::optional(std::string(*found)) : std::nullopt;
  };
  for (std::uint64_t i = 0; i < *pairs; ++i) {
    auto key = text();
    const auto type = reader.Read<std::uint32_t>("");
    const auto length = type.ok() ? GgufValueBytes(reader, *type) : std::nullopt;
    const auto value =
        length ? reader.ReadText(*length, "") : Result<std::string_view>(Invalid("cut"));
    if (!key || !value.ok()) {
      return std::nullopt;
    }
    file.pairs.push_back({*std::move(key), *type, std::string(*value)});
  }
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < *tensors; ++i) {
    auto name = text();
    const auto rank = reader.Read<std::uint32_t>("");
    if (!name || !rank.ok() || *rank > 8) {
      return std::nullopt;
    }
    GgufLies::Tensor tensor{.name = *std::move(name)};
    for (std::uint32_t dim = 0; dim < *rank; ++dim) {
      const auto size = reader.Read<std::uint64_t>("");
      tensor.dims.push_back(size.ok() ? *size : 0);
    }
    const auto type = reader.Read<std::uint32_t>("");
    const auto offset = reader.Read<std::uint64_t>("");
    if (!offset.ok()) {
      return std::nullopt;
    }
    tensor.type = *type;
    offsets.push_back(*offset);
    file.tensors.push_back(std::move(tensor));
  }
  // Offsets that follow from the rest stay so.
  FillGguf(file);
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    at = (at + file.alignment - 1) / file.alignment * file.alignment;
    if (offsets[i] != at) {
      file.tensors[i].offset = offsets[i];
    }
    at += file.tensors[i].data.size();
  }
  return file;
}

// All of the file but its tensors' bytes.
inline std::string WriteGgufFields(GgufLies file) {
  FillGguf(file);
  std::uint64_t data = 0;
  for (const GgufLies::Tensor& tensor : file.tensors) {
    data = (data + file.alignment - 1) / file.alignment * file.alignment + tensor.data.size();
  }
  const std::string whole = file.Write();
  return whole.substr(0, whole.size() - std::min<std::uint64_t>(data, whole.size()));
}

inline void MutatePair(GgufLies& file, Chance& chance) {
  GgufLies::Pair& pair = chance.Of(file.pairs);
  switch (chance.Below(7)) {
    case 0:  // a number
      pair = GgufLies::U32(pair.key, static_cast<std::uint32_t>(chance.Number()));
      break;
    case 1:
      pair = GgufLies::F32(pair.key, static_cast<float>(chance.Number()) / 8);
      break;
    case 2:
      pair = {pair.key, 10, GgufLies::Bytes(chance.Number())};
      break;
    case 3:  // what another key has
      pair = {pair.key, GgufLies::Pair(chance.Of(file.pairs)).type, chance.Of(file.pairs).value};
      break;
    case 4: {
      const std::string value = chance.Of(file.pairs).value;
      pair = {pair.key, 9, GgufLies::Array("", 5, value.size() / 4, value).value};
      break;
    }
    case 5:
      file.pairs.push_back({pair});
      break;
    default:
      file.pairs.erase(file.pairs.begin() +
                       static_cast<std::ptrdiff_t>(chance.Below(file.pairs.size())));
  }
}

inline void MutateTensor(GgufLies& file, Chance& chance) {
  GgufLies::Tensor& tensor = chance.Of(file.tensors);
  switch (chance.Below(8)) {
    case 0:
      tensor.name = chance.Of(file.tensors).name;
      break;
    case 1: {  // of another layer
      const std::size_t at = tensor.name.find_first_of("0123456789");
      if (at != std::string::npos) {
        tensor.name[at] = static_cast<char>('0' + chance.Below(10));
      }
      break;
    }
    case 2: {
      const auto types = AllGgufTensorTypes();
      tensor.type = chance.OneIn(8) ? static_cast<std::uint32_t>(chance.Number())
                                    : types[chance.Below(types.size())].id;
      break;
    }
    case 3:
      if (!tensor.dims.empty()) {
        std::uint64_t& dim = chance.Of(tensor.dims);
        const std::uint64_t changed[] = {dim + 1, dim - 1, dim * 2, dim / 2, chance.Number()};
        dim = chance.Of(changed);
      }
      break;
    case 4:
      std::ranges::reverse(tensor.dims);
      break;
    case 5:
      tensor.dims = chance.Of(file.tensors).dims;
      break;
    case 6:
      tensor.offset = chance.OneIn(2) ? 32 * chance.Below(100) : chance.Number();
      break;
    default:
      file.tensors.erase(file.tensors.begin() +
                         static_cast<std::ptrdiff_t>(chance.Below(file.tensors.size())));
  }
}

inline void MutateGguf(GgufLies& file, Chance& chance) {
  if (chance.OneIn(30)) {
    (chance.OneIn(2) ? file.tensor_count : file.pair_count) = chance.Number();
  } else if (!file.pairs.empty() && (file.tensors.empty() || chance.OneIn(2))) {
    MutatePair(file, chance);
  } else if (!file.tensors.empty()) {
    MutateTensor(file, chance);
  }
}

// Puts a pair or a tensor of `from` into `file`.
inline void CrossGguf(GgufLies& file, GgufLies from, Chance& chance) {
  if (!from.pairs.empty() && (from.tensors.empty() || chance.OneIn(2))) {
    file.pairs.push_back(chance.Of(from.pairs));
  } else if (!from.tensors.empty()) {
    file.tensors.push_back(chance.Of(from.tensors));
  }
}

}  // namespace ashlar::testing
