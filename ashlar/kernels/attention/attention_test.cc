#include "ashlar/kernels/attention/attention.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "ashlar/kernels/kernel_test_support.h"
#include "ashlar/tensor/dtype.h"

namespace ashlar {
namespace {

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

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
std::int64_t KeyAt(const AttentionShape& shape, std::int64_t kv_head, std::int64_t slot,
                   std::int64_t dim) {
  return shape.latent ? slot * shape.key_dim + dim
                      : (kv_head * shape.key_dim + dim) * kPageLength + slot;
}
std::int64_t ValueAt(const AttentionShape& shape, std::int64_t kv_head, std::int64_t slot,
                     std::int64_t dim) {
  return shape.latent ? slot * shape.key_dim + dim
                      : shape.kv_heads * shape.key_dim * kPageLength +
                            (kv_head * kPageLength + slot) * shape.value_dim + dim;
}

// What keys or values, vectors of `dim` numbers, are once they are stored.
std::vector<float> Stored(KvFormat format, std::vector<float> numbers, std::int64_t dim) {
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
                               8 * std::fabs(shape_.soft_cap) + 2 * slope * positions;
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

AttentionShape PlainShape(std::int64_t heads, std::int64_t kv_heads, std::int64_t dim) {
  return {.heads = heads,
          .kv_heads = kv_heads,
          .key_dim = dim,
          .value_dim = dim,
          .scale = 1 / std::sqrt(static_cast<float>(dim)),
          .soft_cap = 0,
          .window = 0};
}

// One key-value head whose values are the first dims of its keys.
AttentionShape LatentShape(std::int64_t heads, std::int64_t key_dim, std::int64_t value_dim) {
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

void ExpectSameBits(const GuardedFloats& a, const GuardedFloats& b) {
  ASSERT_EQ(a.size(), b.size());
  if (std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0) {
    return;
  }
  for (std::int64_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::memcmp(a.data() + i, b.data() + i, sizeof(float)), 0)
        << "at " << i << ": " << a[i] << " and " << b[i];
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceForEveryRatioOfHeads) {
  RandomFloats random(1);
  for (std::int64_t group = 1; group <= 9; ++group) {
    for (const std::int64_t kv_heads : {1, 2, 3}) {
      ExpectAgrees(NewSequence(PlainShape(group * kv_heads, kv_heads, 32), 37, 20, random));
    }
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceForEveryTailOfTheDimensions) {
  RandomFloats random(2);
  for (std::int64_t dim = 1; dim <= 70; ++dim) {
    AttentionShape shape = PlainShape(2, 1, dim);
    shape.value_dim = 71 - dim;
    ExpectAgrees(NewSequence(shape, 21, 17, random));
  }
  for (const std::int64_t dim : {128, 256, 576, 1040}) {
    ExpectAgrees(NewSequence(PlainShape(3, 1, dim), 18, 15, random));
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceAtTheLargestDimensions) {
  RandomFloats random(10);
  ExpectAgrees(NewSequence(PlainShape(10, 1, kMaxHeadDim), 17, 15, random));
}

TEST_P(AttentionParity, AgreesWithTheReferenceAtEveryPositionInAPage) {
  RandomFloats random(3);
  for (std::int64_t position = 0; position < 50; ++position) {
    ExpectAgrees(NewSequence(PlainShape(4, 2, 16), position + 1, position, random));
    ExpectAgrees(NewSequence(PlainShape(4, 2, 16), position + 1, 0, random));
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceForEveryWindow) {
  RandomFloats random(4);
  for (std::int64_t window = 1; window <= 70; ++window) {
    AttentionShape shape = PlainShape(6, 2, 16);
    shape.window = window;
    ExpectAgrees(NewSequence(shape, 68, 45, random));
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceWithSoftCapsAndSinks) {
  RandomFloats random(5);
  for (const float soft_cap : {0.0F, 0.5F, 3.0F, 50.0F}) {
    for (const float scale : {0.01F, 0.25F, 4.0F}) {
      AttentionShape shape = PlainShape(8, 2, 24);
      shape.soft_cap = soft_cap;
      shape.scale = scale;
      Sequence sequence = NewSequence(shape, 60, 30, random);
      ExpectAgrees(sequence);
      sequence.UseSinks();
      ExpectAgrees(sequence);
    }
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceWhereScoresFallWithTheDistance) {
  RandomFloats random(11);
  for (const std::int64_t window : {0, 13}) {
    AttentionShape shape = PlainShape(6, 2, 24);
    shape.window = window;
    Sequence sequence = NewSequence(shape, 90, 40, random);
    sequence.UseSlopes();
    ExpectAgrees(sequence);
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceOnRandomShapes) {
  for (std::uint32_t seed = 100; seed < 124; ++seed) {
    RandomFloats random(seed);
    const std::int64_t kv_heads = random.Between(1, 4);
    AttentionShape shape =
        PlainShape(kv_heads * random.Between(1, 8), kv_heads, random.Between(1, 80));
    shape.value_dim = random.Between(1, 80);
    shape.window = random.Between(0, 1) * random.Between(1, 60);
    shape.soft_cap = static_cast<float>(random.Between(0, 1) * random.Between(1, 20));
    const std::int64_t first_row = random.Between(0, 150);
    Sequence sequence = NewSequence(shape, first_row + random.Between(1, 40), first_row, random);
    if (random.Between(0, 1) == 1) {
      sequence.UseSinks();
    }
    if (random.Between(0, 3) == 1) {
      sequence.UseSlopes();
    }
    ExpectAgrees(sequence);
  }
}

TEST_P(AttentionParity, AgreesWithTheReferenceOnLatentPages) {
  RandomFloats random(12);
  for (std::int64_t dim = 1; dim <= 70; dim += 3) {
    ExpectAgrees(NewSequence(LatentShape(1 + dim % 11, dim, (dim + 1) / 2), 37, 20, random));
  }
  for (const std::int64_t rope_dims : {0, 8, 64}) {
    AttentionShape shape = LatentShape(19, 96 + rope_dims, 96);
    shape.window = rope_dims;
    shape.soft_cap = static_cast<float>(rope_dims);
    Sequence sequence = NewSequence(shape, 66, 30, random);
    sequence.UseSinks();
    ExpectAgrees(sequence);
  }
  ExpectAgrees(NewSequence(LatentShape(3, 1040, 1024), 17, 15, random));
}

// (Which judges the reference too: it is the formula with the values written out.)
TEST_P(AttentionParity, LatentPagesGiveWhatKeysWithTheirFirstDimsAsValuesGive) {
  RandomFloats random(13);
  const AttentionShape latent = LatentShape(5, 40, 24);
  AttentionShape plain = latent;
  plain.latent = false;
  TestPage latent_page(latent, GetParam().kv_format, 0);
  TestPage plain_page(plain, GetParam().kv_format, 0);
  const std::int64_t positions = 11;
  for (int t = 0; t < positions; ++t) {
    std::vector<float> k(40);
    std::generate(k.begin(), k.end(), [&] { return random.Normal(); });
    k[7] = 10;  // the largest is part of the value: key and value have one scale
    GetParam().store(latent, k.data(), nullptr, t, latent_page.data());
    GetParam().store(plain, k.data(), k.data(), t, plain_page.data());
    const std::vector<float> stored = Stored(GetParam().kv_format, k, 40);
    for (std::int64_t d = 0; d < 40; ++d) {
      ASSERT_EQ(latent_page[t * 40 + d], stored[static_cast<std::size_t>(d)]);
    }
  }
  GuardedFloats q(5 * 40, 0);
  random.Fill(q);
  std::vector<float> out[2] = {std::vector<float>(5 * 24), std::vector<float>(5 * 24)};
  const std::byte* pages[] = {latent_page.data(), plain_page.data()};
  for (int i = 0; i < 2; ++i) {
    GetParam().fn({.shape = i == 0 ? latent : plain,
                   .q = q.data(),
                   .q_stride = 5 * 40,
                   .out = out[i].data(),
                   .out_stride = 5 * 24,
                   .pages = &pages[i],
                   .sinks = nullptr,
                   .slopes = nullptr,
                   .first_position = positions - 1,
                   .rows = 1,
                   .kv_begin = 0,
                   .kv_end = 1});
  }
  for (std::size_t i = 0; i < out[0].size(); ++i) {
    EXPECT_NEAR(out[0][i], out[1][i], 1e-5) << i;
  }
}

TEST_P(AttentionParity, ALatentRowsBitsDoNotDependOnTheRowsComputedWithItOrOnUnseenPositions) {
  RandomFloats random(14);
  Sequence sequence = NewSequence(LatentShape(21, 40, 32), 80, 40, random);
  const auto together = sequence.NewOut();
  GetParam().fn(sequence.Args(*together));
  const auto alone = sequence.NewOut();
  for (std::int64_t row = sequence.rows() - 1; row >= 0; --row) {
    sequence.Run(GetParam().fn, row, row + 1, 0, 1, *alone);
    sequence.Spoil(40 + row, row % 2 == 0 ? kNotANumber : kInfinity);
  }
  ExpectSameBits(*alone, *together);
}

TEST_P(AttentionParity, AgreesWithTheReferenceOverALongContext) {
  RandomFloats random(6);
  ExpectAgrees(NewSequence(PlainShape(4, 1, 64), 2051, 2049, random));
}

TEST_P(AttentionParity, ARowsBitsDoNotDependOnTheRowsAndHeadsComputedWithIt) {
  for (std::uint32_t seed = 200; seed < 208; ++seed) {
    RandomFloats random(seed);
    AttentionShape shape = PlainShape(3 * random.Between(1, 8), 3, random.Between(1, 80));
    shape.value_dim = random.Between(1, 80);
    shape.window = random.Between(0, 1) * random.Between(1, 60);
    const std::int64_t first_row = random.Between(0, 100);
    Sequence sequence = NewSequence(shape, first_row + random.Between(1, 90), first_row, random);
    if (seed % 2 == 0) {
      sequence.UseSlopes();
    }

    const auto together = sequence.NewOut();
    GetParam().fn(sequence.Args(*together));
    const auto alone = sequence.NewOut();
    for (std::int64_t row = 0; row < sequence.rows(); ++row) {
      for (std::int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
        sequence.Run(GetParam().fn, row, row + 1, kv_head, kv_head + 1, *alone);
      }
    }
    ExpectSameBits(*alone, *together);
    const auto chunks = sequence.NewOut();
    for (std::int64_t row = 0; row < sequence.rows();) {
      const std::int64_t end = random.Between(row + 1, sequence.rows());
      const std::int64_t kv_split = random.Between(0, shape.kv_heads);
      sequence.Run(GetParam().fn, row, end, 0, kv_split, *chunks);
      sequence.Run(GetParam().fn, row, end, kv_split, shape.kv_heads, *chunks);
      row = end;
    }
    ExpectSameBits(*chunks, *together);
  }
}

TEST_P(AttentionParity, ARowsBitsDoNotDependOnWhatLaterAndUnseenPositionsHold) {
  RandomFloats random(7);
  AttentionShape shape = PlainShape(4, 2, 20);
  shape.window = 25;
  Sequence sequence = NewSequence(shape, 80, 40, random);
  const auto clean = sequence.NewOut();
  GetParam().fn(sequence.Args(*clean));
  const auto spoiled = sequence.NewOut();
  // Backwards, since each row needs the positions before it.
  for (std::int64_t row = sequence.rows() - 1; row >= 0; --row) {
    sequence.Run(GetParam().fn, row, row + 1, 0, shape.kv_heads, *spoiled);
    sequence.Spoil(40 + row, row % 3 == 0 ? kNotANumber : row % 3 == 1 ? kInfinity : -kInfinity);
  }
  ExpectSameBits(*spoiled, *clean);

  // A position that has left the window of the first row, in a page that it still sees.
  Sequence behind = NewSequence(shape, 45, 42, random);
  const auto before = behind.NewOut();
  GetParam().fn(behind.Args(*before));
  behind.Spoil(42 - 25, kNotANumber);
  const auto after = behind.NewOut();
  GetParam().fn(behind.Args(*after));
  ExpectSameBits(*after, *before);
}

TEST_P(AttentionParity, AnInfiniteValueOfALaterRowDoesNotReachAnEarlierRowOfTheSameCall) {
  RandomFloats random(8);
  Sequence sequence = NewSequence(PlainShape(2, 1, 16), 12, 4, random);
  const auto clean = sequence.NewOut();
  GetParam().fn(sequence.Args(*clean));
  sequence.Spoil(11, kInfinity);
  const auto spoiled = sequence.NewOut();
  GetParam().fn(sequence.Args(*spoiled));
  const std::int64_t earlier = 7 * sequence.out_stride();
  EXPECT_EQ(std::memcmp(spoiled->data(), clean->data(),
                        static_cast<std::size_t>(earlier) * sizeof(float)),
            0);
  EXPECT_FALSE(std::isfinite((*spoiled)[earlier]));
}

TEST_P(AttentionParity, OnePositionGivesItsValueExactly) {
  RandomFloats random(9);
  AttentionShape shape = PlainShape(2, 2, 18);
  shape.window = 1;
  Sequence sequence = NewSequence(shape, 24, 23, random);
  std::vector<float> k(36, 7.0F);
  std::vector<float> v(36);
  std::generate(v.begin(), v.end(), [&] { return random.Normal(); });
  sequence.Store(23, k, v);
  const auto out = sequence.NewOut();
  GetParam().fn(sequence.Args(*out));
  const std::vector<float> stored = Stored(GetParam().kv_format, v, 18);
  for (std::int64_t i = 0; i < 36; ++i) {
    EXPECT_EQ((*out)[i], stored[static_cast<std::size_t>(i)]) << i;
  }
}

TEST_P(AttentionParity, ASinkAsLargeAsTheOnlyScoreHalvesTheValue) {
  AttentionShape shape = PlainShape(1, 1, 1);
  TestPage page(shape, GetParam().kv_format, 0);
  const float k = 3;
  const float v = 10;
  GetParam().store(shape, &k, &v, 0, page.data());
  const std::byte* pages[] = {page.data()};
  const float q = 2;
  const float sink = 6;
  float out = 0;
  GetParam().fn({.shape = shape,
                 .q = &q,
                 .q_stride = 1,
                 .out = &out,
                 .out_stride = 1,
                 .pages = pages,
                 .sinks = &sink,
                 .first_position = 0,
                 .rows = 1,
                 .kv_begin = 0,
                 .kv_end = 1});
  EXPECT_NEAR(out, 5, GetParam().kv_format == KvFormat::kQ8 ? 1e-5 : 0);
}

TEST_P(AttentionParity, StoresEveryPositionAsTheReferenceDoesAndTouchesNothingElse) {
  RandomFloats random(11);
  for (std::int64_t dim = 1; dim <= 40; ++dim) {
    AttentionShape shape = PlainShape(2, 2, dim);
    shape.value_dim = 41 - dim;
    TestPage page(shape, GetParam().kv_format, dim % 4);
    TestPage expected(shape, GetParam().kv_format, 0);
    for (const int slot : {5, 0, 15, 8}) {
      std::vector<float> k(static_cast<std::size_t>(2 * shape.key_dim));
      std::vector<float> v(static_cast<std::size_t>(2 * shape.value_dim));
      std::generate(k.begin(), k.end(), [&] { return random.Normal(); });
      std::generate(v.begin(), v.end(), [&] { return random.Normal(0, 1e-6F); });  // subnormal
      GetParam().store(shape, k.data(), v.data(), slot, page.data());
      AttentionForms(GetParam().kv_format)
          .front()
          .store(shape, k.data(), v.data(), slot, expected.data());
      ASSERT_EQ(std::memcmp(page.data(), expected.data(),
                            static_cast<std::size_t>(PageBytes(shape, GetParam().kv_format))),
                0)
          << "key dim " << dim << ", slot " << slot;
    }
    page.ExpectIntact();
  }
}

TEST_P(AttentionParity, StoresNumbersBeyondTheFormatAsInfiniteAndHalvesRoundedToEven) {
  if (GetParam().kv_format == KvFormat::kQ8) {
    return;  // nothing is beyond it
  }
  const AttentionShape shape = PlainShape(1, 1, 4);
  TestPage page(shape, GetParam().kv_format, 0);
  const float k[] = {65519, -65520, 1 + 0x1p-11F, 1 + 3 * 0x1p-11F};
  const float v[] = {kInfinity, -kInfinity, kNotANumber, -0.0F};
  GetParam().store(shape, k, v, 3, page.data());
  const bool halves = GetParam().kv_format == KvFormat::kF16;
  EXPECT_EQ(page[3], halves ? 65504 : 65519);
  EXPECT_EQ(page[16 + 3], halves ? -kInfinity : -65520);
  EXPECT_EQ(page[32 + 3], halves ? 1 : 1 + 0x1p-11F);
  EXPECT_EQ(page[48 + 3], halves ? 1 + 0x1p-9F : 1 + 3 * 0x1p-11F);
  EXPECT_EQ(page[64 + 3 * 4], kInfinity);
  EXPECT_EQ(page[64 + 3 * 4 + 1], -kInfinity);
  EXPECT_TRUE(std::isnan(page[64 + 3 * 4 + 2]));
  EXPECT_TRUE(page[64 + 3 * 4 + 3] == 0 && std::signbit(page[64 + 3 * 4 + 3]));
}

INSTANTIATE_TEST_SUITE_P(F32, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kF32)),
                         FormName());
INSTANTIATE_TEST_SUITE_P(F16, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kF16)),
                         FormName());
INSTANTIATE_TEST_SUITE_P(Q8, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kQ8)),
                         FormName());

TEST(AttentionQ8, AVectorHasTheScaleOfItsLargestNumber) {
  const AttentionShape shape = PlainShape(1, 1, 4);
  for (const AttentionForm& form : AttentionForms(KvFormat::kQ8)) {
    if (!Supported(form.isa)) {
      continue;
    }
    TestPage page(shape, KvFormat::kQ8, 0);
    const auto store = [&](const std::vector<float>& v) {
      form.store(shape, v.data(), v.data(), 3, page.data());
      const std::int64_t values = 4 * kPageLength + 3 * 4;
      return std::vector<float>{page[values], page[values + 1], page[values + 2], page[values + 3]};
    };
    EXPECT_EQ(store({-127, 1, 2.5, 3.5}), (std::vector<float>{-127, 1, 2, 4})) << form.name;
    EXPECT_EQ(store({254, 254, -254, 3}), (std::vector<float>{254, 254, -254, 4})) << form.name;
    EXPECT_EQ(store({0, 0, 0, 0}), (std::vector<float>{0, 0, 0, 0})) << form.name;
    EXPECT_EQ(store({1e-31F, 0, 0, -1e-40F}), (std::vector<float>{0, 0, 0, 0})) << form.name;
    EXPECT_NEAR(store({3e38F, 0, 0, 0})[0], 3e38F, 1e32F) << form.name;
    for (const float spoiled : {kInfinity, -kInfinity, kNotANumber}) {
      for (const float number : store({1, spoiled, 2, 3})) {
        EXPECT_TRUE(std::isnan(number)) << form.name;
      }
    }
  }
}

TEST_P(AttentionParity, PutsKeysDimsOutermostAndValuesPositionsOutermost) {
  AttentionShape shape = PlainShape(2, 2, 3);
  shape.value_dim = 2;
  TestPage page(shape, GetParam().kv_format, 0);
  std::vector<float> k = {1, 2, 3, 4, 5, 6};
  std::vector<float> v = {7, 8, 9, 10};
  GetParam().store(shape, k.data(), v.data(), 5, page.data());
  k = Stored(GetParam().kv_format, k, 3);
  v = Stored(GetParam().kv_format, v, 2);
  std::vector<float> expected(2 * 16 * (3 + 2), kNotANumber);
  for (std::size_t i = 0; i < 6; ++i) {
    expected[i * 16 + 5] = k[i];
  }
  expected[96 + 5 * 2] = v[0];
  expected[96 + 5 * 2 + 1] = v[1];
  expected[96 + 32 + 5 * 2] = v[2];
  expected[96 + 32 + 5 * 2 + 1] = v[3];
  for (std::int64_t i = 0; i < PageNumbers(shape); ++i) {
    const float wanted = expected[static_cast<std::size_t>(i)];
    EXPECT_TRUE(page[i] == wanted || (std::isnan(page[i]) && std::isnan(wanted))) << i;
  }
}

}  // namespace
}  // namespace ashlar
