#include "ashlar/text/internal/protobuf.h"

#include <bit>

namespace ashlar::internal {

Error ProtobufField::WrongType(std::string_view wanted) const {
  return Corrupt("the field {} has the wire type {}, where {} is expected", number_,
                 static_cast<int>(wire_), wanted);
}

Result<std::int64_t> ProtobufField::AsInteger() const {
  if (wire_ != Wire::kVarint) {
    return WrongType("an integer");
  }
  return static_cast<std::int64_t>(bits_);
}

Result<bool> ProtobufField::AsBool() const {
  ASHLAR_TRY(const std::int64_t value, AsInteger());
  return value != 0;
}

Result<float> ProtobufField::AsFloat() const {
  if (wire_ != Wire::kFixed32) {
    return WrongType("a float");
  }
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits_));
}

Result<std::string_view> ProtobufField::AsBytes() const {
  if (wire_ != Wire::kBytes) {
    return WrongType("bytes");
  }
  return bytes_;
}

Result<std::uint64_t> ProtobufReader::ReadVarint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    ASHLAR_TRY(const auto byte, reader_.Read<std::uint8_t>("a varint"));
    if (shift == 63 && byte > 1) {
      break;
    }
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return Corrupt("the varint that ends at offset {} is over 64 bits", reader_.offset());
}

Result<std::optional<ProtobufField>> ProtobufReader::Next() {
  if (reader_.remaining() == 0) {
    return std::optional<ProtobufField>();
  }
  ASHLAR_TRY(const std::uint64_t tag, ReadVarint());
  ProtobufField field;
  if (tag >> 3 == 0 || tag >> 3 > (1u << 29) - 1) {
    return Corrupt("the field at offset {} has the number {}", reader_.offset(), tag >> 3);
  }
  field.number_ = static_cast<std::uint32_t>(tag >> 3);
  field.wire_ = static_cast<ProtobufField::Wire>(tag & 7);
  switch (tag & 7) {
    case 0: {
      ASHLAR_TRY(field.bits_, ReadVarint());
      break;
    }
    case 1: {
      ASHLAR_TRY(field.bits_, reader_.Read<std::uint64_t>("a 64-bit field"));
      break;
    }
    case 2: {
      ASHLAR_TRY(const std::uint64_t size, ReadVarint());
      ASHLAR_TRY(field.bytes_, reader_.ReadText(size, "a field of bytes"));
      break;
    }
    case 5: {
      ASHLAR_TRY(const auto bits, reader_.Read<std::uint32_t>("a 32-bit field"));
      field.bits_ = bits;
      break;
    }
    default:
      return Corrupt("the field {} at offset {} has the wire type {}", field.number_,
                     reader_.offset(), tag & 7);
  }
  return std::optional(field);
}

}  // namespace ashlar::internal
