// Which family of Hugging Face's a network is of, and its config.json there.
#pragma once

#include <string_view>

#include "ashlar/base/json.h"
#include "ashlar/formats/internal/decoder_facts.h"
#include "ashlar/formats/internal/recipe_match.h"
#include "ashlar/formats/recipe.h"

namespace ashlar::internal {

struct FamilyForm {
  const Architecture* row;
  Json config;
  Recipe recipe;  // what the config says: the network
  RecipeMatch match;
};

// The first row (of model_type `family`, when it is not empty, else those of `usual` before all
// others) whose draft, read again, is the network; and only then one that adds something else to
// the weights of norms. kUnsupported says what stands in the way of the nearest.
// Requires: facts of `network`.
Result<FamilyForm> FindFamilyForm(const DecoderFacts& facts, const Network& network,
                                  std::string_view family, std::string_view usual);

}  // namespace ashlar::internal
