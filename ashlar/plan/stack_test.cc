#include "ashlar/plan/stack.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

constexpr AttributeSpec kStackWidths[] = {
    {.name = "in", .required = true, .min = 1, .max = 1 << 20, .doc = "columns"},
    {.name = "out", .required = true, .min = 1, .max = 1 << 20, .doc = "rows"}};
// A kind with one matrix.
constinit const BlockKind kMatrixOnly{
    .name = "matrix_only",
    .summary = "for this test",
    .attributes = kStackWidths,
    .slices = {},
    .tensors = [](const Attributes& attributes) -> Result<std::vector<TensorSpec>> {
      return std::vector<TensorSpec>{
          {"weight", TensorRole::kMatrix, {attributes.Integer("out"), attributes.Integer("in")}}};
    },
    .interface =
        [](const Attributes& attributes) {
          return Interface{.width_in = attributes.Integer("in"),
                           .width_out = attributes.Integer("out")};
        },
    .cost = [](const Attributes&) { return Cost{}; },
    .apply_slice = nullptr,
};

TensorManifest Residual8(const std::string& name, std::int64_t rows, std::int64_t columns) {
  TensorManifest tensor{.shape = {rows, columns}, .codec = *FindCodec("bitplane")};
  for (int level = 0; level < tensor.codec->levels(); ++level) {
    tensor.levels.push_back(
        {Sha256(name + std::to_string(level)), 0, *LevelBytes(*tensor.codec, tensor.shape, level)});
  }
  return tensor;
}

void AddMatrix(Network& network, TensorManifest tensor) {
  Block block{.kind = &kMatrixOnly,
              .attributes = *Attributes::Make(kStackWidths,
                                              {{"in", tensor.shape[1]}, {"out", tensor.shape[0]}})};
  block.tensors.emplace("weight", std::move(tensor));
  network.nodes.push_back({.block = network.AddBlock(std::move(block))});
}

// Networks of random matrices with random losses, some of them wild: a level may be worth more than
// the one before it, or nothing.
struct RandomCase {
  explicit RandomCase(std::uint64_t seed, std::int64_t most_rows = 200) {
    std::mt19937_64 random(seed);
    std::uniform_int_distribution<std::int64_t> rows(1, most_rows);
    std::uniform_int_distribution<std::int64_t> groups(1, 8);
    const std::string name = std::to_string(seed) + ".";
    for (int i = 0; i < 6; ++i) {
      Add(Residual8(name + std::to_string(i), rows(random), 32 * groups(random)), {}, random);
    }
    AddMatrix(network, {.shape = {64, 64},
                        .codec = *FindCodec("f32"),
                        .levels = {{Sha256(name + "plain"), 0, 64 * 64 * 4}}});
  }
  // `errors`: how the losses are shared among bands.
  void Add(const TensorManifest& tensor, std::span<const float> errors, std::mt19937_64& random) {
    std::uniform_real_distribution<double> fall(0, 1);
    AddMatrix(network, tensor);
    std::vector<double> of_tensor(tensor.levels.size(), 0);
    for (std::size_t l = of_tensor.size() - 1; l-- > 0;) {
      of_tensor[l] = of_tensor[l + 1] + std::pow(fall(random), 6);
    }
    losses.insert({tensor.levels[0], TensorLosses(tensor, of_tensor, errors)});
    tensors.push_back(tensor);
  }
  Network network;
  LevelLosses losses;
  std::vector<TensorManifest> tensors;
};

std::uint64_t BytesAt(const Network& network, const Precision& precision) {
  std::uint64_t sum = 0;
  for (const auto& [digest, block] : network.blocks) {
    for (const Level& part : ResidentParts(block->tensors.at("weight"), precision)) {
      sum += part.length;
    }
  }
  return sum;
}

TEST(Stack, AnyCutIsNotAboveItsBudgetAndBelowItByLessThanTheNextEntry) {
  for (int trial = 0; trial < 20; ++trial) {
    const std::uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    const RandomCase random(seed, 40000);
    const StackNetwork networks[] = {{&random.network, &random.losses}};
    const Stack stack(networks);
    EXPECT_EQ(stack.total_bytes(), BytesAt(random.network, {}));
    std::mt19937_64 draw(seed);
    for (int i = 0; i < 30; ++i) {
      const std::uint64_t budget = std::uniform_int_distribution<std::uint64_t>(
          stack.floor_bytes(), stack.total_bytes() + 100)(draw);
      const StackCut cut = *stack.Cut(budget);
      EXPECT_EQ(cut.bytes, BytesAt(random.network, cut.precision));
      EXPECT_LE(cut.bytes, budget);
      if (cut.entries < stack.entries().size()) {
        EXPECT_GT(cut.bytes + stack.entries()[cut.entries].bytes, budget);
      } else {
        EXPECT_EQ(cut.bytes, stack.total_bytes());
      }
      for (const TensorManifest& tensor : random.tensors) {
        EXPECT_TRUE(CheckPrecision(tensor, cut.precision.at(tensor.levels[0])).ok());
      }
    }
    for (const StackEntry& entry : stack.entries()) {
      EXPECT_LE(entry.bytes, 1'000'000u);
    }
  }
}

// Of some networks together: each part once.
std::uint64_t BytesAt(std::span<const StackNetwork> networks, const Precision& precision) {
  std::map<Level, std::uint64_t> parts;
  for (const StackNetwork& each : networks) {
    for (const auto& [digest, block] : each.network->blocks) {
      for (const Level& part : ResidentParts(block->tensors.at("weight"), precision)) {
        parts[part] = part.length;
      }
    }
  }
  std::uint64_t sum = 0;
  for (const auto& [part, length] : parts) {
    sum += length;
  }
  return sum;
}

TEST(Stack, OfNetworksThatShareTensorsWholeOrInPartAnyCutKeepsItsBudgetToo) {
  for (int trial = 0; trial < 10; ++trial) {
    const std::uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    RandomCase one(seed, 8000);
    RandomCase two(seed + 1, 8000);
    // One tensor of the first whole, one with its first levels only, and a large one with rows that
    // matter very differently.
    two.Add(one.tensors[0], {}, random);
    TensorManifest part = one.tensors[1];
    part.levels.resize(3);
    two.Add(part, {}, random);
    const TensorManifest wide = Residual8("wide" + std::to_string(seed), 20000, 512);
    std::vector<float> errors(wide.levels.size() * 625);
    for (float& error : errors) {
      error = std::exponential_distribution<float>(1)(random);
    }
    two.Add(wide, errors, random);
    const StackNetwork networks[] = {{&one.network, &one.losses, 0.3}, {&two.network, &two.losses}};
    const Stack stack(networks);
    EXPECT_EQ(stack.total_bytes(), BytesAt(networks, {}));
    std::map<std::pair<Level, std::int64_t>, int> levels;
    for (const StackEntry& entry : stack.entries()) {  // each range's in its own order
      EXPECT_EQ(++levels[std::pair(entry.tensor, entry.row_begin)], entry.level);
      EXPECT_LE(entry.bytes, 1'000'000u);
    }
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t budget = std::uniform_int_distribution<std::uint64_t>(
          stack.floor_bytes(), stack.total_bytes())(random);
      const StackCut cut = *stack.Cut(budget);
      EXPECT_EQ(cut.bytes, BytesAt(networks, cut.precision));
      EXPECT_LE(cut.bytes, budget);
      EXPECT_TRUE(cut.entries == stack.entries().size() ||
                  cut.bytes + stack.entries()[cut.entries].bytes > budget);
    }
  }
}

TEST(Stack, LossesOfFewerRowsThanATensorHasAreReadNoFurther) {
  const TensorManifest small = Residual8("tensor", 64, 64);
  const double numbers[] = {0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0};
  const TensorLosses of_small(small, numbers, {});
  EXPECT_NEAR(of_small.Of(0, 640, 1), 0.5, 1e-12);
  EXPECT_EQ(of_small.Of(64, 640, 1), 0);
}

// Again and again, among the next 1, 2, 3, ... levels of any tensor takes those that together take
// away most per byte.
std::vector<std::pair<Level, int>> Greedy(const RandomCase& of) {
  std::vector<std::size_t> next(of.tensors.size(), 1);
  std::vector<std::pair<Level, int>> order;
  while (true) {
    double best = -1;
    std::size_t tensor = 0;
    std::size_t until = 0;
    for (std::size_t t = 0; t < of.tensors.size(); ++t) {
      const TensorLosses& losses = of.losses.at(of.tensors[t].levels[0]);
      double bytes = 0;
      for (std::size_t end = next[t]; end < of.tensors[t].levels.size(); ++end) {
        bytes += static_cast<double>(of.tensors[t].levels[end].length);
        const double worth =
            (losses.whole(static_cast<int>(next[t])) - losses.whole(static_cast<int>(end) + 1)) /
            bytes;
        if (worth >= best) {
          best = worth;
          tensor = t;
          until = end;
        }
      }
    }
    if (until == 0) {
      return order;
    }
    for (; next[tensor] <= until; ++next[tensor]) {
      order.emplace_back(of.tensors[tensor].levels[0], static_cast<int>(next[tensor]));
    }
  }
}

TEST(Stack, IsTheOrderInWhichAPlainGreedySearchTakesLevels) {
  for (int trial = 0; trial < 50; ++trial) {
    const std::uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    const RandomCase random(seed);
    const StackNetwork networks[] = {{&random.network, &random.losses}};
    const Stack stack(networks);
    std::vector<std::pair<Level, int>> order;
    for (const StackEntry& entry : stack.entries()) {
      order.emplace_back(entry.tensor, entry.level);
    }
    EXPECT_EQ(order, Greedy(random));
    EXPECT_TRUE(std::ranges::is_sorted(stack.entries(), std::ranges::greater(),
                                       &StackEntry::loss_per_byte));
  }
}

TEST(Stack, TheExpectedLossNeverRisesWithTheBudgetAndEndsAtNone) {
  const std::uint64_t seed = TestSeed();
  const RandomCase random(seed, 40000);
  const StackNetwork network{&random.network, &random.losses};
  const Stack stack(std::span(&network, 1));
  const LevelLosses complete = CompleteLosses(network);
  double before = 1e9;
  for (std::size_t n = 0; n <= stack.entries().size(); ++n) {
    const double loss = ExpectedLoss(random.network, complete, stack.First(n).precision);
    EXPECT_LE(loss, before + 1e-12) << seed << " " << n;
    before = loss;
  }
  EXPECT_NEAR(before, 0, 1e-12);
}

TEST(Stack, BelowTheFloorABudgetIsRefusedWithNumbers) {
  const RandomCase random(1);
  const StackNetwork networks[] = {{&random.network, &random.losses}};
  const Stack stack(networks);
  const Result<StackCut> cut = stack.Cut(stack.floor_bytes() - 1);
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, ErrorCode::kExhausted);
  EXPECT_NE(cut.error().message.find(std::to_string(stack.floor_bytes())), std::string::npos);
  EXPECT_EQ(cut.error().message.find("shrink"), std::string::npos);
  EXPECT_EQ(stack.Cut(stack.floor_bytes())->bytes, stack.floor_bytes());
}

TEST(Stack, OfANetworkWithoutLevelsHasNoEntriesAndSaysWhatWouldHelp) {
  Network network;
  AddMatrix(network, {.shape = {64, 64},
                      .codec = *FindCodec("f32"),
                      .levels = {{Sha256("plain"), 0, 64 * 64 * 4}}});
  const StackNetwork networks[] = {{&network, nullptr}};
  const Stack stack(networks);
  EXPECT_TRUE(stack.entries().empty());
  EXPECT_EQ(stack.Cut(20000)->bytes, 16384u);
  const Network* const views[] = {&network};
  for (const std::string& error : {stack.Cut(16383).error().message,
                                   stack.CutWithin({.networks = views}, 100).error().message}) {
    EXPECT_NE(error.find("16.4 kB"), std::string::npos) << error;
    EXPECT_NE(error.find("ashlar shrink"), std::string::npos) << error;
  }
}

TEST(Stack, WhatTwoNetworksShareStandsOnceAndIsWorthWhatItIsToBoth) {
  const TensorManifest shared = Residual8("shared", 64, 64);
  const TensorManifest own = Residual8("own", 64, 64);
  Network one;
  AddMatrix(one, shared);
  Network two;
  AddMatrix(two, shared);
  AddMatrix(two, own);
  // By itself "own" comes first; with both networks' use, or a large weight of one, "shared" does.
  const auto falling = [&](double first) {
    std::vector<double> losses;
    for (int l = 0; l < 7; ++l) {
      losses.push_back(first * std::ldexp(1, -2 * l));
    }
    return TensorLosses(shared, losses, {});  // both have its shape
  };
  const LevelLosses losses_one = {{shared.levels[0], falling(1)}};
  const LevelLosses losses_two = {{shared.levels[0], falling(1)}, {own.levels[0], falling(1.5)}};
  const StackNetwork alone[] = {{&two, &losses_two}};
  EXPECT_EQ(Stack(alone).entries()[0].tensor, own.levels[0]);
  const StackNetwork both[] = {{&one, &losses_one}, {&two, &losses_two}};
  const Stack stack(both);
  EXPECT_EQ(stack.entries()[0].tensor, shared.levels[0]);
  EXPECT_EQ(stack.entries().size(), 12u);
  EXPECT_EQ(stack.total_bytes(), shared.bytes() + own.bytes());
  const StackNetwork light[] = {{&one, &losses_one, 0.1}, {&two, &losses_two}};
  EXPECT_EQ(Stack(light).entries()[0].tensor, own.levels[0]);
}

TEST(Stack, WithoutMeasuredLossesEachLevelIsGuessedToQuarterTheError) {
  Network network;
  AddMatrix(network, Residual8("small", 64, 64));
  AddMatrix(network, Residual8("large", 640, 64));
  const LevelLosses guessed = CompleteLosses({&network, nullptr});
  ASSERT_EQ(guessed.size(), 2u);
  double first = 0;
  for (const auto& [level, losses] : guessed) {
    first += losses.whole(1);
    for (int l = 2; l <= losses.levels(); ++l) {
      EXPECT_NEAR(losses.whole(l), losses.whole(l - 1) / 4, 1e-12);
    }
  }
  EXPECT_NEAR(first, 1, 1e-12);
  // A tensor that was measured keeps its losses, and sets the scale of the others.
  const TensorManifest small = Residual8("small", 64, 64);
  const double numbers[] = {0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0};
  const LevelLosses measured = {{small.levels[0], TensorLosses(small, numbers, {})}};
  const LevelLosses complete = CompleteLosses({&network, &measured});
  EXPECT_NEAR(complete.at(small.levels[0]).whole(2), 0.4, 1e-12);
  EXPECT_NEAR(complete.at(Residual8("large", 640, 64).levels[0]).whole(1), 5, 1e-12);
}

TEST(Stack, RowsThatMatterMoreGetTheirLevelsFirst) {
  // Of four ranges of rows the second has nearly all of the error.
  const TensorManifest tensor = Residual8("wide", 4 * 7168, 1024);
  const std::size_t bands = 4 * 7168 / 32;
  std::vector<float> errors(tensor.levels.size() * bands, 1e-3f);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (i % bands / (bands / 4) == 1) {
      errors[i] = 1;
    }
  }
  const double numbers[] = {1, 0.25, 0.06, 0.015, 0.004, 0.001, 0};
  const LevelLosses losses = {{tensor.levels[0], TensorLosses(tensor, numbers, errors)}};
  EXPECT_NEAR(losses.begin()->second.Of(7168, 2 * 7168, 2), 0.25 / 1.003, 1e-6);
  Network network;
  AddMatrix(network, tensor);
  const StackNetwork networks[] = {{&network, &losses}};
  const Stack stack(networks);
  const StackCut cut = stack.First(3);
  EXPECT_EQ(cut.precision.at(tensor.levels[0]),
            (TensorPrecision{{7168, 1}, {2 * 7168, 4}, {4 * 7168, 1}}));
  EXPECT_EQ(cut.bytes, BytesAt(network, cut.precision));
}

TEST(Stack, AWholeProcessIsKeptWithinItsBudget) {
  const RandomCase random(3, 40000);
  const StackNetwork networks[] = {{&random.network, &random.losses}};
  const Stack stack(networks);
  const Network* const all[] = {&random.network};
  PlanRequest request{.networks = all, .workspace_bytes = 100000, .process_bytes = 50000};
  const std::uint64_t most = PredictMemory(request).total();
  request.precision = stack.First(0).precision;
  const std::uint64_t least = PredictMemory(request).total();
  for (const std::uint64_t budget : {least, (least + most) / 2, most - 1, most}) {
    const StackCut cut = *stack.CutWithin(request, budget);
    request.precision = cut.precision;
    EXPECT_LE(PredictMemory(request).total(), budget);
    if (cut.entries < stack.entries().size()) {
      request.precision = stack.First(cut.entries + 1).precision;
      EXPECT_GT(PredictMemory(request).total(), budget);
    }
  }
  EXPECT_EQ(stack.CutWithin(request, least - 1).error().code, ErrorCode::kExhausted);
}

}  // namespace
}  // namespace ashlar
