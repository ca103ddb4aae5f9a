// A Profile as people and programs read it: microseconds per step.
#pragma once

#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/kinds/profile.h"
#include "tools/ashlar/terminal.h"

namespace ashlar::cli {

// Time of steps that is in no kernel, over all of it: rows collected, loops handed out, other
// threads waited for, tokens sampled.
double OverheadShare(const Profile& profile);

// A row per part, a column per kernel that took time, and the sums. Requires: a step was profiled.
void PrintProfile(const Profile& profile, std::string_view what, Terminal& terminal);
Json ProfileJson(const Profile& profile);

}  // namespace ashlar::cli
