// The metrics that a server exposes are those that docs/serving.md lists.
#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"

namespace ashlar {
namespace {

namespace fs = std::filesystem;

const fs::path kSources = ASHLAR_SOURCE_DIR;

// The first group of every match.
void AddMatches(const std::string& text, const std::regex& wanted, std::set<std::string>& found) {
  for (std::sregex_iterator it(text.begin(), text.end(), wanted), end; it != end; ++it) {
    found.insert((*it)[1]);
  }
}

TEST(Metrics, AreListedInTheDocumentation) {
  std::set<std::string> exposed;
  const std::regex literal(R"re("((?:ashlar|process)_[a-z0-9_]+)")re");
  for (const auto& entry : fs::recursive_directory_iterator(kSources / "ashlar/server")) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with("_metrics.cc")) {
      AddMatches(*ReadTextFile(entry.path()), literal, exposed);
    }
  }
  EXPECT_GE(exposed.size(), 40u);

  std::set<std::string> listed;
  AddMatches(*ReadTextFile(kSources / "docs/serving.md"),
             std::regex(R"re(`((?:ashlar|process)_[a-z0-9_]+)`)re"), listed);
  EXPECT_EQ(exposed, listed);
}

}  // namespace
}  // namespace ashlar
