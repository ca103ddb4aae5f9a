#include "ashlar/formats/internal/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <variant>

#include "ashlar/base/join.h"
#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/gguf_ends.h"
#include "ashlar/formats/internal/gguf_families.h"
#include "ashlar/formats/internal/number_that.h"
#include "ashlar/formats/internal/rope_draft.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;

// What rope.scaling.factor was called before there were other scalings than the linear one.
constexpr std::string_view kLinearFactor = "rope.scale_linear";

// Keys that are read by rules of their own, below.
constexpr std::string_view kRuledKeys[] = {
    "attention.head_count_kv",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.key_length",
    "attention.key_length_mla",
    "attention.value_length",
    "attention.value_length_mla",
    "rope.dimension_count",
    "rope.freq_base",
    kLinearFactor,
    "tensor_data_layout",
    "vocab_size",
};

constexpr std::string_view kScalingPrefix = "rope.scaling.";

// The decimal that was meant: the shortest that gives this f32, as config.json had it.
double Meant(double value) {
  const auto narrow = static_cast<float>(value);
  return static_cast<double>(narrow) == value
             ? std::strtod(fmt::format("{}", narrow).c_str(), nullptr)
             : value;
}

// kUnsupported unless the file has the constant.
Status CheckConstant(const GgufFields& fields, const GgufFamily& family, const GgufConstant& row) {
  const std::string key = fmt::format("{}.{}", family.architecture, row.key);
  std::optional<std::int64_t> value;
  if (row.type == GgufKeyType::kBool) {
    ASHLAR_TRY(value, fields.Bool(key));
  } else {
    ASHLAR_TRY(value, fields.Integer(key, 0, kMaxSize));
  }
  if (row.decides && value != row.value && (value || row.required)) {
    return Unsupported("{} is {}, and only {} ({}) can be imported", key,
                       value ? std::to_string(*value) : "missing", row.value, row.meaning);
  }
  return {};
}

Status CheckConstants(const GgufFields& fields, const GgufFamily& family) {
  for (const GgufConstant& row : family.constants) {
    ASHLAR_TRY(CheckConstant(fields, family, row));
  }
  return {};
}

class ConfigWriter {
 public:
  // `row` is the family's.
  ConfigWriter(const GgufOutline& file, const GgufFamily& family, const Architecture& row)
      : file_(file), family_(family), row_(row) {}

  Result<GgufConfig> Write() {
    Set("model_type", family_.model_type);
    ASHLAR_TRY(CheckLayout());
    ASHLAR_TRY(AddSizes());
    ASHLAR_TRY(AddEpsilon());
    if (row_.positions == Positions::kRotary && row_.attends()) {
      ASHLAR_TRY(AddRope());
    }
    if (row_.windows.which != Windows::kNone) {
      Set("sliding_window", std::int64_t{0});  // unless a key says
    }
    for (const GgufFixedField& row : family_.fixed) {
      std::visit([&](const auto& value) { Set(row.field, value); }, row.value);
    }
    ASHLAR_TRY(AddKeys(family_.keys));
    ASHLAR_TRY(AddProducts());
    ASHLAR_TRY(AddLayerTypes());
    ASHLAR_TRY(AddTokens());
    for (const GgufPartField& row : family_.parts) {
      const auto is_there = [&](const GgufPartField& other) {
        return other.field == row.field && file_.find(other.tensor) != nullptr;
      };
      Set(row.field, std::ranges::any_of(family_.parts, is_there));
    }
    Set("tie_word_embeddings", file_.find("output.weight") == nullptr);
    ASHLAR_TRY(CheckAllKnown());
    return GgufConfig{std::move(json_), &family_, std::move(rope_tensors_), std::move(remarks_)};
  }

 private:
  const GgufFields& fields() const { return file_.fields; }
  std::string KeyOf(std::string_view key) const {
    return fmt::format("{}.{}", family_.architecture, key);
  }
  template <class T>
  void Set(std::string_view field, T value) {
    json_.Set(field, Json(value));
  }

  // An integer, or an array of equal ones, a layer each.
  Result<std::optional<std::int64_t>> Integer(std::string_view key, std::int64_t least = 1) const {
    const std::string name = KeyOf(key);
    if (!fields().IsArray(name)) {
      return fields().Integer(name, least, kMaxSize);
    }
    ASHLAR_TRY(const auto values, fields().Integers(name));
    if (values->empty() || values->front() < least || values->front() > kMaxSize ||
        std::ranges::any_of(*values, [&](std::int64_t v) { return v != values->front(); })) {
      return Unsupported("{}: layers that differ in it cannot be imported", name);
    }
    return std::optional(values->front());
  }
  Result<std::optional<double>> Real(std::string_view key) const {
    ASHLAR_TRY(std::optional<double> value, fields().Real(KeyOf(key)));
    if (value) {
      value = Meant(*value);
    }
    return value;
  }

  // The order that numbers stand in, where a file says it.
  Status CheckLayout() const {
    const std::string key = KeyOf("tensor_data_layout");
    ASHLAR_TRY(const auto layout, fields().Text(key));
    if (layout.value_or(family_.layout) != family_.layout) {
      return Unsupported("{} is {}, and only {} can be imported", key, QuoteForError(*layout),
                         QuoteForError(family_.layout));
    }
    return {};
  }

  Status AddKeys(std::span<const GgufKey> rows) {
    for (const GgufKey& row : rows) {
      std::optional<Json> value;
      if (row.type == GgufKeyType::kInteger) {
        ASHLAR_TRY(const auto integer, Integer(row.key, row.least));
        value = integer ? std::optional(Json(*integer)) : std::nullopt;
      } else if (row.type == GgufKeyType::kReal) {
        ASHLAR_TRY(const auto real, Real(row.key));
        value = real ? std::optional(Json(*real)) : std::nullopt;
      } else {
        ASHLAR_TRY(const auto boolean, fields().Bool(KeyOf(row.key)));
        value = boolean ? std::optional(Json(*boolean)) : std::nullopt;
      }
      if (!value && row.required) {
        return Invalid("the metadata have no {}", KeyOf(row.key));
      }
      if (value) {
        json_.Set(row.field, *std::move(value));
      } else if (!row.without.empty()) {
        remarks_.push_back(fmt::format("the metadata have no {}: {}", KeyOf(row.key), row.without));
      }
    }
    return {};
  }

  Status AddProducts() {
    for (const GgufProduct& row : family_.products) {
      ASHLAR_TRY(const auto product, Integer(row.key));
      ASHLAR_TRY(const auto by, Integer(row.by));
      if (!product || !by) {
        return Invalid("the metadata have no {}", KeyOf(product ? row.by : row.key));
      }
      if (*product % *by != 0) {
        return Invalid("{} is {}, which is no multiple of {}, {}", KeyOf(row.key), *product,
                       KeyOf(row.by), *by);
      }
      Set(row.field, *product / *by);
    }
    return {};
  }

  Status AddLayerTypes() {
    const GgufLayerTypes& row = family_.layer_types;
    if (row.key.empty() || !fields().Has(KeyOf(row.key))) {
      return {};
    }
    ASHLAR_TRY(const auto values, fields().Integers(KeyOf(row.key)));
    Json types = Json::Array();
    for (const std::int64_t value : *values) {
      types.Append(value != 0 ? row.yes : row.no);
    }
    json_.Set("layer_types", std::move(types));
    return {};
  }

  // Under the first of a field's names; families without the field know it otherwise.
  template <class T>
  void SetSpelled(const Spelling& field, T value) {
    if (!field.names[0].empty()) {
      Set(field.names[0], value);
    }
  }

  Status AddSizes() {
    Sizes sizes;
    for (const GgufSize& row : kGgufSizes) {
      if (row.of != nullptr && !(row_.*row.of)()) {
        continue;
      }
      ASHLAR_TRY(const auto size, Integer(row.key));
      if (!size) {
        return Invalid("the metadata have no {}", KeyOf(row.key));
      }
      sizes[row.key] = *size;
      SetSpelled(row_.sizes.*row.field, *size);
    }
    if (row_.attends()) {
      ASHLAR_TRY(row_.latent ? AddLatentHeads(sizes) : AddHeads(sizes));
    }
    const GgufEntry* embedding = file_.find("token_embd.weight");
    if (embedding == nullptr) {
      return Invalid("there is no tensor token_embd.weight");
    }
    Set("vocab_size", embedding->shape.front());
    return {};
  }

  using Sizes = std::map<std::string_view, std::int64_t>;

  Status AddHeads(Sizes& sizes) {
    const std::int64_t heads = sizes["attention.head_count"];
    const std::int64_t width_of_head = sizes["embedding_length"] / heads;
    ASHLAR_TRY(const auto key_value_heads, Integer("attention.head_count_kv"));
    SetSpelled(row_.sizes.key_value_heads, key_value_heads.value_or(heads));
    ASHLAR_TRY(const auto key_length, Integer("attention.key_length"));
    ASHLAR_TRY(const auto value_length, Integer("attention.value_length"));
    head_dim_ = key_length.value_or(width_of_head);
    if (head_dim_ == 0 || value_length.value_or(head_dim_) != head_dim_) {
      return Unsupported("heads with keys of {} and values of {} dimensions cannot be imported",
                         head_dim_, value_length.value_or(head_dim_));
    }
    SetSpelled(row_.sizes.head_dim, head_dim_);
    if (!family_.scores.field.empty()) {
      Set(family_.scores.field,
          sizes["block_count"] == family_.scores.layers_of_width ? width_of_head : head_dim_);
    }
    return {};
  }

  // Keys and values are read as they lie in the cache, one head of latents for all: their lengths
  // are those of the latent, and the heads' own stand beside them. In files before llama.cpp
  // computed so, they are the heads' own.
  Status AddLatentHeads(Sizes& sizes) {
    const bool of_latents = fields().Has(KeyOf("attention.key_length_mla"));
    const std::string_view key_of_heads =
        of_latents ? "attention.key_length_mla" : "attention.key_length";
    const std::string_view value_of_heads =
        of_latents ? "attention.value_length_mla" : "attention.value_length";
    for (const std::string_view key :
         {std::string_view("attention.head_count_kv"), std::string_view("attention.kv_lora_rank"),
          std::string_view("attention.key_length"), std::string_view("attention.value_length"),
          std::string_view("rope.dimension_count"), key_of_heads, value_of_heads}) {
      ASHLAR_TRY(const auto length, Integer(key));
      if (!length) {
        return Invalid("the metadata have no {}", KeyOf(key));
      }
      sizes[key] = *length;
    }
    head_dim_ = sizes["rope.dimension_count"];
    const std::int64_t heads = sizes["attention.head_count"];
    const std::int64_t latent = sizes["attention.kv_lora_rank"];
    const std::int64_t plain = sizes[key_of_heads] - head_dim_;
    const Sizes expected = {
        {"attention.head_count_kv", of_latents ? 1 : heads},
        {"attention.key_length", of_latents ? latent + head_dim_ : sizes[key_of_heads]},
        {"attention.value_length", of_latents ? latent : sizes[value_of_heads]}};
    for (const auto& [key, value] : expected) {
      if (sizes[key] != value || plain < 1) {
        return Invalid(
            "{} is {}; expected {}, of {} heads with keys of {}, of latents of {} and {} that turn",
            KeyOf(key), sizes[key], value, heads, sizes[key_of_heads], latent, head_dim_);
      }
    }
    SetSpelled(row_.sizes.key_value_heads, heads);
    SetSpelled(row_.sizes.head_dim, head_dim_);
    Set("qk_nope_head_dim", plain);
    Set("v_head_dim", sizes[value_of_heads]);
    return {};
  }

  Status AddEpsilon() {
    const std::string_view key = row_.norms.type == "rms" ? "attention.layer_norm_rms_epsilon"
                                                          : "attention.layer_norm_epsilon";
    ASHLAR_TRY(const auto eps, Real(key));
    if (!eps) {
      return Invalid("the metadata have no {}", KeyOf(key));
    }
    SetSpelled(row_.norms.eps, *eps);
    return {};
  }

  Status AddRope() {
    ASHLAR_TRY(const auto base, Real("rope.freq_base"));
    theta_ = base.value_or(10'000);
    SetSpelled(row_.rope.theta, theta_);
    ASHLAR_TRY(const auto dims, Integer("rope.dimension_count"));
    SetSpelled(row_.rope.partial, PartOf(head_dim_, dims.value_or(head_dim_)));
    ASHLAR_TRY(Json scaling, ReadScaling(dims.value_or(head_dim_)));
    json_.Set("rope_scaling", std::move(scaling));
    return {};
  }

  // The keys of rope.scaling that more than one scaling reads. No type is linear, as in llama.cpp.
  struct ScalingKeys {
    std::string type;
    std::optional<double> factor;
    std::optional<std::int64_t> original;
    std::optional<double> length;  // of the turned vectors
  };

  // Each scaling reads the keys and tensors that it honours; any other is an error.
  Result<Json> ReadScaling(std::int64_t dims) {
    ScalingKeys keys;
    ASHLAR_TRY(keys.factor, Real(Scaling("factor")));
    if (!keys.factor) {
      ASHLAR_TRY(keys.factor, Real(kLinearFactor));
    }
    ASHLAR_TRY(keys.original, Integer(Scaling("original_context_length")));
    ASHLAR_TRY(keys.length, Real(Scaling("attn_factor")));
    ASHLAR_TRY(const auto type, fields().Text(KeyOf(Scaling("type"))));
    keys.type = type ? std::string(*type) : keys.factor ? "linear" : "none";
    Scaling("finetuned");  // it says how the network was trained
    const GgufEntry* const long_factors = Factors(kLongRopeFactors);
    const GgufEntry* const factors = long_factors == nullptr ? Factors(kRopeFrequencies) : nullptr;
    if (long_factors != nullptr || factors != nullptr) {
      const GgufEntry& tensor = long_factors != nullptr ? *long_factors : *factors;
      const bool stretched = keys.type != "none" && keys.factor.value_or(1) != 1;
      if (keys.type == "yarn" || stretched) {
        return Unsupported("{} {} beside the tensor {} cannot be imported",
                           KeyOf("rope.scaling.type"), QuoteForError(keys.type), tensor.name);
      }
      return long_factors != nullptr ? ReadLongrope(tensor, dims, keys)
                                     : ReadFrequencyFactors(tensor, keys);
    }
    if (keys.type == "yarn") {
      return ReadYarn(keys);
    }
    if (keys.type != "none" && keys.type != "linear") {
      return Unsupported("{} {} cannot be imported; known: none, linear, yarn",
                         KeyOf("rope.scaling.type"), QuoteForError(keys.type));
    }
    ASHLAR_TRY(CheckLength(keys));
    if (keys.type == "none") {
      return Json::Of({{"rope_type", "default"}});
    }
    return Stretch(keys);
  }

  // The name of a key under rope.scaling, which counts as read from here on.
  std::string Scaling(std::string_view key) {
    return *scaling_keys_.insert(fmt::format("{}{}", kScalingPrefix, key)).first;
  }
  const GgufEntry* Factors(std::string_view tensor) {
    const GgufEntry* const found = file_.find(tensor);
    if (found != nullptr) {
      rope_tensors_.insert(found->name);
    }
    return found;
  }

  Result<Json> Stretch(const ScalingKeys& keys) const {
    if (!keys.factor) {
      return Invalid("the metadata have no {}", KeyOf("rope.scaling.factor"));
    }
    return Json::Of({{"rope_type", keys.type}, {"factor", *keys.factor}});
  }
  Status CheckLength(const ScalingKeys& keys) const {
    const double length = keys.length.value_or(1);
    return length == 1
               ? Status()
               : Status(Unsupported("{} is {}, which cannot be imported with {} {}; expected 1",
                                    KeyOf("rope.scaling.attn_factor"), length,
                                    KeyOf("rope.scaling.type"), QuoteForError(keys.type)));
  }

  Result<Json> ReadYarn(const ScalingKeys& keys) {
    ASHLAR_TRY(Json scaling, Stretch(keys));
    if (keys.original) {
      scaling.Set("original_max_position_embeddings", *keys.original);
    }
    if (family_.fractional_ramp) {
      scaling.Set("truncate", false);
    }
    for (const auto& [field, usual] : {std::pair("beta_fast", 32.0), {"beta_slow", 1.0}}) {
      ASHLAR_TRY(const auto turns, YarnField(fmt::format("yarn_{}", field), usual));
      if (turns) {
        scaling.Set(field, *turns);
      }
    }
    ASHLAR_TRY(const auto reach, Real(Scaling("yarn_ext_factor")));
    if (reach.value_or(1) != 1) {
      return Unsupported("{} is {}, and only 1 can be imported", KeyOf(Scaling("yarn_ext_factor")),
                         *reach);
    }
    ASHLAR_TRY(row_.rope.scores_scaled ? AddScoresScale(keys, scaling)
                                       : AddYarnLength(keys, scaling));
    return scaling;
  }

  // A field of config.json that llama.cpp reads for a few architectures only.
  Result<std::optional<double>> YarnField(std::string_view name, double usual) {
    ASHLAR_TRY(const auto value, Real(Scaling(name)));
    if (value && !(std::abs(*value - usual) <= 1e-5)) {
      remarks_.push_back(fmt::format(
          "{} is {}, as config.json has it; llama.cpp may take {} for this architecture",
          KeyOf(Scaling(name)), *value, usual));
    }
    return value;
  }

  // The length is config.json's attention_factor, or so many times the usual one; a file that says
  // once the usual one is of a config.json that spells it out.
  Status AddYarnLength(const ScalingKeys& keys, Json& scaling) {
    const double usual = YarnLength(*keys.factor);
    ASHLAR_TRY(const auto given, YarnField("yarn_attn_factor", usual));
    if (given) {
      ASHLAR_TRY(CheckLength(keys));
      scaling.Set("attention_factor", *given);
    } else if (keys.length == 1) {
      scaling.Set("attention_factor", usual);
    } else if (keys.length) {
      const auto times = static_cast<float>(*keys.length);
      scaling.Set("attention_factor", NumberThat(*keys.length * usual, [&](double length) {
                    return static_cast<float>(length / usual) == times;
                  }));
    }
    return {};
  }

  // Where the stretch of positions scales the scores, llama.cpp leaves the rotation's length as it
  // is, and writes a tenth of the factor that config.json has.
  Status AddScoresScale(const ScalingKeys& keys, Json& scaling) {
    ASHLAR_TRY(CheckLength(keys));
    ASHLAR_TRY(const auto tenth, Real(Scaling("yarn_log_multiplier")));
    scaling.Set("attention_factor", 1.0);
    if (tenth) {
      scaling.Set("mscale_all_dim", Meant(static_cast<double>(static_cast<float>(*tenth * 10))));
    }
    return {};
  }

  // What each pair's frequency is divided by, within the original context and beyond it.
  Result<Json> ReadLongrope(const GgufEntry& long_factors, std::int64_t dims,
                            const ScalingKeys& keys) {
    const GgufEntry* const short_factors = Factors(kShortRopeFactors);
    if (short_factors == nullptr || !keys.original) {
      return Invalid("beside the tensor {} there must be {} and {}", kLongRopeFactors,
                     kShortRopeFactors, KeyOf("rope.scaling.original_context_length"));
    }
    Json scaling = Json::Of({{"rope_type", "longrope"},
                             {"original_max_position_embeddings", *keys.original},
                             {"attention_factor", keys.length.value_or(1)}});
    ASHLAR_TRY(Json short_list, Numbers(*short_factors, dims / 2));
    ASHLAR_TRY(Json long_list, Numbers(long_factors, dims / 2));
    scaling.Set("short_factor", std::move(short_list));
    scaling.Set("long_factor", std::move(long_list));
    return scaling;
  }

  static Result<Json> Numbers(const GgufEntry& entry, std::int64_t count) {
    if (entry.type->name != "F32" || entry.shape.size() != 1 || entry.shape[0] != count) {
      return Invalid("the tensor {} is no vector of {} f32", entry.name, count);
    }
    std::vector<float> numbers(static_cast<std::size_t>(count));
    std::memcpy(numbers.data(), entry.bytes.data(), entry.bytes.size());
    Json list = Json::Array();
    for (const float number : numbers) {
      list.Append(Meant(static_cast<double>(number)));
    }
    return list;
  }

  // The tensor divides each pair's frequency: what the llama3 scaling does, whose parameters are
  // not in the file. They are found again: frequencies that turn more than `high` times within the
  // original context are kept, those that turn less than `low` divided by the factor, and those
  // between lie on a line in the number of turns, by which `original` is known when low and high
  // are what they have been in every published network.
  Result<Json> ReadFrequencyFactors(const GgufEntry& entry, const ScalingKeys& keys) {
    ASHLAR_TRY(CheckLength(keys));
    constexpr double kLow = 1;
    constexpr double kHigh = 4;
    const auto pairs = static_cast<std::size_t>(head_dim_ / 2);
    if (entry.type->name != "F32" || entry.shape.size() != 1 ||
        entry.shape[0] != static_cast<std::int64_t>(pairs)) {
      return Invalid("the tensor rope_freqs.weight is no vector of {} f32", pairs);
    }
    std::vector<float> factors(pairs);
    std::memcpy(factors.data(), entry.bytes.data(), entry.bytes.size());
    const double factor = *std::ranges::max_element(factors);
    const auto turns_of_one = [&](std::size_t i) {  // of a context of one position
      const double exponent = 2 * static_cast<double>(i) / static_cast<double>(head_dim_);
      return 1 / (2 * M_PI * std::pow(theta_, exponent));
    };
    double original = 0;
    for (std::size_t i = 0; i < pairs && factor > 1; ++i) {
      if (factors[i] > 1.001 && factors[i] < 0.999 * factor) {
        const double kept = (1 / factors[i] - 1 / factor) / (1 - 1 / factor);
        original = std::round((kLow + kept * (kHigh - kLow)) / turns_of_one(i));
        break;
      }
    }
    for (std::size_t i = 0; i < pairs; ++i) {
      const double kept =
          std::clamp((original * turns_of_one(i) - kLow) / (kHigh - kLow), 0.0, 1.0);
      const double expected = 1 / ((1 - kept) / factor + kept);
      if (!(original > 0) || !(std::abs(factors[i] - expected) <= 1e-4 * expected)) {
        return Unsupported(
            "the tensor rope_freqs.weight is not what the llama3 scaling gives, and "
            "no other can be imported");
      }
    }
    return Json::Of({{"rope_type", "llama3"},
                     {"factor", Meant(factor)},
                     {"low_freq_factor", kLow},
                     {"high_freq_factor", kHigh},
                     {"original_max_position_embeddings", static_cast<std::int64_t>(original)}});
  }

  Status AddTokens() {
    constexpr std::int64_t kMaxToken = (std::int64_t{1} << 31) - 1;
    ASHLAR_TRY(const std::vector<std::int64_t> ids, ReadGgufEnds(fields()));
    Json ends = Json::Array();
    for (const std::int64_t id : ids) {
      ends.Append(id);
    }
    if (!ends.array()->empty()) {
      json_.Set("eos_token_id", std::move(ends));
    }
    ASHLAR_TRY(const auto begin, fields().Integer("tokenizer.ggml.bos_token_id", 0,
                                                  std::numeric_limits<std::uint32_t>::max()));
    if (begin && *begin <= kMaxToken) {
      Set("bos_token_id", *begin);
    }
    return {};
  }

  // Whether the family, or a rule for all of them, has this key (after the architecture's name).
  bool Reads(std::string_view key) const {
    const auto is_key = [key](const auto& row) { return row.key == key; };
    return std::ranges::any_of(kGgufSizes, is_key) || std::ranges::any_of(family_.keys, is_key) ||
           std::ranges::any_of(family_.constants, is_key) ||
           std::ranges::any_of(family_.products, is_key) || key == family_.layer_types.key ||
           scaling_keys_.contains(key) ||
           std::ranges::find(kRuledKeys, key) != std::end(kRuledKeys);
  }

  Status CheckAllKnown() const {
    const std::string prefix = KeyOf("");
    for (const std::string_view key : fields().keys()) {
      if (!key.starts_with(prefix)) {
        continue;  // of the tokenizer, or what a person reads
      }
      const std::string_view rest = key.substr(prefix.size());
      if (Reads(rest)) {
        continue;
      }
      const auto idle = std::ranges::find(kGgufIdle, rest, &GgufConstant::key);
      if (idle != std::end(kGgufIdle)) {
        ASHLAR_TRY(CheckConstant(fields(), family_, *idle));
      } else {
        return Unsupported(
            "{} is a key that ashlar does not know for this architecture{}; it might "
            "change the result, so it is not ignored",
            QuoteForError(key),
            rest.starts_with(kScalingPrefix) ? " with this scaling of positions" : "");
      }
    }
    return {};
  }

  const GgufOutline& file_;
  const GgufFamily& family_;
  const Architecture& row_;
  double theta_ = 10'000;
  std::set<std::string, std::less<>> scaling_keys_;  // those that were read
  std::set<std::string, std::less<>> rope_tensors_;
  std::vector<std::string> remarks_;
  Json json_ = Json::Object();
  std::int64_t head_dim_ = 0;
};

}  // namespace

double YarnLength(double factor) {
  return factor > 1 ? 0.1 * std::log(factor) + 1 : 1;
}

Result<GgufConfig> ReadGgufConfig(const GgufOutline& file) {
  ASHLAR_TRY(const auto architecture, file.fields.Text("general.architecture"));
  if (!architecture) {
    return Invalid("the metadata have no general.architecture");
  }
  std::vector<std::string_view> known;
  Status other;  // what the first row with these tensors has otherwise
  for (const GgufFamily& family : AllGgufFamilies()) {
    if (family.architecture == *architecture &&
        (family.needs.empty() || file.find(family.needs) != nullptr) &&
        (family.lacks.empty() || file.find(family.lacks) == nullptr)) {
      if (const Status constants = CheckConstants(file.fields, family); !constants.ok()) {
        other = other.ok() ? constants : other;
        continue;
      }
      ASHLAR_TRY(const auto rows, FindArchitectures(family.model_type));
      return ConfigWriter(file, family, *rows.front()).Write();
    }
    if (known.empty() || known.back() != family.architecture) {
      known.push_back(family.architecture);
    }
  }
  ASHLAR_TRY(other);
  return Unsupported("networks of architecture {} cannot be imported; known: {}",
                     QuoteForError(*architecture), Join(known, ", "));
}

}  // namespace ashlar::internal
