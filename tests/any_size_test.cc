// One stored network at any size: budgets are kept, plans are what runs, and less is never refused
// before the floor.
#include <fstream>

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

class AnySize : public ::testing::Test {
 protected:
  AnySize() {
    Must({"import", "hf", testing::DemoModel().string(), "--as", "demo"});
    Must({"encode", "demo", "--as", "planes", "--codec", "bitplane"});
  }
  std::string Must(const Words& words) {
    const CommandResult result = ashlar_(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    return result.out;
  }
  Json JsonOf(Words words) {
    words.push_back("--json");
    return *ParseJson(Must(words));
  }
  double Number(const Json& json, const char* key) { return *JsonCursor(json).Real(key); }

  TempDirectory directory_;
  const Ashlar ashlar_{directory_ / "store"};
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
  EXPECT_EQ(ratio_before, 1);
  const CommandResult less = ashlar_({"plan", "planes", "--weights", "1K"});
  EXPECT_EQ(less.exit_code, 1);
  EXPECT_THAT(less.err, HasSubstr(fmt::format("take {:.0f}", floor)));
}

TEST_F(AnySize, PerplexityIsMeasuredAtEachBudget) {
  std::ofstream text(directory_ / "text");
  text << "The old man looked at the sea. It was early, and nobody was about; the boats lay on the "
          "sand as they had been left, and the gulls walked between them. He thought of his wife, "
          "who had liked the morning best of all, and of the house in which he had lived with her "
          "for forty years. Then he took his stick and went down the path. A boy was sitting on "
          "the wall, with a dog beside him. \"Good morning,\" said the boy. \"Are you going out "
          "to-day?\" The old man shook his head. \"Not with this wind,\" he said. \"Perhaps when "
          "the tide has turned. Have you had anything to eat?\" The boy had not, and so they went "
          "together to the inn at the end of the street, where the fire was already burning and "
          "the landlord's daughter was cutting bread. She gave them each a bowl of soup, and would "
          "take no money for it. \"You may bring me a fish,\" she said, \"when there are any.\"\n";
  text.close();
  const double most = Number(JsonOf({"plan", "planes"}), "most_weights_bytes");
  const Words eval = {"eval",     "ppl", "planes",    "--text", (directory_ / "text").string(),
                      "--window", "64",  "--windows", "2",      "--weights"};
  Words words = eval;
  words.push_back(fmt::format("{:.0f},{:.0f},{:.0f}", 0.4 * most, 0.6 * most, most));
  const Json curve = JsonOf(words);
  ASSERT_EQ(curve.array()->size(), 3u);
  for (const Json& point : *curve.array()) {
    EXPECT_EQ(Number(point, "tokens"), 128);
  }
  const auto at = [&](std::size_t i, const char* key) { return Number((*curve.array())[i], key); };
  EXPECT_LE(at(0, "weights_bytes"), 0.4 * most);
  EXPECT_LE(at(1, "weights_bytes"), 0.6 * most);
  EXPECT_EQ(at(2, "weights_bytes"), most);
  EXPECT_GT(at(0, "perplexity"), 1.02 * at(2, "perplexity"));
  const Json whole = JsonOf({eval.begin(), eval.end() - 1});
  EXPECT_EQ(Number(whole, "perplexity"), at(2, "perplexity"))
      << "a budget for everything changes nothing";
  words.back() = "12M,much";
  EXPECT_THAT(ashlar_(words).err, HasSubstr("--weights: \"much\" is no amount of memory"));
}

TEST_F(AnySize, AWholeProcessStaysWithinItsMemory) {
  const Words bench = {"bench", "planes", "--prompt", "16", "--gen", "4", "--rounds", "1"};
  const Json whole = JsonOf(bench);
  const double needed = Number(*whole.Find("plan"), "predicted_bytes");
  const double pages = Number(*whole.Find("plan"), "weight_bytes");  // of memory
  const auto with = [&](double budget) {
    Words words = bench;
    words.insert(words.end(), {"--memory", fmt::format("{:.0f}", budget), "--json"});
    return ashlar_(words);
  };
  const CommandResult accepted = with(needed - 0.5 * pages);
  ASSERT_EQ(accepted.exit_code, 0) << ::testing::PrintToString(accepted);
  const Json less = *ParseJson(accepted.out);
  EXPECT_LE(Number(*less.Find("plan"), "predicted_bytes"), needed - 0.5 * pages);
  EXPECT_LT(Number(less, "weight_bytes"), 0.75 * Number(whole, "weight_bytes"));
  const CommandResult refused = with(needed - 0.95 * pages);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("are needed (weights"));
}

TEST_F(AnySize, ACurveIsJsonAndAPlot) {
  const Path curve = directory_ / "curve.json";
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
  EXPECT_THAT(contents(directory_ / "curve.svg"), ::testing::EndsWith("</svg>\n"));
  for (const Words& words : {Words{"plan", "planes", "--curve", "curve.svg"},
                             {"plan", "planes", "--share", "other=1"},
                             {"plan", "planes", "--share", "planes=-1"},
                             {"plan", "planes", "--kv", "f16"}}) {
    EXPECT_EQ(ashlar_(words).exit_code, 2) << words[3];
  }
}

}  // namespace
}  // namespace ashlar
