// Whether a recipe is a given network, but for the weights: how an exporter knows that what it is
// about to write means what the network computes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ashlar/formats/internal/decoder_facts.h"
#include "ashlar/formats/recipe.h"

namespace ashlar::internal {

struct RecipeMatch {
  int differences = 0;  // attributes, kinds, reads and numbers of nodes
  std::string first;    // of them, in words: "layers.0.attention has window 8; `whose` has 0"
  // Of each node, what it adds to the weights of norms beyond what the recipe's block adds. No
  // difference: whoever writes the weights adds it.
  std::vector<double> norm_shifts;

  bool shifts_norms() const {
    return std::ranges::any_of(norm_shifts, [](double shift) { return shift != 0; });
  }
};

// When two reals are the same: a file may have them in f32, or as so many times another, which is
// one rounding more.
enum class RealsAlike : std::uint8_t { kExactly, kAsF32 };

// `whose` is what the recipe stands for, in words. Requires: facts of `network`.
RecipeMatch MatchRecipe(const Recipe& recipe, const DecoderFacts& facts, const Network& network,
                        std::string_view whose, RealsAlike alike = RealsAlike::kExactly);

// Whether what a block adds to the weights of norms is added to this tensor.
bool IsNormWeight(std::string_view kind, std::string_view tensor);

}  // namespace ashlar::internal
