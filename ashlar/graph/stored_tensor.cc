#include "ashlar/graph/stored_tensor.h"

#include <algorithm>

#include "ashlar/base/byte_reader.h"

namespace ashlar {
namespace {

std::int64_t RowsOfStored(const TensorManifest& tensor) {
  return tensor.shape.rank() == 1 ? 1 : tensor.shape[0];
}
std::int64_t ColumnsOfStored(const TensorManifest& tensor) {
  return tensor.shape[tensor.shape.rank() - 1];
}

Status CheckNumbers(const TensorManifest& tensor, int level, std::span<const std::byte> bytes) {
  const std::int64_t rows = RowsOfStored(tensor);
  const std::int64_t columns = ColumnsOfStored(tensor);
  if (tensor.codec->residual != nullptr) {
    return tensor.codec->residual->check(level, bytes, rows, columns);
  }
  return tensor.codec->check == nullptr ? Status() : tensor.codec->check(bytes, rows, columns);
}

// A page of memory. (More in one blob would make the system map, with the levels that are there,
// those beside them that are not.)
constexpr std::uint64_t kMostJoinedBytes = 4096;
constexpr std::uint64_t kLevelBegins = 64;  // at multiples of it: docs/formats/manifests.md

}  // namespace

Result<StoredTensor> StoredTensor::Open(const BlobStore& store, const TensorManifest& tensor) {
  StoredTensor stored(store, tensor);
  for (const Level& level : tensor.levels) {
    ASHLAR_TRY(Blob blob, store.Get(level.blob));
    BlobGuard guard(level.blob, blob);
    ASHLAR_TRY(const auto bytes, CheckedRange(blob.bytes(), level.offset, level.length,
                                              "a tensor in blob " + level.blob.ToString()));
    ASHLAR_TRY(CheckNumbers(tensor, static_cast<int>(stored.levels_.size()), bytes));
    stored.levels_.push_back({std::move(blob), std::move(guard), bytes});
  }
  if (tensor.base != nullptr) {
    ASHLAR_TRY(StoredTensor base, Open(store, *tensor.base));
    stored.base_ = std::make_shared<const StoredTensor>(std::move(base));
  }
  return stored;
}

bool StoredTensor::IsPlain(const Codec& codec) const {
  return tensor_->codec == &codec && codec.residual == nullptr && base_ == nullptr;
}

std::int64_t StoredTensor::rows() const {
  return RowsOfStored(*tensor_);
}

std::int64_t StoredTensor::columns() const {
  return ColumnsOfStored(*tensor_);
}

void StoredTensor::Decode(std::int64_t begin, std::int64_t end, float* values) const {
  if (tensor_->codec->residual == nullptr) {
    tensor_->codec->decode(bytes().data(), columns(), begin, end, values);
  } else {
    std::vector<const std::byte*> packed;
    for (const MappedLevel& level : levels_) {
      packed.push_back(level.bytes.data());
    }
    tensor_->codec->residual->decode(packed, rows(), columns(), begin, end, values);
  }
  if (base_ != nullptr) {
    std::vector<float> from(static_cast<std::size_t>((end - begin) * columns()));
    base_->Decode(begin, end, from.data());
    for (std::size_t i = 0; i < from.size(); ++i) {
      values[i] += from[i];
    }
  }
}

Result<std::vector<float>> StoredTensor::Vector() const {
  std::vector<float> values(static_cast<std::size_t>(tensor_->shape[0]));
  Decode(0, 1, values.data());
  ASHLAR_TRY(CheckWhole());
  return values;
}

Result<std::vector<Level>> PutLevels(BlobStore& store,
                                     std::span<const std::vector<std::byte>> levels) {
  std::vector<Level> stored;
  while (stored.size() < levels.size()) {
    const std::size_t first = stored.size();
    std::uint64_t size = 0;  // of the blob that begins with the first
    do {
      const std::uint64_t length = levels[stored.size()].size();
      const std::uint64_t offset = (size + kLevelBegins - 1) / kLevelBegins * kLevelBegins;
      if (offset > 0 && offset + length > kMostJoinedBytes) {
        break;
      }
      stored.push_back({.offset = offset, .length = length});
      size = offset + length;
    } while (stored.size() < levels.size());
    std::vector<std::byte> joined;
    if (stored.size() - first > 1) {
      joined.resize(size);
      for (std::size_t i = first; i < stored.size(); ++i) {
        std::ranges::copy(levels[i],
                          joined.begin() + static_cast<std::ptrdiff_t>(stored[i].offset));
      }
    }
    ASHLAR_TRY(const Digest blob, store.Put(joined.empty() ? levels[first] : joined));
    for (Level& level : std::span(stored).subspan(first)) {
      level.blob = blob;
    }
  }
  return stored;
}

Status StoredTensor::CheckWhole() const {
  for (const MappedLevel& level : levels_) {
    ASHLAR_TRY(level.guard.CheckWhole(*store_));
  }
  return base_ == nullptr ? Status() : base_->CheckWhole();
}

}  // namespace ashlar
