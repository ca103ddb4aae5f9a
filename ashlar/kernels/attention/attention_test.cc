#include "ashlar/kernels/attention/attention.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "ashlar/kernels/attention/attention_test_support.h"

namespace ashlar::attention_test {
namespace {

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
      Sequence sequence = NewSequence(shape, 90, 30, random);
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

INSTANTIATE_TEST_SUITE_P(F32, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kF32)),
                         FormName());
INSTANTIATE_TEST_SUITE_P(F16, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kF16)),
                         FormName());
INSTANTIATE_TEST_SUITE_P(Q8, AttentionParity, testing::ValuesIn(AttentionForms(KvFormat::kQ8)),
                         FormName());

}  // namespace
}  // namespace ashlar::attention_test
