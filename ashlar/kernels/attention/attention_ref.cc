#include <cmath>
#include <limits>

#include "ashlar/kernels/attention/attention.h"

namespace ashlar::reference {
namespace {

// s[r, h, t], by the formula.
double Score(const AttentionShape& shape, const float* q, const float* page, std::int64_t kv_head,
             std::int64_t slot) {
  double dot = 0;
  for (std::int64_t d = 0; d < shape.key_dim; ++d) {
    dot += static_cast<double>(q[d]) * page[(kv_head * shape.key_dim + d) * kPageLength + slot];
  }
  const double score = shape.scale * dot;
  return shape.soft_cap == 0 ? score : shape.soft_cap * std::tanh(score / shape.soft_cap);
}

constexpr std::int64_t kDims = 256;  // values summed in one pass

// One row of one head. The scores are computed again in every pass: no memory is needed, and this
// is the specification, not a fast path.
void AttendRow(const AttentionArgs& args, std::int64_t row, std::int64_t head) {
  const AttentionShape& shape = args.shape;
  const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const std::int64_t position = args.first_position + row;
  const bool windowed = shape.window > 0 && shape.window <= position;
  const std::int64_t begin = windowed ? position - shape.window + 1 : 0;
  const float* q = args.q + row * args.q_stride + head * shape.key_dim;
  const auto score = [&](std::int64_t t) {
    return Score(shape, q, args.pages[t / kPageLength], kv_head, t % kPageLength);
  };

  double max = args.sinks == nullptr ? -std::numeric_limits<double>::infinity() : args.sinks[head];
  for (std::int64_t t = begin; t <= position; ++t) {
    max = std::fmax(max, score(t));
  }
  double sum = args.sinks == nullptr ? 0 : std::exp(args.sinks[head] - max);
  for (std::int64_t t = begin; t <= position; ++t) {
    sum += std::exp(score(t) - max);
  }
  float* out = args.out + row * args.out_stride + head * shape.value_dim;
  for (std::int64_t d = 0; d < shape.value_dim; d += kDims) {
    const std::int64_t dims = shape.value_dim - d < kDims ? shape.value_dim - d : kDims;
    double mean[kDims] = {};
    for (std::int64_t t = begin; t <= position; ++t) {
      const double probability = std::exp(score(t) - max) / sum;
      const float* v = args.pages[t / kPageLength] + PageValueOffset(shape) +
                       (kv_head * kPageLength + t % kPageLength) * shape.value_dim + d;
      for (std::int64_t i = 0; i < dims; ++i) {
        mean[i] += probability * v[i];
      }
    }
    for (std::int64_t i = 0; i < dims; ++i) {
      out[d + i] = static_cast<float>(mean[i]);
    }
  }
}

}  // namespace

void Attention(const AttentionArgs& args) noexcept {
  const std::int64_t group = args.shape.heads / args.shape.kv_heads;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t head = args.kv_begin * group; head < args.kv_end * group; ++head) {
      AttendRow(args, row, head);
    }
  }
}

}  // namespace ashlar::reference
