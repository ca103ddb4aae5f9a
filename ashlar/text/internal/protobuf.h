// Reading protocol buffers (protobuf.dev, "Encoding") without a schema: one field after another.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ashlar/base/byte_reader.h"

namespace ashlar::internal {

// A field as it lies in a message. Its value has the form that its wire type says; a reader asks
// for the one that its schema says, and a mismatch is kCorrupt.
class ProtobufField {
 public:
  std::uint32_t number() const { return number_; }
  Result<std::int64_t> AsInteger() const;  // an int32, int64 or enum
  Result<bool> AsBool() const;
  Result<float> AsFloat() const;
  Result<std::string_view> AsBytes() const;  // a string, bytes or a message; views the input

 private:
  friend class ProtobufReader;
  enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };
  Error WrongType(std::string_view wanted) const;
  std::uint32_t number_ = 0;
  Wire wire_ = Wire::kVarint;
  std::uint64_t bits_ = 0;
  std::string_view bytes_;
};

class ProtobufReader {
 public:
  explicit ProtobufReader(std::string_view message) : reader_(AsBytes(message)) {}
  // The next field; nothing at the end. kCorrupt for what is no field.
  Result<std::optional<ProtobufField>> Next();

 private:
  Result<std::uint64_t> ReadVarint();
  ByteReader reader_;
};

}  // namespace ashlar::internal
