// What the tests of attention share: sequences with their pages, and the fixture of those that run
// over all forms.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/kernel_test_support.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar::attention_test {

inline constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Page memory: numbers of a KV format, all NaN, at any offset from a 64-byte boundary.
class TestPage {
 public:
  TestPage(const AttentionShape& shape, KvFormat format, std::int64_t offset)
      : format_(format), shape_(shape), storage_((PageBytes(shape, format) + 3) / 4, offset) {
    std::memset(data(), 0xff, static_cast<std::size_t>(storage_.size()) * sizeof(float));
  }
  std::byte* data() { return reinterpret_cast<std::byte*>(storage_.data()); }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(storage_.data()); }
  float operator[](std::int64_t i) const {
    if (format_ == KvFormat::kF32) {
      return storage_[i];
    }
    if (format_ == KvFormat::kQ8) {
      float scale = 0;
      std::memcpy(&scale, data() + PageNumbers(shape_) + 4 * ScaleOf(i), 4);
      return static_cast<float>(static_cast<std::int8_t>(data()[i])) * scale;
    }
    std::uint16_t half = 0;
    std::memcpy(&half, data() + 2 * i, 2);
    return F16ToF32(half);
  }
  void ExpectIntact() const { storage_.ExpectIntact(); }

 private:
  // Which scale number i has.
  std::int64_t ScaleOf(std::int64_t i) const {
    if (shape_.latent) {
      return i / shape_.key_dim;
    }
    const std::int64_t keys = shape_.kv_heads * shape_.key_dim * kPageLength;
    return i < keys ? i / (shape_.key_dim * kPageLength) * kPageLength + i % kPageLength
                    : shape_.kv_heads * kPageLength + (i - keys) / shape_.value_dim;
  }

  KvFormat format_;
  AttentionShape shape_;
  GuardedFloats storage_;
};

// Where a page has a number of a key, or of a value.
inline std::int64_t KeyAt(const AttentionShape& shape, std::int64_t kv_head, std::int64_t slot,
                          std::int64_t dim) {
  return shape.latent ? slot * shape.key_dim + dim
                      : (kv_head * shape.key_dim + dim) * kPageLength + slot;
}
inline std::int64_t ValueAt(const AttentionShape& shape, std::int64_t kv_head, std::int64_t slot,
                            std::int64_t dim) {
  return shape.latent ? slot * shape.key_dim + dim
                      : shape.kv_heads * shape.key_dim * kPageLength +
                            (kv_head * kPageLength + slot) * shape.value_dim + dim;
}

// What keys or values, vectors of `dim` numbers, are once they are stored.
inline std::vector<float> Stored(KvFormat format, std::vector<float> numbers, std::int64_t dim) {
  if (format == KvFormat::kF16) {
    for (float& number : numbers) {
      number = F16ToF32(F32ToF16(number));
    }
  }
  for (auto vector = numbers.begin(); format == KvFormat::kQ8 && vector != numbers.end();
       vector += dim) {
    float largest = 0;
    bool finite = true;
    std::for_each(vector, vector + dim, [&](float number) {
      largest = std::max(largest, std::fabs(number));
      finite = finite && std::isfinite(number);
    });
    const float inverse = largest < 1e-30F ? 0 : 127 / largest;
    std::for_each(vector, vector + dim, [&](float& number) {
      number = finite ? std::nearbyint(number * inverse) * (largest / 127) : kNotANumber;
    });
  }
  return numbers;
}

// A sequence with its queries, keys and values. Slots that hold no position of the sequence are
// NaN, and pages that no row sees are null.
class Sequence {
 public:
  Sequence(KvFormat format, const AttentionShape& shape, std::int64_t positions,
           std::int64_t first_row, RandomFloats& random)
      : format_(format), shape_(shape), positions_(positions), first_row_(first_row) {
    const std::int64_t first_visible =
        shape.window == 0 ? 0 : std::max<std::int64_t>(0, first_row - shape.window + 1);
    for (std::int64_t begin = 0; begin < positions; begin += kPageLength) {
      if (begin + kPageLength <= first_visible) {
        storage_.push_back(nullptr);
        pages_.push_back(nullptr);
        widened_.push_back(nullptr);
        widened_pages_.push_back(nullptr);
        continue;
      }
      storage_.push_back(std::make_unique<TestPage>(shape, format, random.Between(0, 3)));
      pages_.push_back(storage_.back()->data());
      widened_.push_back(std::make_unique<TestPage>(shape, KvFormat::kF32, 0));
      widened_pages_.push_back(widened_.back()->data());
    }
    std::vector<float> k(static_cast<std::size_t>(shape.kv_heads * shape.key_dim));
    std::vector<float> v(static_cast<std::size_t>(shape.kv_heads * shape.value_dim));
    for (std::int64_t t = first_visible; t < positions; ++t) {
      std::generate(k.begin(), k.end(), [&] { return random.Normal(); });
      std::generate(v.begin(), v.end(), [&] { return random.Normal(); });
      Store(t, k, v);
    }
    q_stride_ = shape.heads * shape.key_dim + 3;
    out_stride_ = shape.heads * shape.value_dim + 5;
    q_ = std::make_unique<GuardedFloats>((positions - first_row) * q_stride_, 1);
    random.Fill(*q_);
    for (std::int64_t head = 0; head < shape.heads; ++head) {
      sinks_.push_back(random.Normal());
      slopes_.push_back(std::fabs(random.Normal(0, 0.2F)));
    }
  }

  void UseSinks() { use_sinks_ = true; }
  void UseSlopes() { use_slopes_ = true; }
  const AttentionShape& shape() const { return shape_; }
  std::int64_t rows() const { return positions_ - first_row_; }
  std::int64_t out_stride() const { return out_stride_; }
  std::unique_ptr<GuardedFloats> NewOut() const {
    auto out = std::make_unique<GuardedFloats>(rows() * out_stride_, 2);
    std::fill_n(out->data(), out->size(), GuardedFloats::kGuard);
    return out;
  }

  void Store(std::int64_t t, std::vector<float> k, std::vector<float> v) {
    const auto page = static_cast<std::size_t>(t / kPageLength);
    const int slot = static_cast<int>(t % kPageLength);
    AttentionForms(format_).front().store(shape_, k.data(), v.data(), slot, storage_[page]->data());
    k = Stored(format_, std::move(k), shape_.key_dim);
    v = Stored(format_, std::move(v), shape_.value_dim);
    AttentionForms(KvFormat::kF32)
        .front()
        .store(shape_, k.data(), v.data(), slot, widened_[page]->data());
  }
  // Fills the key and value of position t with `value`.
  void Spoil(std::int64_t t, float value) {
    const std::vector<float> k(static_cast<std::size_t>(shape_.kv_heads * shape_.key_dim), value);
    const std::vector<float> v(static_cast<std::size_t>(shape_.kv_heads * shape_.value_dim), value);
    Store(t, k, v);
  }

  AttentionArgs Args(GuardedFloats& out) const {
    return {.shape = shape_,
            .q = q_->data(),
            .q_stride = q_stride_,
            .out = out.data(),
            .out_stride = out_stride_,
            .pages = pages_.data(),
            .sinks = use_sinks_ ? sinks_.data() : nullptr,
            .slopes = use_slopes_ ? slopes_.data() : nullptr,
            .first_position = first_row_,
            .rows = rows(),
            .kv_begin = 0,
            .kv_end = shape_.kv_heads};
  }
  // What the reference computes from the same numbers, as f32. (So every form, that of the
  // reference on halves too, is compared with one that knows of no format.)
  void RunReference(GuardedFloats& out) const {
    AttentionArgs args = Args(out);
    args.pages = widened_pages_.data();
    AttentionForms(KvFormat::kF32).front().fn(args);
  }
  // Computes the rows [begin, end) of the key-value heads [kv_begin, kv_end).
  void Run(AttentionFn fn, std::int64_t begin, std::int64_t end, std::int64_t kv_begin,
           std::int64_t kv_end, GuardedFloats& out) const {
    AttentionArgs args = Args(out);
    args.q += begin * q_stride_;
    args.out += begin * out_stride_;
    args.first_position += begin;
    args.rows = end - begin;
    args.kv_begin = kv_begin;
    args.kv_end = kv_end;
    fn(args);
  }

  // The error that attention.h allows in out[row, head, :].
  std::vector<double> Bounds(std::int64_t row, std::int64_t head) const {
    const std::int64_t kv_head = head / (shape_.heads / shape_.kv_heads);
    const std::int64_t position = first_row_ + row;
    const std::int64_t begin =
        shape_.window == 0 ? 0 : std::max<std::int64_t>(0, position - shape_.window + 1);
    const float* q = q_->data() + row * q_stride_ + head * shape_.key_dim;
    std::vector<double> scores;
    double largest_terms = 0;
    const double slope = use_slopes_ ? slopes_[static_cast<std::size_t>(head)] : 0;
    const std::int64_t key_step = KeyAt(shape_, 0, 0, 1) - KeyAt(shape_, 0, 0, 0);
    for (std::int64_t t = begin; t <= position; ++t) {
      const float* key = WidenedPage(t) + KeyAt(shape_, kv_head, t % kPageLength, 0);
      double dot = 0;
      double terms = 0;
      for (std::int64_t d = 0; d < shape_.key_dim; ++d) {
        const double term = static_cast<double>(q[d]) * key[d * key_step];
        dot += term;
        terms += term < 0 ? -term : term;
      }
      const double score = dot * shape_.scale;
      const double capped =
          shape_.soft_cap == 0 ? score : shape_.soft_cap * std::tanh(score / shape_.soft_cap);
      scores.push_back(capped - slope * static_cast<double>(position - t));
      largest_terms = std::max(largest_terms, terms * std::fabs(shape_.scale));
    }
    const double sink = sinks_[static_cast<std::size_t>(head)];
    double max = *std::max_element(scores.begin(), scores.end());
    double min = *std::min_element(scores.begin(), scores.end());
    if (use_sinks_) {
      max = std::max(max, sink);
      min = std::min(min, sink);
    }
    double sum = use_sinks_ ? std::exp(sink - max) : 0;
    std::vector<double> bounds(static_cast<std::size_t>(shape_.value_dim));
    for (std::int64_t t = begin; t <= position; ++t) {
      const double weight = std::exp(scores[static_cast<std::size_t>(t - begin)] - max);
      const float* value = WidenedPage(t) + ValueAt(shape_, kv_head, t % kPageLength, 0);
      sum += weight;
      double* const bound = bounds.data();
      for (std::int64_t d = 0; d < shape_.value_dim; ++d) {
        bound[d] += weight * (value[d] < 0 ? -value[d] : value[d]);
      }
    }
    const auto positions = static_cast<double>(position - begin + 1);
    const double score_error = (static_cast<double>(shape_.key_dim) + 4) * largest_terms +
                               8 * std::fabs(shape_.soft_cap) + 3 * slope * positions +
                               (use_sinks_ ? 2 * std::fabs(sink) : 0);
    for (double& bound : bounds) {
      bound *= kUnitRoundoff / sum * (2 * score_error + 3 * (max - min) + 2 * positions + 34);
    }
    return bounds;
  }

 private:
  // The page of position t, as f32. (The loops over it take most of the time of these tests, which
  // are not optimised: so they are over plain pointers.)
  const float* WidenedPage(std::int64_t t) const {
    return reinterpret_cast<const float*>(
        widened_pages_[static_cast<std::size_t>(t / kPageLength)]);
  }

  KvFormat format_;
  AttentionShape shape_;
  std::int64_t positions_;
  std::int64_t first_row_;
  std::int64_t q_stride_;
  std::int64_t out_stride_;
  bool use_sinks_ = false;
  bool use_slopes_ = false;
  std::vector<std::unique_ptr<TestPage>> storage_;
  std::vector<const std::byte*> pages_;
  std::vector<std::unique_ptr<TestPage>> widened_;  // the same numbers in f32
  std::vector<const std::byte*> widened_pages_;
  std::unique_ptr<GuardedFloats> q_;
  std::vector<float> sinks_;
  std::vector<float> slopes_;
};

inline AttentionShape PlainShape(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim) {
  return {.heads = heads,
          .kv_heads = kv_heads,
          .key_dim = dim,
          .value_dim = dim,
          .scale = 1 / std::sqrt(static_cast<float>(dim)),
          .soft_cap = 0,
          .window = 0};
}

// One key-value head whose values are the first dims of its keys.
inline AttentionShape LatentShape(std::int64_t heads, std::int64_t key_dim,
                                  std::int64_t value_dim) {
  AttentionShape shape = PlainShape(heads, 1, key_dim);
  shape.value_dim = value_dim;
  shape.latent = true;
  return shape;
}

class AttentionParity : public FormTest<AttentionForm> {
 protected:
  static Sequence NewSequence(const AttentionShape& shape, std::int64_t positions,
                              std::int64_t first_row, RandomFloats& random) {
    return {GetParam().kv_format, shape, positions, first_row, random};
  }
  // Compares the form with the reference over the whole sequence; nothing but out may change.
  void ExpectAgrees(const Sequence& sequence) const {
    if (GetParam().fn == AttentionForms(KvFormat::kF32).front().fn) {
      return;  // with itself
    }
    const auto expected = sequence.NewOut();
    const auto actual = sequence.NewOut();
    sequence.RunReference(*expected);
    GetParam().fn(sequence.Args(*actual));
    const AttentionShape& shape = sequence.shape();
    const std::int64_t width = shape.heads * shape.value_dim;
    for (std::int64_t row = 0; row < sequence.rows(); ++row) {
      for (std::int64_t head = 0; head < shape.heads; ++head) {
        const std::int64_t at = row * sequence.out_stride() + head * shape.value_dim;
        const std::vector<double> bounds = sequence.Bounds(row, head);
        const float* const left = actual->data() + at;
        const float* const right = expected->data() + at;
        const double* const bound = bounds.data();
        for (std::int64_t dim = 0; dim < shape.value_dim; ++dim) {
          const double difference = static_cast<double>(left[dim]) - right[dim];
          if (!(-bound[dim] <= difference && difference <= bound[dim])) {  // NaN is not near
            ASSERT_NEAR(left[dim], right[dim], bound[dim])
                << "row " << row << ", head " << head << ", dim " << dim;
          }
        }
      }
      for (std::int64_t i = width; i < sequence.out_stride(); ++i) {
        ASSERT_EQ((*actual)[row * sequence.out_stride() + i], GuardedFloats::kGuard)
            << "wrote between rows " << row << " and " << row + 1;
      }
    }
    actual->ExpectIntact();
  }
};

inline void ExpectSameBits(const GuardedFloats& a, const GuardedFloats& b) {
  ASSERT_EQ(a.size(), b.size());
  if (std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0) {
    return;
  }
  for (std::int64_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::memcmp(a.data() + i, b.data() + i, sizeof(float)), 0)
        << "at " << i << ": " << a[i] << " and " << b[i];
  }
}

}  // namespace ashlar::attention_test
