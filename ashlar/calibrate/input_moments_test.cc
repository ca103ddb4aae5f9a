#include "ashlar/calibrate/input_moments.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/calibrate/divergence.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

std::vector<float> SomeRows(std::int64_t rows, std::int64_t width, std::uint32_t seed) {
  TestFloats floats(seed);
  std::vector<float> x(static_cast<std::size_t>(rows * width));
  for (float& value : x) {
    value = floats.Next(0.1f, 1);
  }
  return x;
}

// Every moment against a plain sum in doubles.
void ExpectMeans(const Moments& moments, std::span<const std::vector<float>> parts,
                 std::int64_t width) {
  ASSERT_EQ(moments.width, width);
  for (std::int64_t i = 0; i < width; ++i) {
    for (std::int64_t j = 0; j < width; ++j) {
      double sum = 0;
      std::int64_t rows = 0;
      for (const std::vector<float>& x : parts) {
        for (std::size_t row = 0; row < x.size(); row += width) {
          sum += static_cast<double>(x[row + i]) * x[row + j];
          ++rows;
        }
      }
      ASSERT_EQ(moments.rows, rows);
      ASSERT_NEAR(moments.sums[i * width + j], sum / static_cast<double>(rows), 1e-5);
    }
  }
}

// Tensors are called "0", "1", ...: their keys.
int NumberOf(std::string_view name) {
  return name[0] - '0';
}

TEST(InputMoments, AreTheMeansOfProductsWhateverTheThreads) {
  const std::vector<float> x[] = {SomeRows(33, 300, 1), SomeRows(7, 300, 2)};
  std::vector<std::vector<float>> sums;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    InputMoments moments(pool, 1 << 30);
    moments.BeginPass(NumberOf, false);
    for (const std::vector<float>& part : x) {
      const std::string_view names[] = {"0", "1"};
      moments.OnInput(names, part.data(), static_cast<std::int64_t>(part.size()) / 300, 300);
    }
    EXPECT_FALSE(moments.left_some());
    const auto first = moments.Take(0);
    ExpectMeans(*first, x, 300);
    EXPECT_EQ(first->sums, moments.Take(1)->sums);
    EXPECT_EQ(moments.Take(1), nullptr) << "it was taken";
    EXPECT_EQ(first->Diagonal()[17], first->sums[17 * 300 + 17]);
    sums.push_back(first->sums);
  }
  EXPECT_EQ(sums[0], sums[1]);
}

TEST(InputMoments, OfAMatrixThatTwoNodesUseAreOfTheRowsOfBothAndOthersKeepTheirOwn) {
  const std::vector<float> a = SomeRows(5, 64, 1);
  const std::vector<float> b = SomeRows(6, 64, 2);
  ThreadPool pool(1);
  InputMoments moments(pool, 1 << 30);
  const std::string_view both[] = {"0", "1"};
  const std::string_view one[] = {"1", "2"};
  moments.BeginPass(NumberOf, false);
  moments.OnInput(both, a.data(), 5, 64);
  moments.BeginPass(NumberOf, false);
  moments.OnInput(one, b.data(), 6, 64);
  const std::vector<float> ab[] = {a, b};
  ExpectMeans(*moments.Take(0), {ab, 1}, 64);
  ExpectMeans(*moments.Take(1), ab, 64);
  ExpectMeans(*moments.Take(2), {ab + 1, 1}, 64);
}

TEST(InputMoments, WhatDoesNotFitIsLeftForAnotherPassAndThenTheSame) {
  const std::vector<float> x = SomeRows(9, 64, 1);
  ThreadPool pool(1);
  InputMoments moments(pool, 2 * 64 * 64 * sizeof(float));
  const auto pass = [&](bool again) {
    moments.BeginPass(NumberOf, again);
    for (const std::string_view name : {"0", "1", "2"}) {
      for (const std::int64_t first : {0, 4}) {
        moments.OnInput({&name, 1}, x.data() + first * 64, first == 0 ? 4 : 5, 64);
      }
    }
  };
  pass(false);
  EXPECT_TRUE(moments.left_some());
  EXPECT_TRUE(moments.Left(2));
  EXPECT_FALSE(moments.Left(1));
  ExpectMeans(*moments.Take(0), {&x, 1}, 64);
  pass(true);
  EXPECT_FALSE(moments.left_some());
  ExpectMeans(*moments.Take(1), {&x, 1}, 64);
  ExpectMeans(*moments.Take(2), {&x, 1}, 64);
}

TEST(InputMoments, CountLookupsOnce) {
  ThreadPool pool(1);
  InputMoments moments(pool, 1 << 20);
  const std::int32_t rows[] = {3, 5, 3};
  moments.BeginPass(NumberOf, false);
  moments.OnLookup("4", rows);
  moments.BeginPass(NumberOf, true);
  moments.OnLookup("4", rows);
  EXPECT_EQ(moments.LookupsOf(4), (std::map<std::int32_t, std::int64_t>{{3, 2}, {5, 1}}));
}

// ---- Divergence

std::vector<float> LogitsOf(const BlobStore& store, const Network& network,
                            const std::vector<std::int32_t>& tokens) {
  Engine engine(store, {.max_positions = 128});
  const NetworkId id = *engine.Load(network);
  EXPECT_TRUE(
      engine.Submit({.network = id, .prompt = tokens, .max_tokens = 0, .prompt_logits = true})
          .ok());
  std::vector<float> all;
  while (!engine.idle()) {
    const auto deliveries = engine.Step();
    for (const Delivery& delivery : *deliveries) {
      all.insert(all.end(), delivery.logits.begin(), delivery.logits.end());
    }
  }
  return all;
}

double PlainDivergence(const std::vector<float>& p, const std::vector<float>& q,
                       std::size_t width) {
  double sum = 0;
  for (std::size_t row = 0; row < p.size(); row += width) {
    double p_sum = 0;
    double q_sum = 0;
    for (std::size_t i = row; i < row + width; ++i) {
      p_sum += std::exp(static_cast<double>(p[i]));
      q_sum += std::exp(static_cast<double>(q[i]));
    }
    for (std::size_t i = row; i < row + width; ++i) {
      const double share = std::exp(static_cast<double>(p[i])) / p_sum;
      sum += share * (std::log(share) - std::log(std::exp(static_cast<double>(q[i])) / q_sum));
    }
  }
  return sum / (static_cast<double>(p.size()) / static_cast<double>(width));
}

TEST(Divergence, IsWhatAPlainSumOverAnEnginesLogitsGives) {
  const auto store = NewMemoryStore();
  const Network network = testing_networks::RandomLlama(*store, {.layers = 2});
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < 100; ++i) {
    tokens.push_back(i * 31 % 96);
  }
  ThreadPool pool(2);
  const auto walk = *NodeWalk::Open(*store, network, {.pool = pool, .max_positions = 128});
  const WalkingRows sample(tokens, {100});
  const auto divergence = *Divergence::Open(*walk, pool, sample);

  // The second layer's down projection with other numbers, at the sample's start and further on.
  const TensorManifest& down = network.BlockOf(4).tensors.find("down")->second;
  std::vector<float> values(static_cast<std::size_t>(down.shape.elements()));
  const Blob stored = *store->Get(down.levels.front().blob);
  std::memcpy(values.data(), stored.bytes().data(), values.size() * sizeof(float));
  const Divergence::Uses uses = {{4, "down"}};
  EXPECT_LT(*divergence.Of(uses, values, sample), 1e-9);
  for (std::size_t i = 0; i < values.size(); i += 3) {
    values[i] *= 0.7f;
  }
  Network changed = network;
  Block block = changed.BlockOf(4);
  block.tensors.find("down")->second.levels.front().blob =
      *store->Put(std::as_bytes(std::span(values)));
  changed.nodes[4].block = changed.AddBlock(std::move(block));
  const double expected =
      PlainDivergence(LogitsOf(*store, network, tokens), LogitsOf(*store, changed, tokens), 96);
  EXPECT_GT(expected, 1e-4);
  WalkingRows further = sample;
  for (int node = 0; node < 4; ++node) {
    ASSERT_TRUE(walk->Compute(further, {}).ok());
    walk->Leave(further);
  }
  EXPECT_NEAR(*divergence.Of(uses, values, sample), expected, 1e-6 + 1e-3 * expected);
  EXPECT_NEAR(*divergence.Of(uses, values, further), expected, 1e-6 + 1e-3 * expected);
}

}  // namespace
}  // namespace ashlar
