// A small reader of GGUF files for tests, written from ggml's docs/gguf.md and not from the writer.
// It stops at the first thing that is not as that page says.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar::testing {

struct ReadTensor {
  std::vector<std::uint64_t> dims;  // innermost first
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
  std::vector<float> values;
};

class GgufReader {
 public:
  // Scalars as text; of arrays, each value.
  std::map<std::string, std::vector<std::string>> metadata;
  std::map<std::string, ReadTensor> tensors;

  explicit GgufReader(const Path& path) : bytes_(*ReadTextFile(path, std::uint64_t{1} << 32)) {
    EXPECT_EQ(bytes_.substr(0, 4), "GGUF");
    at_ = 4;
    EXPECT_EQ(Take<std::uint32_t>(), 3u);
    const auto tensor_count = Take<std::uint64_t>();
    const auto pair_count = Take<std::uint64_t>();
    for (std::uint64_t i = 0; i < pair_count; ++i) {
      std::string key = TakeString();
      const auto type = Take<std::uint32_t>();
      std::vector<std::string> values;
      if (type == 9) {
        const auto item_type = Take<std::uint32_t>();
        const auto count = Take<std::uint64_t>();
        for (std::uint64_t k = 0; k < count; ++k) {
          values.push_back(TakeValue(item_type));
        }
      } else {
        values.push_back(TakeValue(type));
      }
      EXPECT_TRUE(metadata.emplace(key, std::move(values)).second) << key << " stands twice";
    }
    std::vector<std::string> order;
    for (std::uint64_t i = 0; i < tensor_count; ++i) {
      const std::string name = TakeString();
      ReadTensor tensor;
      tensor.dims.resize(Take<std::uint32_t>());
      for (std::uint64_t& dim : tensor.dims) {
        dim = Take<std::uint64_t>();
      }
      tensor.type = Take<std::uint32_t>();
      tensor.offset = Take<std::uint64_t>();
      EXPECT_TRUE(tensors.emplace(name, tensor).second) << name << " stands twice";
      order.push_back(name);
    }
    at_ = (at_ + 31) / 32 * 32;
    const std::size_t data = at_;
    for (const std::string& name : order) {
      ReadTensor& tensor = tensors[name];
      EXPECT_EQ(data + tensor.offset, at_) << name << ": a hole, or an overlap";
      TakeValues(tensor);
      at_ = (at_ + 31) / 32 * 32;
    }
    EXPECT_EQ(at_, bytes_.size());
  }

  const std::string& Text(const std::string& key) const {
    static const std::string kNone = "(none)";
    const auto found = metadata.find(key);
    return found == metadata.end() ? kNone : found->second.front();
  }

 private:
  template <class T>
  T Take() {
    T value{};
    EXPECT_LE(at_ + sizeof value, bytes_.size());
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  std::string TakeString() {
    const auto length = Take<std::uint64_t>();
    EXPECT_LE(length, bytes_.size() - at_);
    at_ += length;
    return bytes_.substr(at_ - length, length);
  }
  std::string TakeValue(std::uint32_t type) {
    switch (type) {
      case 4:
        return std::to_string(Take<std::uint32_t>());
      case 5:
        return std::to_string(Take<std::int32_t>());
      case 6:
        return fmt::format("{}", Take<float>());
      case 7:
        return Take<std::uint8_t>() != 0 ? "true" : "false";
      case 8:
        return TakeString();
      default:
        ADD_FAILURE() << "a value of type " << type;
        return "";
    }
  }
  void TakeValues(ReadTensor& tensor) {
    std::uint64_t count = 1;
    for (const std::uint64_t dim : tensor.dims) {
      count *= dim;
    }
    while (tensor.values.size() < count) {
      switch (tensor.type) {
        case 0:
          tensor.values.push_back(Take<float>());
          break;
        case 1:
          tensor.values.push_back(F16ToF32(Take<std::uint16_t>()));
          break;
        case 30:
          tensor.values.push_back(BF16ToF32(Take<std::uint16_t>()));
          break;
        case 2: {
          const float scale = F16ToF32(Take<std::uint16_t>());
          std::vector<float> high;
          for (int i = 0; i < 16; ++i) {
            const auto both = Take<std::uint8_t>();
            tensor.values.push_back(scale * static_cast<float>((both & 15) - 8));
            high.push_back(scale * static_cast<float>((both >> 4) - 8));
          }
          tensor.values.insert(tensor.values.end(), high.begin(), high.end());
          break;
        }
        case 8: {
          const float scale = F16ToF32(Take<std::uint16_t>());
          for (int i = 0; i < 32; ++i) {
            tensor.values.push_back(scale * static_cast<float>(Take<std::int8_t>()));
          }
          break;
        }
        default:
          FAIL() << "a tensor of type " << tensor.type;
      }
    }
  }

  std::string bytes_;
  std::size_t at_ = 0;
};

}  // namespace ashlar::testing
