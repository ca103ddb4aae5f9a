#include <cmath>
#include <limits>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar::reference {
namespace {

// The numbers of a page, by their index in it. kScaled: each key and value of a head has a scale.
struct F32 {
  static constexpr bool kScaled = false;
  static double Read(const std::byte* page, std::int64_t i) {
    return reinterpret_cast<const float*>(page)[i];
  }
  static void Write(float value, std::byte* page, std::int64_t i) {
    reinterpret_cast<float*>(page)[i] = value;
  }
};
struct F16 {
  static constexpr bool kScaled = false;
  static double Read(const std::byte* page, std::int64_t i) {
    return F16ToF32(reinterpret_cast<const std::uint16_t*>(page)[i]);
  }
  static void Write(float value, std::byte* page, std::int64_t i) {
    reinterpret_cast<std::uint16_t*>(page)[i] = F32ToF16(value);
  }
};

struct Q8 {
  static constexpr bool kScaled = true;
  static double Read(const std::byte* page, std::int64_t i) {
    return reinterpret_cast<const std::int8_t*>(page)[i];
  }
  static void Write(float whole, std::byte* page, std::int64_t i) {
    reinterpret_cast<std::int8_t*>(page)[i] = static_cast<std::int8_t>(whole);
  }
};

enum class Side { kKey, kValue };

// Where the scale of a key or value is, which are behind the numbers of the page.
float* ScaleAt(const AttentionShape& shape, std::byte* page, Side side, std::int64_t kv_head,
               std::int64_t slot) {
  const bool second = side == Side::kValue && !shape.latent;  // latent values are parts of keys
  return reinterpret_cast<float*>(page + PageNumbers(shape)) +
         ((second ? shape.kv_heads : 0) + kv_head) * kPageLength + slot;
}
template <class Number>
double ReadScale(const AttentionShape& shape, const std::byte* page, Side side,
                 std::int64_t kv_head, std::int64_t slot) {
  return Number::kScaled
             ? *ScaleAt(shape, const_cast<std::byte*>(page), side, kv_head, slot)  // only read
             : 1;
}

std::int64_t KeyIndex(const AttentionShape& shape, std::int64_t kv_head, std::int64_t d,
                      std::int64_t slot) {
  return shape.latent ? slot * shape.key_dim + d
                      : (kv_head * shape.key_dim + d) * kPageLength + slot;
}
std::int64_t ValueIndex(const AttentionShape& shape, std::int64_t kv_head, std::int64_t d,
                        std::int64_t slot) {
  return shape.latent ? slot * shape.key_dim + d
                      : shape.kv_heads * kPageLength * shape.key_dim +
                            (kv_head * kPageLength + slot) * shape.value_dim + d;
}

// cap(scale * q . k), by the formula.
template <class Number>
double ProductScore(const AttentionShape& shape, const float* q, const std::byte* page,
                    std::int64_t kv_head, std::int64_t slot) {
  double dot = 0;
  for (std::int64_t d = 0; d < shape.key_dim; ++d) {
    dot += static_cast<double>(q[d]) * Number::Read(page, KeyIndex(shape, kv_head, d, slot));
  }
  const double score =
      shape.scale * dot * ReadScale<Number>(shape, page, Side::kKey, kv_head, slot);
  return shape.soft_cap == 0 ? score : shape.soft_cap * std::tanh(score / shape.soft_cap);
}

constexpr std::int64_t kDims = 256;  // values summed in one pass

// One row of one head. The scores are computed again in every pass: no memory is needed, and this
// is the specification, not a fast path.
template <class Number>
void AttendRow(const AttentionArgs& args, std::int64_t row, std::int64_t head) {
  const AttentionShape& shape = args.shape;
  const std::int64_t kv_head = head / (shape.heads / shape.kv_heads);
  const std::int64_t position = args.first_position + row;
  const bool windowed = shape.window > 0 && shape.window <= position;
  const std::int64_t begin = windowed ? position - shape.window + 1 : 0;
  const float* q = args.q + row * args.q_stride + head * shape.key_dim;
  const auto score = [&](std::int64_t t) {
    const double product =
        ProductScore<Number>(shape, q, args.pages[t / kPageLength], kv_head, t % kPageLength);
    return args.slopes == nullptr ? product
                                  : product - args.slopes[head] * static_cast<double>(position - t);
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
      const std::byte* const page = args.pages[t / kPageLength];
      const std::int64_t slot = t % kPageLength;
      const double weight = std::exp(score(t) - max) / sum *
                            ReadScale<Number>(shape, page, Side::kValue, kv_head, slot);
      for (std::int64_t i = 0; i < dims; ++i) {
        mean[i] += weight * Number::Read(page, ValueIndex(shape, kv_head, d + i, slot));
      }
    }
    for (std::int64_t i = 0; i < dims; ++i) {
      out[d + i] = static_cast<float>(mean[i]);
    }
  }
}

template <class Number>
void Attend(const AttentionArgs& args) {
  const std::int64_t group = args.shape.heads / args.shape.kv_heads;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    for (std::int64_t head = args.kv_begin * group; head < args.kv_end * group; ++head) {
      AttendRow<Number>(args, row, head);
    }
  }
}

// Writes a key or value x[dim] of a head, number d at page number index(d).
template <class Number, class Index>
void StoreVector(const AttentionShape& shape, const float* x, std::int64_t dim, std::byte* page,
                 Side side, std::int64_t head, int slot, const Index& index) {
  if constexpr (Number::kScaled) {
    float largest = 0;
    bool finite = true;
    for (std::int64_t d = 0; d < dim; ++d) {
      largest = std::fmax(largest, std::fabs(x[d]));
      finite = finite && std::isfinite(x[d]);
    }
    const bool zero = !finite || largest < 1e-30F;
    const float inverse = zero ? 0 : 127 / largest;
    *ScaleAt(shape, page, side, head, slot) = !finite ? std::numeric_limits<float>::quiet_NaN()
                                              : zero  ? 0
                                                      : largest / 127;
    for (std::int64_t d = 0; d < dim; ++d) {
      Number::Write(zero ? 0 : std::nearbyint(x[d] * inverse), page, index(d));
    }
  } else {
    for (std::int64_t d = 0; d < dim; ++d) {
      Number::Write(x[d], page, index(d));
    }
  }
}

template <class Number>
void Store(const AttentionShape& shape, const float* k, const float* v, int slot, std::byte* page) {
  for (std::int64_t head = 0; head < shape.kv_heads; ++head) {
    StoreVector<Number>(shape, k + head * shape.key_dim, shape.key_dim, page, Side::kKey, head,
                        slot, [&](std::int64_t d) { return KeyIndex(shape, head, d, slot); });
    if (!shape.latent) {
      StoreVector<Number>(shape, v + head * shape.value_dim, shape.value_dim, page, Side::kValue,
                          head, slot,
                          [&](std::int64_t d) { return ValueIndex(shape, head, d, slot); });
    }
  }
}

}  // namespace

void AttentionF32(const AttentionArgs& args) noexcept {
  Attend<F32>(args);
}
void AttentionF16(const AttentionArgs& args) noexcept {
  Attend<F16>(args);
}
void AttentionQ8(const AttentionArgs& args) noexcept {
  Attend<Q8>(args);
}

void StoreKeyValueF32(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  Store<F32>(shape, k, v, slot, page);
}
void StoreKeyValueF16(const AttentionShape& shape, const float* k, const float* v, int slot,
                      std::byte* page) noexcept {
  Store<F16>(shape, k, v, slot, page);
}
void StoreKeyValueQ8(const AttentionShape& shape, const float* k, const float* v, int slot,
                     std::byte* page) noexcept {
  Store<Q8>(shape, k, v, slot, page);
}

}  // namespace ashlar::reference
