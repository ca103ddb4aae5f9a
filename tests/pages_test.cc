// What the project's pages link to, and the files that they name, are there.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = ASHLAR_SOURCE_DIR;
constexpr const char* kFolders[] = {"ashlar", "bench", "cmake", "demo",
                                    "docs",   "tests", "tools", "scripts"};

// Every file and folder of the sources, from the root: "/ashlar/base/file.h".
std::set<std::string> ReadTree() {
  std::set<std::string> tree;
  for (const auto& entry : fs::directory_iterator(kRoot)) {
    if (entry.is_regular_file()) {
      tree.insert("/" + entry.path().filename().string());
    }
  }
  for (const char* folder : kFolders) {
    tree.insert(std::string("/") + folder);
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      tree.insert("/" + fs::relative(entry.path(), kRoot).string());
    }
  }
  return tree;
}

// A name in running text may leave out the folders that its page is about.
bool IsThere(const std::set<std::string>& tree, std::string name) {
  if (name.ends_with('/')) {
    name.pop_back();
  }
  return std::ranges::any_of(tree,
                             [&](const std::string& path) { return path.ends_with("/" + name); });
}

// Pages about adding a thing write x, KIND or NAME for it; _avx2.cc is how a name ends.
bool IsPlaceholder(const std::string& name) {
  static const std::regex placeholder(R"((.*/)?(x[._/].*|_.*|.*(KIND|NAME).*))");
  return std::regex_match(name, placeholder);
}

struct Place {
  fs::path page;
  int line;
  std::string text;
};

// The lines of all pages, without those between fences: those are commands, layouts and examples.
std::vector<Place> ReadPages() {
  std::vector<Place> places;
  for (const std::string& path : ReadTree()) {
    if (!path.ends_with(".md")) {
      continue;
    }
    std::ifstream lines(kRoot.string() + path);
    bool fenced = false;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      ++number;
      if (line.find("```") != std::string::npos) {
        fenced = !fenced;
      } else if (!fenced) {
        places.push_back({path.substr(1), number, line});
      }
    }
    EXPECT_FALSE(fenced) << path.substr(1) << ": a fence is not closed";
  }
  return places;
}

std::vector<std::string> AllMatches(const std::string& text, const std::regex& pattern) {
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

TEST(Pages, LinkToWhatIsThere) {
  const std::regex link(R"(\]\(([^)#\s]+)[^)]*\))");
  int links = 0;
  for (const Place& place : ReadPages()) {
    for (const std::string& target : AllMatches(place.text, link)) {
      if (target.find("://") != std::string::npos) {
        continue;
      }
      ++links;
      EXPECT_TRUE(fs::exists(kRoot / place.page.parent_path() / target))
          << place.page.string() << ":" << place.line << " links to " << target
          << ", which is not there";
    }
  }
  EXPECT_GT(links, 15);
}

TEST(Pages, NameFilesThatAreThere) {
  const std::set<std::string> tree = ReadTree();
  const std::regex address(R"([a-z]+://[^\s)]*)");
  const std::regex file(R"(((?:[\w.-]+/)*[\w.-]+\.(?:cc|h|md|mjs|sh))(?![\w./-]))");
  const std::regex folder(R"(`((?:ashlar|bench|cmake|demo|docs|tests|tools|scripts)/[\w./-]+)`)");
  int names = 0;
  for (const Place& place : ReadPages()) {
    const std::string text = std::regex_replace(place.text, address, "");
    for (const std::regex& pattern : {file, folder}) {
      for (const std::string& name : AllMatches(text, pattern)) {
        const std::string plain = fs::path(name).lexically_normal().string();
        if (IsPlaceholder(plain) || name.starts_with("..")) {
          continue;  // what begins with .. is a link, and checked as one
        }
        ++names;
        EXPECT_TRUE(IsThere(tree, plain)) << place.page.string() << ":" << place.line << " names "
                                          << name << ", which is not there";
      }
    }
  }
  EXPECT_GT(names, 100);
}

}  // namespace
