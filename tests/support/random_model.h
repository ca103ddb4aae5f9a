// A random checkpoint of any family: config.json says which tensors there are.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/test_floats.h"
#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/formats/recipe.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/kinds/cpu_kind.h"
#include "tests/support/tiny_model.h"

namespace ashlar::testing {

// Name -> shape of each tensor that the configuration calls for.
inline std::map<std::string, std::vector<std::int64_t>> ShapesFor(const Json& config) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const Result<Recipe> recipe = ReadRecipe(JsonCursor(config, "config.json"));
  EXPECT_TRUE(recipe.ok()) << recipe.error().message;
  for (const BlockRecipe& block : recipe->blocks) {
    const BlockKind& kind = **AllKinds().Find(block.kind);
    const Attributes attributes = *Attributes::Make(kind.attributes, block.attributes);
    const std::vector<TensorSpec> specs = *kind.tensors(attributes);
    for (const TensorSpec& spec : specs) {
      const TensorSource source = SourceOf(block, spec.name);
      if (!source.numbers.empty()) {
        continue;
      }
      const auto place = ashlar::internal::PlaceOf(spec, specs, attributes, source);
      EXPECT_TRUE(place.ok()) << place.error().message;
      for (const std::string& name : source.tensors) {
        shapes[name] = ashlar::internal::CheckpointShape(*place, spec);
      }
    }
  }
  return shapes;
}

inline void WriteRandomModel(const Json& config, const Path& directory, std::uint64_t seed = 1) {
  std::filesystem::create_directories(directory);
  WriteText(directory / "config.json", WriteJson(config));
  TestFloats floats(seed);
  std::map<std::string, TinyTensor> tensors;
  for (const auto& [name, shape] : ShapesFor(config)) {
    const bool norm = name.find("norm") != std::string::npos && shape.size() == 1;
    const float spread = shape.size() > 1 ? 1 / std::sqrt(static_cast<float>(shape.back())) : 0.2f;
    TinyTensor& tensor = tensors[name];
    tensor.shape = shape;
    for (std::int64_t i = CountOf(shape); i > 0; --i) {
      tensor.values.push_back(floats.Next(norm ? 1.0f : 0.0f, spread));
    }
  }
  std::vector<SafetensorsTensor> views;
  for (const auto& [name, tensor] : tensors) {
    views.push_back({.name = name,
                     .dtype = "F32",
                     .shape = tensor.shape,
                     .bytes = std::as_bytes(std::span(tensor.values))});
  }
  ASSERT_TRUE(WriteSafetensors(directory / "model.safetensors", views).ok());
}

}  // namespace ashlar::testing
