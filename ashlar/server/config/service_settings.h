// The settings of the service: how much memory, how many at once, which networks.
#pragma once

#include <string>
#include <vector>

#include "ashlar/server/config/settings.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

inline constexpr SettingSpec kServiceSettings[] = {
    {.name = "memory",
     .value = "BYTES",
     .doc = "of the whole process: for weights, state and all else; cached prompts, networks that "
            "nobody uses and levels of weights make room; auto: what the control group and the "
            "pressure on memory allow (default: no limit)"},
    {.name = "weights",
     .kind = SettingKind::kBytes,
     .value = "BYTES",
     .doc = "of weights alone, of all networks that are loaded; networks that nobody uses and "
            "levels make room (default: no other limit than memory)"},
    {.name = "growth",
     .kind = SettingKind::kBytes,
     .value = "BYTES",
     .otherwise = "200M",
     .min = 1e6,
     .doc = "a second, at which levels of weights that have room again are read from disk"},
    {.name = "pages",
     .kind = SettingKind::kBytes,
     .value = "BYTES",
     .doc = "of that, for the state of running requests and cached prompts (default: a quarter of "
            "memory, or 1G)"},
    {.name = "context",
     .kind = SettingKind::kInteger,
     .value = "N",
     .otherwise = "8192",
     .min = 1,
     .max = 1 << 24,
     .doc = "tokens of a prompt and its answer, or less where the network was made for less"},
    {.name = "parallel",
     .kind = SettingKind::kInteger,
     .value = "N",
     .otherwise = "16",
     .min = 1,
     .max = 1024,
     .doc = "sequences that run at once"},
    {.name = "queue",
     .kind = SettingKind::kInteger,
     .value = "N",
     .otherwise = "256",
     .min = 1,
     .max = 1 << 20,
     .doc = "answers that wait, in even shares of the tenants that have some; those beyond are "
            "refused with 429"},
    {.name = "keep-alive",
     .kind = SettingKind::kSeconds,
     .value = "S",
     .otherwise = "300",
     .min = -1,
     .doc = "seconds after which a network that nobody uses is unloaded; -1: never"},
    {.name = "preload",
     .value = "NETS",
     .doc = "networks, joined by commas, that are loaded before the first request, and stay"},
    {.name = "threads",
     .kind = SettingKind::kInteger,
     .value = "N",
     .max = 1024,
     .doc = "that compute (default: the cores this process may use)"},
    {.name = "kv",
     .value = "FORMAT",
     .otherwise = "f32",
     .doc = "of cached keys and values: f32, f16 or q8; then, joined by commas, NET=FORMAT for "
            "networks that have another one"},
    {.name = "spill-dir",
     .value = "DIR",
     .doc =
         "where cached prompts go that make room in memory, to come back when they are wanted: a "
         "file without a name, which ends with the server (default: nowhere)"},
    {.name = "spill-bytes",
     .kind = SettingKind::kBytes,
     .value = "BYTES",
     .otherwise = "4G",
     .doc = "of that file"},
    {.name = "sessions",
     .value = "DIR",
     .doc = "where `/admin/sessions` saves and finds what was computed for prompts (default: "
            "nowhere, and it is refused)"},
    {.name = "verify", .kind = SettingKind::kFlag, .doc = "hash every blob while loading"},
};

// Requires: the settings are of a table that has all of kServiceSettings. kInvalid and kExhausted
// name the setting. The instruction set is the caller's affair.
Result<ServiceOptions> ServiceOptionsOf(const Settings& settings);
std::vector<std::string> PreloadedNetworks(const Settings& settings);

}  // namespace ashlar
