#include "ashlar/formats/architectures/all_architectures.h"

#include <algorithm>
#include <string>

#include "ashlar/base/join.h"

namespace ashlar {
namespace {

// Forms of one family stand together, the more particular first.
constexpr const Architecture* kAll[] = {
    &kLlama,
    &kMistral,
    &kQwen2,
    &kQwen3,
    &kGranite,
    &kSeedOss,
    &kErnie4_5,
    &kHunyuanDense,
    &kSmolLm3,
    &kOlmo2,
    &kExaone4,
    &kGlm4,
    &kCohere,
    &kStarcoder2,
    &kPhi3,
    &kStableLmParallel,
    &kStableLm,
    &kGemma2,
    &kGemma3,
    &kGptNeoX,
    &kPhi,
    &kFalconTwoNorms,
    &kFalconOneNorm,
    &kFalconParallel,
    &kFalconSequential,
    &kGpt2,
    &kMixtral,
    &kQwen2Moe,
    &kQwen3Moe,
    &kOlmoe,
    &kGptOss,
    &kDeepSeekV2OfTheInput,
    &kDeepSeekV2,
    &kDeepSeekV2InGroupsOfTheInput,
    &kDeepSeekV2InGroups,
    &kDeepSeekV3OfTheInput,
    &kDeepSeekV3,
    &kMamba,
    &kMamba2OfOneGroup,
    &kMamba2,
    &kQwen3Next,
    &kRwkv,
};

}  // namespace

std::span<const Architecture* const> AllArchitectures() {
  return kAll;
}

Result<std::vector<const Architecture*>> FindArchitectures(std::string_view model_type) {
  std::vector<const Architecture*> rows;
  std::vector<std::string_view> known;
  for (const Architecture* architecture : kAll) {
    if (architecture->model_type == model_type) {
      rows.push_back(architecture);
    }
    if (known.empty() || known.back() != architecture->model_type) {
      known.push_back(architecture->model_type);
    }
  }
  if (rows.empty()) {
    return Unsupported("model_type \"{}\" is not one that can be imported; known: {}", model_type,
                       Join(known, ", "));
  }
  return rows;
}

}  // namespace ashlar
