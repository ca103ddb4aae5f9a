#include "ashlar/formats/internal/family_form.h"

#include <algorithm>
#include <limits>

#include "ashlar/formats/internal/config_draft.h"

namespace ashlar::internal {

Result<FamilyForm> FindFamilyForm(const DecoderFacts& facts, const Network& network,
                                  std::string_view family, std::string_view usual) {
  std::vector<const Architecture*> rows(AllArchitectures().begin(), AllArchitectures().end());
  if (!family.empty()) {
    ASHLAR_TRY(rows, FindArchitectures(family));
  }
  std::stable_partition(rows.begin(), rows.end(),
                        [&](const Architecture* row) { return row->model_type == usual; });
  std::optional<FamilyForm> shifted;
  int nearest = std::numeric_limits<int>::max();
  std::string in_the_way;
  for (const Architecture* row : rows) {
    Result<Json> config = DraftConfig(*row, facts);
    const Result<Recipe> recipe =
        config.ok() ? ReadRecipe(JsonCursor(*config, "config.json")) : config.error();
    if (!recipe.ok()) {
      if (in_the_way.empty()) {
        in_the_way = recipe.error().message;
      }
      continue;
    }
    RecipeMatch match = MatchRecipe(*recipe, facts, network, row->model_type);
    if (match.differences < nearest) {
      nearest = match.differences;
      in_the_way = match.first;
    }
    if (match.differences == 0 && (!match.shifts_norms() || !shifted)) {
      const bool exact = !match.shifts_norms();
      shifted = FamilyForm{row, *std::move(config), *std::move(recipe), std::move(match)};
      if (exact) {
        return *std::move(shifted);
      }
    }
  }
  if (shifted) {
    return *std::move(shifted);
  }
  return family.empty()
             ? Unsupported("no family that ashlar knows has such a network; the nearest: {}",
                           in_the_way)
             : Unsupported("the network is none of the family {}: {}", family, in_the_way);
}

}  // namespace ashlar::internal
