// What is particular to a family of networks is a row of data: no code that imports or computes
// asks which family it has.
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kAshlar = fs::path(ASHLAR_SOURCE_DIR) / "ashlar";

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The words that a family goes by: its model_type and its class, as rows state them.
std::set<std::string> FamilyWords() {
  std::set<std::string> words;
  const std::regex stated(R"re(\.(?:model_type|class_name) = "(\w+)")re");
  for (const auto& entry : fs::directory_iterator(kAshlar / "formats/architectures")) {
    const std::string text = TextOf(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), stated), end; it != end; ++it) {
      words.insert((*it)[1]);
    }
  }
  return words;
}

// The rows themselves name them, and so does what writes files for others (GGUF, config.json), and
// tests.
bool MayNameFamilies(const fs::path& path) {
  const std::string name = path.filename().string();
  return path.string().find("/architectures/") != std::string::npos || name.starts_with("gguf") ||
         name.starts_with("synth") || name.starts_with("testing_") ||
         path.stem().string().ends_with("_test");
}

TEST(Families, AreNamedByTheirRowsOnly) {
  const std::set<std::string> words = FamilyWords();
  EXPECT_GE(words.size(), 44u);
  EXPECT_TRUE(words.contains("llama") && words.contains("LlamaForCausalLM"));
  int files = 0;
  for (const char* module : {"kernels", "graph", "kinds", "plan", "runtime", "formats"}) {
    for (const auto& entry : fs::recursive_directory_iterator(kAshlar / module)) {
      const fs::path& path = entry.path();
      if ((path.extension() != ".cc" && path.extension() != ".h") || MayNameFamilies(path)) {
        continue;
      }
      ++files;
      const std::string text = TextOf(path);
      const std::regex quoted(R"re("(\w+)")re");
      for (std::sregex_iterator it(text.begin(), text.end(), quoted), end; it != end; ++it) {
        EXPECT_FALSE(words.contains((*it)[1])) << path << " says " << (*it)[0];
      }
    }
  }
  EXPECT_GT(files, 100);
}

}  // namespace
