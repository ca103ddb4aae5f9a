#include "ashlar/formats/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"

namespace ashlar {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr std::uint64_t kMaxHeaderValues = 1u << 20;    // some 100,000 tensors
constexpr std::size_t kMaxRank = 16;

struct FileDType {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array kDTypes = {
    FileDType{"BOOL", 1},    FileDType{"U8", 1},  FileDType{"I8", 1},  FileDType{"F8_E4M3", 1},
    FileDType{"F8_E5M2", 1}, FileDType{"I16", 2}, FileDType{"U16", 2}, FileDType{"F16", 2},
    FileDType{"BF16", 2},    FileDType{"I32", 4}, FileDType{"U32", 4}, FileDType{"F32", 4},
    FileDType{"I64", 8},     FileDType{"U64", 8}, FileDType{"F64", 8},
};

const FileDType* FindDType(std::string_view name) {
  const auto* found = std::ranges::find(kDTypes, name, &FileDType::name);
  return found == kDTypes.end() ? nullptr : found;
}

// One tensor's line of the header, checked against the bytes that follow it.
Result<SafetensorsEntry> ParseEntry(const std::string& name, const JsonCursor& json,
                                    std::span<const std::byte> data) {
  ASHLAR_TRY(json.AllowOnly({"dtype", "shape", "data_offsets"}));
  SafetensorsEntry entry{.name = name};
  ASHLAR_TRY(entry.dtype, json.String("dtype"));
  const FileDType* dtype = FindDType(entry.dtype);
  if (dtype == nullptr) {
    return json.Invalid("unknown dtype \"{}\"", entry.dtype);
  }
  ASHLAR_TRY(const JsonCursor shape, json.At("shape"));
  ASHLAR_TRY(const std::vector<JsonCursor> dims, shape.AsArray(kMaxRank));
  std::uint64_t bytes = dtype->bytes;
  for (const JsonCursor& dim : dims) {
    ASHLAR_TRY(const std::int64_t size, dim.AsInteger(0, std::int64_t{1} << 48));
    entry.shape.push_back(size);
    const auto product = CheckedMul<std::uint64_t>(bytes, static_cast<std::uint64_t>(size));
    if (!product) {
      return shape.Invalid("the product of the dimensions does not fit in 64 bits");
    }
    bytes = *product;
  }
  ASHLAR_TRY(const JsonCursor offsets, json.At("data_offsets"));
  ASHLAR_TRY(const std::vector<JsonCursor> ends, offsets.AsArray(2));
  if (ends.size() != 2) {
    return offsets.Invalid("expected [begin, end], found {} numbers", ends.size());
  }
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  ASHLAR_TRY(const std::int64_t begin, ends[0].AsInteger(0, kMax));
  ASHLAR_TRY(const std::int64_t end, ends[1].AsInteger(0, kMax));
  if (end < begin || static_cast<std::uint64_t>(end) > data.size()) {
    return offsets.Invalid("[{}, {}) lies outside the {} bytes of data in the file", begin, end,
                           data.size());
  }
  const auto length = static_cast<std::uint64_t>(end - begin);
  if (length != bytes) {
    return offsets.Invalid("[{}, {}) is {} bytes, but {} numbers of {} take {}", begin, end, length,
                           bytes / dtype->bytes, entry.dtype, bytes);
  }
  entry.bytes = data.subspan(static_cast<std::size_t>(begin), length);
  return entry;
}

// The tensors must tile the data: no two share a byte, and none is left over. (Otherwise a file
// could hide something in a hole, or be read in two ways.)
Status CheckTiling(std::span<const SafetensorsEntry> entries, std::span<const std::byte> data,
                   std::string_view name) {
  const std::byte* at = data.data();
  for (const SafetensorsEntry& entry : entries) {
    const auto offset = static_cast<std::uint64_t>(entry.bytes.data() - data.data());
    if (entry.bytes.data() < at) {
      return Invalid("{}: tensor \"{}\" at offset {} overlaps the one before it", name, entry.name,
                     offset);
    }
    if (entry.bytes.data() > at) {
      return Invalid("{}: {} bytes before tensor \"{}\" belong to no tensor", name,
                     entry.bytes.data() - at, entry.name);
    }
    at = entry.bytes.data() + entry.bytes.size();
  }
  if (at != data.data() + data.size()) {
    return Invalid("{}: {} bytes after the last tensor belong to no tensor", name,
                   data.data() + data.size() - at);
  }
  return {};
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Open(const Path& path) {
  ASHLAR_TRY(MappedFile file, RealFileSystem().Map(path));
  FaultGuard guard(file.bytes());
  Result<SafetensorsFile> parsed = Parse(file.bytes(), path.string());
  if (!parsed.ok() && !guard.faulted()) {
    return parsed;
  }
  SafetensorsFile opened;
  if (parsed.ok()) {
    opened = *std::move(parsed);
  }
  opened.path_ = path;
  opened.file_ = std::move(file);
  opened.guard_ = std::move(guard);
  ASHLAR_TRY(opened.CheckIntact());
  return opened;
}

Status SafetensorsFile::CheckIntact() const {
  if (path_.empty()) {
    return {};
  }
  // Its size besides: the rest of the last page that a file has reads as zeros without a fault.
  ASHLAR_TRY(const auto stat, RealFileSystem().Stat(path_));
  if (guard_.faulted() || (stat && stat->size < file_.bytes().size())) {
    return Conflict("{} was cut short while it was read; is the model still being written?",
                    path_.string());
  }
  return {};
}

Result<SafetensorsFile> SafetensorsFile::Parse(std::span<const std::byte> bytes,
                                               std::string_view name) {
  ByteReader reader(bytes);
  const auto in_file = [name](Error error) { return error.In(name); };

  const auto header_bytes = reader.Read<std::uint64_t>("the header's length");
  if (!header_bytes.ok()) {
    return in_file(header_bytes.error());
  }
  if (*header_bytes > kMaxHeaderBytes) {
    return Invalid(
        "{}: the header claims {} bytes; at most {} are allowed (is this a safetensors "
        "file?)",
        name, *header_bytes, kMaxHeaderBytes);
  }
  const auto header = reader.ReadText(*header_bytes, "the header");
  if (!header.ok()) {
    return in_file(header.error());
  }
  if (!header->starts_with('{')) {
    return Invalid("{}: the header does not begin with '{{' (is this a safetensors file?)", name);
  }
  const auto json = ParseJson(
      *header, {.max_bytes = kMaxHeaderBytes, .max_depth = 8, .max_values = kMaxHeaderValues});
  if (!json.ok()) {
    return in_file(json.error());
  }
  const std::span<const std::byte> data = bytes.subspan(reader.offset());

  SafetensorsFile file;
  ASHLAR_TRY(const auto members, JsonCursor(*json, std::string(name)).AsObject());
  for (const auto& [key, value] : members) {
    if (key == "__metadata__") {
      ASHLAR_TRY(const auto pairs, value.AsObject());
      for (const auto& [pair_key, pair_value] : pairs) {
        ASHLAR_TRY(file.metadata_[pair_key], pair_value.AsString());
      }
      continue;
    }
    ASHLAR_TRY(SafetensorsEntry entry, ParseEntry(key, value, data));
    file.entries_.push_back(std::move(entry));
  }
  std::ranges::sort(file.entries_, [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tuple(a.bytes.data(), a.bytes.size()) < std::tuple(b.bytes.data(), b.bytes.size());
  });
  ASHLAR_TRY(CheckTiling(file.entries_, data, name));
  for (std::size_t i = 0; i < file.entries_.size(); ++i) {
    file.by_name_.emplace(file.entries_[i].name, i);
  }
  return file;
}

const SafetensorsEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

std::optional<DType> FloatDType(std::string_view safetensors_dtype) {
  if (safetensors_dtype == "F32") return DType::kF32;
  if (safetensors_dtype == "F16") return DType::kF16;
  if (safetensors_dtype == "BF16") return DType::kBF16;
  return std::nullopt;
}

Result<SafetensorsWriter> SafetensorsWriter::Create(
    const Path& path, std::span<const Layout> tensors,
    const std::map<std::string, std::string>& metadata) {
  Json header = Json::Object();
  if (!metadata.empty()) {
    Json pairs = Json::Object();
    for (const auto& [key, value] : metadata) {
      pairs.Set(key, value);
    }
    header.Set("__metadata__", std::move(pairs));
  }
  std::uint64_t offset = 0;
  for (const Layout& tensor : tensors) {
    Json shape = Json::Array();
    for (const std::int64_t dim : tensor.shape) {
      shape.Append(dim);
    }
    const std::uint64_t end = offset + tensor.bytes;
    header.object()->emplace_back(tensor.name,
                                  Json::Of({{"dtype", tensor.dtype},
                                            {"shape", std::move(shape)},
                                            {"data_offsets", Json::Array{offset, end}}}));
    offset = end;
  }
  std::string text = WriteJson(header);
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned in a mapping
  const std::uint64_t length = text.size();

  ASHLAR_TRY(OutputFile file, OutputFile::Create(path));
  ASHLAR_TRY(file.Write(std::as_bytes(std::span(&length, 1))));
  ASHLAR_TRY(file.Write(AsBytes(text)));
  return SafetensorsWriter(std::move(file), offset);
}

Status SafetensorsWriter::Write(std::span<const std::byte> bytes) {
  CHECK(bytes.size() <= bytes_left_);
  bytes_left_ -= bytes.size();
  return file_.Write(bytes);
}

Status SafetensorsWriter::Commit() {
  CHECK(bytes_left_ == 0);
  return file_.Commit();
}

Status WriteSafetensors(const Path& path, std::span<const SafetensorsTensor> tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::vector<SafetensorsWriter::Layout> layouts;
  for (const SafetensorsTensor& tensor : tensors) {
    layouts.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.bytes.size()});
  }
  ASHLAR_TRY(SafetensorsWriter writer, SafetensorsWriter::Create(path, layouts, metadata));
  for (const SafetensorsTensor& tensor : tensors) {
    ASHLAR_TRY(writer.Write(tensor.bytes));
  }
  return writer.Commit();
}

}  // namespace ashlar
