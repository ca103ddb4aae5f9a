#include <algorithm>

#include "ashlar/formats/internal/decoder_config.h"

namespace ashlar::internal {

Status ReadExperts(ConfigReader& config, const MixtureRow& row, BlockAttributes& attributes) {
  ASHLAR_TRY(attributes["experts"], config.CountOf(row.experts));
  ASHLAR_TRY(attributes["experts_per_token"], config.CountOf(row.experts_per_token));
  ASHLAR_TRY(const std::int64_t channels, config.CountOf(row.channels));
  if (channels > 0) {
    attributes["channels"] = channels;
  }
  ASHLAR_TRY(const std::int64_t shared, config.CountOf(row.shared_channels));
  ASHLAR_TRY(const std::int64_t shared_experts, config.CountOf(row.shared_experts));
  attributes["shared_channels"] =
      shared + shared_experts * std::get<std::int64_t>(attributes["channels"]);
  ASHLAR_TRY(const std::int64_t groups, config.CountOf(row.groups));
  ASHLAR_TRY(const std::int64_t groups_per_token, config.CountOf(row.groups_per_token));
  if (groups > 1 && groups_per_token != groups) {  // else all are chosen from
    attributes["groups"] = groups;
    attributes["groups_per_token"] = groups_per_token;
    if (!row.group_rank.empty()) {
      attributes["group_rank"] = std::string(row.group_rank);
    }
  }
  return {};
}

Result<std::vector<bool>> ReadMixtureLayers(ConfigReader& config, const MixtureRow& row,
                                            std::size_t layers) {
  ASHLAR_TRY(const std::int64_t experts, config.CountOf(row.experts));
  ASHLAR_TRY(const std::int64_t first_dense, config.CountOf(row.first_dense));
  ASHLAR_TRY(const std::int64_t every, config.CountOf(row.every));
  ASHLAR_TRY(const std::int64_t multiples_of, config.CountOf(row.multiples_of));
  if (every < 1 || multiples_of < 1) {
    const Count& wrong = every < 1 ? row.every : row.multiples_of;
    return config.json().Invalid("{} must be at least 1", config.Spelled(wrong.names));
  }
  std::vector<bool> mixtures(layers);
  for (std::size_t i = 0; i < layers; ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    mixtures[i] = experts > 0 && layer >= first_dense && (layer + 1) % every == 0 &&
                  layer % multiples_of == 0;
  }
  const std::string_view dense_layers = config.Spelled(row.dense_layers);
  if (dense_layers.empty()) {
    return mixtures;
  }
  ASHLAR_TRY(const std::optional<JsonCursor> list, config.Find(dense_layers));
  if (list) {
    ASHLAR_TRY(const std::vector<JsonCursor> numbers, list->AsArray());
    for (const JsonCursor& item : numbers) {
      ASHLAR_TRY(const std::int64_t number, item.AsInteger(0, ConfigReader::kMaxSize));
      if (number < static_cast<std::int64_t>(layers)) {
        mixtures[static_cast<std::size_t>(number)] = false;
      }
    }
  }
  return mixtures;
}

}  // namespace ashlar::internal
