#include "ashlar/formats/internal/stored_tensor.h"

#include "ashlar/base/byte_reader.h"

namespace ashlar::internal {

Result<StoredTensor> StoredTensor::Open(const BlobStore& store, const TensorManifest& tensor) {
  const Level& level = tensor.levels.front();
  ASHLAR_TRY(Blob blob, store.Get(level.blob));
  BlobGuard guard(level.blob, blob);
  ASHLAR_TRY(const auto bytes,
             CheckedRange(blob.bytes(), level.offset, level.length, level.blob.ToString()));
  if (tensor.codec->check != nullptr) {
    ASHLAR_TRY(tensor.codec->check(bytes, tensor.shape[0], tensor.shape[1]));
  }
  return StoredTensor(store, tensor, std::move(blob), std::move(guard), bytes);
}

void StoredTensor::Decode(std::int64_t begin, std::int64_t end, float* values) const {
  const Shape& shape = tensor_->shape;
  tensor_->codec->decode(bytes_.data(), shape[shape.rank() - 1], begin, end, values);
}

Result<std::vector<float>> StoredTensor::Vector() const {
  std::vector<float> values(static_cast<std::size_t>(tensor_->shape[0]));
  Decode(0, 1, values.data());
  ASHLAR_TRY(CheckWhole());
  return values;
}

}  // namespace ashlar::internal
