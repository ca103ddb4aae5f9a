#include "ashlar/runtime/node_walk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ashlar/base/check.h"
#include "ashlar/kinds/rope_tables.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/internal/block_binder.h"
#include "ashlar/runtime/internal/loaded_network.h"

namespace ashlar {
namespace {

// Rows that a block computes in one call: enough to use every weight often while it is in cache,
// few enough that scratch is small beside the values of all rows.
constexpr std::int64_t kRowsOfCall = 512;
constexpr std::int64_t kRowsOfSum = 16;  // that one thread adds up at once

std::int64_t PagesOf(std::int64_t positions, std::int64_t page_positions) {
  return (positions + page_positions - 1) / page_positions;
}

// y [rows, width] = sum over terms of coefficient * value, in their order, and then + f when it is
// there; as the engine adds, to the bit.
void AddUp(std::span<const internal::WeightedTerm> terms,
           const std::map<int, std::vector<float>>& values, std::int64_t first, std::int64_t rows,
           std::int64_t width, const float* f, float* y, ThreadPool& pool) {
  std::vector<std::pair<float, const float*>> sources;
  for (const internal::WeightedTerm& term : terms) {
    sources.emplace_back(term.coefficient, values.at(term.node).data() + first * width);
  }
  pool.ParallelFor(rows, kRowsOfSum, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin * width; i < end * width; ++i) {
      float sum = sources.empty() ? 0 : sources.front().first * sources.front().second[i];
      for (std::size_t t = 1; t < sources.size(); ++t) {
        sum += sources[t].first * sources[t].second[i];
      }
      y[i] = f == nullptr ? sum : sources.empty() ? f[i] : sum + f[i];
    }
  });
}

}  // namespace

// ---- WalkingRows

WalkingRows::WalkingRows(std::vector<std::int32_t> tokens, std::vector<std::int64_t> lengths)
    : tokens_(std::move(tokens)), lengths_(std::move(lengths)) {
  std::int64_t sum = 0;
  for (const std::int64_t length : lengths_) {
    CHECK_GT(length, 0);
    sum += length;
  }
  CHECK_EQ(sum, rows());
}

std::int64_t WalkingRows::PagesBefore(std::size_t sequence, std::int64_t page_positions) const {
  std::int64_t pages = 0;
  for (std::size_t i = 0; i < sequence; ++i) {
    pages += PagesOf(lengths_[i], page_positions);
  }
  return pages;
}

// ---- NodeWalk

class NodeWalk::Variant {
 public:
  std::shared_ptr<const internal::BoundWeights> bound;
};

struct NodeWalk::State {
  State(const BlobStore& store, Network network_in, const Options& options)
      : network(std::move(network_in)),
        pool(options.pool),
        binder(
            [this, fetch = internal::FetchFrom(store, /*verify=*/false)](
                const Digest& digest, std::uint64_t needed) -> Result<Blob> {
              const auto own = variants.find(digest);
              return own != variants.end() ? Result<Blob>(own->second) : fetch(digest, needed);
            },
            {options.isa, options.max_positions, rope_tables}, /*check_numbers=*/true) {}

  const internal::LoadedNode& at(int node) const { return loaded.nodes[node]; }
  int output() const { return loaded.output(); }
  // Pages of the slot that node uses, one list per sequence; empty when it uses none.
  std::vector<std::vector<std::byte*>> PagesOfSlot(WalkingRows& rows, int node) const;
  std::byte* Scratch(const BoundBlock& block, std::int64_t rows, InputObserver* observer);

  const Network network;
  ThreadPool& pool;
  RopeTables rope_tables;
  std::map<Digest, Blob> variants;  // numbers that stand for blobs while a variant is bound
  std::uint64_t variants_made = 0;
  internal::BlockBinder binder;
  internal::MeetingNumbers meetings;
  internal::LoadedNetwork loaded;
  std::vector<int> last_value_use;  // by node: the last one that reads its value, or its slot
  std::vector<int> last_slot_use;
  std::vector<WalkingRows::Line> scratch;
};

NodeWalk::NodeWalk(std::unique_ptr<State> state) : state_(std::move(state)) {}
NodeWalk::~NodeWalk() = default;

Result<std::unique_ptr<NodeWalk>> NodeWalk::Open(const BlobStore& store, const Network& network,
                                                 const Options& options) {
  auto state = std::make_unique<State>(store, network, options);
  ASHLAR_TRY(state->loaded, internal::LoadNetwork(network, state->binder, state->meetings,
                                                  options.precision, KvFormat::kF32));
  const std::size_t nodes = network.nodes.size();
  state->last_value_use.assign(nodes, -1);
  state->last_slot_use.assign(nodes, -1);
  for (std::size_t i = 0; i < nodes; ++i) {
    for (const int source : state->loaded.sources[i]) {
      state->last_value_use[source] = static_cast<int>(i);
    }
    state->last_slot_use[network.nodes[i].state_of.value_or(static_cast<int>(i))] =
        static_cast<int>(i);
  }
  return std::unique_ptr<NodeWalk>(new NodeWalk(std::move(state)));
}

int NodeWalk::nodes() const {
  return state_->output() + 1;
}
std::int64_t NodeWalk::logits() const {
  return state_->loaded.logits;
}
std::int64_t NodeWalk::token_limit() const {
  return state_->loaded.token_limit;
}
std::int64_t NodeWalk::max_positions() const {
  return state_->loaded.max_positions;
}

Result<std::shared_ptr<const NodeWalk::Variant>> NodeWalk::MakeVariant(int node,
                                                                       const Matrices& matrices) {
  Network changed = state_->network;
  Block block = changed.BlockOf(node);
  state_->variants.clear();
  for (const auto& [name, values] : matrices) {
    // A name that no bytes have: a variant is bound once, and never found again.
    const Digest digest = Sha256(fmt::format("variant {}", state_->variants_made++));
    TensorManifest& tensor = block.tensors.find(name)->second;
    CHECK_EQ(static_cast<std::int64_t>(values.size()), tensor.shape.elements());
    ASHLAR_TRY(const Codec* f32, FindCodec("f32"));
    tensor = {.shape = tensor.shape, .codec = f32, .levels = {{digest, 0, values.size_bytes()}}};
    state_->variants.emplace(digest, Blob(std::as_bytes(values), nullptr));
  }
  changed.nodes[node].block = changed.AddBlock(std::move(block));
  auto variant = std::make_shared<Variant>();
  ASHLAR_TRY(variant->bound, state_->binder.Bind(changed, node, {}, KvFormat::kF32));
  return std::shared_ptr<const Variant>(std::move(variant));
}

std::vector<std::vector<std::byte*>> NodeWalk::State::PagesOfSlot(WalkingRows& rows,
                                                                  int node) const {
  const internal::LoadedNode& loaded_node = at(node);
  if (loaded_node.slot < 0) {
    return {};
  }
  const internal::StateSlot& slot = loaded.slots[loaded_node.slot];
  auto& state = rows.states_[slot.node];
  if (state.lines.empty()) {
    state.positions = slot.page.positions;
    state.page_lines = static_cast<std::int64_t>(slot.page.bytes / sizeof(WalkingRows::Line));
    CHECK_EQ(slot.page.bytes % sizeof(WalkingRows::Line), 0u);
    state.lines.resize(static_cast<std::size_t>(
        rows.PagesBefore(rows.lengths_.size(), state.positions) * state.page_lines));
  }
  std::vector<std::vector<std::byte*>> pages(rows.lengths_.size());
  WalkingRows::Line* next = state.lines.data();
  for (std::size_t i = 0; i < pages.size(); ++i) {
    for (std::int64_t p = 0; p < PagesOf(rows.lengths_[i], state.positions); ++p) {
      pages[i].push_back(next->bytes);
      next += state.page_lines;
    }
  }
  return pages;
}

std::byte* NodeWalk::State::Scratch(const BoundBlock& block, std::int64_t rows,
                                    InputObserver* observer) {
  Arena counting;
  block.Forward({.rows = rows}, nullptr, nullptr,
                {.pool = &pool, .arena = &counting, .inputs = observer});
  const std::size_t lines = counting.peak() / sizeof(WalkingRows::Line) + 1;
  if (scratch.size() < lines) {
    scratch.clear();
    scratch.resize(lines);
  }
  return scratch.front().bytes;
}

Status NodeWalk::Compute(WalkingRows& rows, const How& how) {
  const int index = rows.node_;
  const internal::LoadedNode& node = state_->at(index);
  const internal::BoundWeights& bound = how.variant != nullptr ? *how.variant->bound : *node.bound;
  const bool output = index == state_->output();
  const std::vector<std::vector<std::byte*>> pages = state_->PagesOfSlot(rows, index);
  const std::int64_t page_positions =
      node.slot < 0 ? 0 : state_->loaded.slots[node.slot].page.positions;
  const std::int64_t call = std::min(kRowsOfCall, rows.rows());
  std::byte* const scratch = state_->Scratch(*bound.block, call, how.observer);
  std::vector<float> x(static_cast<std::size_t>(call * node.width_in));
  std::vector<float> f(static_cast<std::size_t>(call * node.width_out));
  std::vector<float>* const values = output ? nullptr : &rows.values_[index];
  if (values != nullptr) {
    values->resize(static_cast<std::size_t>(rows.rows() * node.width_out));
  }

  std::size_t sequence = 0;
  std::int64_t position = 0;
  std::vector<Segment> segments;
  for (std::int64_t first = 0; first < rows.rows(); first += call) {
    const std::int64_t count = std::min(call, rows.rows() - first);
    segments.clear();
    for (std::int64_t row = 0; row < count;) {
      const std::int64_t take = std::min(count - row, rows.lengths_[sequence] - position);
      segments.push_back({row, take, position, pages.empty() ? nullptr : pages[sequence].data(),
                          node.writes_state, page_positions});
      row += take;
      position += take;
      if (position == rows.lengths_[sequence]) {
        ++sequence;
        position = 0;
      }
    }
    if (node.width_in > 0) {
      AddUp(node.read, rows.values_, first, count, node.width_in, nullptr, x.data(), state_->pool);
    }
    Arena arena({scratch, state_->scratch.size() * sizeof(WalkingRows::Line)});
    bound.block->Forward(
        {.rows = count, .segments = segments, .tokens = rows.tokens_.data() + first}, x.data(),
        f.data(), {.pool = &state_->pool, .arena = &arena, .inputs = how.observer});
    float* const y = output ? f.data() : values->data() + first * node.width_out;
    AddUp(node.carry, rows.values_, first, count, node.width_out, f.data(), y, state_->pool);
    if (output && how.take) {
      how.take(first, {f.data(), static_cast<std::size_t>(count * node.width_out)});
    }
  }
  return bound.weights.CheckIntact();
}

void NodeWalk::Leave(WalkingRows& rows) const {
  CHECK_LT(rows.node_, state_->output());
  const int left = rows.node_++;
  std::erase_if(rows.values_,
                [&](const auto& value) { return state_->last_value_use[value.first] <= left; });
  std::erase_if(rows.states_,
                [&](const auto& state) { return state_->last_slot_use[state.first] <= left; });
}

}  // namespace ashlar
