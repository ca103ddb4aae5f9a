// What every codec promises, held over AllCodecs(): a codec is tested the day its row appears.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/codec/codec.h"

namespace ashlar {
namespace {

using testing::HasSubstr;

constexpr std::byte kGuard{0xa5};
constexpr std::size_t kGuardBytes = 64;

class EveryCodec : public testing::TestWithParam<const Codec*> {
 protected:
  EveryCodec() { RecordProperty("seed", static_cast<int>(kSeed)); }

  const Codec& codec() const { return *GetParam(); }
  // `units` packing units of columns, at least `least` columns.
  std::int64_t Columns(std::int64_t least) const {
    return (least + codec().column_unit - 1) / codec().column_unit * codec().column_unit;
  }
  std::uint64_t Bytes(std::int64_t rows, std::int64_t columns) const {
    const Result<std::uint64_t> bytes = PackedBytes(codec(), {rows, columns});
    CHECK(bytes.ok());
    return *bytes;
  }
  std::vector<float> Normal(std::int64_t count, float deviation = 1) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = normal(random_);
    }
    return values;
  }
  // Student's t with 2 degrees of freedom: infinite variance, as weights with outliers have.
  std::vector<float> HeavyTailed(std::int64_t count) {
    std::student_t_distribution<float> student(2);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = student(random_);
    }
    return values;
  }
  // Encodes over garbage, with a guard behind that must survive.
  std::vector<std::byte> Encode(const std::vector<float>& values, std::int64_t rows,
                                std::int64_t columns) {
    const std::uint64_t bytes = Bytes(rows, columns);
    std::vector<std::byte> packed(bytes + kGuardBytes, kGuard);
    codec().encode(values.data(), rows, columns, packed.data());
    for (std::uint64_t i = bytes; i < packed.size(); ++i) {
      EXPECT_EQ(packed[i], kGuard) << "encode wrote past the end";
    }
    packed.resize(bytes);
    return packed;
  }
  std::vector<float> Decode(const std::vector<std::byte>& packed, std::int64_t rows,
                            std::int64_t columns) {
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    DecodeTensor(codec(), {rows, columns}, packed, values.data());
    return values;
  }

  static constexpr unsigned kSeed = 20240607;
  std::mt19937 random_{kSeed};
};

TEST_P(EveryCodec, IsFoundByItsNameAndItsShortName) {
  EXPECT_EQ(*FindCodec(codec().name), &codec());
  EXPECT_EQ(*FindCodec(codec().short_name), &codec());
  EXPECT_EQ(codec().name.substr(0, codec().name.find('.')), codec().short_name);
}

TEST_P(EveryCodec, KeepsNormalNumbersWithinItsDeclaredError) {
  const std::int64_t rows = 100;
  const std::int64_t columns = Columns(640);
  const std::vector<float> values = Normal(rows * columns);
  const double error = RelativeError(values, Decode(Encode(values, rows, columns), rows, columns));
  EXPECT_LE(error, codec().max_rms_error);
  EXPECT_GE(error, codec().max_rms_error / 2) << "the declared error is no estimate";
}

TEST_P(EveryCodec, KeepsItsErrorAtEveryMagnitudeOfWeights) {
  const std::int64_t rows = 32;
  const std::int64_t columns = Columns(64);
  for (const float deviation : {1e-2f, 1.0f, 1e2f}) {
    const std::vector<float> values = Normal(rows * columns, deviation);
    EXPECT_LE(RelativeError(values, Decode(Encode(values, rows, columns), rows, columns)),
              1.2 * codec().max_rms_error)
        << deviation;
  }
}

TEST_P(EveryCodec, KeepsEachHeavyTailedNumberWithinTheStepOfItsGroup) {
  const std::int64_t rows = 70;
  const std::int64_t columns = Columns(320);
  const std::vector<float> values = HeavyTailed(rows * columns);
  const std::vector<float> decoded = Decode(Encode(values, rows, columns), rows, columns);
  // A codec whose bits are spent on a number alone errs relative to that number; one that shares
  // a scale, relative to the largest of its group. Normal numbers (largest of a group: at least
  // the deviation) told how much: at most 2 deviations of a uniform error.
  for (std::int64_t group = 0; group < rows * columns; group += codec().column_unit) {
    float largest = 0;
    for (std::int64_t i = group; i < group + codec().column_unit; ++i) {
      largest = std::max(largest, std::fabs(values[static_cast<std::size_t>(i)]));
    }
    for (std::int64_t i = group; i < group + codec().column_unit; ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_NEAR(values[at], decoded[at], 2 * codec().max_rms_error * largest) << i;
    }
  }
}

TEST_P(EveryCodec, EncodesTheSameNumbersToTheSameBytes) {
  const std::int64_t rows = 33;
  const std::int64_t columns = Columns(64);
  const std::vector<float> values = HeavyTailed(rows * columns);
  EXPECT_EQ(Encode(values, rows, columns), Encode(values, rows, columns));
}

TEST_P(EveryCodec, EncodesWhatItDecodedToNumbersThatDecodeTheSame) {
  const std::int64_t rows = 40;
  const std::int64_t columns = Columns(64);
  const std::vector<float> once =
      Decode(Encode(Normal(rows * columns), rows, columns), rows, columns);
  const std::vector<float> twice = Decode(Encode(once, rows, columns), rows, columns);
  EXPECT_LE(RelativeError(once, twice), codec().max_rms_error / 8);
}

TEST_P(EveryCodec, EncodesBandByBandToTheBytesOfTheWhole) {
  const std::int64_t rows = 2 * codec().row_unit + 1;
  const std::int64_t columns = Columns(96);
  const std::vector<float> values = Normal(rows * columns);
  std::vector<std::byte> bands;
  for (std::int64_t row = 0; row < rows; row += codec().row_unit) {
    const std::int64_t band_rows = std::min<std::int64_t>(codec().row_unit, rows - row);
    const auto first = values.begin() + row * columns;
    const std::vector<std::byte> band =
        Encode({first, first + band_rows * columns}, band_rows, columns);
    EXPECT_EQ(band.size(), codec().band_bytes(columns));
    bands.insert(bands.end(), band.begin(), band.end());
  }
  EXPECT_EQ(bands, Encode(values, rows, columns));
}

TEST_P(EveryCodec, DecodesAnyRangeOfRowsToThoseRowsOfTheWhole) {
  const std::int64_t rows = 75;
  const std::int64_t columns = Columns(64);
  const std::vector<std::byte> packed = Encode(Normal(rows * columns), rows, columns);
  const std::vector<float> whole = Decode(packed, rows, columns);
  for (const auto& [begin, end] :
       {std::pair{0, 1}, {0, 75}, {31, 33}, {32, 64}, {74, 75}, {5, 5}}) {
    std::vector<float> range(static_cast<std::size_t>((end - begin) * columns) + 1, -7.0f);
    codec().decode(packed.data(), columns, begin, end, range.data());
    EXPECT_EQ(range.back(), -7.0f) << "decode wrote past the end";
    range.pop_back();
    EXPECT_EQ(range,
              std::vector<float>(whole.begin() + begin * columns, whole.begin() + end * columns));
  }
}

TEST_P(EveryCodec, HoldsASubMatrixOfWholeUnitsAsTheSameBytesReadWithAStride) {
  const std::int64_t rows = 2 * codec().row_unit;
  const std::int64_t columns = 3 * codec().column_unit;
  const std::vector<float> values = Normal(rows * columns);
  std::vector<float> corner;
  const std::int64_t corner_columns = 2 * codec().column_unit;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto first = values.begin() + row * columns;
    corner.insert(corner.end(), first, first + corner_columns);
  }
  const std::vector<std::byte> whole = Encode(values, rows, columns);
  const std::vector<std::byte> part = Encode(corner, rows, corner_columns);
  const std::uint64_t stride = codec().band_bytes(columns);
  const std::uint64_t taken = codec().band_bytes(corner_columns);
  for (std::uint64_t band = 0; band < 2; ++band) {
    EXPECT_TRUE(std::equal(part.begin() + static_cast<std::ptrdiff_t>(band * taken),
                           part.begin() + static_cast<std::ptrdiff_t>((band + 1) * taken),
                           whole.begin() + static_cast<std::ptrdiff_t>(band * stride)));
  }
}

TEST_P(EveryCodec, PadsTheLastBandWithRowsOfZeros) {
  const std::int64_t rows = 1;
  const std::int64_t columns = Columns(32);
  const std::vector<std::byte> packed = Encode(Normal(rows * columns), rows, columns);
  std::vector<float> band(static_cast<std::size_t>(codec().row_unit * columns));
  codec().decode(packed.data(), columns, 0, codec().row_unit, band.data());
  for (std::size_t i = static_cast<std::size_t>(columns); i < band.size(); ++i) {
    ASSERT_EQ(band[i], 0.0f) << i;
  }
}

TEST_P(EveryCodec, KeepsZerosAndSurvivesTheLargestAndTheSmallestNumbers) {
  const std::int64_t columns = Columns(32);
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  for (const float value : {0.0f, -0.0f, largest, -largest, smallest, -smallest, 1e-38f, 1e-30f}) {
    std::vector<float> values(static_cast<std::size_t>(columns), value);
    values[0] = -value;
    const std::vector<std::byte> packed = Encode(values, 1, columns);
    if (codec().check != nullptr) {
      EXPECT_TRUE(codec().check(packed, 1, columns).ok()) << value;
    }
    for (const float decoded : Decode(packed, 1, columns)) {
      ASSERT_TRUE(std::isfinite(decoded)) << value;
      ASSERT_LE(std::fabs(decoded), std::fabs(value) * 1.01f) << value;
    }
  }
}

TEST_P(EveryCodec, AcceptsWhatItEncodedAndDecodesOrRefusesRandomBytes) {
  const std::int64_t rows = codec().row_unit + 3;
  const std::int64_t columns = Columns(64);
  std::vector<std::byte> packed = Encode(HeavyTailed(rows * columns), rows, columns);
  if (codec().check != nullptr) {
    EXPECT_TRUE(codec().check(packed, rows, columns).ok());
  }
  for (int round = 0; round < 200; ++round) {
    for (std::byte& byte : packed) {
      byte = static_cast<std::byte>(random_());
    }
    const bool accepted = codec().check != nullptr && codec().check(packed, rows, columns).ok();
    const std::vector<float> decoded = Decode(packed, rows, columns);
    if (accepted) {
      for (const float value : decoded) {
        ASSERT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST_P(EveryCodec, TakesTheBytesThatItsBitsPerWeightSay) {
  const std::int64_t rows = 4 * codec().row_unit;
  const std::int64_t columns = Columns(256);
  EXPECT_EQ(static_cast<double>(Bytes(rows, columns)) * 8,
            static_cast<double>(rows * columns) * codec().bits_per_weight);
  const Result<std::uint64_t> one_more = PackedBytes(codec(), {rows + 1, columns});
  EXPECT_EQ(*one_more, Bytes(rows, columns) + codec().band_bytes(columns));
}

TEST_P(EveryCodec, RefusesEveryShapeThatItCannotHold) {
  const std::int64_t unit = codec().column_unit;
  struct Case {
    Shape shape;
    const char* message;
  };
  std::vector<Case> cases = {
      {Shape(), "rank 0"},
      {{2, unit, 2}, "rank 3"},
      {{1, 1, 1, unit}, "rank 4"},
  };
  if (!codec().vectors) {
    cases.push_back({{unit}, "rank 1"});
  }
  if (unit > 1) {
    cases.push_back({{4, unit - 1}, "packs columns by"});
    cases.push_back({{4, unit + 1}, "packs columns by"});
    cases.push_back({{4, 1}, "packs columns by"});
  }
  for (const Case& c : cases) {
    const Result<std::uint64_t> bytes = PackedBytes(codec(), c.shape);
    ASSERT_FALSE(bytes.ok()) << c.shape.ToString();
    EXPECT_EQ(bytes.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(bytes.error().message, HasSubstr(c.message));
    EXPECT_THAT(bytes.error().message, HasSubstr(c.shape.ToString()));
    EXPECT_THAT(bytes.error().message, HasSubstr(std::string(codec().name)));
  }
}

TEST_P(EveryCodec, CountsTheBytesOfTheLargestShapesWithoutWrappingAround) {
  const std::int64_t most = Shape::kMaxElements;
  EXPECT_GE(Bytes(most / Columns(32), Columns(32)), static_cast<std::uint64_t>(most) / 2);
  EXPECT_GE(Bytes(1, most), static_cast<std::uint64_t>(most) / 2);
}

TEST_P(EveryCodec, DecodesATensorOfRankOneIfItHoldsVectors) {
  if (!codec().vectors) {
    return;  // RefusesEveryShapeThatItCannotHold has its error
  }
  const std::vector<float> values = {1, -2, 0.5f};
  std::vector<std::byte> packed(*PackedBytes(codec(), {3}));
  codec().encode(values.data(), 1, 3, packed.data());
  std::vector<float> decoded(3);
  DecodeTensor(codec(), {3}, packed, decoded.data());
  EXPECT_EQ(decoded, values);
}

// Those that numbers can be encoded in; gguf/gguf_test.cc holds the others to the rest.
std::vector<const Codec*> EncodingCodecs() {
  std::vector<const Codec*> codecs(AllCodecs().begin(), AllCodecs().end());
  std::erase_if(codecs, [](const Codec* codec) { return codec->encode == nullptr; });
  return codecs;
}

INSTANTIATE_TEST_SUITE_P(Codec, EveryCodec, testing::ValuesIn(EncodingCodecs()),
                         [](const auto& info) { return std::string(info.param->short_name); });

TEST(FindCodec, NamesTheKnownCodecsWhenAskedForAnother) {
  for (const char* name : {"q7", "q4.2", "", "Q4", "q4.1 "}) {
    const Result<const Codec*> codec = FindCodec(name);
    ASSERT_FALSE(codec.ok()) << name;
    EXPECT_EQ(codec.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(codec.error().message, HasSubstr("f32.1, f16.1, bf16.1, q8.1, q4.1"));
  }
}

TEST(FindCodec, NamesTheCodecsToEncodeInWhenAskedForOneOfFiles) {
  EXPECT_EQ(*FindEncodingCodec("q4"), *FindCodec("q4"));
  const Result<const Codec*> codec = FindEncodingCodec("iq1_s");
  ASSERT_FALSE(codec.ok());
  EXPECT_THAT(codec.error().message, HasSubstr("come out of files only in codec \"iq1_s\""));
  EXPECT_FALSE(FindEncodingCodec("none").ok());
  EXPECT_THAT(FindEncodingCodec("bitplane").error().message, HasSubstr("`ashlar shrink` writes"));
}

}  // namespace
}  // namespace ashlar
