#include <cmath>

#include "ashlar/formats/internal/decoder_config.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kFullAttention = "full_attention";
constexpr std::string_view kSlidingAttention = "sliding_attention";

// What holds for a rotation unless its object says otherwise.
struct RopeDefaults {
  double theta;
  double partial;
  std::int64_t positions;           // of the network
  std::int64_t original_positions;  // before it was stretched
  bool original_stated;             // by config.json, for every rotation: an object's own is unread
  const RopeRow& row;
  bool neighbours;
  std::int64_t head_dim;
};

// Reads the fields of one rotation: those of `rope_parameters`, or of the older `rope_scaling`.
class RopeReader {
 public:
  RopeReader(const JsonCursor& object, const RopeDefaults& defaults)
      : object_(object), rope_(object), defaults_(defaults) {}

  Result<Rotation> Read() {
    ASHLAR_TRY(theta_, rope_.RealOr("rope_theta", defaults_.theta));
    ASHLAR_TRY(const double partial, rope_.RealOr("partial_rotary_factor", defaults_.partial));
    if (!(partial > 0 && partial <= 1)) {
      return object_.Invalid("partial_rotary_factor must be above 0 and at most 1, found {}",
                             partial);
    }
    dims_ = static_cast<std::int64_t>(static_cast<double>(defaults_.head_dim) * partial);
    ASHLAR_TRY(type_, rope_.StringOr("type", "default"));
    ASHLAR_TRY(type_, rope_.StringOr("rope_type", type_));
    ASHLAR_TRY(ReadScaling(type_ == "yarn" ? defaults_.row.yarn_means : type_));
    Set("rope_theta", theta_);
    Set("rope_dims", dims_);
    if (defaults_.neighbours) {
      Set("rope_pairs", "neighbours");
    }
    return std::move(rotation_);
  }

 private:
  struct Scaling {
    std::string_view name;
    Status (RopeReader::*read)();
  };

  Status ReadScaling(std::string_view type) {
    static constexpr Scaling kScalings[] = {
        {"default", &RopeReader::ReadDefault}, {"linear", &RopeReader::ReadLinear},
        {"dynamic", &RopeReader::ReadDynamic}, {"llama3", &RopeReader::ReadLlama3},
        {"yarn", &RopeReader::ReadYarn},       {"longrope", &RopeReader::ReadLongrope},
        {"su", &RopeReader::ReadLongrope},
    };
    std::string known;
    for (const Scaling& scaling : kScalings) {
      if (scaling.name == type) {
        ASHLAR_TRY((this->*scaling.read)());
        return rope_.CheckAllSeen(ignored_);
      }
      known += fmt::format("{}{}", known.empty() ? "" : ", ", scaling.name);
    }
    return Unsupported("{}: rope_type \"{}\" cannot be imported; known: {}", object_.path(), type,
                       known);
  }

  void Set(std::string_view attribute, AttributeValue value) {
    rotation_.attributes[std::string(attribute)] = std::move(value);
  }
  Result<double> Needed(std::string_view key) {
    if (!rope_.Has(key)) {
      return object_.Invalid("rope_type \"{}\" needs \"{}\"", type_, key);
    }
    return rope_.Real(key);
  }
  Status ReadNeeded(std::string_view key, std::string_view attribute) {
    ASHLAR_TRY(const double value, Needed(key));
    Set(attribute, value);
    return {};
  }
  Result<std::int64_t> ReadOriginal() {
    constexpr std::string_view kKey = "original_max_position_embeddings";
    std::int64_t original = defaults_.original_positions;
    if (defaults_.original_stated) {
      rope_.Ignore(kKey);
    } else {
      ASHLAR_TRY(original, rope_.SizeOr(kKey, original));
    }
    Set("rope_original_positions", original);
    return original;
  }

  Status ReadDefault() {
    // Some configurations carry fields of scalings that their type does not read.
    static constexpr std::string_view kOtherTypes[] = {"original_max_position_embeddings",
                                                       "factor"};
    ignored_ = kOtherTypes;
    return {};
  }

  Status ReadLinear() {
    Set("rope_scaling", "linear");
    return ReadNeeded("factor", "rope_factor");
  }

  Status ReadDynamic() {
    ASHLAR_TRY(const double alpha,
               defaults_.row.dynamic_alpha ? rope_.RealOr("alpha", 0) : Result<double>(0.0));
    if (alpha != 0) {
      // The stretch of a context `alpha` times as long, once and for all.
      if (!(alpha > 0) || dims_ <= 2) {
        return object_.Invalid("alpha must be above 0 with more than 2 dims, found {} with {}",
                               alpha, dims_);
      }
      const auto dims = static_cast<double>(dims_);
      theta_ *= std::pow(alpha, dims / (dims - 2));
      static constexpr std::string_view kUnread[] = {"factor", "beta_fast", "beta_slow", "mscale",
                                                     "mscale_all_dim"};
      ignored_ = kUnread;
      return {};
    }
    Set("rope_scaling", "dynamic");
    ASHLAR_TRY(ReadNeeded("factor", "rope_factor"));
    ASHLAR_TRY(const std::int64_t original, ReadOriginal());
    // The reference stretches past max_position_embeddings, and reads no other field.
    if (original != defaults_.positions) {
      return Unsupported(
          "{}: dynamic scaling from an original_max_position_embeddings other than "
          "max_position_embeddings ({}) cannot be imported",
          object_.path(), defaults_.positions);
    }
    return {};
  }

  Status ReadLlama3() {
    Set("rope_scaling", "llama3");
    ASHLAR_TRY(ReadNeeded("factor", "rope_factor"));
    ASHLAR_TRY(ReadOriginal());
    ASHLAR_TRY(ReadNeeded("low_freq_factor", "rope_low_frequency_factor"));
    return ReadNeeded("high_freq_factor", "rope_high_frequency_factor");
  }

  Status ReadYarn() {
    Set("rope_scaling", "yarn");
    ASHLAR_TRY(const std::int64_t original, ReadOriginal());
    ASHLAR_TRY(const double factor,
               rope_.RealOr("factor", static_cast<double>(defaults_.positions) /
                                          static_cast<double>(original)));
    Set("rope_factor", factor);
    ASHLAR_TRY(const double fast, rope_.RealOr("beta_fast", 32));
    ASHLAR_TRY(const double slow, rope_.RealOr("beta_slow", 1));
    Set("rope_beta_fast", fast);
    Set("rope_beta_slow", slow);
    ASHLAR_TRY(double attention, rope_.RealOr("attention_factor", 0));
    ASHLAR_TRY(const double mscale, rope_.RealOr("mscale", 0));
    ASHLAR_TRY(const double mscale_all, rope_.RealOr("mscale_all_dim", 0));
    if (defaults_.row.scores_scaled && mscale_all != 0 && factor > 1) {
      rotation_.score_factor = std::pow(0.1 * mscale_all * std::log(factor) + 1, 2);
    }
    if (attention == 0 && mscale != 0 && mscale_all != 0 && factor > 1) {
      attention = (0.1 * mscale * std::log(factor) + 1) / (0.1 * mscale_all * std::log(factor) + 1);
    }
    Set("rope_attention_factor", attention);
    rope_.Ignore("finetuned");  // it says how the network was trained
    ASHLAR_TRY(const bool truncate, rope_.BoolOr("truncate", true));
    if (!truncate) {
      Set("rope_fractional_ramp", std::int64_t{1});
    }
    return {};
  }

  Status ReadLongrope() {
    Set("rope_scaling", "longrope");
    ASHLAR_TRY(const std::int64_t original, ReadOriginal());
    ASHLAR_TRY(const double factor,
               rope_.RealOr("factor", static_cast<double>(defaults_.positions) /
                                          static_cast<double>(original)));
    const double derived =
        factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original)));
    ASHLAR_TRY(const double attention, rope_.RealOr("attention_factor", derived));
    Set("rope_attention_factor", attention);
    ASHLAR_TRY(ReadFactors("short_factor", "rope_short_factors"));
    return ReadFactors("long_factor", "rope_long_factors");
  }

  Status ReadFactors(std::string_view key, std::string_view tensor) {
    ASHLAR_TRY(const std::optional<JsonCursor> field, rope_.Find(key));
    if (!field) {
      return object_.Invalid("rope_type \"{}\" needs \"{}\"", type_, key);
    }
    ASHLAR_TRY(const std::vector<JsonCursor> list, field->AsArray(1u << 12));
    if (static_cast<std::int64_t>(list.size()) != dims_ / 2) {
      return field->Invalid("it has {} entries, but {} dims are rotated, in pairs", list.size(),
                            dims_);
    }
    std::vector<float>& numbers = rotation_.numbers[std::string(tensor)];
    for (const JsonCursor& item : list) {
      ASHLAR_TRY(const double factor, item.AsReal());
      if (!(factor >= 1e-6 && factor <= 1e6)) {
        return item.Invalid("a factor must be from 1e-6 to 1e6, found {}", factor);
      }
      numbers.push_back(static_cast<float>(factor));
    }
    return {};
  }

  const JsonCursor object_;
  ConfigReader rope_;
  const RopeDefaults& defaults_;
  std::string type_;
  double theta_ = 0;
  std::int64_t dims_ = 0;
  std::span<const std::string_view> ignored_;
  Rotation rotation_;
};

// The object that each sort of layer has in `parameters`, or nothing when it is one for all.
Result<std::optional<JsonCursor>> OfType(ConfigReader& parameters, std::string_view type) {
  ASHLAR_TRY(const std::optional<JsonCursor> object, parameters.Find(type));
  if (object) {
    ASHLAR_TRY(object->AsObject());
  }
  return object;
}

}  // namespace

Result<Rotations> ReadRotations(ConfigReader& config, const Architecture& architecture,
                                const Sizes& sizes) {
  Rotations rotations;
  const RopeRow& row = architecture.rope;
  ASHLAR_TRY(const bool neighbours, config.Decide(row.neighbours));
  RopeDefaults defaults{.theta = row.default_theta,
                        .partial = row.default_partial,
                        .positions = sizes.positions,
                        .original_positions = row.original_positions.value_or(sizes.positions),
                        .original_stated = false,
                        .row = row,
                        .neighbours = neighbours,
                        .head_dim = sizes.head_dim};
  ASHLAR_TRY(defaults.theta, config.RealOr(config.Spelled(row.theta), defaults.theta));
  ASHLAR_TRY(defaults.partial, config.RealOr(config.Spelled(row.partial), defaults.partial));
  ASHLAR_TRY(const std::optional<JsonCursor> original,
             config.Find("original_max_position_embeddings"));
  if (original) {
    ASHLAR_TRY(defaults.original_positions, original->AsInteger(1, ConfigReader::kMaxSize));
    defaults.original_stated = true;
  }
  ASHLAR_TRY(std::optional<JsonCursor> object, config.Find("rope_parameters"));
  if (!object) {
    ASHLAR_TRY(object, config.Find("rope_scaling"));
  }
  const Json parameters =
      row.default_parameters.empty() ? Json{Json::Object{}} : *ParseJson(row.default_parameters);
  const JsonCursor otherwise(parameters, config.json().path());
  RopeDefaults windowed = defaults;
  const bool has_windowed = !row.windowed_theta.names[0].empty();
  if (has_windowed) {
    ASHLAR_TRY(windowed.theta,
               config.RealOr(config.Spelled(row.windowed_theta), row.default_windowed_theta));
  }
  std::optional<JsonCursor> windowed_object;
  if (has_windowed && object) {
    ConfigReader types(*object);
    ASHLAR_TRY(const std::optional<JsonCursor> full, OfType(types, kFullAttention));
    ASHLAR_TRY(windowed_object, OfType(types, kSlidingAttention));
    if (full || windowed_object) {
      ASHLAR_TRY(types.CheckAllSeen({}));
      object = full;
    }
  }
  ASHLAR_TRY(rotations.whole, RopeReader(object.value_or(otherwise), defaults).Read());
  if (has_windowed) {
    ASHLAR_TRY(rotations.windowed,
               RopeReader(windowed_object.value_or(otherwise), windowed).Read());
  } else {
    rotations.windowed = rotations.whole;
  }
  return rotations;
}

}  // namespace ashlar::internal
