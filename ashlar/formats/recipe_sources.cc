// Which tensor of a checkpoint a block's is: patterns with {} for layers and numbers.
#include <charconv>

#include "ashlar/base/check.h"
#include "ashlar/formats/recipe.h"

namespace ashlar {
namespace {

// The name in the checkpoint, with the layer and then the index in place of each {}.
std::string Named(std::string_view pattern, std::optional<int> layer, std::int64_t index) {
  std::string name(pattern);
  if (const std::size_t at = name.find("{}"); layer && at != std::string::npos) {
    name.replace(at, 2, std::to_string(*layer));
  }
  if (const std::size_t at = name.find("{}"); at != std::string::npos) {
    name.replace(at, 2, std::to_string(index));
  }
  return name;
}

// The number that stands for the {} of `pattern` in `name`; nothing when the name is not of the
// pattern. A pattern without {} has the number 0.
std::optional<std::int64_t> NumberIn(std::string_view pattern, std::string_view name) {
  const std::size_t at = pattern.find("{}");
  if (at == pattern.npos) {
    return name == pattern ? std::optional<std::int64_t>(0) : std::nullopt;
  }
  const std::string_view after = pattern.substr(at + 2);
  if (!name.starts_with(pattern.substr(0, at)) || !name.ends_with(after) ||
      name.size() <= at + after.size()) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const char* const end = name.data() + name.size() - after.size();
  const auto [stopped, error] = std::from_chars(name.data() + at, end, number);
  return error == std::errc() && stopped == end ? std::optional(number) : std::nullopt;
}

int CountPlaces(std::string_view pattern) {
  int places = 0;
  for (std::size_t at = 0; (at = pattern.find("{}", at)) != pattern.npos; at += 2) {
    ++places;
  }
  return places;
}

}  // namespace

TensorSource SourceOf(const BlockRecipe& block, std::string_view tensor) {
  if (const auto numbers = block.numbers.find(tensor); numbers != block.numbers.end()) {
    return {.numbers = numbers->second};
  }
  const auto count = [&](std::string_view attribute) {
    return std::get<std::int64_t>(block.attributes.find(attribute)->second);
  };
  for (const auto names : {block.tied, block.tensors}) {
    for (const TensorName& name : names) {
      const std::optional<std::int64_t> index = NumberIn(name.tensor, tensor);
      if (!index) {
        continue;
      }
      TensorSource source{.joined = name.joined, .transposed = name.transposed, .dims = name.dims};
      if (!name.stacked_by.empty()) {
        for (std::int64_t i = 0; i < count(name.stacked_by); ++i) {
          source.tensors.push_back(Named(name.checkpoint, block.layer, i));
        }
        return source;
      }
      if (!name.each.empty() && CountPlaces(name.checkpoint) == 1) {
        source.stack = count(name.each);
        source.index = *index;
        source.flat = name.flat;
      }
      source.tensors.push_back(Named(name.checkpoint, block.layer, *index));
      return source;
    }
  }
  CHECK(false);
}

}  // namespace ashlar
