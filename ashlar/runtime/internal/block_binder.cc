#include "ashlar/runtime/internal/block_binder.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include <sys/mman.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/tensor/arena.h"

namespace ashlar::internal {
namespace {

void Touch(std::span<const std::byte> bytes) {
  constexpr std::size_t kSystemPage = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += kSystemPage) {
    static_cast<void>(*static_cast<const volatile std::byte*>(&bytes[at]));
  }
  if (!bytes.empty()) {
    static_cast<void>(*static_cast<const volatile std::byte*>(&bytes.back()));
  }
}

// The kernels want matrices aligned to a cache line. In a mapped blob they are (offsets are, and
// mappings begin at pages); a blob of a store in memory may begin anywhere, and is copied then.
Blob Aligned(const Blob& blob, std::span<const std::byte> bytes) {
  constexpr std::align_val_t kAlignment{Arena::kAlignment};
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % Arena::kAlignment == 0) {
    return {bytes, std::make_shared<const Blob>(blob)};
  }
  void* const copy = ::operator new(bytes.size(), kAlignment);
  std::memcpy(copy, bytes.data(), bytes.size());
  return {{static_cast<const std::byte*>(copy), bytes.size()},
          std::shared_ptr<void>(copy, [](void* data) { ::operator delete(data, kAlignment); })};
}

}  // namespace

Status BoundWeights::CheckIntact() const {
  for (const BlobGuard& bytes : mapped) {
    ASHLAR_TRY(bytes.CheckIntact());
  }
  return {};
}

BlockBinder::BlockBinder(Fetch fetch, const BindContext& context, const BinderOptions& options)
    : fetch_(std::move(fetch)), context_(context), options_(options) {}

Result<std::shared_ptr<const BoundWeights>> BlockBinder::Bind(const Network& network, int node) {
  const Node& used = network.nodes[node];
  std::weak_ptr<const BoundWeights>& known = bound_[{used.block, used.slice}];
  if (std::shared_ptr<const BoundWeights> bound = known.lock();
      bound != nullptr && bound->CheckIntact().ok()) {
    return bound;
  }
  const Block& block = network.BlockOf(node);
  const Attributes attributes = EffectiveAttributes(network, node);
  ASHLAR_TRY(const std::vector<TensorSpec> specs, block.kind->tensors(attributes));
  auto bound = std::make_shared<BoundWeights>();
  std::map<std::string, BoundTensor, std::less<>> tensors;
  for (const TensorSpec& spec : specs) {
    Result<BoundTensor> tensor =
        BindTensor(block.tensors.find(spec.name)->second, spec.shape, *bound);
    if (!tensor.ok()) {
      return tensor.error().In("tensor \"" + spec.name + "\"");
    }
    tensors.emplace(spec.name, *tensor);
  }
  ASHLAR_TRY(bound->block, CpuKindOf(*block.kind).bind(attributes, tensors, context_));
  ASHLAR_TRY(bound->CheckIntact());  // binding may have read the weights
  known = bound;
  return std::shared_ptr<const BoundWeights>(std::move(bound));
}

Result<BoundTensor> BlockBinder::BindTensor(const TensorManifest& tensor, const Shape& used,
                                            BoundWeights& bound) {
  if (tensor.levels.size() != 1) {
    return Unsupported("it has {} levels, and this version runs tensors of one",
                       tensor.levels.size());
  }
  const Level& level = tensor.levels.front();
  ASHLAR_TRY(const Blob blob, fetch_(level.blob, level.offset + level.length));
  ASHLAR_TRY(const std::span<const std::byte> bytes,
             CheckedRange(blob.bytes(), level.offset, level.length,
                          "a level in blob " + level.blob.ToString()));
  BlobGuard guard(level.blob, blob);
  const bool matrix = tensor.shape.rank() == 2;
  const std::int64_t stored_rows = matrix ? tensor.shape[0] : 1;
  const std::int64_t stored_columns = tensor.shape[matrix ? 1 : 0];
  if (options_.check && tensor.codec->check != nullptr) {
    ASHLAR_TRY(tensor.codec->check(bytes, stored_rows, stored_columns));
  }
  if (options_.prefault) {
    Touch(bytes);
  }
  bound.blobs.push_back(Aligned(blob, bytes));
  const std::byte* const data = bound.blobs.back().bytes().data();
  ASHLAR_TRY(guard.CheckIntact());
  if (data == bytes.data()) {  // and no copy, which nothing takes away
    bound.mapped.push_back(std::move(guard));
  }
  return BoundTensor{.codec = tensor.codec,
                     .data = data,
                     .stored_columns = stored_columns,
                     .rows = matrix ? used[0] : 1,
                     .columns = used[matrix ? 1 : 0]};
}

BlockBinder::Fetch FetchFrom(const BlobStore& store, bool verify) {
  return [&store, verify](const Digest& digest, std::uint64_t) -> Result<Blob> {
    ASHLAR_TRY(Blob blob, store.Get(digest));
    if (verify) {
      ASHLAR_TRY(Verify(digest, blob));
    }
    return blob;
  };
}

BlockBinder::Fetch FetchZeros() {
  return [](const Digest& digest, std::uint64_t bytes_needed) -> Result<Blob> {
    const std::uint64_t size = std::max<std::uint64_t>(bytes_needed, 1);
    void* const zeros = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zeros == MAP_FAILED) {
      return Exhausted("no room to map the {} bytes of blob {}", size, digest.ToString());
    }
    return Blob({static_cast<const std::byte*>(zeros), size},
                std::shared_ptr<void>(zeros, [size](void* data) { munmap(data, size); }));
  };
}

}  // namespace ashlar::internal
