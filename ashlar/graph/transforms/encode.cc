// Stores tensors in another codec. The only transform that reads and writes weights.
#include <algorithm>
#include <cmath>
#include <set>

#include <fnmatch.h>

#include "ashlar/base/join.h"
#include "ashlar/graph/describe.h"
#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/near_names.h"
#include "ashlar/graph/stored_tensor.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kEncodeArguments[] = {
    {.name = "codec", .value = "q8", .required = true, .doc = "f32, f16, bf16, q8, q4, ..."},
    {.name = "tensors",
     .value = "PATTERNS",
     .doc = "names such as layers.3.mlp.down, or patterns with * and ?, separated by commas; "
            "without it all matrices"},
    {.name = "except", .value = "PATTERNS", .doc = "tensors to keep as they are"},
};

// ---- Which tensors

// A list of names and patterns, as typed.
class Patterns {
 public:
  explicit Patterns(std::string_view text) {
    while (true) {
      const std::string_view item = text.substr(0, text.find(','));
      items_.push_back({std::string(item), item.find_first_of("*?[") == item.npos});
      if (item.size() == text.size()) {
        return;
      }
      text.remove_prefix(item.size() + 1);
    }
  }

  bool Match(const std::string& name) const {
    return std::ranges::any_of(items_, [&](const Item& item) { return item.Matches(name); });
  }
  // Whether `name` itself was typed.
  bool Name(const std::string& name) const {
    return std::ranges::any_of(
        items_, [&](const Item& item) { return item.is_name && item.Matches(name); });
  }
  // kInvalid when an item matches none of the tensors: a typing error must not go unseen.
  Status CheckAllMatch(std::span<const NamedTensor> tensors) const {
    for (const Item& item : items_) {
      if (std::ranges::none_of(tensors,
                               [&](const auto& tensor) { return item.Matches(tensor.name); })) {
        std::vector<std::string> known;
        for (const NamedTensor& tensor : tensors) {
          known.push_back(tensor.name);
        }
        return Invalid("{} matches no tensor{}", QuoteForError(item.text),
                       internal::SuggestNames(item.text, known));
      }
    }
    return {};
  }

 private:
  struct Item {
    std::string text;
    bool is_name;
    bool Matches(const std::string& name) const {
      return is_name ? text == name : fnmatch(text.c_str(), name.c_str(), 0) == 0;
    }
  };
  std::vector<Item> items_;
};

// What to do with each tensor of each node.
struct Selection {
  std::vector<const NamedTensor*> encoded;
  std::vector<std::string> kept;  // chosen, and left as they are since the codec cannot hold them
};

Result<Selection> Select(std::span<const NamedTensor> tensors, const Codec& codec,
                         const Arguments& arguments) {
  const Patterns chosen(internal::Argument(arguments, "tensors").value_or("*"));
  ASHLAR_TRY(chosen.CheckAllMatch(tensors));
  std::optional<Patterns> except;
  if (const auto text = internal::Argument(arguments, "except")) {
    except.emplace(*text);
    ASHLAR_TRY(except->CheckAllMatch(tensors));
  }
  Selection selection;
  for (const NamedTensor& tensor : tensors) {
    const bool named = chosen.Name(tensor.name);
    // A vector or a router is small and delicate: it is encoded only when it is named.
    const bool wanted = named || (tensor.role == TensorRole::kMatrix && chosen.Match(tensor.name));
    if (!wanted || (except && except->Match(tensor.name)) ||
        (tensor.manifest->codec == &codec && tensor.manifest->base == nullptr)) {
      continue;
    }
    if (const auto bytes = PackedBytes(codec, tensor.manifest->shape); bytes.ok()) {
      selection.encoded.push_back(&tensor);
    } else if (named) {
      return bytes.error().In(tensor.name);
    } else {
      selection.kept.push_back(tensor.name);
    }
  }
  return selection;
}

// ---- How one tensor is encoded

std::int64_t RowsOf(const Shape& shape) {
  return shape.rank() == 1 ? 1 : shape[0];
}
std::int64_t ColumnsOf(const Shape& shape) {
  return shape[shape.rank() - 1];
}

// kInvalid names the first number, of rows of which the first is `row`, that is none.
Status CheckFinite(std::span<const float> values, std::int64_t row, std::int64_t columns) {
  const auto bad = std::ranges::find_if_not(values, [](float v) { return std::isfinite(v); });
  if (bad == values.end()) {
    return {};
  }
  const std::int64_t index = bad - values.begin();
  return Invalid("row {}, column {} is {}: only finite numbers can be encoded",
                 row + index / columns, index % columns, *bad);
}

// In a residual codec, whose levels begin with what all rows need: the tensor is in memory whole.
Result<TensorManifest> EncodeLevels(BlobStore& store, const TensorManifest& from,
                                    const Codec& codec) {
  ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, from));
  const std::int64_t rows = RowsOf(from.shape);
  const std::int64_t columns = ColumnsOf(from.shape);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  stored.Decode(0, rows, values.data());
  ASHLAR_TRY(CheckFinite(values, 0, columns));
  std::vector<std::vector<std::byte>> levels;
  std::vector<std::byte*> to;
  for (int level = 0; level < codec.levels(); ++level) {
    ASHLAR_TRY(const std::uint64_t bytes, LevelBytes(codec, from.shape, level));
    to.push_back(levels.emplace_back(bytes).data());
  }
  codec.residual->encode(values.data(), rows, columns, to);
  ASHLAR_TRY(stored.CheckWhole());
  TensorManifest encoded = {.shape = from.shape, .codec = &codec};
  ASHLAR_TRY(encoded.levels, PutLevels(store, levels));
  return encoded;
}

// Reads, decodes, encodes and writes some bands at a time, so that memory does not grow with the
// tensor.
Result<TensorManifest> EncodeTensor(BlobStore& store, const TensorManifest& from,
                                    const Codec& codec) {
  if (codec.residual != nullptr) {
    return EncodeLevels(store, from, codec);
  }
  constexpr std::int64_t kFloatsAtOnce = std::int64_t{1} << 20;
  const std::int64_t rows = RowsOf(from.shape);
  const std::int64_t columns = ColumnsOf(from.shape);
  const std::int64_t bands_at_once =
      std::max<std::int64_t>(1, kFloatsAtOnce / (columns * codec.row_unit));
  const std::int64_t rows_at_once = std::min(rows, bands_at_once * codec.row_unit);

  ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, from));
  ASHLAR_TRY(const std::unique_ptr<BlobWriter> writer, store.NewBlob());
  std::vector<float> values(static_cast<std::size_t>(rows_at_once * columns));
  std::vector<std::byte> encoded;
  TensorManifest to = {.shape = from.shape, .codec = &codec, .levels = {Level{}}};
  for (std::int64_t row = 0; row < rows; row += rows_at_once) {
    const std::int64_t end = std::min(rows, row + rows_at_once);
    const std::span<float> part(values.data(), static_cast<std::size_t>((end - row) * columns));
    stored.Decode(row, end, part.data());
    ASHLAR_TRY(CheckFinite(part, row, columns));
    const std::int64_t bands = (end - row + codec.row_unit - 1) / codec.row_unit;
    encoded.resize(static_cast<std::size_t>(bands) * codec.band_bytes(columns));
    codec.encode(part.data(), end - row, columns, encoded.data());
    ASHLAR_TRY(writer->Write(encoded));
    to.levels.front().length += encoded.size();
  }
  ASHLAR_TRY(stored.CheckWhole());
  ASHLAR_TRY(to.levels.front().blob, writer->Commit());
  return to;
}

// ---- The transform

// The content of a tensor: equal for a tied embedding and head.
std::string Identity(const TensorManifest& tensor) {
  return CanonicalJson(ToJson(tensor));
}

// Encodes the chosen tensors, each stored tensor once, whoever uses it. By identity.
Result<std::map<std::string, TensorManifest>> EncodeAll(const Selection& selection,
                                                        const Codec& codec,
                                                        const TransformContext& context) {
  std::map<std::string, const NamedTensor*> distinct;
  std::uint64_t total_bytes = 0;
  for (const NamedTensor* tensor : selection.encoded) {
    if (distinct.emplace(Identity(*tensor->manifest), tensor).second) {
      total_bytes += tensor->manifest->bytes();
    }
  }
  std::map<std::string, TensorManifest> encoded;
  std::uint64_t done_bytes = 0;
  for (const auto& [identity, tensor] : distinct) {
    Result<TensorManifest> result = EncodeTensor(context.catalog.store(), *tensor->manifest, codec);
    if (!result.ok()) {
      return result.error().In(tensor->name);
    }
    encoded.emplace(identity, *std::move(result));
    done_bytes += tensor->manifest->bytes();
    if (context.progress) {
      context.progress(done_bytes, total_bytes);
    }
  }
  return encoded;
}

Result<Network> ApplyEncode(const Network& base, const Arguments& arguments,
                            const TransformContext& context) {
  const Result<const Codec*> codec = FindCodecToEncodeIn(*internal::Argument(arguments, "codec"));
  if (!codec.ok()) {
    return Invalid("--codec: {}", codec.error().message);
  }
  const std::vector<NamedTensor> tensors = NamedTensors(base);
  ASHLAR_TRY(const Selection selection, Select(tensors, **codec, arguments));
  if (!selection.kept.empty() && context.remark) {
    // (A mixture of experts may have thousands.)
    context.remark(fmt::format("kept as they are, since their shapes do not fit {}: {}",
                               (*codec)->name, JoinSome(selection.kept)));
  }
  ASHLAR_TRY(const auto encoded, EncodeAll(selection, **codec, context));

  // A block that several nodes use stays one block when all of its uses were chosen alike.
  std::map<int, Block> changed;
  for (const NamedTensor* tensor : selection.encoded) {
    const auto block = changed.try_emplace(tensor->node, base.BlockOf(tensor->node)).first;
    block->second.tensors.find(tensor->tensor)->second = encoded.at(Identity(*tensor->manifest));
  }
  Network result = base;
  for (auto& [node, block] : changed) {
    result.nodes[node].block = result.AddBlock(std::move(block));
  }
  return result;
}

}  // namespace

Result<const Codec*> FindCodecToEncodeIn(std::string_view name) {
  const Result<const Codec*> known = FindCodec(name);
  return known.ok() && (*known)->residual != nullptr ? known : FindEncodingCodec(name);
}

constinit const Transform kEncode{
    .name = "encode",
    .summary = "store matrices in another codec; writes new blobs",
    .arguments = kEncodeArguments,
    .example = "encode --codec q8 --except embed.*,head.*",
    .writes_blobs = true,
    .apply = ApplyEncode,
};

}  // namespace ashlar
