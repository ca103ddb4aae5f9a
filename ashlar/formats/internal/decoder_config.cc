#include "ashlar/formats/internal/decoder_config.h"

#include <algorithm>

#include "ashlar/base/join.h"

namespace ashlar::internal {
namespace {

// The words of config.json's layer_types.
enum class LayerType : std::uint8_t { kWhole, kWindowed, kRecurrent };
constexpr std::string_view kLayerTypes[] = {"full_attention", "sliding_attention",
                                            "linear_attention"};

// A size that null says to derive from others; an absent field takes the family's default.
Result<std::int64_t> ReadDerivedSize(ConfigReader& config, const Spelling& field,
                                     std::optional<std::int64_t> family, std::int64_t derived) {
  const std::string_view key = config.Spelled(field);
  if (key.empty()) {
    return family.value_or(derived);
  }
  return config.SizeOr(key, config.Has(key) ? derived : family.value_or(derived));
}

// `layer_types`, of which the family has some. Nothing when absent.
Result<std::optional<std::vector<LayerType>>> ReadTypes(ConfigReader& config, std::size_t layers,
                                                        std::initializer_list<LayerType> known) {
  ASHLAR_TRY(const std::optional<JsonCursor> types, config.Find("layer_types"));
  if (!types) {
    return std::optional<std::vector<LayerType>>();
  }
  ASHLAR_TRY(const std::vector<JsonCursor> list, types->AsArray());
  if (list.size() != layers) {
    return types->Invalid("it has {} entries, but num_hidden_layers is {}", list.size(), layers);
  }
  std::vector<LayerType> read;
  for (const JsonCursor& item : list) {
    ASHLAR_TRY(const std::string word, item.AsString());
    const auto at = std::ranges::find(kLayerTypes, word);
    const auto type = static_cast<LayerType>(at - std::begin(kLayerTypes));
    if (at == std::end(kLayerTypes) || std::ranges::find(known, type) == known.end()) {
      std::vector<std::string_view> words;
      for (const LayerType each : known) {
        words.push_back(kLayerTypes[static_cast<std::size_t>(each)]);
      }
      return Unsupported("{}: layer type \"{}\" cannot be imported; known: {}", item.path(), word,
                         Join(words, ", "));
    }
    read.push_back(type);
  }
  return std::optional(read);
}

// Whether each layer carries a state.
Result<std::vector<bool>> ReadRecurrent(ConfigReader& config, const RecurrentRow& row,
                                        std::size_t layers) {
  if (row.kind.empty() || row.every.names.names[0].empty()) {
    return std::vector<bool>(layers, !row.kind.empty());
  }
  // (The interval is without effect when there is a list.)
  ASHLAR_TRY(const std::int64_t every, config.CountOf(row.every));
  ASHLAR_TRY(const auto types,
             ReadTypes(config, layers, {LayerType::kWhole, LayerType::kRecurrent}));
  if (!types && every < 1) {
    return config.json().Invalid("{} must be at least 1", config.Spelled(row.every.names));
  }
  std::vector<bool> recurrent;
  for (std::size_t i = 0; i < layers; ++i) {
    recurrent.push_back(types ? (*types)[i] == LayerType::kRecurrent
                              : (i + 1) % static_cast<std::size_t>(every) != 0);
  }
  return recurrent;
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
  sizes.heads = 1;
  if (architecture.attends()) {
    ASHLAR_TRY(sizes.heads, config.Size(config.Spelled(fields.heads)));
  }
  ASHLAR_TRY(sizes.vocabulary, config.Size("vocab_size"));
  ASHLAR_TRY(sizes.positions,
             config.SizeOr(config.Spelled(fields.positions), architecture.max_positions));
  const std::string_view channels = config.Spelled(fields.channels);
  if (architecture.channels_per_width) {
    std::int64_t per_width = *architecture.channels_per_width;
    if (const auto field = config.Spelled(fields.channels_per_width); !field.empty()) {
      ASHLAR_TRY(per_width, config.SizeOr(field, per_width));
    }
    if (per_width > ConfigReader::kMaxSize / sizes.width) {
      return config.json().Invalid("{} channels for each of {} are too many", per_width,
                                   sizes.width);
    }
    ASHLAR_TRY(sizes.channels, config.SizeOr(channels, per_width * sizes.width));
  } else if (!channels.empty()) {
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
    ASHLAR_TRY(const auto types,
               ReadTypes(config, count, {LayerType::kWhole, LayerType::kWindowed}));
    if (types) {
      for (std::size_t i = 0; i < count; ++i) {
        windowed[i] = (*types)[i] == LayerType::kWindowed;
      }
      if (window == 0 && std::ranges::find(windowed, true) != windowed.end()) {
        return config.json().Invalid("layer_types has {} without a sliding_window in use",
                                     kLayerTypes[static_cast<int>(LayerType::kWindowed)]);
      }
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
  } else if (row.which == Windows::kNone && architecture.recurrent.kind.empty()) {
    ASHLAR_TRY(ReadTypes(config, count, {LayerType::kWhole}));  // a dump may name them all the same
  }
  ASHLAR_TRY(const std::vector<bool> recurrent,
             ReadRecurrent(config, architecture.recurrent, count));
  ASHLAR_TRY(const std::vector<bool> mixtures,
             ReadMixtureLayers(config, architecture.mixture, count));
  std::vector<LayerConfig> layers;
  for (std::size_t i = 0; i < count; ++i) {
    const bool only_windowed = architecture.rope.layers == RotatedLayers::kWindowed && window != 0;
    layers.push_back({.window = windowed[i] ? window : 0,
                      .rotated = rotated[i] && (!only_windowed || windowed[i]),
                      .recurrent = recurrent[i],
                      .mixture = mixtures[i]});
  }
  return layers;
}

}  // namespace ashlar::internal
