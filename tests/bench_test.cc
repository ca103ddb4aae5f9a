// What `ashlar bench` measures, as far as a test can tell: what it counts, and that its profile
// adds up; of kernels, that all are there.
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

class BenchTest : public ::testing::Test {
 protected:
  BenchTest() {
    const CommandResult result =
        ashlar_({"import", "hf", testing::DemoModel().string(), "--as", "demo"});
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  }
  CommandResult Bench(const std::vector<std::string>& words) {
    std::vector<std::string> all = {"bench", "demo", "--rounds", "1"};
    all.insert(all.end(), words.begin(), words.end());
    return ashlar_(all);
  }

  TempDirectory directory_;
  Ashlar ashlar_{directory_ / "store"};
};

// The times of a profile, which are of some steps, are parts of each other.
void ExpectAddsUp(const Json& profile, std::int64_t steps) {
  const JsonCursor cursor(profile);
  EXPECT_EQ(*cursor.Integer("steps", 0, 1 << 20), steps);
  const double step = *cursor.Real("micros_per_step");
  double parts = 0;
  double kernels = 0;
  std::set<std::string> names;
  for (const Json& part : *profile.Find("parts")->array()) {
    names.insert(*JsonCursor(part).String("name"));
    const double micros = *JsonCursor(part).Real("micros_per_step");
    double inside = 0;
    for (const auto& [kernel, value] : *part.Find("kernel_micros_per_step")->object()) {
      inside += *JsonCursor(*part.Find("kernel_micros_per_step")).Real(kernel);
    }
    EXPECT_LE(inside, micros * 1.0001);
    parts += micros;
    kernels += inside;
  }
  for (const char* name : {"schedule", "embed", "attention", "mlp", "norm", "head", "sample"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_GT(kernels, 0);
  EXPECT_LE(parts, step * 1.0001);
  EXPECT_NEAR(*cursor.Real("overhead_share"), 1 - kernels / step, 1e-6);
}

TEST_F(BenchTest, ItsProfileAddsUp) {
  const CommandResult result = Bench(
      {"--prompt", "20", "--depth", "50", "--gen", "6", "--batch", "3", "--profile", "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json bench = *ParseJson(result.out);
  ExpectAddsUp(*bench.Find("profile")->Find("prompt"), 1);
  // The first of the six tokens comes with the prompt.
  ExpectAddsUp(*bench.Find("profile")->Find("decode"), 5);
  EXPECT_EQ(*JsonCursor(bench).Integer("depth", 0, 100), 50);
}

TEST_F(BenchTest, ItsProfileIsATableForPeople) {
  const CommandResult result = Bench({"--prompt", "20", "--gen", "4", "--profile"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  for (const char* word : {"PROMPT", "DECODE", "attention", "LINEAR", "outside kernels"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << '\n' << result.out;
  }
}

// Decoding is measured while all sequences decode; when the first ends before the last has begun
// there is no such time.
TEST_F(BenchTest, RefusesToMeasureABatchThatNeverDecodesTogether) {
  const CommandResult result = Bench({"--prompt", "512", "--gen", "4", "--batch", "8"});
  EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
  EXPECT_NE(result.err.find("--gen 4 is too few"), std::string::npos) << result.err;
}

// ---- bench kernels

std::multiset<std::string> TextsOf(const Json& rows, std::string_view field) {
  std::multiset<std::string> texts;
  for (const Json& row : *rows.array()) {
    texts.insert(*row.Find(field)->string());
  }
  return texts;
}

// Tags nest, every attribute is quoted, and nothing is left open.
void ExpectWellFormed(const std::string& xml) {
  static const std::regex tag(R"re(<(/?)([a-z]+)((?:\s+[\w:-]+="[^"<&]*")*)\s*(/?)>)re");
  std::vector<std::string> open;
  std::size_t at = 0;
  for (std::sregex_iterator it(xml.begin(), xml.end(), tag), end; it != end; ++it) {
    const std::string between = xml.substr(at, static_cast<std::size_t>(it->position()) - at);
    EXPECT_EQ(between.find_first_of("<>&"), std::string::npos) << between;
    at = static_cast<std::size_t>(it->position() + it->length());
    if ((*it)[1].length() > 0) {
      ASSERT_FALSE(open.empty()) << it->str();
      EXPECT_EQ(open.back(), (*it)[2]);
      open.pop_back();
    } else if ((*it)[4].length() == 0) {
      open.push_back((*it)[2]);
    }
  }
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(xml.substr(at), "\n");
}

TEST(BenchKernels, MeasuresEveryFormAndPlotsThem) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");  // there is none, and none is needed
  const Path svg = directory / "roofline.svg";
  const CommandResult result = ashlar({"bench", "kernels", "--kernel", "linear/q4.1", "--seconds",
                                       "0", "--svg", svg.string(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json bench = *ParseJson(result.out);
  EXPECT_GT(*JsonCursor(bench).Real("peak_read_bytes_per_second"), 0);
  const Json& rows = *bench.Find("kernels");
  const std::multiset<std::string> forms = TextsOf(rows, "form");
  const Json version = *ParseJson(ashlar({"version", "--json"}).out);
  for (const Json& isa : *version.Find("isas")->array()) {
    EXPECT_TRUE(forms.contains(*isa.string())) << *isa.string();
  }
  for (const Json& row : *rows.array()) {
    for (const char* field : {"seconds", "bytes_per_second", "operations_per_second"}) {
      EXPECT_GT(*JsonCursor(row).Real(field), 0) << field;
    }
    const std::string& size = *row.Find("size")->string();
    const bool cold = !size.starts_with("128 rows") && !size.ends_with("256x704");
    const bool reference = *row.Find("form")->string() == "reference";
    ASSERT_EQ(row.Find("peak") != nullptr, cold || !reference);
    if (row.Find("peak") != nullptr) {
      EXPECT_EQ(*row.Find("peak")->string(), cold ? "memory" : "int8");
      EXPECT_GT(*JsonCursor(row).Real("of_peak"), 0);
    }
  }
  const std::string plot = *ReadTextFile(svg);
  ExpectWellFormed(plot);
  const std::multiset<std::string> sizes = TextsOf(rows, "size");
  for (const std::string& size : std::set(sizes.begin(), sizes.end())) {
    EXPECT_NE(plot.find(">" + size + "<"), std::string::npos) << size;
  }
}

TEST(BenchKernels, AreATableForPeople) {
  TempDirectory directory;
  const CommandResult result = Ashlar(directory / "store")(
      {"bench", "kernels", "--kernel", "s", "--isa", "reference", "--seconds", "0"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  for (const char* word : {"KERNEL", "GB/S", "softmax", "151936", "reference", "Peaks: memory"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << '\n' << result.out;
  }
  EXPECT_NE(result.out.find("split_rows"), std::string::npos) << "as \"s\" begins";
  EXPECT_EQ(result.out.find("avx2"), std::string::npos) << result.out;
}

TEST(BenchKernels, NamesWhatItDoesNotKnow) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  const std::string svg = (directory / "x.svg").string();
  const std::pair<std::vector<std::string>, const char*> lies[] = {
      {{"kernels", "--isa", "sse9"}, "unknown instruction set \"sse9\"; the known ones are ref"},
      {{"kernels", "--kernel", "linera"}, "begins with \"linera\"; the known ones are activation/"},
      {{"kernels", "--seconds", "-1"}, "--seconds: expected a number from 0 to"},
      {{"kernels", "--kernel", "rope", "--svg", svg.c_str()}, "--svg plots linear kernels"},
      {{"kernels", "--batch", "2"}, "--batch is for networks"},
      {{"net", "--isa", "avx2"}, "--isa is for `ashlar bench kernels`"},
  };
  for (auto [words, error] : lies) {
    words.insert(words.begin(), "bench");
    const CommandResult result = ashlar(words);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
    EXPECT_NE(result.err.find(error), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_FALSE(std::filesystem::exists(svg));
}

// A layer of a network of a thousand million weights; all of it when there is time.
TEST(BenchLoad, ChecksCostLessThanATwentiethOfLoadingALargeNetwork) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  std::vector<std::string> words = {"synth", "--shape", "llama-1b", "--codec",
                                    "q8",    "--as",    "large"};
  if (std::getenv("ASHLAR_LONG") == nullptr) {
    words.insert(words.end(), {"--layers", "1"});
  }
  ASSERT_EQ(ashlar(words).exit_code, 0);
  const CommandResult result = ashlar({"bench", "large", "--load", "--json"});
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const Json json = *ParseJson(result.out);
  const JsonCursor root(json);
  std::printf("%s", result.out.c_str());
  EXPECT_GT(*root.Real("weights_seconds"), 0);
  EXPECT_GT(*root.Real("checks_seconds"), 0);
  EXPECT_LE(*root.Real("checks_seconds"), *root.Real("load_seconds"));
  EXPECT_LT(*root.Real("checks_cost"), 0.05);
  EXPECT_EQ(ashlar({"bench", "large", "--load", "--batch", "2"}).exit_code, 2);
}

}  // namespace
}  // namespace ashlar
