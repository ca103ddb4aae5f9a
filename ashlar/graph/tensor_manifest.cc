#include "ashlar/graph/tensor_manifest.h"

#include "ashlar/graph/internal/manifest_json.h"

namespace ashlar {
namespace {

// What a level's bytes begin at a multiple of inside their blob: kernels read whole registers.
constexpr std::uint64_t kLevelAlignment = 64;

Result<Shape> ParseShape(const JsonCursor& json) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, json.AsArray(Shape::kMaxRank));
  std::vector<std::int64_t> dims;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(const std::int64_t dim, element.AsInteger(1, Shape::kMaxElements));
    dims.push_back(dim);
  }
  Result<Shape> shape = Shape::Make(dims);
  if (!shape.ok()) {
    return shape.error().In(json.path());
  }
  return shape;
}

Result<Level> ParseLevel(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"blob", "length", "offset"}));
  Level level;
  ASHLAR_TRY(const JsonCursor blob, json.At("blob"));
  ASHLAR_TRY(level.blob, internal::ParseDigest(blob));
  ASHLAR_TRY(const std::int64_t length, json.Integer("length", 1, internal::kMaxInteger));
  ASHLAR_TRY(const std::int64_t offset, json.Integer("offset", 0, internal::kMaxInteger - length));
  if (offset % kLevelAlignment != 0) {
    return json.Invalid("offset {} is no multiple of {}", offset, kLevelAlignment);
  }
  level.length = static_cast<std::uint64_t>(length);
  level.offset = static_cast<std::uint64_t>(offset);
  return level;
}

// What the tensor in `json`, of that shape, is the difference from; null when it is from nothing.
Result<std::shared_ptr<const TensorManifest>> ParseBase(const JsonCursor& json,
                                                        const Shape& shape) {
  ASHLAR_TRY(const std::optional<JsonCursor> at, json.Find("base"));
  if (!at) {
    return std::shared_ptr<const TensorManifest>();
  }
  ASHLAR_TRY(const std::optional<JsonCursor> deeper, at->Find("base"));
  if (deeper) {
    return at->Invalid("a base is a whole tensor, and this one has a base itself");
  }
  ASHLAR_TRY(TensorManifest base, ParseTensorManifest(*at));
  if (base.shape != shape) {
    return at->Invalid("its shape is {}, and that of the difference from it is {}",
                       base.shape.ToString(), shape.ToString());
  }
  return std::make_shared<const TensorManifest>(std::move(base));
}

}  // namespace

std::vector<Level> TensorManifest::all_levels() const {
  std::vector<Level> all = levels;
  if (base != nullptr) {
    all.insert(all.end(), base->levels.begin(), base->levels.end());
  }
  return all;
}

std::uint64_t TensorManifest::bytes() const {
  std::uint64_t sum = 0;
  for (const Level& level : all_levels()) {
    sum += level.length;
  }
  return sum;
}

bool operator==(const TensorManifest& a, const TensorManifest& b) {
  const bool same_base =
      a.base == nullptr || b.base == nullptr ? a.base == b.base : *a.base == *b.base;
  return same_base && a.shape == b.shape && a.codec == b.codec && a.levels == b.levels;
}

Json ToJson(const TensorManifest& tensor) {
  Json::Array levels;
  for (const Level& level : tensor.levels) {
    levels.push_back(Json::Of(
        {{"blob", level.blob.ToString()}, {"length", level.length}, {"offset", level.offset}}));
  }
  Json::Array shape;
  for (const std::int64_t dim : tensor.shape.dims()) {
    shape.emplace_back(dim);
  }
  Json json = Json::Of(
      {{"codec", tensor.codec->name}, {"levels", std::move(levels)}, {"shape", std::move(shape)}});
  if (tensor.base != nullptr) {
    json.Set("base", ToJson(*tensor.base));
  }
  return json;
}

Result<TensorManifest> ParseTensorManifest(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"base", "codec", "levels", "shape"}));
  TensorManifest tensor;

  ASHLAR_TRY(const JsonCursor codec_at, json.At("codec"));
  ASHLAR_TRY(const std::string codec_name, codec_at.AsString());
  const Result<const Codec*> codec = FindCodec(codec_name);
  if (!codec.ok()) {
    return codec.error().In(codec_at.path());
  }
  tensor.codec = *codec;
  if (tensor.codec->name != codec_name) {
    return codec_at.Invalid("expected the codec's full name \"{}\", found \"{}\"",
                            tensor.codec->name, codec_name);
  }

  ASHLAR_TRY(const JsonCursor shape_at, json.At("shape"));
  ASHLAR_TRY(tensor.shape, ParseShape(shape_at));
  if (const Result<std::uint64_t> bytes = PackedBytes(*tensor.codec, tensor.shape); !bytes.ok()) {
    return bytes.error().In(shape_at.path());
  }

  ASHLAR_TRY(const JsonCursor levels_at, json.At("levels"));
  ASHLAR_TRY(const std::vector<JsonCursor> levels, levels_at.AsArray(internal::kMaxLevels));
  // Of a residual codec any prefix is a tensor.
  const auto most = static_cast<std::size_t>(tensor.codec->levels());
  if (levels.empty() || levels.size() > most) {
    return levels_at.Invalid("codec {} has {} level{}, found {}", tensor.codec->name,
                             most == 1 ? "1" : fmt::format("1 to {}", most), most == 1 ? "" : "s",
                             levels.size());
  }
  for (int i = 0; i < std::ssize(levels); ++i) {
    const JsonCursor& at = levels[static_cast<std::size_t>(i)];
    ASHLAR_TRY(const Level level, ParseLevel(at));
    ASHLAR_TRY(const std::uint64_t needed, LevelBytes(*tensor.codec, tensor.shape, i));
    if (level.length != needed) {
      return at.Invalid("{} of {} takes {} bytes, the level has {}", tensor.codec->name,
                        tensor.shape.ToString(), needed, level.length);
    }
    tensor.levels.push_back(level);
  }
  ASHLAR_TRY(tensor.base, ParseBase(json, tensor.shape));
  return tensor;
}

}  // namespace ashlar
