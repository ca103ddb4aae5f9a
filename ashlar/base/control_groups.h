// The control groups (cgroups) that bound this process, found as Linux describes them.
#pragma once

#include <string_view>
#include <vector>

#include "ashlar/base/file.h"

namespace ashlar {

struct ControlGroup {
  Path folder;   // where its files are
  bool unified;  // version 2: one hierarchy for all controllers
};

// The groups of this process that a controller ("memory", "cpu") may bound it by: its own first,
// then those around it, of version 2 before version 1. Files of a group may be missing, inside a
// container those of outer groups too; its own is then the one at the mount. Read from
// `root`/proc/self/cgroup and `root`/sys/fs/cgroup; `root` is "/" except in tests.
std::vector<ControlGroup> ControlGroupsOf(std::string_view controller, const Path& root);

}  // namespace ashlar
