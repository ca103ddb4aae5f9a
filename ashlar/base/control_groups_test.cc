#include "ashlar/base/control_groups.h"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

// Folders below the mounts, version 1 marked.
std::vector<std::string> GroupsOf(const std::string& lines, std::string_view controller,
                                  bool beside = false) {
  const TempDirectory root;
  std::filesystem::create_directories(root / "proc/self");
  std::ofstream(root / "proc/self/cgroup") << lines;
  if (beside) {
    std::filesystem::create_directories(root / "sys/fs/cgroup/unified");
  }
  std::vector<std::string> folders;
  for (const ControlGroup& group : ControlGroupsOf(controller, root.path())) {
    const Path below = group.folder.lexically_relative(root / "sys/fs/cgroup");
    folders.push_back(below.string() + (group.unified ? "" : " (1)"));
  }
  return folders;
}

using Folders = std::vector<std::string>;

TEST(ControlGroups, AGroupComesWithAllAroundItItselfFirst) {
  EXPECT_EQ(GroupsOf("0::/pod/box\n", "memory"), (Folders{"pod/box", "pod", "."}));
  EXPECT_EQ(GroupsOf("0::/\n", "memory"), (Folders{"."}));
}

TEST(ControlGroups, VersionOneHasAHierarchyForEachController) {
  const std::string lines = "4:memory:/a\n2:cpu,cpuacct:/b\n";
  EXPECT_EQ(GroupsOf(lines, "memory"), (Folders{"memory/a (1)", "memory (1)"}));
  EXPECT_EQ(GroupsOf(lines, "cpu"), (Folders{"cpu,cpuacct/b (1)", "cpu,cpuacct (1)"}));
  EXPECT_EQ(GroupsOf(lines, "pu"), Folders{});
}

TEST(ControlGroups, BothVersionsMayStandSideBySide) {
  EXPECT_EQ(GroupsOf("4:memory:/a\n0::/b\n", "memory", true),
            (Folders{"unified/b", "unified", "memory/a (1)", "memory (1)"}));
}

TEST(ControlGroups, LinesThatAreNoGroupsArePassedOver) {
  EXPECT_EQ(GroupsOf("\n:\nmemory\n9:memory", "memory"), (Folders{"memory (1)"}));
  EXPECT_EQ(GroupsOf("", "memory"), Folders{});
}

}  // namespace
}  // namespace ashlar
