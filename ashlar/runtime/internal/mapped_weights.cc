#include "ashlar/runtime/internal/mapped_weights.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "ashlar/base/byte_reader.h"
#include "ashlar/tensor/arena.h"

namespace ashlar::internal {
namespace {

void TouchBytes(std::span<const std::byte> bytes) {
  constexpr std::size_t kSystemPage = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += kSystemPage) {
    static_cast<void>(*static_cast<const volatile std::byte*>(&bytes[at]));
  }
  if (!bytes.empty()) {
    static_cast<void>(*static_cast<const volatile std::byte*>(&bytes.back()));
  }
}

// Parts of a level, as ranges of its bytes.
struct PartsOf {
  const Level& level;
  std::span<const Level> parts;

  bool whole() const { return parts.size() == 1 && parts.front() == level; }
  // Copies them to where they belong in `to`, which has room for the whole level.
  void Copy(std::span<const std::byte> from, std::byte* to) const {
    for (const Level& part : parts) {
      const std::uint64_t begin = part.offset - level.offset;
      std::memcpy(to + begin, from.data() + begin, part.length);
    }
  }
};

// The kernels want matrices aligned to a cache line. In a mapped blob they are (offsets are, and
// mappings begin at pages); a blob of a store in memory may begin anywhere, and is copied then.
Blob AlignedCopy(std::span<const std::byte> bytes, const PartsOf& parts) {
  constexpr std::align_val_t kAlignment{Arena::kAlignment};
  void* const copy = ::operator new(bytes.size(), kAlignment);
  parts.Copy(bytes, static_cast<std::byte*>(copy));
  return {{static_cast<const std::byte*>(copy), bytes.size()},
          std::shared_ptr<void>(copy, [](void* data) { ::operator delete(data, kAlignment); })};
}

// Of bands that are not there zeros are checked, which are what padding is.
Status CheckLevel(const TensorManifest& tensor, int level, std::span<const std::byte> bytes,
                  const PartsOf& parts) {
  const bool matrix = tensor.shape.rank() == 2;
  const std::int64_t rows = matrix ? tensor.shape[0] : 1;
  const std::int64_t columns = tensor.shape[matrix ? 1 : 0];
  if (tensor.codec->residual == nullptr) {
    return tensor.codec->check == nullptr ? Status() : tensor.codec->check(bytes, rows, columns);
  }
  std::vector<std::byte> copy;
  if (!parts.whole()) {
    copy.resize(bytes.size());
    parts.Copy(bytes, copy.data());
    bytes = copy;
  }
  return tensor.codec->residual->check(level, bytes, rows, columns);
}

}  // namespace

Result<const std::byte*> MappedWeights::Map(const TensorManifest& tensor, int level,
                                            std::span<const Level> parts, const Fetch& fetch,
                                            bool check_numbers) {
  const Level& whole = tensor.levels[static_cast<std::size_t>(level)];
  Blob& blob = fetched_[whole.blob];
  if (blob.bytes().size() < whole.offset + whole.length) {  // else as it was for another tensor
    ASHLAR_TRY(Blob longer, fetch(whole.blob, whole.offset + whole.length));
    Blob shorter = std::exchange(blob, std::move(longer));
    if (!shorter.bytes().empty()) {
      kept_.push_back(std::move(shorter));  // others point into it
    }
  }
  ASHLAR_TRY(const std::span<const std::byte> bytes,
             CheckedRange(blob.bytes(), whole.offset, whole.length,
                          "a level in blob " + whole.blob.ToString()));
  BlobGuard guard(whole.blob, blob);
  const PartsOf resident{whole, parts};
  if (check_numbers) {
    ASHLAR_TRY(CheckLevel(tensor, level, bytes, resident));
  }
  for (const Level& part : parts) {
    used_.push_back(blob.bytes().subspan(part.offset, part.length));
  }
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % Arena::kAlignment == 0) {
    ASHLAR_TRY(guard.CheckIntact());
    guards_.push_back(std::move(guard));
    return bytes.data();
  }
  kept_.push_back(AlignedCopy(bytes, resident));  // which nothing takes away
  ASHLAR_TRY(guard.CheckIntact());
  return kept_.back().bytes().data();
}

Result<BoundTensor> MappedWeights::Add(const TensorManifest& tensor, const Shape& used,
                                       const Precision& precision, const Fetch& fetch,
                                       bool check_numbers) {
  const bool matrix = tensor.shape.rank() == 2;
  BoundTensor bound{.codec = tensor.codec,
                    .stored_columns = tensor.shape[matrix ? 1 : 0],
                    .rows = matrix ? used[0] : 1,
                    .columns = used[matrix ? 1 : 0],
                    .stored_rows = matrix ? tensor.shape[0] : 1};
  if (tensor.codec->residual == nullptr && tensor.base == nullptr) {
    ASHLAR_TRY(bound.data, Map(tensor, 0, tensor.levels, fetch, check_numbers));
    return bound;
  }
  Levels& levels = levels_.emplace_back();
  if (tensor.base != nullptr) {
    ASHLAR_TRY(levels.base, Add(*tensor.base, used, precision, fetch, check_numbers));
    bound.base = &levels.base;
  }
  levels.rows = PrecisionOf(tensor, precision);
  ASHLAR_TRY(CheckPrecision(tensor, levels.rows));
  for (int level = 0; level < std::ssize(tensor.levels); ++level) {
    const std::vector<Level> parts = ResidentParts(tensor, level, levels.rows);
    if (parts.empty()) {
      break;  // nor has any row the levels after it
    }
    ASHLAR_TRY(const std::byte* const begin, Map(tensor, level, parts, fetch, check_numbers));
    levels.begins.push_back(begin);
  }
  if (tensor.codec->residual == nullptr) {
    bound.data = levels.begins.front();
  } else {
    bound.levels = levels.begins;
    bound.row_levels = levels.rows;
  }
  return bound;
}

void MappedWeights::Touch() const {
  std::ranges::for_each(used_, TouchBytes);
}

Status MappedWeights::CheckIntact() const {
  for (const BlobGuard& guard : guards_) {
    ASHLAR_TRY(guard.CheckIntact());
  }
  return {};
}

}  // namespace ashlar::internal
