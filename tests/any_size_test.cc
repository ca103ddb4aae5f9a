// One stored network at any size: budgets are kept, plans are what runs, and less is never refused
// before the floor.
#include <fstream>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr std::string_view kStory =
    "The old man looked at the sea. It was early, and nobody was about; the boats lay on the "
    "sand as they had been left, and the gulls walked between them. He thought of his wife, "
    "who had liked the morning best of all, and of the house in which he had lived with her "
    "for forty years. Then he took his stick and went down the path. A boy was sitting on "
    "the wall, with a dog beside him. \"Good morning,\" said the boy. \"Are you going out "
    "to-day?\" The old man shook his head. \"Not with this wind,\" he said. \"Perhaps when "
    "the tide has turned. Have you had anything to eat?\" The boy had not, and so they went "
    "together to the inn at the end of the street, where the fire was already burning and "
    "the landlord's daughter was cutting bread. She gave them each a bowl of soup, and would "
    "take no money for it. \"You may bring me a fish,\" she said, \"when there are any.\"\n";

class AnySize : public ::testing::Test {
 protected:
  // Made once: it takes seconds.
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TempDirectory>();
    ashlar_ = std::make_unique<Ashlar>(*directory_ / "store");
    Must({"import", "hf", testing::DemoModel().string(), "--as", "demo"});
    Must({"encode", "demo", "--as", "planes", "--codec", "bitplane"});
    std::ofstream(*directory_ / "text") << kStory;
  }
  static void TearDownTestSuite() {
    ashlar_.reset();
    directory_.reset();
  }
  // The perplexity of a network on the story, within each of some budgets, or whole.
  static Words Perplexity(const std::string& network, const std::string& budgets = "") {
    Words words = {"eval",     "ppl", network,     "--text", (*directory_ / "text").string(),
                   "--window", "64",  "--windows", "4"};
    if (!budgets.empty()) {
      words.insert(words.end(), {"--weights", budgets});
    }
    return words;
  }
  static CommandResult Run(const Words& words) { return (*ashlar_)(words); }
  static std::string Must(const Words& words) {
    const CommandResult result = Run(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    return result.out;
  }
  static Json JsonOf(Words words) {
    words.push_back("--json");
    return *ParseJson(Must(words));
  }
  static double Number(const Json& json, const char* key) { return *JsonCursor(json).Real(key); }

  static inline std::unique_ptr<TempDirectory> directory_;
  static inline std::unique_ptr<Ashlar> ashlar_;
};

TEST_F(AnySize, ABudgetOfWeightsIsACutOfOneStack) {
  const Json whole = JsonOf({"plan", "planes"});
  const double floor = Number(whole, "floor_weights_bytes");
  const double most = Number(whole, "most_weights_bytes");
  EXPECT_EQ(Number(whole, "weights_bytes"), most);
  EXPECT_LT(floor, 0.45 * most);
  double ratio_before = 1e9;
  for (const double share : {0.0, 0.4, 1.0}) {
    const double budget = std::floor(floor + share * (most - floor));
    const Json plan = JsonOf({"plan", "planes", "--weights", fmt::format("{:.0f}", budget)});
    EXPECT_LE(Number(plan, "weights_bytes"), budget);
    EXPECT_GT(Number(plan, "weights_bytes"), budget - 1e6);
    const Json& network = (*plan.Find("networks")->array())[0];
    EXPECT_LT(Number(network, "expected_perplexity_ratio"), ratio_before);
    ratio_before = Number(network, "expected_perplexity_ratio");
    double bytes = 0;
    for (const Json& group : *plan.Find("groups")->array()) {
      bytes += Number(group, "bytes");
    }
    EXPECT_EQ(bytes, Number(plan, "weights_bytes"));
  }
  EXPECT_LT(ratio_before, 1.001);
  const CommandResult less = Run({"plan", "planes", "--weights", "1K"});
  EXPECT_EQ(less.exit_code, 1);
  EXPECT_THAT(less.err, HasSubstr("--weights: 1.0 kB of weights are too little"));
  EXPECT_THAT(less.err, HasSubstr(fmt::format("({:.0f} bytes)", floor)));
}

TEST_F(AnySize, ABudgetThatANetworkWithoutLevelsCannotKeepIsRefusedAndSaysWhatWould) {
  const CommandResult weights = Run({"run", "demo", "-p", "x", "--weights", "10M"});
  EXPECT_EQ(weights.exit_code, 1);
  EXPECT_THAT(weights.err, HasSubstr("they take 14.7 MB"));
  EXPECT_THAT(weights.err, HasSubstr("`ashlar shrink` makes a network of any size"));
  EXPECT_EQ(Run({"run", "demo", "-p", "x", "-n", "1", "--weights", "14.7M"}).exit_code, 0);
  const CommandResult memory = Run({"plan", "demo", "--memory", "10MiB"});
  EXPECT_EQ(memory.exit_code, 1);
  EXPECT_THAT(memory.err, HasSubstr("`ashlar shrink` makes a network of any size"));
}

TEST_F(AnySize, PerplexityIsMeasuredAtEachBudget) {
  const double most = Number(JsonOf({"plan", "planes"}), "most_weights_bytes");
  const std::string budgets =
      fmt::format("{:.0f},{:.0f},{:.0f}", most, 0.4 * most, 0.6 * most);  // down, and up again
  const Json curve = JsonOf(Perplexity("planes", budgets));
  ASSERT_EQ(curve.array()->size(), 3u);
  for (const Json& point : *curve.array()) {
    EXPECT_EQ(Number(point, "tokens"), 192);
  }
  const auto at = [&](std::size_t i, const char* key) { return Number((*curve.array())[i], key); };
  EXPECT_EQ(at(0, "weights_bytes"), most);
  EXPECT_LE(at(1, "weights_bytes"), 0.4 * most);
  EXPECT_LE(at(2, "weights_bytes"), 0.6 * most);
  EXPECT_GT(at(1, "perplexity"), 1.02 * at(0, "perplexity"));
  EXPECT_EQ(Number(JsonOf(Perplexity("planes")), "perplexity"), at(0, "perplexity"))
      << "a budget for everything changes nothing";
  const Json alone = JsonOf(Perplexity("planes", fmt::format("{:.0f}", 0.6 * most)));
  EXPECT_EQ(Number((*alone.array())[0], "perplexity"), at(2, "perplexity"))
      << "nor what was measured before";
  EXPECT_THAT(Run(Perplexity("planes", "12M,much")).err,
              HasSubstr("--weights: \"much\" is no amount of memory"));
  const CommandResult low = Run(Perplexity("planes", "12M,1M"));
  EXPECT_EQ(low.out, "") << "refused before anything is measured";
  EXPECT_THAT(low.err, HasSubstr("--weights: 1.0 MB of weights are too little"));
}

TEST_F(AnySize, TheExpectedPerplexityIsTheMeasuredOneAndLevelsThatWereMeasuredAreWorthMore) {
  Must({"shrink", "demo", "--as", "any", "--tokens", "256"});
  const Json whole = JsonOf({"plan", "any"});
  const double floor = Number(whole, "floor_weights_bytes");
  const double most = Number(whole, "most_weights_bytes");
  const double source = Number(JsonOf(Perplexity("demo")), "perplexity");
  for (const double share : {0.0, 0.1, 0.25}) {
    const std::string budget = fmt::format("{:.0f}", floor + share * (most - floor));
    const Json plan = JsonOf({"plan", "any", "--weights", budget});
    const Json& network = (*plan.Find("networks")->array())[0];
    const double expected = std::log(Number(network, "expected_perplexity_ratio"));
    const auto measure = [&](const char* name) {
      const Json curve = JsonOf(Perplexity(name, budget));
      return std::log(Number((*curve.array())[0], "perplexity") / source);
    };
    const double measured = measure("any");
    EXPECT_GT(measured, 0.5 * expected) << budget;
    EXPECT_LT(measured, 2.0 * expected) << budget;
    EXPECT_LT(measured, measure("planes")) << budget;
  }
}

TEST_F(AnySize, AWholeProcessStaysWithinItsMemory) {
  const Words bench = {"bench", "planes", "--prompt", "16", "--gen", "4", "--rounds", "1"};
  const Json whole = JsonOf(bench);
  const double needed = Number(*whole.Find("plan"), "predicted_bytes");
  const double pages = Number(*whole.Find("plan"), "weight_bytes");  // of memory
  const auto with = [&](double budget) {
    Words words = bench;
    words.insert(words.end(), {"--memory", fmt::format("{:.0f}", budget), "--json"});
    return Run(words);
  };
  const CommandResult accepted = with(needed - 0.5 * pages);
  ASSERT_EQ(accepted.exit_code, 0) << ::testing::PrintToString(accepted);
  const Json less = *ParseJson(accepted.out);
  EXPECT_LE(Number(*less.Find("plan"), "predicted_bytes"), needed - 0.5 * pages);
  EXPECT_LT(Number(less, "weight_bytes"), 0.75 * Number(whole, "weight_bytes"));
  const CommandResult refused = with(needed - 0.95 * pages);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("are needed (weights"));
  EXPECT_THAT(refused.err, HasSubstr("with one level of each tensor"));
}

TEST_F(AnySize, ACurveIsJsonAndAPlot) {
  const Path curve = *directory_ / "curve.json";
  Must({"plan", "planes", "demo", "--share", "demo=0.5", "--curve", curve.string()});
  const auto contents = [](const Path& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const Json points = *ParseJson(contents(curve));
  ASSERT_GT(points.array()->size(), 10u);
  double before = 0;
  for (const Json& point : *points.array()) {
    EXPECT_GT(Number(point, "weights_bytes"), before);
    before = Number(point, "weights_bytes");
    EXPECT_EQ(point.Find("networks")->array()->size(), 2u);
  }
  EXPECT_THAT(contents(*directory_ / "curve.svg"), ::testing::EndsWith("</svg>\n"));
  for (const Words& words : {Words{"plan", "planes", "--curve", "curve.svg"},
                             {"plan", "planes", "--share", "other=1"},
                             {"plan", "planes", "--share", "planes=-1"},
                             {"plan", "planes", "--kv", "f16"},
                             {"plan", "planes", "--kv", "0"},
                             {"plan", "planes", "--kv-format", "64M"}}) {
    EXPECT_EQ(Run(words).exit_code, 2) << words[3];
  }
  EXPECT_THAT(Run({"plan", "planes", "--kv", "f16"}).err, HasSubstr("--kv-format f16"));
  EXPECT_EQ(Run({"plan", "nowhere"}).exit_code, 1);
}

}  // namespace
}  // namespace ashlar
