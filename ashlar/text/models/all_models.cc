#include "ashlar/text/models/model.h"

namespace ashlar::internal {
namespace {

constexpr StageType<Model> kModels[] = {
    {.name = "BPE", .parse = ParseBpe},
};

}  // namespace

ModelResult ParseModel(const JsonCursor& json) {
  return ParseStage<Model>(json, kModels);
}

}  // namespace ashlar::internal
