#include "ashlar/base/control_groups.h"

#include <algorithm>
#include <string>

namespace ashlar {
namespace {

constexpr std::uint64_t kSmallGroupFile = 1 << 16;

// The part of `text` before `separator`, which is cut off it with the separator.
std::string_view CutGroupField(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

bool Names(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    if (CutGroupField(controllers, ',') == wanted) {
      return true;
    }
  }
  return false;
}

// `group`, a path like "/a/b" below `mount`, and all around it.
void AppendGroups(const Path& mount, std::string_view group, bool unified,
                  std::vector<ControlGroup>& groups) {
  for (Path inner = Path(group).relative_path(); !inner.empty(); inner = inner.parent_path()) {
    groups.push_back({mount / inner, unified});
  }
  groups.push_back({mount, unified});
}

}  // namespace

std::vector<ControlGroup> ControlGroupsOf(std::string_view controller, const Path& root) {
  std::vector<ControlGroup> groups;
  std::vector<ControlGroup> apart;
  const Result<std::string> text = ReadTextFile(root / "proc/self/cgroup", kSmallGroupFile);
  if (!text.ok()) {
    return groups;
  }
  const Path mounts = root / "sys/fs/cgroup";
  std::string_view rest = *text;
  while (!rest.empty()) {  // lines of hierarchy:controllers:path
    std::string_view line = CutGroupField(rest, '\n');
    const std::string_view hierarchy = CutGroupField(line, ':');
    const std::string_view controllers = CutGroupField(line, ':');
    if (hierarchy == "0" && controllers.empty()) {
      // Beside version 1 it has a folder of its own.
      std::error_code ignored;
      const Path beside = mounts / "unified";
      AppendGroups(std::filesystem::exists(beside, ignored) ? beside : mounts, line, true, groups);
    } else if (Names(controllers, controller)) {
      AppendGroups(mounts / controllers, line, false, apart);  // "cpu", or "cpu,cpuacct"
    }
  }
  groups.insert(groups.end(), apart.begin(), apart.end());
  return groups;
}

}  // namespace ashlar
