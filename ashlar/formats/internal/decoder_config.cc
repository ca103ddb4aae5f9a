#include "ashlar/formats/internal/decoder_config.h"

#include <algorithm>

namespace ashlar::internal {
namespace {

// The words of config.json's layer_types.
constexpr std::string_view kWholeLayer = "full_attention";
constexpr std::string_view kWindowedLayer = "sliding_attention";

// A size that null says to derive from others; an absent field takes the family's default.
Result<std::int64_t> ReadDerivedSize(ConfigReader& config, const Spelling& field,
                                     std::optional<std::int64_t> family, std::int64_t derived) {
  const std::string_view key = config.Spelled(field);
  if (key.empty()) {
    return family.value_or(derived);
  }
  return config.SizeOr(key, config.Has(key) ? derived : family.value_or(derived));
}

// `layer_types`: whether each layer has a window. Nothing when absent.
Result<std::optional<std::vector<bool>>> ReadTypes(ConfigReader& config, std::size_t layers,
                                                   bool window) {
  ASHLAR_TRY(const std::optional<JsonCursor> types, config.Find("layer_types"));
  if (!types) {
    return std::optional<std::vector<bool>>();
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, types->AsArray());
  if (list.size() != layers) {
    return types->Invalid("it has {} entries, but num_hidden_layers is {}", list.size(), layers);
  }
  std::vector<bool> windowed;
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(const std::string type, item.AsString());
    if (type == kWindowedLayer && !window) {
      return item.Invalid("{} without a sliding_window in use", kWindowedLayer);
    }
    if (type != kWindowedLayer && type != kWholeLayer) {
      return Unsupported("{}: layer type \"{}\" cannot be imported; known: {}, {}", item.path(),
                         type, kWholeLayer, kWindowedLayer);
    }
    windowed.push_back(type == kWindowedLayer);
  }
  return std::optional(windowed);
}

// Whether `no_rope_layers` says of each layer that it turns queries and keys.
Result<std::vector<bool>> ReadRotated(ConfigReader& config, std::size_t layers) {
  ASHLAR_TRY(const std::int64_t interval, config.SizeOr("no_rope_layer_interval", 4));
  ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find("no_rope_layers"));
  std::vector<bool> rotated;
  if (!field) {
    for (std::size_t i = 1; i <= layers; ++i) {
      rotated.push_back(i % static_cast<std::size_t>(interval) != 0);
    }
    return rotated;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, field->AsArray());
  if (list.size() < layers) {
    return field->Invalid("it has {} entries, but there are {} layers", list.size(), layers);
  }
  for (std::size_t i = 0; i < layers; ++i) {
    ASHLAR_TRY(const std::int64_t rotates, list[i].AsInteger(0, 1));
    rotated.push_back(rotates == 1);
  }
  return rotated;
}

// `sliding_window`, or 0: none is in use.
Result<std::int64_t> ReadWindow(ConfigReader& config, const WindowRow& row) {
  std::int64_t window = 0;
  if (config.Has("sliding_window")) {
    ASHLAR_TRY(const std::optional<JsonCursor> field, config.Find("sliding_window"));
    if (field) {
      ASHLAR_TRY(window, field->AsInteger(0, ConfigReader::kMaxSize));
    }
  } else {
    window = row.default_window.value_or(0);
  }
  ASHLAR_TRY(const bool used, config.Decide(row.used));
  return used ? window : 0;
}

// The n of WindowRule::kAllButEvery; what is not a number cannot be counted by.
Result<std::int64_t> ReadEvery(ConfigReader& config, const WindowRow& row) {
  const std::string_view key = config.Spelled(row.every);
  return key.empty() ? Result<std::int64_t>(row.default_every)
                     : config.SizeOr(key, row.default_every);
}

}  // namespace

Result<Sizes> ReadSizes(ConfigReader& config, const Architecture& architecture) {
  const SizeFields& fields = architecture.sizes;
  Sizes sizes{};
  ASHLAR_TRY(sizes.width, config.Size(config.Spelled(fields.width)));
  ASHLAR_TRY(sizes.layers, config.Size(config.Spelled(fields.layers)));
  ASHLAR_TRY(sizes.heads, config.Size(config.Spelled(fields.heads)));
  ASHLAR_TRY(sizes.vocabulary, config.Size("vocab_size"));
  ASHLAR_TRY(sizes.positions,
             config.SizeOr(config.Spelled(fields.positions), architecture.max_positions));
  const std::string_view channels = config.Spelled(fields.channels);
  if (architecture.channels_per_width) {
    ASHLAR_TRY(sizes.channels,
               config.SizeOr(channels, *architecture.channels_per_width * sizes.width));
  } else {
    ASHLAR_TRY(sizes.channels, config.Size(channels));
  }
  ASHLAR_TRY(sizes.key_value_heads, ReadDerivedSize(config, fields.key_value_heads,
                                                    architecture.key_value_heads, sizes.heads));
  ASHLAR_TRY(const bool multi_query, config.Decide(architecture.multi_query));
  if (multi_query) {
    sizes.key_value_heads = 1;
  }
  ASHLAR_TRY(sizes.head_dim, ReadDerivedSize(config, fields.head_dim, architecture.head_dim,
                                             sizes.width / sizes.heads));
  // (A checkpoint may have tensors for each: their names are bounded before they are made.)
  constexpr std::int64_t kMaxHeads = 1 << 16;
  if (std::max(sizes.heads, sizes.key_value_heads) > kMaxHeads) {
    return config.json().Invalid("it has {} heads and {} key-value heads; at most {} are allowed",
                                 sizes.heads, sizes.key_value_heads, kMaxHeads);
  }
  constexpr std::int64_t kMaxLayers = 10'000;
  if (sizes.layers > kMaxLayers) {
    return config.json().Invalid("{} is {}; at most {} are allowed", config.Spelled(fields.layers),
                                 sizes.layers, kMaxLayers);
  }
  return sizes;
}

Result<std::vector<LayerConfig>> ReadLayers(ConfigReader& config, const Architecture& architecture,
                                            const Sizes& sizes) {
  const auto count = static_cast<std::size_t>(sizes.layers);
  const WindowRow& row = architecture.windows;
  std::vector<bool> windowed(count, row.which == Windows::kEveryLayer);
  std::vector<bool> rotated(count, true);
  if (architecture.rope.layers == RotatedLayers::kListed) {
    ASHLAR_TRY(rotated, ReadRotated(config, count));
  }
  std::int64_t window = 0;
  if (row.which != Windows::kNone) {
    ASHLAR_TRY(window, ReadWindow(config, row));
  }
  if (row.which == Windows::kByLayerType) {
    // What says the layers when there is no list, is without effect when there is one.
    Result<std::int64_t> rule = 0;
    if (row.rule == WindowRule::kAllButEvery) {
      rule = ReadEvery(config, row);
    } else if (row.rule != WindowRule::kNotRotated) {
      rule = config.json().IntegerOr("max_window_layers", 0, ConfigReader::kMaxSize, 28);
    }
    ASHLAR_TRY(const auto types, ReadTypes(config, count, window != 0));
    if (types) {
      windowed = *types;
    } else {
      ASHLAR_TRY(const std::int64_t n, rule);
      for (std::size_t i = 0; i < count; ++i) {
        const auto layer = static_cast<std::int64_t>(i);
        windowed[i] = row.rule == WindowRule::kAllButEvery   ? (layer + 1) % n != 0
                      : row.rule == WindowRule::kFromLayer   ? layer >= n
                      : row.rule == WindowRule::kAlternating ? layer % 2 == 0 && layer < n
                                                             : !rotated[i];
      }
    }
  }
  ASHLAR_TRY(const std::vector<bool> mixtures,
             ReadMixtureLayers(config, architecture.mixture, count));
  std::vector<LayerConfig> layers;
  for (std::size_t i = 0; i < count; ++i) {
    const bool only_windowed = architecture.rope.layers == RotatedLayers::kWindowed && window != 0;
    layers.push_back({.window = windowed[i] ? window : 0,
                      .rotated = rotated[i] && (!only_windowed || windowed[i]),
                      .mixture = mixtures[i]});
  }
  return layers;
}

}  // namespace ashlar::internal
