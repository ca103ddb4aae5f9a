#include "ashlar/formats/architectures/all_architectures.h"

#include <algorithm>
#include <string>

namespace ashlar {
namespace {

constexpr const Architecture* kAll[] = {
    &kLlama,
    &kMistral,
    &kQwen2,
    &kQwen3,
};

}  // namespace

std::span<const Architecture* const> AllArchitectures() {
  return kAll;
}

Result<const Architecture*> FindArchitecture(std::string_view model_type) {
  const auto* found = std::ranges::find(kAll, model_type, &Architecture::model_type);
  if (found != std::end(kAll)) {
    return *found;
  }
  std::string known;
  for (const Architecture* architecture : kAll) {
    known += fmt::format("{}{}", known.empty() ? "" : ", ", architecture->model_type);
  }
  return Unsupported("model_type \"{}\" is not one that can be imported; known: {}", model_type,
                     known);
}

}  // namespace ashlar
