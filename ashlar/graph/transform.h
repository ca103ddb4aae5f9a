// A Transform makes a network from networks. It is pure on manifests: no weight is read or
// written, except where `writes_blobs` says so (encode).
//
// To add one: a file in graph/transforms with a constant Transform, and its line in
// transforms/all_transforms.cc. The command line, its help, the provenance and the suite of tests
// over AllTransforms() follow.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/catalog.h"
#include "ashlar/graph/network.h"

namespace ashlar {

struct ArgumentSpec {
  std::string_view name;       // typed as --name
  std::string_view value;      // what stands for its value in help: "3,4" or "NET"
  bool required = false;
  std::string_view doc;
};

// As people typed them; each transform parses its own with the functions below.
using Arguments = std::map<std::string, std::string, std::less<>>;

struct TransformContext {
  const Catalog& catalog;  // to find other networks that an argument names, and to write blobs
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress;  // may be null
};

struct Transform {
  std::string_view name;
  std::string_view summary;
  std::span<const ArgumentSpec> arguments;
  std::string_view example;   // "drop --layers 3,4"
  bool writes_blobs = false;
  Result<Network> (*apply)(const Network& base, const Arguments& arguments,
                           const TransformContext& context);
};

std::span<const Transform* const> AllTransforms();
Result<const Transform*> FindTransform(std::string_view name);

// Checks the arguments against the spec (unknown and missing ones are kInvalid), applies,
// renumbers layers, prunes, and validates the result.
Result<Network> Apply(const Transform& transform, const Network& base, const Arguments& arguments,
                      const TransformContext& context);

// One step of a chain of transforms, as in: derive NEW --from BASE drop --layers 3 then share ...
struct TransformStep {
  const Transform* transform;
  Arguments arguments;
};
// "drop" "--layers" "3,4" "then" "slice" "--channels" "75%" -> two steps.
Result<std::vector<TransformStep>> ParseTransformSteps(std::span<const std::string> words);

// ---- Parsing what people type. Errors say what was expected.

// "3,4,8-11" -> {3,4,8,9,10,11} in the order typed; each below `limit`.
Result<std::vector<int>> ParseIndices(std::string_view text, int limit);
// "576" or "75%" of `whole`, rounded down to a multiple of `unit` when a percentage.
Result<std::int64_t> ParseAmount(std::string_view text, std::int64_t whole, std::int64_t unit);

}  // namespace ashlar
