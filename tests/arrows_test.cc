// The arrows between modules, as CMakeLists.txt draws them, hold in every #include.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kSource = ASHLAR_SOURCE_DIR;

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// module -> the modules it may include: itself, its DEPS, and what those may.
std::map<std::string, std::set<std::string>> ReadArrows() {
  std::map<std::string, std::set<std::string>> arrows;
  const std::string cmake = ReadAll(kSource / "CMakeLists.txt");
  const std::regex line(R"(ashlar_module\((\w+)([^)]*)\))");
  for (std::sregex_iterator it(cmake.begin(), cmake.end(), line), end; it != end; ++it) {
    const std::string name = (*it)[1];
    std::set<std::string>& allowed = arrows[name];
    allowed.insert(name);
    std::istringstream words((*it)[2]);
    std::string word;
    bool in_deps = false;
    while (words >> word) {
      if (std::ranges::all_of(word, [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); })) {
        in_deps = word == "DEPS";  // else another keyword of ashlar_module
      } else if (in_deps) {
        EXPECT_TRUE(arrows.contains(word))
            << name << " depends on " << word << ", which is not a module above it";
        allowed.insert(arrows[word].begin(), arrows[word].end());
      }
    }
  }
  return arrows;
}

std::vector<fs::path> SourcesBelow(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".h" || entry.path().extension() == ".cc") {
      files.push_back(entry.path());
    }
  }
  return files;
}

std::vector<std::string> IncludesOf(const fs::path& file) {
  static const std::regex include(R"re(^\s*#\s*include\s*["<]([^">]+)[">])re");
  std::vector<std::string> includes;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (std::smatch match; std::regex_search(line, match, include)) {
      includes.push_back(match[1]);
    }
  }
  return includes;
}

TEST(Arrows, EveryFolderOfSourcesIsAModule) {
  const auto arrows = ReadArrows();
  for (const auto& entry : fs::directory_iterator(kSource / "ashlar")) {
    if (entry.is_directory() && !SourcesBelow(entry.path()).empty()) {
      EXPECT_TRUE(arrows.contains(entry.path().filename().string())) << entry.path();
    }
  }
  EXPECT_GE(arrows.size(), 10u);
}

TEST(Arrows, AModuleIncludesOnlyItselfAndItsDependencies) {
  int includes_seen = 0;
  for (const auto& [module, allowed] : ReadArrows()) {
    for (const fs::path& file : SourcesBelow(kSource / "ashlar" / module)) {
      for (const std::string& include : IncludesOf(file)) {
        if (!include.starts_with("ashlar/")) {
          continue;
        }
        ++includes_seen;
        const std::string target = include.substr(7, include.find('/', 7) - 7);
        EXPECT_TRUE(allowed.contains(target))
            << fs::relative(file, kSource) << " includes " << include << ", but " << module
            << " may not depend on " << target << " (see CMakeLists.txt)";
      }
    }
  }
  EXPECT_GT(includes_seen, 100);
}

TEST(Arrows, EachBoundedLibraryStaysBehindItsFiles) {
  const std::map<std::string, std::vector<std::string>> homes = {
      {"nlohmann/", {"ashlar/base/json.cc"}},
      {"boost/", {"ashlar/server/http/"}},
      {"boost/beast/", {"ashlar/server/http/internal/request_reader.cc"}},
      {"toml++/", {"ashlar/server/config/toml.cc"}},
      {"cblas", {"ashlar/calibrate/"}},
      {"lapacke", {"ashlar/calibrate/"}},
      {"torch/", {"ashlar/train/"}},
      {"openssl/", {"ashlar/store/", "ashlar/server/"}},
      {"CLI/", {"tools/ashlar/"}},
  };
  for (const char* top : {"ashlar", "tools", "tests"}) {
    for (const fs::path& file : SourcesBelow(kSource / top)) {
      const std::string place = fs::relative(file, kSource).string();
      for (const std::string& include : IncludesOf(file)) {
        for (const auto& [library, allowed] : homes) {
          if (include.starts_with(library)) {
            EXPECT_TRUE(
                std::any_of(allowed.begin(), allowed.end(),
                            [&](const std::string& home) { return place.starts_with(home); }))
                << place << " includes " << include;
          }
        }
      }
    }
  }
}

}  // namespace
