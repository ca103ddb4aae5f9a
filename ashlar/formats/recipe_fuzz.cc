// Arbitrary text as config.json: refused with a message, or a recipe whose every block is whole.
#include "ashlar/formats/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto json = ParseJson(text);
  if (!json.ok()) {
    return 0;
  }
  const auto recipe = ReadRecipe(JsonCursor(*json, "config.json"));
  if (!recipe.ok()) {
    CHECK(recipe.error().message.starts_with("config.json"));
    return 0;
  }
  CHECK(recipe->vocabulary > 0);
  CHECK(recipe->blocks.size() >= 5 && recipe->blocks.size() % 2 == 1);
  CHECK(recipe->blocks.front().kind == "embed" && recipe->blocks.back().kind == "head");
  for (const BlockRecipe& block : recipe->blocks) {
    CHECK(!block.attributes.empty());
    for (const TensorName& tensor : block.tensors) {
      std::string own(tensor.tensor);  // of those that are numbered, the first
      if (const std::size_t at = own.find("{}"); at != std::string::npos) {
        own.replace(at, 2, "0");
      }
      for (const std::string& name : SourceOf(block, own).tensors) {
        CHECK(name.find('{') == std::string::npos);
      }
    }
  }
  return 0;
}
