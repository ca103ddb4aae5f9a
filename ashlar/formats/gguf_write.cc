#include "ashlar/formats/gguf_write.h"

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/output_file.h"

namespace ashlar {
namespace {

std::uint64_t Padding(std::uint64_t bytes) {
  return (kGgufAlignment - bytes % kGgufAlignment) % kGgufAlignment;
}

// The part before the tensors' bytes.
class Header {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void Put(T value) { Append(std::as_bytes(std::span(&value, 1))); }
  void Put(std::string_view text) {
    Put(static_cast<std::uint64_t>(text.size()));
    Append(AsBytes(text));
  }
  void Append(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  void PutValue(std::uint32_t value) { PutTyped(GgufValueType::kU32, value); }
  void PutValue(float value) { PutTyped(GgufValueType::kF32, value); }
  void PutValue(bool value) { PutTyped(GgufValueType::kBool, static_cast<std::uint8_t>(value)); }
  void PutValue(const std::string& value) {
    PutTyped(GgufValueType::kString, std::string_view(value));
  }
  void PutValue(const std::vector<std::uint8_t>& values) { PutArray(GgufValueType::kU8, values); }
  void PutValue(const std::vector<std::int32_t>& values) { PutArray(GgufValueType::kI32, values); }
  void PutValue(const std::vector<float>& values) { PutArray(GgufValueType::kF32, values); }
  void PutValue(const std::vector<bool>& values) { PutArray(GgufValueType::kBool, values); }
  void PutValue(const std::vector<std::string>& values) {
    PutArray(GgufValueType::kString, values);
  }

  void PutValue(const GgufSerialized& value) { Append(value.bytes); }

  void Align() { bytes_.resize(bytes_.size() + Padding(bytes_.size())); }
  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  template <class T>
  void PutTyped(GgufValueType type, const T& value) {
    Put(type);
    Put(value);
  }
  template <class T>
  void PutArray(GgufValueType type, const std::vector<T>& values) {
    Put(GgufValueType::kArray);
    Put(type);
    Put(static_cast<std::uint64_t>(values.size()));
    for (const T& value : values) {
      Put(value);
    }
  }

  std::vector<std::byte> bytes_;
};

}  // namespace

std::vector<std::byte> GgufHeader(const GgufContent& content) {
  Header header;
  header.Append(AsBytes(kGgufMagic));
  header.Put(kGgufVersion);
  header.Put(static_cast<std::uint64_t>(content.tensors.size()));
  header.Put(static_cast<std::uint64_t>(content.metadata.size()));
  for (const auto& [key, value] : content.metadata) {
    header.Put(std::string_view(key));
    std::visit([&](const auto& typed) { header.PutValue(typed); }, value);
  }
  std::uint64_t offset = 0;
  for (const GgufTensor& tensor : content.tensors) {
    header.Put(std::string_view(tensor.name));
    header.Put(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) {
      header.Put(static_cast<std::uint64_t>(*dim));
    }
    header.Put(tensor.type->id);
    header.Put(offset);
    offset += tensor.bytes() + Padding(tensor.bytes());
  }
  header.Align();
  return header.Take();
}

std::uint64_t GgufTensor::bytes() const {
  std::uint64_t rows = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) {
    rows *= static_cast<std::uint64_t>(shape[i]);
  }
  return rows * type->row_bytes(shape.back());
}

Result<std::uint64_t> WriteGguf(
    const Path& path, const GgufContent& content,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  std::uint64_t total = 0;
  for (const GgufTensor& tensor : content.tensors) {
    total += tensor.bytes();
  }
  ASHLAR_TRY(OutputFile file, OutputFile::Create(path));
  const std::vector<std::byte> header = GgufHeader(content);
  ASHLAR_TRY(file.Write(header));
  std::uint64_t size = header.size();
  std::uint64_t done = 0;
  for (const GgufTensor& tensor : content.tensors) {
    std::uint64_t given = 0;
    ASHLAR_TRY(tensor.write([&](std::span<const std::byte> bytes) -> Status {
      given += bytes.size();
      if (progress) {
        progress(done + given, total);
      }
      return file.Write(bytes);
    }));
    CHECK_EQ(given, tensor.bytes());
    constexpr std::byte kZeros[kGgufAlignment] = {};
    ASHLAR_TRY(file.Write(std::span(kZeros, Padding(given))));
    done += given;
    size += given + Padding(given);
  }
  ASHLAR_TRY(file.Commit());
  return size;
}

}  // namespace ashlar
