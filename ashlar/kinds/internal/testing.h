// What the kinds' tests are written with: blocks with random weights, and sequences to run them on.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/codec/codec.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/rope_tables.h"

namespace ashlar::testing {

using AttributeMap = std::map<std::string, AttributeValue, std::less<>>;

inline constexpr std::int64_t kMaxPositions = 128;

inline std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : AllIsas()) {
    if (Supported(isa)) {
      isas.push_back(isa);
    }
  }
  return isas;
}

inline const Codec& CodecNamed(std::string_view name) {
  const auto codec = FindCodec(name);
  CHECK(codec.ok());
  return **codec;
}

inline std::vector<TensorSpec> TensorsOf(const BlockKind& kind, const Attributes& attributes) {
  auto tensors = kind.tensors(attributes);
  CHECK(tensors.ok());
  return *std::move(tensors);
}

// Memory aligned as mapped blobs are. Not null even when it is empty.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t size)
      : size_(size), bytes_(new (std::align_val_t{Arena::kAlignment}) std::byte[size + 1]) {}
  std::span<std::byte> span() const { return {bytes_.get(), size_}; }

 private:
  struct Delete {
    void operator()(std::byte* bytes) const {
      operator delete[](bytes, std::align_val_t{Arena::kAlignment});
    }
  };
  std::size_t size_;
  std::unique_ptr<std::byte[], Delete> bytes_;
};

inline std::vector<float> RandomFloats(std::int64_t count, std::mt19937& random, float scale = 1) {
  TestFloats floats(random());
  std::vector<float> values(count);
  for (float& value : values) {
    value = floats.Next(0, scale);
  }
  return values;
}

// How a test's matrices are encoded.
struct Encoding {
  std::string_view codec;
  int levels = 0;         // of a residual codec; 0: bands of 32 rows have 1, 2, ... in turn
  const char* base = "";  // codec of what they are the difference from; "": of nothing

  Encoding(std::string_view name) : codec(name) {}  // NOLINT: a name is an encoding
  Encoding(const char* name) : codec(name) {}       // NOLINT
  Encoding(std::string_view name, int level_count, const char* base_codec = "")
      : codec(name), levels(level_count), base(base_codec) {}
  std::string name() const { return fmt::format("{}:{} on \"{}\"", codec, levels, base); }
};

// A tensor as it was before encoding, as the codec keeps it, and packed.
struct TestTensor {
  Shape shape;
  Encoding encoding;
  const Codec* codec;
  std::vector<float> original;
  std::vector<double> values;  // what the codec kept
  AlignedBytes packed;
  std::vector<std::byte*> levels;     // in `packed`, of a residual codec
  std::vector<RowLevels> row_levels;  // of one
  std::unique_ptr<TestTensor> base;
  std::unique_ptr<BoundTensor> bound_base;

  TestTensor(Shape tensor_shape, const Encoding& tensor_encoding, std::vector<float> numbers)
      : shape(tensor_shape),
        encoding(tensor_encoding),
        codec(&CodecNamed(encoding.codec)),
        original(std::move(numbers)),
        packed(*PackedBytes(*codec, tensor_shape)) {
    if (codec->residual == nullptr) {
      codec->encode(original.data(), rows(), columns(), packed.span().data());
      std::vector<float> kept(original.size());
      DecodeTensor(*codec, shape, packed.span(), kept.data());
      values.assign(kept.begin(), kept.end());
    } else {
      EncodeLevels();
    }
  }
  std::int64_t rows() const { return shape.rank() == 1 ? 1 : shape[0]; }
  std::int64_t columns() const { return shape[shape.rank() - 1]; }

  // Its first part.
  BoundTensor Bound(std::int64_t used_rows, std::int64_t used_columns) const {
    return {.codec = codec,
            .data = levels.empty() ? packed.span().data() : nullptr,
            .stored_columns = columns(),
            .rows = used_rows,
            .columns = used_columns,
            .stored_rows = rows(),
            .levels = levels,
            .row_levels = row_levels,
            .base = bound_base.get()};
  }

 private:
  void EncodeLevels() {
    std::vector<float> numbers = original;
    values.assign(original.size(), 0);
    if (*encoding.base != '\0') {
      base = std::make_unique<TestTensor>(shape, encoding.base, original);
      bound_base = std::make_unique<BoundTensor>(base->Bound(rows(), columns()));
      values = base->values;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        numbers[i] -= static_cast<float>(values[i]);
      }
    }
    std::byte* at = packed.span().data();
    for (int level = 0; level < codec->levels(); ++level) {
      levels.push_back(at);
      at += *LevelBytes(*codec, shape, level);
    }
    const Residual& residual = *codec->residual;
    residual.encode(numbers.data(), rows(), columns(), levels);
    for (std::int64_t row = 0; row < rows();) {
      const std::int64_t end =
          encoding.levels > 0 ? rows() : std::min<std::int64_t>(rows(), row + 32);
      const int count =
          encoding.levels > 0 ? encoding.levels : static_cast<int>(row / 32 % codec->levels()) + 1;
      row_levels.push_back({end, count});
      const std::vector<const std::byte*> first(levels.begin(), levels.begin() + count);
      std::vector<float> kept((end - row) * columns());
      residual.decode(first, rows(), columns(), row, end, kept.data());
      for (std::size_t i = 0; i < kept.size(); ++i) {
        values[row * columns() + i] += kept[i];
      }
      row = end;
    }
  }
};

// A block with weights. Matrices have the given encoding, vectors are f32.
class TestBlock {
 public:
  TestBlock(const BlockKind& kind, const AttributeMap& attributes, const Encoding& encoding,
            std::uint32_t seed)
      : kind_(&kind), attributes_(MakeAttributes(kind, attributes)) {
    std::mt19937 random(seed);
    for (const TensorSpec& spec : TensorsOf(kind, attributes_)) {
      // Rows of a matrix have norm 1, so that what comes out is as large as what goes in.
      const float scale = spec.role == TensorRole::kVector
                              ? 0.5f
                              : 1 / std::sqrt(static_cast<float>(spec.shape[1]));
      Add(spec.name, spec.shape, spec.role == TensorRole::kMatrix ? encoding : "f32",
          RandomFloats(spec.shape.elements(), random, scale));
    }
  }

  const Attributes& attributes() const { return attributes_; }
  const TestTensor& tensor(std::string_view name) const { return tensors_.find(name)->second; }
  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

  // The block that `slice` of this one is, bound to this one's bytes.
  std::unique_ptr<BoundBlock> Bind(Isa isa, const Slice& slice = {},
                                   KvFormat kv_format = KvFormat::kF32) const {
    const Attributes effective =
        slice.empty() ? attributes_ : kind_->apply_slice(attributes_, slice);
    internal::BoundTensors bound;
    for (const TensorSpec& spec : TensorsOf(*kind_, effective)) {
      bound[spec.name] = tensor(spec.name).Bound(spec.shape.rank() == 1 ? 1 : spec.shape[0],
                                                 spec.shape[spec.shape.rank() - 1]);
    }
    RopeTables rope_tables;  // a block keeps the table that it uses
    auto block =
        CpuKindOf(*kind_).bind(effective, bound, {isa, kMaxPositions, rope_tables, kv_format});
    CHECK(block.ok());
    return *std::move(block);
  }

  // The same sub-block with tensors of its own: cut out of the original numbers, and packed.
  TestBlock Cut(const Slice& slice) const {
    return Remade(slice,
                  [](const TestTensor& whole, std::int64_t at) { return whole.original[at]; });
  }
  // The same in f32, from what the codec kept.
  TestBlock Decoded(const Slice& slice = {}) const {
    return Remade(
        slice,
        [](const TestTensor& whole, std::int64_t at) {
          return static_cast<float>(whole.values[at]);
        },
        "f32");
  }

 private:
  TestBlock(const BlockKind& kind, Attributes attributes)
      : kind_(&kind), attributes_(std::move(attributes)) {}

  static Attributes MakeAttributes(const BlockKind& kind, const AttributeMap& attributes) {
    auto made = Attributes::Make(kind.attributes, attributes);
    CHECK(made.ok());
    return *std::move(made);
  }
  void Add(const std::string& name, const Shape& shape, const Encoding& encoding,
           std::vector<float> numbers) {
    tensors_.try_emplace(name, shape, encoding, std::move(numbers));
  }
  // number(tensor, index): of each tensor of the sub-block.
  template <class Number>
  TestBlock Remade(const Slice& slice, const Number& number,
                   std::optional<Encoding> encoding = {}) const {
    TestBlock made(*kind_, slice.empty() ? attributes_ : kind_->apply_slice(attributes_, slice));
    for (const TensorSpec& spec : TensorsOf(*kind_, made.attributes_)) {
      const TestTensor& whole = tensor(spec.name);
      const std::int64_t rows = spec.shape.rank() == 1 ? 1 : spec.shape[0];
      const std::int64_t columns = spec.shape[spec.shape.rank() - 1];
      std::vector<float> numbers(rows * columns);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t column = 0; column < columns; ++column) {
          numbers[row * columns + column] = number(whole, row * whole.columns() + column);
        }
      }
      made.Add(spec.name, spec.shape, encoding.value_or(whole.encoding), std::move(numbers));
    }
    return made;
  }

  const BlockKind* kind_;
  Attributes attributes_;
  std::map<std::string, TestTensor, std::less<>> tensors_;
};

// The pages of one sequence in one state slot, full of NaN until somebody writes them.
class TestPages {
 public:
  explicit TestPages(const Interface& interface, KvFormat kv_format = KvFormat::kF32) {
    const std::size_t bytes = interface.carried_floats > 0
                                  ? interface.carried_floats * sizeof(float)
                                  : KvBytes(kv_format, interface.state_floats * kPageLength,
                                            interface.state_vectors * kPageLength);
    for (std::int64_t at = 0; at < kMaxPositions; at += kPageLength) {
      storage_.emplace_back(bytes, std::byte{0xff});  // a NaN in either format
    }
    for (std::vector<std::byte>& page : storage_) {
      pages_.push_back(page.data());
    }
  }
  TestPages(const TestPages&) = delete;
  TestPages& operator=(const TestPages&) = delete;
  std::byte* const* get() const { return pages_.data(); }
  const std::vector<std::byte>& first() const { return storage_.front(); }

 private:
  std::vector<std::vector<std::byte>> storage_;
  std::vector<std::byte*> pages_;
};

// What one call computes: rows x [rows, width_in] (or tokens) in segments.
struct TestBatch {
  std::vector<Segment> segments;
  std::vector<float> x;
  std::vector<std::int32_t> tokens;
  std::int64_t rows = 0;

  void Add(std::int64_t count, std::int64_t first_position, std::byte* const* pages,
           bool writes_state = true) {
    segments.push_back({rows, count, first_position, pages, writes_state, kPageLength});
    rows += count;
  }
  RowBatch View() const { return {rows, segments, tokens.empty() ? nullptr : tokens.data()}; }
};

// Runs a block in an arena of exactly the size that a dry run measured.
inline std::vector<float> Run(const BoundBlock& block, const Interface& interface,
                              const TestBatch& batch, ThreadPool& pool) {
  Arena counting;
  block.Forward({.rows = batch.rows}, nullptr, nullptr, {&pool, &counting});
  EXPECT_EQ(counting.used(), 0u) << "a forward gives its scratch back";
  AlignedBytes scratch(counting.peak());
  // Scratch has no content that a forward may count on.
  std::memset(scratch.span().data(), 0xff, scratch.span().size());
  Arena arena(scratch.span());
  std::vector<float> y(batch.rows * interface.width_out, std::numeric_limits<float>::quiet_NaN());
  block.Forward(batch.View(), batch.x.data(), y.data(), {&pool, &arena});
  EXPECT_EQ(arena.peak(), counting.peak()) << "the dry run measured something else";
  return y;
}

// ---- Identity

// A block whose tensors lie one after the other, as f32, in the blob with the digest of "weights".
inline Block LiteralBlock(const BlockKind& kind, const AttributeMap& attributes) {
  Block block{.kind = &kind, .attributes = *Attributes::Make(kind.attributes, attributes)};
  std::uint64_t offset = 0;
  for (const TensorSpec& spec : TensorsOf(kind, block.attributes)) {
    const std::uint64_t length = *PackedBytes(CodecNamed("f32"), spec.shape);
    block.tensors[spec.name] = {
        spec.shape, &CodecNamed("f32"), {{Sha256("weights"), offset, length}}};
    offset += length;
  }
  return block;
}

// What is wrong with attributes of that kind, or "".
inline std::string ErrorOf(const BlockKind& kind, const AttributeMap& attributes) {
  const auto made = Attributes::Make(kind.attributes, attributes);
  if (!made.ok()) {
    return made.error().message;
  }
  const auto tensors = kind.tensors(*made);
  return tensors.ok() ? "" : tensors.error().message;
}

// `attributes` with some of them changed.
inline AttributeMap Changed(AttributeMap attributes, const AttributeMap& changes) {
  for (const auto& [name, value] : changes) {
    attributes[name] = value;
  }
  return attributes;
}

// ---- What parity tests compute in double

using Doubles = std::vector<double>;

// y = W x + b, W [outputs, inputs]; `bias` may be null.
inline Doubles MatVec(const TestTensor& weight, const TestTensor* bias, const Doubles& x) {
  Doubles y(weight.rows());
  for (std::int64_t n = 0; n < weight.rows(); ++n) {
    y[n] = bias == nullptr ? 0 : bias->values[n];
    for (std::int64_t k = 0; k < weight.columns(); ++k) {
      y[n] += weight.values[n * weight.columns() + k] * x[k];
    }
  }
  return y;
}

inline Doubles RmsNormed(const Doubles& x, const Doubles& weight, double offset, double eps) {
  double squares = 0;
  for (const double v : x) {
    squares += v * v;
  }
  Doubles y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = x[i] / std::sqrt(squares / static_cast<double>(x.size()) + eps) * (weight[i] + offset);
  }
  return y;
}

inline Doubles LayerNormed(const Doubles& x, const Doubles& weight, const Doubles& bias,
                           double eps) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (const double v : x) {
    mean += v / n;
  }
  double variance = 0;
  for (const double v : x) {
    variance += (v - mean) * (v - mean) / n;
  }
  Doubles y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * weight[i] + (bias.empty() ? 0 : bias[i]);
  }
  return y;
}

inline Doubles RowOf(const std::vector<float>& x, std::int64_t row, std::int64_t width) {
  return {x.begin() + row * width, x.begin() + (row + 1) * width};
}

// Each |actual - expected| is within `bound` of 1 + |expected|.
inline void ExpectNear(const std::vector<float>& actual, const Doubles& expected, double bound) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], bound * (1 + std::abs(expected[i]))) << "at " << i;
  }
}

// The root of the mean squared difference over the root of the mean square of `expected`.
inline double RelativeError(const std::vector<float>& actual, const Doubles& expected) {
  double difference = 0;
  double squares = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    squares += expected[i] * expected[i];
  }
  return std::sqrt(difference / squares);
}

// The same numbers to the bit.
inline ::testing::AssertionResult SameBits(const std::vector<float>& a,
                                           const std::vector<float>& b) {
  if (a.size() != b.size()) {
    return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " numbers";
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return ::testing::AssertionFailure() << "number " << i << ": " << a[i] << " and " << b[i];
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ashlar::testing
