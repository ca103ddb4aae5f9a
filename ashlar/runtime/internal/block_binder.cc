#include "ashlar/runtime/internal/block_binder.h"

#include <algorithm>
#include <string>

#include <sys/mman.h>

namespace ashlar::internal {

BlockBinder::BlockBinder(Fetch fetch, const BindContext& context, bool check_numbers)
    : fetch_(std::move(fetch)), context_(context), check_numbers_(check_numbers) {}

Result<std::shared_ptr<const BoundWeights>> BlockBinder::Bind(const Network& network, int node,
                                                              const Precision& precision,
                                                              std::optional<KvFormat> kv_format) {
  const std::lock_guard lock(mutex_);
  const Node& used = network.nodes[node];
  const Block& block = network.BlockOf(node);
  std::weak_ptr<const BoundWeights>& known =
      bound_[{used.block, used.slice, {PrecisionText(block, precision), kv_format}}];
  if (std::shared_ptr<const BoundWeights> bound = known.lock();
      bound != nullptr && bound->weights.CheckIntact().ok()) {
    return bound;
  }
  const Attributes attributes = EffectiveAttributes(network, node);
  ASHLAR_TRY(const std::vector<TensorSpec> specs, block.kind->tensors(attributes));
  auto bound = std::make_shared<BoundWeights>();
  std::map<std::string, BoundTensor, std::less<>> tensors;
  for (const TensorSpec& spec : specs) {
    Result<BoundTensor> tensor = bound->weights.Add(block.tensors.find(spec.name)->second,
                                                    spec.shape, precision, fetch_, check_numbers_);
    if (!tensor.ok()) {
      return tensor.error().In("tensor \"" + spec.name + "\"");
    }
    tensors.emplace(spec.name, *tensor);
  }
  BindContext context = context_;
  context.kv_format = kv_format.value_or(KvFormat::kF32);
  ASHLAR_TRY(bound->block, CpuKindOf(*block.kind).bind(attributes, tensors, context));
  ASHLAR_TRY(bound->weights.CheckIntact());  // binding may have read the weights
  known = bound;
  return std::shared_ptr<const BoundWeights>(std::move(bound));
}

void BlockBinder::Forget() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) {
    return;  // somebody binds, for whom no step is to wait: the next time
  }
  std::erase_if(bound_, [](const auto& known) { return known.second.expired(); });
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
