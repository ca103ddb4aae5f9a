#include "ashlar/formats/internal/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <variant>

#include <fmt/ranges.h>

#include "ashlar/formats/architecture.h"

namespace ashlar::internal {
namespace {

constexpr std::int64_t kMaxSize = std::int64_t{1} << 31;

enum class KeyType : std::uint8_t { kInteger, kReal, kBool };

// A key of the metadata (after the architecture's name and a point), and its field of config.json.
struct KeyRow {
  std::string_view key;
  std::string_view field;
  KeyType type = KeyType::kInteger;
  bool required = false;
};

// The sizes that every architecture has, under the names that its family's config.json has for
// them.
struct SizeRow {
  std::string_view key;
  Spelling SizeFields::*field;
};
constexpr SizeRow kSizes[] = {
    {"block_count", &SizeFields::layers},         {"context_length", &SizeFields::positions},
    {"embedding_length", &SizeFields::width},     {"feed_forward_length", &SizeFields::channels},
    {"attention.head_count", &SizeFields::heads},
};

// Keys that are read by rules of their own, below.
constexpr std::string_view kRuledKeys[] = {
    "attention.head_count_kv",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.key_length",
    "attention.value_length",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
    "vocab_size",
};

// A field that an architecture's files leave unsaid.
struct FixedField {
  std::string_view field;
  std::variant<bool, std::int64_t, std::string_view> value;
};
// A bias that the configuration decides: whether the file has the tensor.
struct BiasField {
  std::string_view field;
  std::string_view tensor;
};

// A field with what scores are divided by the root of: the dimensions of a head, but the width for
// each head in the network of so many layers, which no key says.
struct ScoresField {
  std::string_view field = {};
  std::int64_t layers_of_width = 0;
};

struct Family {
  std::string_view architecture;  // general.architecture
  std::string_view model_type;    // config.json's
  bool turns_neighbours = false;
  bool norms_hold_offset = false;
  std::span<const KeyRow> keys = {};
  std::span<const FixedField> fixed = {};
  std::span<const BiasField> biases = {};
  std::span<const GgufName> names = {};
  ScoresField scores = {};
  // An architecture may have several rows: the first whose tensor the file has.
  std::string_view needs = {};
};

constexpr BiasField kLlamaBiases[] = {{"attention_bias", "blk.0.attn_output.bias"},
                                      {"mlp_bias", "blk.0.ffn_up.bias"}};
constexpr FixedField kNoAttentionBias[] = {{"attention_bias", false}};

constexpr KeyRow kGemmaKeys[] = {
    {"attention.sliding_window", "sliding_window"},
    {"attn_logit_softcapping", "attn_logit_softcapping", KeyType::kReal},
    {"final_logit_softcapping", "final_logit_softcapping", KeyType::kReal},
};
constexpr KeyRow kWindowKeys[] = {
    {"attention.sliding_window", "sliding_window"},
};
constexpr BiasField kStarcoder2Biases[] = {{"use_bias", "blk.0.attn_output.bias"}};

constexpr KeyRow kMixtralKeys[] = {
    {"expert_count", "num_local_experts", KeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", KeyType::kInteger, true},
};
constexpr KeyRow kQwenMoeKeys[] = {
    {"expert_count", "num_experts", KeyType::kInteger, true},
    {"expert_used_count", "num_experts_per_tok", KeyType::kInteger, true},
    {"expert_feed_forward_length", "moe_intermediate_size", KeyType::kInteger, true},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
};
constexpr FixedField kQwen2MoeFixed[] = {{"norm_topk_prob", false}};
constexpr FixedField kQwen3MoeFixed[] = {{"norm_topk_prob", true}, {"attention_bias", false}};

// Falcon's attention and MLP read the same norm, or each its own.
constexpr GgufName kFalconOneNorm[] = {
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr GgufName kFalconTwoNorms[] = {
    {"attention", "norm.weight", "blk.{}.attn_norm_2.weight"},
    {"attention", "norm.bias", "blk.{}.attn_norm_2.bias"},
    {"mlp", "norm.weight", "blk.{}.attn_norm.weight"},
    {"mlp", "norm.bias", "blk.{}.attn_norm.bias"},
};
constexpr FixedField kFalconOne[] = {{"new_decoder_architecture", true},
                                     {"num_ln_in_parallel_attn", std::int64_t{1}},
                                     {"parallel_attn", true},
                                     {"alibi", false},
                                     {"bias", false}};
constexpr FixedField kFalconTwo[] = {{"new_decoder_architecture", true},
                                     {"num_ln_in_parallel_attn", std::int64_t{2}},
                                     {"parallel_attn", true},
                                     {"alibi", false},
                                     {"bias", false}};

// A new architecture is a line here, beside its row in formats/architectures.
constexpr Family kFamilies[] = {
    {.architecture = "llama",
     .model_type = "mixtral",
     .turns_neighbours = true,
     .keys = kMixtralKeys,
     .needs = "blk.0.ffn_gate_inp.weight"},
    {.architecture = "llama",
     .model_type = "llama",
     .turns_neighbours = true,
     .biases = kLlamaBiases},
    {.architecture = "qwen2", .model_type = "qwen2"},
    {.architecture = "qwen3", .model_type = "qwen3", .fixed = kNoAttentionBias},
    {.architecture = "qwen2moe",
     .model_type = "qwen2_moe",
     .keys = kQwenMoeKeys,
     .fixed = kQwen2MoeFixed},
    {.architecture = "qwen3moe",
     .model_type = "qwen3_moe",
     .keys = kQwenMoeKeys,
     .fixed = kQwen3MoeFixed},
    {.architecture = "gemma2",
     .model_type = "gemma2",
     .norms_hold_offset = true,
     .keys = kGemmaKeys,
     .scores = {"query_pre_attn_scalar", 46}},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .norms_hold_offset = true,
     .keys = kGemmaKeys,
     .scores = {"query_pre_attn_scalar", 62}},
    {.architecture = "phi3", .model_type = "phi3", .keys = kWindowKeys},
    {.architecture = "olmo2", .model_type = "olmo2", .fixed = kNoAttentionBias},
    {.architecture = "gpt2", .model_type = "gpt2"},
    {.architecture = "starcoder2", .model_type = "starcoder2", .biases = kStarcoder2Biases},
    {.architecture = "falcon",
     .model_type = "falcon",
     .fixed = kFalconTwo,
     .names = kFalconTwoNorms,
     .needs = "blk.0.attn_norm_2.weight"},
    {.architecture = "falcon",
     .model_type = "falcon",
     .fixed = kFalconOne,
     .names = kFalconOneNorm},
};

// The decimal that was meant: the shortest that gives this f32, as config.json had it.
double Meant(double value) {
  const auto narrow = static_cast<float>(value);
  return static_cast<double>(narrow) == value
             ? std::strtod(fmt::format("{}", narrow).c_str(), nullptr)
             : value;
}

class ConfigWriter {
 public:
  // `row` is the family's.
  ConfigWriter(const GgufFile& file, const Family& family, const Architecture& row)
      : file_(file), family_(family), row_(row) {}

  Result<Json> Write() {
    Set("model_type", family_.model_type);
    ASHLAR_TRY(AddSizes());
    ASHLAR_TRY(AddEpsilon());
    if (row_.positions == Positions::kRotary) {
      ASHLAR_TRY(AddRope());
    }
    ASHLAR_TRY(AddKeys(family_.keys));
    ASHLAR_TRY(AddTokens());
    for (const FixedField& row : family_.fixed) {
      std::visit([&](const auto& value) { Set(row.field, value); }, row.value);
    }
    for (const BiasField& row : family_.biases) {
      Set(row.field, file_.Find(row.tensor) != nullptr);
    }
    Set("tie_word_embeddings", file_.Find("output.weight") == nullptr);
    ASHLAR_TRY(CheckAllKnown());
    return std::move(json_);
  }

 private:
  const GgufFields& fields() const { return file_.fields(); }
  std::string KeyOf(std::string_view key) const {
    return fmt::format("{}.{}", family_.architecture, key);
  }
  template <class T>
  void Set(std::string_view field, T value) {
    json_.Set(field, Json(value));
  }

  // An integer, or an array of equal ones, a layer each.
  Result<std::optional<std::int64_t>> Integer(std::string_view key) const {
    const std::string name = KeyOf(key);
    if (!fields().IsArray(name)) {
      return fields().Integer(name, 1, kMaxSize);
    }
    ASHLAR_TRY(const auto values, fields().Integers(name));
    if (values->empty() || values->front() < 1 || values->front() > kMaxSize ||
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

  Status AddKeys(std::span<const KeyRow> rows) {
    for (const KeyRow& row : rows) {
      std::optional<Json> value;
      if (row.type == KeyType::kInteger) {
        ASHLAR_TRY(const auto integer, Integer(row.key));
        value = integer ? std::optional(Json(*integer)) : std::nullopt;
      } else if (row.type == KeyType::kReal) {
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
      }
    }
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
    std::map<std::string_view, std::int64_t> sizes;
    for (const SizeRow& row : kSizes) {
      ASHLAR_TRY(const auto size, Integer(row.key));
      if (!size) {
        return Invalid("the metadata have no {}", KeyOf(row.key));
      }
      sizes[row.key] = *size;
      SetSpelled(row_.sizes.*row.field, *size);
    }
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
    const GgufEntry* embedding = file_.Find("token_embd.weight");
    if (embedding == nullptr) {
      return Invalid("there is no tensor token_embd.weight");
    }
    Set("vocab_size", embedding->shape.front());
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
    SetSpelled(row_.rope.partial,
               static_cast<double>(dims.value_or(head_dim_)) / static_cast<double>(head_dim_));
    ASHLAR_TRY(const auto type, fields().Text(KeyOf("rope.scaling.type")));
    ASHLAR_TRY(const auto factor, Real("rope.scaling.factor"));
    ASHLAR_TRY(const auto original, Integer("rope.scaling.original_context_length"));
    const GgufEntry* factors = file_.Find("rope_freqs.weight");
    if (factors != nullptr) {
      if (type.value_or("none") != "none") {
        return Unsupported(
            "rope.scaling.type {} beside the tensor rope_freqs.weight cannot be "
            "imported",
            QuoteForError(*type));
      }
      return AddFrequencyFactors(*factors);
    }
    if (!type || *type == "none") {
      return {};
    }
    if (*type != "linear" && *type != "yarn") {
      return Unsupported("{} {} cannot be imported; known: none, linear, yarn",
                         KeyOf("rope.scaling.type"), QuoteForError(*type));
    }
    if (!factor) {
      return Invalid("the metadata have no {}", KeyOf("rope.scaling.factor"));
    }
    Json scaling = Json::Of({{"rope_type", *type}, {"factor", *factor}});
    if (original && *type == "yarn") {
      scaling.Set("original_max_position_embeddings", *original);
    }
    json_.Set("rope_scaling", std::move(scaling));
    return {};
  }

  // The tensor divides each pair's frequency: what the llama3 scaling does, whose parameters are
  // not in the file. They are found again: frequencies that turn more than `high` times within the
  // original context are kept, those that turn less than `low` divided by the factor, and those
  // between lie on a line in the number of turns, by which `original` is known when low and high
  // are what they have been in every published network.
  Status AddFrequencyFactors(const GgufEntry& entry) {
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
    json_.Set(
        "rope_scaling",
        Json::Of({{"rope_type", "llama3"},
                  {"factor", Meant(factor)},
                  {"low_freq_factor", kLow},
                  {"high_freq_factor", kHigh},
                  {"original_max_position_embeddings", static_cast<std::int64_t>(original)}}));
    return {};
  }

  Status AddTokens() {
    constexpr std::int64_t kMaxToken = (std::int64_t{1} << 31) - 1;
    // Every id that ends a text.
    Json ends = Json::Array();
    for (const char* key : {"eos", "eot", "eom"}) {
      ASHLAR_TRY(const auto id, fields().Integer(fmt::format("tokenizer.ggml.{}_token_id", key), 0,
                                                 std::numeric_limits<std::uint32_t>::max()));
      if (id && *id <= kMaxToken && std::ranges::count(*ends.array(), Json(*id)) == 0) {
        ends.Append(*id);
      }
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

  Status CheckAllKnown() const {
    const std::string prefix = KeyOf("");
    for (const std::string_view key : fields().keys()) {
      if (!key.starts_with(prefix)) {
        continue;  // of the tokenizer, or what a person reads
      }
      const std::string_view rest = key.substr(prefix.size());
      const auto is_key = [rest](const KeyRow& row) { return row.key == rest; };
      if (std::ranges::find(kSizes, rest, &SizeRow::key) == std::end(kSizes) &&
          !std::ranges::any_of(family_.keys, is_key) &&
          std::ranges::find(kRuledKeys, rest) == std::end(kRuledKeys)) {
        return Unsupported(
            "{} is a key that ashlar does not know for this architecture; it might "
            "change the result, so it is not ignored",
            QuoteForError(key));
      }
    }
    return {};
  }

  const GgufFile& file_;
  const Family& family_;
  const Architecture& row_;
  double theta_ = 10'000;
  Json json_ = Json::Object();
  std::int64_t head_dim_ = 0;
};

}  // namespace

Result<GgufConfig> ReadGgufConfig(const GgufFile& file) {
  ASHLAR_TRY(const auto architecture, file.fields().Text("general.architecture"));
  if (!architecture) {
    return Invalid("the metadata have no general.architecture");
  }
  const auto family = std::ranges::find_if(kFamilies, [&](const Family& row) {
    return row.architecture == *architecture &&
           (row.needs.empty() || file.Find(row.needs) != nullptr);
  });
  if (family == std::end(kFamilies)) {
    std::vector<std::string_view> known;
    for (const Family& row : kFamilies) {
      if (known.empty() || known.back() != row.architecture) {
        known.push_back(row.architecture);
      }
    }
    return Unsupported("networks of architecture {} cannot be imported; known: {}",
                       QuoteForError(*architecture), fmt::join(known, ", "));
  }
  GgufConfig config{.turns_neighbours = family->turns_neighbours,
                    .norms_hold_offset = family->norms_hold_offset,
                    .names = family->names};
  ASHLAR_TRY(const auto rows, FindArchitectures(family->model_type));
  ASHLAR_TRY(config.json, ConfigWriter(file, *family, *rows.front()).Write());
  return config;
}

}  // namespace ashlar::internal
