// How many cores this process may use: what ThreadPool::UsableCores is made of, with the root of
// the file system as an argument, so that tests can describe other machines.
#pragma once

#include <vector>

#include "ashlar/base/file.h"

namespace ashlar::internal {

// The logical CPUs that the calling thread may run on.
std::vector<int> AffinityMask();

// Physical cores among `cpus` (threads of one core count once, after
// `root`/sys/devices/system/cpu), at most as many as the CPU quota of this process's cgroup and of
// those around it (`root`/proc/self/cgroup, `root`/sys/fs/cgroup) pays for, at least 1. What cannot
// be read limits nothing.
int CountUsableCores(const std::vector<int>& cpus, const Path& root);

}  // namespace ashlar::internal
