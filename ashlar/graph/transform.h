// A Transform makes a network from networks. It is pure on manifests: no weight is read or
// written, except where `writes_blobs` says so (encode).
//
// To add one: a file in graph/transforms with a constant Transform, declared in
// transforms/transforms.h and listed in transforms/all_transforms.cc. The command line, its help,
// the provenance and the suite of tests over AllTransforms() follow.
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
  std::string_view name;   // typed as --name
  std::string_view value;  // what stands for its value in help: "3,4" or "NET"
  bool required = false;
  std::string_view doc;
};

// As people typed them; each transform parses its own with the functions below.
using Arguments = std::map<std::string, std::string, std::less<>>;

struct TransformContext {
  const Catalog& catalog;  // to find other networks that an argument names, and to write blobs
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress = nullptr;
  // What people should know of a result that is no error ("kept 2 tensors as they are: ...").
  std::function<void(std::string_view remark)> remark = nullptr;
  // When set: the digests of the other networks that were read are appended, for the provenance.
  std::vector<Digest>* sources = nullptr;
};

struct Transform {
  std::string_view name;
  std::string_view summary;
  std::span<const ArgumentSpec> arguments;
  std::string_view example;  // "drop --layers 3,4"
  // Whether each axis along which some kind of block can be sliced is an argument too:
  // --channels 75%. See ArgumentsOf.
  bool slice_arguments = false;
  bool writes_blobs = false;  // then Apply requires that a writing lease is held
  Result<Network> (*apply)(const Network& base, const Arguments& arguments,
                           const TransformContext& context);
};

std::span<const Transform* const> AllTransforms();
Result<const Transform*> FindTransform(std::string_view name);

// The arguments that a transform takes when blocks are of these kinds: those of its table, and the
// axes of the kinds' slices where it takes them.
std::vector<ArgumentSpec> ArgumentsOf(const Transform& transform, const Kinds& kinds);

// Checks the arguments (unknown and missing ones are kInvalid), applies, removes nodes whose value
// nothing uses any more (with a remark), renumbers layers, prunes, and validates the result.
Result<Network> Apply(const Transform& transform, const Network& base, const Arguments& arguments,
                      const TransformContext& context);

// One step of a chain of transforms, as in: derive NEW --from BASE drop --layers 3 then share ...
struct TransformStep {
  const Transform* transform;
  Arguments arguments;
};
// "drop" "--layers" "3,4" "then" "slice" "--channels=75%" -> two steps.
Result<std::vector<TransformStep>> ParseTransformSteps(std::span<const std::string> words);

// ---- Parsing what people type. Errors say what was expected.

// "3,4,8-11" -> {3,4,8,9,10,11} in the order typed; each below `limit`, and each once.
Result<std::vector<int>> ParseIndices(std::string_view text, int limit);
// "576" or "75%" of `whole`, from 1 to `whole`; a percentage is rounded down, to no less than 1.
struct Amount {
  std::int64_t value;
  bool is_percentage;
};
Result<Amount> ParseAmount(std::string_view text, std::int64_t whole);

}  // namespace ashlar
