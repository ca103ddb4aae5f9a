#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

// In the order of `ashlar --help`.
constexpr const Verb* kAll[] = {
    &kImport, &kExport, &kSynth, &kLs,    &kShow, &kDiff,    &kDerive, &kEncode,
    &kShrink, &kTag,    &kRm,    &kGc,    &kFsck, &kWhy,     &kRun,    &kChat,
    &kServe,  &kPlan,   &kEval,  &kBench, &kKeys, &kVersion,
};

}  // namespace

std::span<const Verb* const> AllVerbs() {
  return kAll;
}

}  // namespace ashlar::cli
