#include "ashlar/formats/gguf_read.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json.h"

namespace ashlar {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65'535;  // the format's own limit
constexpr std::uint64_t kMaxNameBytes = 256;    // ggml reads 64
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr std::uint32_t kMaxSplits = 65'535;

// The least bytes that a tensor's description takes (no name, one dimension), a pair (no key, a
// byte), and a string: what a count is held against before anything is made room for.
constexpr std::uint64_t kLeastTensorBytes = 8 + 4 + 8 + 4 + 8;
constexpr std::uint64_t kLeastPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kLeastTextBytes = 8;

struct ValueType {
  GgufValueType type;
  std::string_view name;
  int bytes;  // 0: no number
};
constexpr ValueType kValueTypes[] = {
    {GgufValueType::kU8, "u8", 1},       {GgufValueType::kI8, "i8", 1},
    {GgufValueType::kU16, "u16", 2},     {GgufValueType::kI16, "i16", 2},
    {GgufValueType::kU32, "u32", 4},     {GgufValueType::kI32, "i32", 4},
    {GgufValueType::kF32, "f32", 4},     {GgufValueType::kBool, "bool", 1},
    {GgufValueType::kString, "text", 0}, {GgufValueType::kArray, "array", 0},
    {GgufValueType::kU64, "u64", 8},     {GgufValueType::kI64, "i64", 8},
    {GgufValueType::kF64, "f64", 8},
};
const ValueType* FindValueType(std::uint32_t id) {
  const auto found =
      std::ranges::find(kValueTypes, static_cast<GgufValueType>(id), &ValueType::type);
  return found == std::end(kValueTypes) ? nullptr : found;
}
const ValueType& DescriptionOf(GgufValueType type) {
  return *FindValueType(static_cast<std::uint32_t>(type));
}

template <class T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// An integer or a bool; nothing for other types, and for a u64 that no i64 holds.
std::optional<std::int64_t> LoadInteger(GgufValueType type, const std::byte* from) {
  switch (type) {
    case GgufValueType::kU8:
    case GgufValueType::kBool:
      return Load<std::uint8_t>(from);
    case GgufValueType::kI8:
      return Load<std::int8_t>(from);
    case GgufValueType::kU16:
      return Load<std::uint16_t>(from);
    case GgufValueType::kI16:
      return Load<std::int16_t>(from);
    case GgufValueType::kU32:
      return Load<std::uint32_t>(from);
    case GgufValueType::kI32:
      return Load<std::int32_t>(from);
    case GgufValueType::kI64:
      return Load<std::int64_t>(from);
    case GgufValueType::kU64: {
      const auto value = Load<std::uint64_t>(from);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
      }
      return static_cast<std::int64_t>(value);
    }
    case GgufValueType::kF32:
    case GgufValueType::kF64:
    case GgufValueType::kString:
    case GgufValueType::kArray:
      break;
  }
  return std::nullopt;
}

}  // namespace

// ---- Metadata

std::vector<std::string_view> GgufFields::keys() const {
  std::vector<std::string_view> keys;
  for (const auto& [key, field] : fields_) {
    keys.push_back(key);
  }
  return keys;
}

bool GgufFields::IsArray(std::string_view key) const {
  const auto found = fields_.find(key);
  return found != fields_.end() && found->second.is_array;
}

GgufSerialized GgufFields::Serialized(std::string_view key) const {
  const Field& field = fields_.find(key)->second;
  GgufSerialized value;
  const auto append = [&](std::span<const std::byte> bytes) {
    value.bytes.insert(value.bytes.end(), bytes.begin(), bytes.end());
  };
  const auto put = [&](auto number) { append(std::as_bytes(std::span(&number, 1))); };
  const bool texts = field.type == GgufValueType::kString;
  if (field.is_array) {
    put(GgufValueType::kArray);
  }
  put(field.type);
  if (field.is_array) {
    put(static_cast<std::uint64_t>(
        texts ? field.texts.size()
              : field.bytes.size() / static_cast<std::size_t>(DescriptionOf(field.type).bytes)));
  }
  append(field.bytes);
  for (const std::string_view text : field.texts) {
    put(static_cast<std::uint64_t>(text.size()));
    append(AsBytes(text));
  }
  return value;
}

Error GgufFields::WrongType(std::string_view key, const Field& field,
                            std::string_view wanted) const {
  return Invalid("{}: {} is {}{}, expected {}", file_, key, field.is_array ? "an array of " : "",
                 DescriptionOf(field.type).name, wanted);
}

Result<const GgufFields::Field*> GgufFields::Find(std::string_view key, bool array) const {
  const auto found = fields_.find(key);
  if (found == fields_.end()) {
    return nullptr;
  }
  if (found->second.is_array != array) {
    return WrongType(key, found->second, array ? "an array" : "a single value");
  }
  return &found->second;
}

Result<std::optional<std::int64_t>> GgufFields::Integer(std::string_view key, std::int64_t least,
                                                        std::int64_t most) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/false));
  if (field == nullptr) {
    return std::optional<std::int64_t>();
  }
  const std::optional<std::int64_t> value = field->type == GgufValueType::kBool
                                                ? std::nullopt
                                                : LoadInteger(field->type, field->bytes.data());
  if (!value) {
    return WrongType(key, *field, "an integer");
  }
  if (*value < least || *value > most) {
    return Invalid("{}: {} is {}, expected {} to {}", file_, key, *value, least, most);
  }
  return value;
}

Result<std::optional<double>> GgufFields::Real(std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/false));
  if (field == nullptr) {
    return std::optional<double>();
  }
  double value = 0;
  if (field->type == GgufValueType::kF32) {
    value = Load<float>(field->bytes.data());
  } else if (field->type == GgufValueType::kF64) {
    value = Load<double>(field->bytes.data());
  } else {
    return WrongType(key, *field, "a real number");
  }
  if (!std::isfinite(value)) {
    return Invalid("{}: {} is {}", file_, key, value);
  }
  return std::optional(value);
}

Result<std::optional<bool>> GgufFields::Bool(std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/false));
  if (field == nullptr) {
    return std::optional<bool>();
  }
  if (field->type != GgufValueType::kBool) {
    return WrongType(key, *field, "a bool");
  }
  return std::optional(Load<std::uint8_t>(field->bytes.data()) != 0);
}

Result<std::optional<std::string_view>> GgufFields::Text(std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/false));
  if (field == nullptr) {
    return std::optional<std::string_view>();
  }
  if (field->type != GgufValueType::kString) {
    return WrongType(key, *field, "a text");
  }
  return std::optional(field->texts.front());
}

Result<std::optional<std::vector<std::int64_t>>> GgufFields::Integers(std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/true));
  if (field == nullptr) {
    return std::optional<std::vector<std::int64_t>>();
  }
  std::vector<std::int64_t> values;
  const auto step = static_cast<std::size_t>(DescriptionOf(field->type).bytes);
  for (std::size_t at = 0; at < field->bytes.size(); at += step) {
    const auto value = LoadInteger(field->type, field->bytes.data() + at);
    if (!value) {
      return WrongType(key, *field, "an array of integers");
    }
    values.push_back(*value);
  }
  if (field->type == GgufValueType::kString && !field->texts.empty()) {
    return WrongType(key, *field, "an array of integers");
  }
  return std::optional(std::move(values));
}

Result<std::optional<std::vector<float>>> GgufFields::Reals(std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/true));
  if (field == nullptr) {
    return std::optional<std::vector<float>>();
  }
  if (field->type != GgufValueType::kF32) {
    return WrongType(key, *field, "an array of f32");
  }
  std::vector<float> values(field->bytes.size() / sizeof(float));
  if (!values.empty()) {
    std::memcpy(values.data(), field->bytes.data(), field->bytes.size());
  }
  return std::optional(std::move(values));
}

Result<std::optional<std::span<const std::string_view>>> GgufFields::Texts(
    std::string_view key) const {
  ASHLAR_TRY(const Field* field, Find(key, /*array=*/true));
  if (field == nullptr) {
    return std::optional<std::span<const std::string_view>>();
  }
  if (field->type != GgufValueType::kString) {
    return WrongType(key, *field, "an array of texts");
  }
  return std::optional(std::span<const std::string_view>(field->texts));
}

// ---- A file

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, std::string_view name)
      : bytes_(bytes), reader_(bytes) {
    fields_.file_ = name;
  }

  Status Parse() {
    ASHLAR_TRY(ParseHeader());
    for (std::uint64_t i = 0; i < pair_count_; ++i) {
      ASHLAR_TRY(ParsePair());
    }
    ASHLAR_TRY(const auto alignment, fields_.Integer("general.alignment", 1, kMaxAlignment));
    alignment_ = static_cast<std::uint64_t>(alignment.value_or(kGgufAlignment));
    if ((alignment_ & (alignment_ - 1)) != 0) {
      return Invalid("general.alignment is {}, which is no power of two", alignment_);
    }
    for (std::uint64_t i = 0; i < tensor_count_; ++i) {
      ASHLAR_TRY(ParseTensor());
    }
    return PlaceTensors();
  }

  GgufFields TakeFields() { return std::move(fields_); }
  std::vector<GgufEntry> TakeEntries() { return std::move(entries_); }

 private:
  Status ParseHeader() {
    ASHLAR_TRY(const std::string_view magic, reader_.ReadText(kGgufMagic.size(), "the magic"));
    if (magic != kGgufMagic) {
      return Corrupt("it does not begin with \"{}\": is this a GGUF file?", kGgufMagic);
    }
    ASHLAR_TRY(const auto version, reader_.Read<std::uint32_t>("the version"));
    if (version != 0 && (version & 0xffffu) == 0) {
      return Unsupported(
          "version 0x{:08x}: the file is big-endian, and little-endian ones can be "
          "read; convert it with gguf_convert_endian.py",
          version);
    }
    if (version != 2 && version != kGgufVersion) {
      return Unsupported("version {}; versions 2 and {} can be read", version, kGgufVersion);
    }
    ASHLAR_TRY(tensor_count_, ReadCount("tensors", kLeastTensorBytes));
    ASHLAR_TRY(pair_count_, ReadCount("metadata pairs", kLeastPairBytes));
    return {};
  }

  // A count of things that take at least so many bytes each, which must still be there.
  Result<std::uint64_t> ReadCount(std::string_view what, std::uint64_t least_bytes) {
    ASHLAR_TRY(const auto count, reader_.Read<std::uint64_t>(what));
    if (count > reader_.remaining() / least_bytes) {
      return Corrupt("it claims {} {}, more than its remaining {} bytes can hold", count, what,
                     reader_.remaining());
    }
    return count;
  }

  Result<std::string_view> ReadString(std::string_view what, std::uint64_t most_bytes) {
    ASHLAR_TRY(const auto length, reader_.Read<std::uint64_t>(what));
    if (length > most_bytes) {
      return Corrupt("{} at offset {} claims {} bytes, at most {} are allowed", what,
                     reader_.offset(), length, most_bytes);
    }
    return reader_.ReadText(length, what);
  }

  Result<const ValueType*> ReadType(std::string_view key) {
    ASHLAR_TRY(const auto id, reader_.Read<std::uint32_t>("a value's type"));
    const ValueType* type = FindValueType(id);
    if (type == nullptr) {
      return Corrupt("{} has a value of the unknown type {}", QuoteForError(key), id);
    }
    return type;
  }

  Status ParsePair() {
    ASHLAR_TRY(const std::string_view key, ReadString("a key", kMaxKeyBytes));
    ASHLAR_TRY(const ValueType* type, ReadType(key));
    GgufFields::Field field{.type = type->type};
    std::uint64_t count = 1;
    if (type->type == GgufValueType::kArray) {
      field.is_array = true;
      ASHLAR_TRY(type, ReadType(key));
      if (type->type == GgufValueType::kArray) {
        return Unsupported("{} is an array of arrays", QuoteForError(key));
      }
      field.type = type->type;
      const std::uint64_t least =
          type->bytes != 0 ? static_cast<std::uint64_t>(type->bytes) : kLeastTextBytes;
      ASHLAR_TRY(count, ReadCount("values of an array", least));
    }
    if (type->type == GgufValueType::kString) {
      field.texts.reserve(count);
      for (std::uint64_t i = 0; i < count; ++i) {
        ASHLAR_TRY(const std::string_view text, ReadString("a text", reader_.remaining()));
        field.texts.push_back(text);
      }
    } else {
      // Bounded by ReadCount.
      ASHLAR_TRY(field.bytes,
                 reader_.ReadBytes(count * static_cast<std::uint64_t>(type->bytes), "a value"));
    }
    if (!fields_.fields_.emplace(key, std::move(field)).second) {
      return Corrupt("the key {} stands twice", QuoteForError(key));
    }
    return {};
  }

  Status ParseTensor() {
    ASHLAR_TRY(const std::string_view name, ReadString("a tensor's name", kMaxNameBytes));
    GgufEntry entry{.name = std::string(name)};
    const auto status = ParseDescription(entry);
    if (!status.ok()) {
      return status.error().In("tensor " + QuoteForError(name));
    }
    entries_.push_back(std::move(entry));
    return {};
  }

  Status ParseDescription(GgufEntry& entry) {
    ASHLAR_TRY(const auto rank, reader_.Read<std::uint32_t>("the number of dimensions"));
    if (rank < 1 || rank > Shape::kMaxRank) {
      return Corrupt("it has {} dimensions, expected 1 to {}", rank, Shape::kMaxRank);
    }
    for (std::uint32_t i = 0; i < rank; ++i) {
      ASHLAR_TRY(const auto dim, reader_.Read<std::uint64_t>("a dimension"));
      if (dim < 1 || dim > static_cast<std::uint64_t>(Shape::kMaxElements)) {
        return Corrupt("dimension {} is {}, expected 1 to {}", i, dim, Shape::kMaxElements);
      }
      entry.shape.insert(entry.shape.begin(), static_cast<std::int64_t>(dim));
    }
    ASHLAR_TRY(const Shape shape, Shape::Make(entry.shape));  // the product fits
    ASHLAR_TRY(const auto type, reader_.Read<std::uint32_t>("the type"));
    ASHLAR_TRY(entry.type, FindGgufType(type));
    const std::int64_t columns = entry.shape.back();
    if (columns % entry.type->block_columns != 0) {
      return Corrupt("rows of {} numbers are no whole blocks of {}, of which type {} is made",
                     columns, entry.type->block_columns, entry.type->name);
    }
    ASHLAR_TRY(const auto offset, reader_.Read<std::uint64_t>("the offset"));
    if (offset % alignment_ != 0) {
      return Corrupt("its offset {} is no multiple of the alignment, {}", offset, alignment_);
    }
    places_.push_back({offset, static_cast<std::uint64_t>(shape.elements() / columns) *
                                   entry.type->row_bytes(columns)});
    return {};
  }

  // Where the tensors lie: inside the file, and no two over each other.
  Status PlaceTensors() {
    const std::uint64_t header = reader_.offset();
    // Below 2^63 + 2^20: a file has no more bytes.
    const std::uint64_t begin = (header + alignment_ - 1) / alignment_ * alignment_;
    const auto data = bytes_.subspan(std::min<std::uint64_t>(begin, bytes_.size()));
    std::vector<std::size_t> order(entries_.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
      const auto [offset, length] = places_[i];
      if (!RangeFits(offset, length, data.size())) {
        return Corrupt(
            "tensor {} claims {} bytes at offset {} of the data, of which the file has "
            "{}: was it cut short?",
            QuoteForError(entries_[i].name), length, offset, data.size());
      }
      entries_[i].bytes = data.subspan(offset, length);
    }
    std::ranges::sort(order, {}, [this](std::size_t i) { return places_[i].offset; });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const Place& last = places_[order[i - 1]];
      if (places_[order[i]].offset < last.offset + last.length) {
        return Corrupt("tensor {} lies over tensor {}", QuoteForError(entries_[order[i]].name),
                       QuoteForError(entries_[order[i - 1]].name));
      }
    }
    return {};
  }

  struct Place {
    std::uint64_t offset, length;
  };

  std::span<const std::byte> bytes_;
  ByteReader reader_;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t pair_count_ = 0;
  std::uint64_t alignment_ = kGgufAlignment;
  GgufFields fields_;
  std::vector<GgufEntry> entries_;
  std::vector<Place> places_;
};

namespace {

struct ParsedGguf {
  GgufFields fields;
  std::vector<GgufEntry> entries;
};
Result<ParsedGguf> ParseGguf(std::span<const std::byte> bytes, std::string_view name) {
  GgufParser parser(bytes, name);
  if (const Status status = parser.Parse(); !status.ok()) {
    return status.error().In(name);
  }
  return ParsedGguf{parser.TakeFields(), parser.TakeEntries()};
}

// Which part of how many a file says it is; 0 of 1 when it does not say.
struct ShardNumber {
  std::int64_t index, count;
};
Result<ShardNumber> ReadShardNumber(const GgufFields& fields) {
  ASHLAR_TRY(const auto count, fields.Integer("split.count", 0, kMaxSplits));
  ASHLAR_TRY(const auto index, fields.Integer("split.no", 0, kMaxSplits));
  return ShardNumber{index.value_or(0), std::max<std::int64_t>(count.value_or(1), 1)};
}

}  // namespace

Result<GgufFile> GgufFile::Parse(std::span<const std::byte> bytes, std::string_view name) {
  GgufFile file;
  ASHLAR_TRY(ParsedGguf parsed, ParseGguf(bytes, name));
  file.fields_ = std::move(parsed.fields);
  file.entries_ = std::move(parsed.entries);
  for (std::size_t i = 0; i < file.entries_.size(); ++i) {
    if (!file.by_name_.emplace(file.entries_[i].name, i).second) {
      return Corrupt("{}: tensor {} stands twice", name, QuoteForError(file.entries_[i].name));
    }
  }
  return file;
}

Status GgufFile::AddPart(const Path& path) {
  ASHLAR_TRY(MappedFile mapped, RealFileSystem().Map(path));
  FaultGuard guard(mapped.bytes());
  const auto bytes = mapped.bytes();
  parts_.push_back({path, std::move(mapped), std::move(guard)});
  Result<GgufFile> parsed = Parse(bytes, path.string());
  ASHLAR_TRY(CheckIntact());  // first: what else is wrong may come of it
  ASHLAR_TRY(GgufFile part, std::move(parsed));
  ASHLAR_TRY(const ShardNumber number, ReadShardNumber(part.fields_));
  if (number.index != std::ssize(parts_) - 1) {
    return Invalid("{} is shard {} of {}, expected shard {}{}", path.string(), number.index + 1,
                   number.count, parts_.size(),
                   parts_.size() == 1 ? ": name the first, and the others are found" : "");
  }
  if (parts_.size() == 1) {
    fields_ = std::move(part.fields_);
  }
  for (GgufEntry& entry : part.entries_) {
    if (!by_name_.emplace(entry.name, entries_.size()).second) {
      return Corrupt("{}: tensor {} stands in another shard too", path.string(),
                     QuoteForError(entry.name));
    }
    entries_.push_back(std::move(entry));
  }
  return {};
}

Status GgufFile::AddShards(const Path& first) {
  ASHLAR_TRY(const ShardNumber number, ReadShardNumber(fields_));
  if (number.count == 1) {
    return {};
  }
  const std::string ending = fmt::format("-00001-of-{:05}.gguf", number.count);
  const std::string name = first.string();
  if (!name.ends_with(ending)) {
    return Invalid(
        "{} is the first of {} shards, so its name must end in {}, by which the others "
        "are found",
        name, number.count, ending);
  }
  for (std::int64_t i = 2; i <= number.count; ++i) {
    ASHLAR_TRY(AddPart(name.substr(0, name.size() - ending.size()) +
                       fmt::format("-{:05}-of-{:05}.gguf", i, number.count)));
  }
  ASHLAR_TRY(const auto tensors,
             fields_.Integer("split.tensors.count", 0, std::numeric_limits<std::int32_t>::max()));
  if (tensors && *tensors != std::ssize(entries_)) {
    return Corrupt("{}: split.tensors.count is {}, and the {} shards have {} tensors", name,
                   *tensors, number.count, entries_.size());
  }
  return {};
}

Result<GgufFile> GgufFile::Open(const Path& path) {
  GgufFile file;
  ASHLAR_TRY(file.AddPart(path));
  ASHLAR_TRY(file.AddShards(path));
  return file;
}

const GgufEntry* GgufFile::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

Status GgufFile::CheckIntact() const {
  for (const Part& part : parts_) {
    // Its size besides: the rest of the last page that a file has reads as zeros without a fault.
    ASHLAR_TRY(const auto stat, RealFileSystem().Stat(part.path));
    if (part.guard.faulted() || (stat && stat->size < part.file.bytes().size())) {
      return Conflict("{} was cut short while it was read; is the model still being written?",
                      part.path.string());
    }
  }
  return {};
}

}  // namespace ashlar
