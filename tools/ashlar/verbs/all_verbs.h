// The rows of the list in all_verbs.cc, one per file of this folder.
#pragma once

#include "tools/ashlar/verb.h"

namespace ashlar::cli {

extern const Verb kImport;
extern const Verb kExport;
extern const Verb kSynth;
extern const Verb kLs;
extern const Verb kShow;
extern const Verb kDiff;
extern const Verb kDerive;
extern const Verb kEncode;
extern const Verb kTag;
extern const Verb kRm;
extern const Verb kGc;
extern const Verb kFsck;
extern const Verb kWhy;
extern const Verb kRun;
extern const Verb kChat;
extern const Verb kServe;
extern const Verb kShrink;
extern const Verb kPlan;
extern const Verb kEval;
extern const Verb kBench;
extern const Verb kKeys;
extern const Verb kVersion;

}  // namespace ashlar::cli
