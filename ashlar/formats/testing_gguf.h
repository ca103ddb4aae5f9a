// Bytes of GGUF files for tests and fuzzers, written from ggml's docs/gguf.md: every field can lie.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/formats/gguf.h"

namespace ashlar {

// What a file is made of, field by field. Counts, offsets and lengths follow from the rest unless
// they are given.
struct GgufLies {
  struct Pair {
    std::string key;
    std::uint32_t type;
    std::string value;  // as it stands in the file
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;  // innermost first
    std::uint32_t type = 0;
    std::string data;
    std::optional<std::uint64_t> offset = {};
    std::optional<std::uint32_t> rank = {};
  };
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count = {};
  std::optional<std::uint64_t> pair_count = {};
  std::uint64_t alignment = 32;  // of what is written; the pair that says so is the caller's
  std::vector<Pair> pairs;
  std::vector<Tensor> tensors;

  template <class T>
  static std::string Bytes(T value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return bytes;
  }
  static std::string Text(std::string_view text) {
    return Bytes<std::uint64_t>(text.size()) + std::string(text);
  }
  static Pair U32(std::string key, std::uint32_t value) { return {key, 4, Bytes(value)}; }
  static Pair Bool(std::string key, bool value) { return {key, 7, Bytes(value)}; }
  static Pair F32(std::string key, float value) { return {key, 6, Bytes(value)}; }
  static Pair Of(std::string key, std::string_view text) { return {key, 8, Text(text)}; }
  // An array of `count` values of a type, of which `values` are the bytes.
  static Pair Array(std::string key, std::uint32_t type, std::uint64_t count, std::string values) {
    return {key, 9, Bytes(type) + Bytes(count) + values};
  }
  static Pair Texts(std::string key, const std::vector<std::string>& texts) {
    std::string values;
    for (const std::string& text : texts) {
      values += Text(text);
    }
    return Array(std::move(key), 8, texts.size(), values);
  }
  // The metadata of a network of one layer, width 32.
  static std::vector<Pair> TinyLlama() {
    return {Of("general.architecture", "llama"),
            U32("llama.block_count", 1),
            U32("llama.context_length", 64),
            U32("llama.embedding_length", 32),
            U32("llama.feed_forward_length", 64),
            U32("llama.attention.head_count", 2),
            F32("llama.attention.layer_norm_rms_epsilon", 1e-5f)};
  }

  std::string Write() const {
    std::string file = magic + Bytes(version) +
                       Bytes<std::uint64_t>(tensor_count.value_or(tensors.size())) +
                       Bytes<std::uint64_t>(pair_count.value_or(pairs.size()));
    for (const Pair& pair : pairs) {
      file += Text(pair.key) + Bytes(pair.type) + pair.value;
    }
    std::string data;
    for (const Tensor& tensor : tensors) {
      Pad(data);
      file += Text(tensor.name) +
              Bytes(tensor.rank.value_or(static_cast<std::uint32_t>(tensor.dims.size())));
      for (const std::uint64_t dim : tensor.dims) {
        file += Bytes(dim);
      }
      file += Bytes(tensor.type) + Bytes<std::uint64_t>(tensor.offset.value_or(data.size()));
      data += tensor.data;
    }
    Pad(data);
    Pad(file);
    return file + data;
  }

 private:
  void Pad(std::string& bytes) const {
    bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
  }
};

}  // namespace ashlar
