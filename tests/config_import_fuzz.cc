// Configurations of every family, changed field by field: config.json -> row of the family ->
// blocks with a place in the checkpoint for each tensor -> network -> memory plan. Each step gives
// a named error, or all later ones hold.
#include "ashlar/base/byte_reader.h"
#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/formats/recipe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tests/support/mutate.h"

namespace ashlar {
namespace {

constexpr JsonLimits kLimits = {.max_values = 1 << 12};
// More layers than these are more of the same.
constexpr std::size_t kMostBlocks = 64;

void CheckError(const Error& error) {
  CHECK(!error.message.empty());
  CHECK_LT(error.message.size(), 4000u);
}

Result<Block> MakeBlock(const BlockRecipe& recipe) {
  const Codec& codec = **FindCodec("f32");
  Block block{.kind = *AllKinds().Find(recipe.kind)};
  ASHLAR_TRY(block.attributes, Attributes::Make(block.kind->attributes, recipe.attributes));
  ASHLAR_TRY(const auto specs, block.kind->tensors(block.attributes));
  for (const TensorSpec& spec : specs) {
    const TensorSource source = SourceOf(recipe, spec.name);
    CHECK(source.tensors.empty() != source.numbers.empty());
    for (const std::string& name : source.tensors) {
      CHECK(name.find('{') == std::string::npos);
    }
    if (source.numbers.empty()) {
      ASHLAR_TRY(const auto place, internal::PlaceOf(spec, specs, block.attributes, source));
      for (const std::int64_t dim : internal::CheckpointShape(place, spec)) {
        CHECK(dim > 0);
      }
    }
    ASHLAR_TRY(const std::uint64_t bytes, PackedBytes(codec, spec.shape));
    block.tensors[spec.name] = {
        .shape = spec.shape, .codec = &codec, .levels = {{Sha256(spec.name), 0, bytes}}};
  }
  CHECK(CheckBlock(block).ok());
  return block;
}

Status Plan(const Json& config) {
  ASHLAR_TRY(const Recipe recipe, ReadRecipe(JsonCursor(config, "config.json")));
  Network network;
  network.metadata = recipe.metadata;
  for (const BlockRecipe& each : recipe.blocks) {
    if (network.nodes.size() == kMostBlocks) {
      return {};
    }
    ASHLAR_TRY(Block block, MakeBlock(each));
    network.nodes.push_back(NodeOf(recipe, static_cast<int>(network.nodes.size())));
    network.nodes.back().block = network.AddBlock(std::move(block));
  }
  ASHLAR_TRY(Validate(network));
  const auto again = ParseNetwork(network.CanonicalManifest());
  CHECK(again.ok());
  CHECK(again->digest() == network.digest());
  const Network* const networks[] = {&network};
  CHECK(PredictMemory({.networks = networks}).total() > 0);
  return {};
}

struct ConfigFormat {
  static std::optional<Json> Read(std::span<const std::uint8_t> input) {
    auto json = ParseJson(AsText(std::as_bytes(input)), kLimits);
    return json.ok() ? std::optional(*std::move(json)) : std::nullopt;
  }
  static std::string Write(const Json& json) { return WriteJson(json); }
  static void Mutate(Json& json, testing::Chance& chance) { testing::MutateJson(json, chance); }
  static void Cross(Json& json, Json from, testing::Chance& chance) {
    testing::CrossJson(json, std::move(from), chance);
  }
};

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const auto json = ParseJson({reinterpret_cast<const char*>(data), size}, kLimits);
  const Status status = json.ok() ? Plan(*json) : Status(json.error());
  if (!status.ok()) {
    CheckError(status.error());
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return ashlar::testing::MutateAs<ashlar::ConfigFormat>(data, size, max_size, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_size, unsigned seed) {
  return ashlar::testing::CrossAs<ashlar::ConfigFormat>({first, first_size}, {second, second_size},
                                                        out, max_size, seed);
}
