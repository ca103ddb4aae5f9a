#include "ashlar/formats/internal/gguf_form.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <numbers>

#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/internal/config_draft.h"
#include "ashlar/formats/internal/gguf_config.h"
#include "ashlar/formats/internal/gguf_limits.h"

namespace ashlar::internal {
namespace {

// What the llama3 scaling divides each pair's frequency by [rope_dims / 2].
std::vector<float> FrequencyFactors(const Attributes& attention) {
  const double factor = attention.Real("rope_factor");
  const double low = attention.Real("rope_low_frequency_factor");
  const double high = attention.Real("rope_high_frequency_factor");
  const auto original = static_cast<double>(attention.Integer("rope_original_positions"));
  const std::int64_t dims = attention.Integer("rope_dims");
  std::vector<float> factors;
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const double wavelength = 2 * std::numbers::pi *
                              std::pow(attention.Real("rope_theta"),
                                       static_cast<double>(2 * i) / static_cast<double>(dims));
    const double turns = original / wavelength;  // within the original context
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    factors.push_back(static_cast<float>(1 / ((1 - keep) / factor + keep)));
  }
  return factors;
}

// The tensors of a file, and the hyper-parameters, as one architecture has them.
class GgufDraft {
 public:
  GgufDraft(const DecoderFacts& facts, const Network& network, const GgufFamily& family)
      : facts_(facts), network_(network), family_(family) {}

  // kUnsupported: the architecture has no place for something.
  Status Write(const Architecture& row) {
    ASHLAR_TRY(config_, DraftConfig(row, facts_));
    ASHLAR_TRY(AddMetadata(row));
    for (int node = 0; node < std::ssize(facts_.nodes); ++node) {
      if (const Status status = AddNode(node); !status.ok()) {
        return status.error().In(NodeName(network_, node));
      }
    }
    AddFactors();
    for (GgufFileTensor& tensor : tensors_) {
      std::ranges::sort(tensor.parts, {}, &GgufPart::first_row);
    }
    return {};
  }

  // The recipe that an import would read.
  Result<Recipe> ReadBack() const {
    const GgufMetadata architecture = {{"general.architecture", std::string(family_.architecture)}};
    GgufContent content{.metadata = architecture, .tensors = {}};
    content.metadata.insert(content.metadata.end(), metadata_.begin(), metadata_.end());
    const std::vector<std::byte> header = GgufHeader(content);
    ASHLAR_TRY(const GgufFile file, GgufFile::Parse(header, "GGUF"));
    std::map<std::string, GgufEntry, std::less<>> entries;
    for (const GgufFileTensor& tensor : tensors_) {
      entries[tensor.name] = {.name = tensor.name,
                              .shape = tensor.shape,
                              .type = &AllGgufTensorTypes().front(),
                              .bytes = std::as_bytes(std::span(tensor.numbers))};
    }
    const GgufOutline outline{file.fields(), [&](std::string_view name) {
                                const auto found = entries.find(name);
                                return found == entries.end() ? nullptr : &found->second;
                              }};
    ASHLAR_TRY(const GgufConfig config, ReadGgufConfig(outline));
    if (config.family != &family_) {
      return Unsupported("a file of architecture {} with these tensors is a {}",
                         family_.architecture, config.family->model_type);
    }
    ASHLAR_TRY(Recipe recipe,
               ReadRecipe(JsonCursor(config.json, std::string(family_.architecture))));
    for (BlockRecipe& block : recipe.blocks) {
      if (family_.norms_hold_offset) {
        block.attributes.erase("norm_offset");
        block.attributes.erase("offset");  // of the last norm
      }
    }
    return recipe;
  }

  // The numbers to add to the weights of norms come last: they are known by comparing.
  GgufForm Take(const RecipeMatch& match) {
    for (GgufFileTensor& tensor : tensors_) {
      for (GgufPart& part : tensor.parts) {
        const std::string_view kind = network_.BlockOf(part.node).kind->name;
        part.shift = IsNormWeight(kind, part.tensor)
                         ? match.norm_shifts[static_cast<std::size_t>(part.node)]
                         : 0;
      }
    }
    return {&family_, std::move(metadata_), std::move(tensors_), {}};
  }

 private:
  // Requires: the network has one.
  const Attributes& attention() const { return facts_.FirstMixer(false)->attributes; }
  void Add(std::string_view key, GgufValue value) {
    metadata_.emplace_back(fmt::format("{}.{}", family_.architecture, key), std::move(value));
  }
  Status AddInteger(std::string_view key, std::int64_t value) {
    constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (value > kMost) {
      return Unsupported("GGUF counts {} up to {}, found {}", key, kMost, value);
    }
    Add(key, static_cast<std::uint32_t>(value));
    return {};
  }
  // Under a key, what config.json has in a field; nothing when it has nothing.
  Status AddField(std::string_view key, std::string_view field, GgufKeyType type) {
    const Json* const value = config_.Find(field);
    if (value == nullptr || value->is_null()) {
      return {};
    }
    const JsonCursor at(*value, std::string(field));
    if (type == GgufKeyType::kInteger) {
      ASHLAR_TRY(const std::int64_t integer,
                 at.AsInteger(0, std::numeric_limits<std::uint32_t>::max()));
      return integer == 0 ? Status() : AddInteger(key, integer);
    }
    if (type == GgufKeyType::kReal) {
      ASHLAR_TRY(const double real, at.AsReal());
      Add(key, static_cast<float>(real));
      return {};
    }
    ASHLAR_TRY(const bool boolean, at.AsBool());
    Add(key, boolean);
    return {};
  }

  Status AddMetadata(const Architecture& row) {
    if (!facts_.metadata.context_length && row.positions != Positions::kLearned) {
      config_.Set(row.sizes.positions.names[0], kDefaultContext);
    }
    for (const GgufSize& size : kGgufSizes) {
      if (size.of != nullptr && !(row.*size.of)()) {
        Add(size.key, std::uint32_t{0});
        continue;
      }
      ASHLAR_TRY(AddField(size.key, (row.sizes.*size.field).names[0], GgufKeyType::kInteger));
    }
    if (facts_.FirstMixer(/*recurrent=*/false) != nullptr) {
      ASHLAR_TRY(row.latent ? AddLatentHeads() : AddHeads());
    }
    Add(row.norms.type == "rms" ? "attention.layer_norm_rms_epsilon"
                                : "attention.layer_norm_epsilon",
        static_cast<float>(facts_.norm().attributes.Real("eps")));
    ASHLAR_TRY(AddInteger("vocab_size", facts_.embed().attributes.Integer("vocabulary")));
    if (row.positions == Positions::kRotary) {
      ASHLAR_TRY(AddRope(row));
    }
    for (const GgufKey& key : family_.keys) {
      ASHLAR_TRY(AddField(key.key, key.field, key.type));
    }
    ASHLAR_TRY(AddProducts());
    ASHLAR_TRY(AddLayerTypes());
    for (const GgufConstant& constant : family_.constants) {
      if (constant.type == GgufKeyType::kBool) {
        Add(constant.key, constant.value != 0);
      } else {
        ASHLAR_TRY(AddInteger(constant.key, constant.value));
      }
    }
    return {};
  }

  // (A field that is missing here makes the draft another network when it is read again.)
  Status AddProducts() {
    for (const GgufProduct& row : family_.products) {
      const auto by = std::ranges::find(family_.keys, row.by, &GgufKey::key);
      CHECK(by != family_.keys.end());  // a row of the table names another
      const Json* const factors[] = {config_.Find(row.field), config_.Find(by->field)};
      if (factors[0] != nullptr && factors[1] != nullptr) {
        ASHLAR_TRY(AddInteger(row.key, *factors[0]->integer() * *factors[1]->integer()));
      }
    }
    return {};
  }

  Status AddLayerTypes() {
    const Json* const types = config_.Find("layer_types");
    if (family_.layer_types.key.empty() || types == nullptr) {
      return {};
    }
    std::vector<bool> values;
    for (const Json& type : *types->array()) {
      values.push_back(*type.string() == family_.layer_types.yes);
    }
    Add(family_.layer_types.key, std::move(values));
    return {};
  }

  Status AddHeads() {
    ASHLAR_TRY(AddInteger("attention.head_count_kv", attention().Integer("kv_heads")));
    ASHLAR_TRY(AddInteger("attention.key_length", attention().Integer("key_dim")));
    return AddInteger("attention.value_length", attention().Integer("value_dim"));
  }

  // Keys and values as they lie in the cache, and those of each head.
  Status AddLatentHeads() {
    const std::int64_t latent = attention().Integer("latent_dim");
    const std::int64_t turned = attention().Integer("rope_dims");
    ASHLAR_TRY(AddInteger("attention.head_count_kv", 1));
    ASHLAR_TRY(AddInteger("attention.key_length", latent + turned));
    ASHLAR_TRY(AddInteger("attention.value_length", latent));
    ASHLAR_TRY(AddInteger("attention.key_length_mla", attention().Integer("plain_dim") + turned));
    return AddInteger("attention.value_length_mla", attention().Integer("value_dim"));
  }

  // Of the layers without a window, when there are any: those of the others are not said.
  const DecoderNode* MainAttention() const {
    const DecoderNode* found = nullptr;
    for (const DecoderFacts::Layer& layer : facts_.layers) {
      const DecoderNode& node = facts_.mixer(layer);
      if (!IsRecurrent(node) && node.attributes.Integer("rope_dims") > 0 &&
          (found == nullptr ||
           (WindowOf(found->attributes) != 0 && WindowOf(node.attributes) == 0))) {
        found = &node;
      }
    }
    return found;
  }

  Status AddRope(const Architecture& row) {
    const DecoderNode* const main = MainAttention();
    if (main == nullptr) {
      return {};
    }
    const Attributes& attributes = main->attributes;
    const std::int64_t dims = attributes.Integer("rope_dims");
    if (family_.turns_neighbours && dims != attributes.Integer("key_dim")) {
      return Unsupported("llama.cpp turns all {} dims of a head, and the network {}",
                         attributes.Integer("key_dim"), dims);
    }
    ASHLAR_TRY(AddInteger("rope.dimension_count", dims));
    Add("rope.freq_base", static_cast<float>(attributes.Real("rope_theta")));
    const std::string& scaling = attributes.Choice("rope_scaling");
    if (scaling == "linear" || scaling == "yarn") {
      Add("rope.scaling.type", scaling);
      Add("rope.scaling.factor", static_cast<float>(attributes.Real("rope_factor")));
    }
    if (scaling == "yarn" || scaling == "longrope") {
      ASHLAR_TRY(AddInteger("rope.scaling.original_context_length",
                            attributes.Integer("rope_original_positions")));
    }
    if (scaling == "yarn") {
      AddYarn(row, attributes);
    }
    if (scaling == "longrope") {
      Add("rope.scaling.attn_factor", static_cast<float>(attributes.Real("rope_attention_factor")));
    }
    return {};
  }

  // (The ends of the ramp have keys too, which llama.cpp reads for none of these architectures:
  // they are not written, so that others than the usual ones are refused.)
  void AddYarn(const Architecture& row, const Attributes& attention) {
    const double length = attention.Real("rope_attention_factor");
    if (const Json* const parameters = config_.Find("rope_scaling");
        parameters != nullptr && parameters->Find("mscale_all_dim") != nullptr) {
      Add("rope.scaling.yarn_log_multiplier",
          static_cast<float>(0.1 * *parameters->Find("mscale_all_dim")->real()));
    }
    if (length != 0 && !row.rope.scores_scaled) {
      Add("rope.scaling.attn_factor",
          static_cast<float>(length / YarnLength(attention.Real("rope_factor"))));
    }
  }

  void AddFactors() {
    const DecoderNode* const main = MainAttention();
    if (main == nullptr) {
      return;
    }
    const auto add = [&](std::string_view name, std::vector<float> numbers) {
      tensors_.push_back({.name = std::string(name),
                          .shape = {std::ssize(numbers)},
                          .role = TensorRole::kVector,
                          .parts = {},
                          .numbers = std::move(numbers)});
    };
    if (family_.frequency_factors && main->attributes.Choice("rope_scaling") == "llama3") {
      add("rope_freqs.weight", FrequencyFactors(main->attributes));
    }
    if (!main->numbers.empty()) {
      add(kShortRopeFactors, main->numbers.at("rope_short_factors"));
      add(kLongRopeFactors, main->numbers.at("rope_long_factors"));
    }
  }

  Status AddNode(int node) {
    const DecoderNode& fact = facts_.nodes[static_cast<std::size_t>(node)];
    const Block& block = network_.BlockOf(node);
    ASHLAR_TRY(const std::vector<TensorSpec> specs, fact.kind->tensors(fact.attributes));
    for (const TensorSpec& spec : specs) {
      const bool tied = facts_.tied && fact.kind->name == "head" && spec.name == "weight";
      if (tied || fact.numbers.contains(spec.name)) {
        continue;
      }
      const int layer = network_.nodes[static_cast<std::size_t>(node)].layer.value_or(0);
      ASHLAR_TRY(const auto places,
                 GgufPlacesOf(fact.kind->name, spec, specs, fact.attributes, layer, family_.names));
      if (places.empty()) {
        return Unsupported("GGUF has no name for its tensor \"{}\"", spec.name);
      }
      const auto wanted = std::ranges::find(places, family_.joins, &GgufPlace::joined);
      const GgufPlace& place = wanted == places.end() ? places.front() : *wanted;
      GgufPart part{.node = node,
                    .tensor = spec.name,
                    .stored = &block.tensors.find(spec.name)->second,
                    .shape = spec.shape,
                    .order = GgufRowOrder(family_.turns_neighbours, fact.kind->name, spec.name,
                                          fact.attributes),
                    .convert = place.convert};
      part.rows = place.rows.count;
      for (std::int64_t group = 0; group < place.rows.groups; ++group) {
        part.first_row =
            place.rows.index * place.rows.rows + place.rows.first + group * place.rows.stride;
        part.first = group * place.rows.count;
        ASHLAR_TRY(AddPart(place, spec, part));
      }
    }
    return {};
  }

  Status AddPart(const GgufPlace& place, const TensorSpec& spec, const GgufPart& part) {
    const auto [at, is_new] = indices_.try_emplace(place.name, tensors_.size());
    if (is_new) {
      std::vector<std::int64_t> shape = CheckpointShape(place.rows, spec);
      if (shape.size() == 2 && shape.front() == 1) {
        shape.erase(shape.begin());  // as llama.cpp's converter does
      }
      tensors_.push_back(
          {.name = place.name, .shape = std::move(shape), .role = spec.role, .parts = {}});
    }
    std::vector<GgufPart>& parts = tensors_[at->second].parts;
    const auto same = std::ranges::find(parts, part.first_row, &GgufPart::first_row);
    if (same == parts.end()) {
      parts.push_back(part);
      return {};
    }
    if (*same->stored != *part.stored || same->shape != part.shape) {
      return Unsupported("tensor {} is both its \"{}\" and \"{}\" of {}, and they differ",
                         place.name, part.tensor, same->tensor, NodeName(network_, same->node));
    }
    return {};
  }

  const DecoderFacts& facts_;
  const Network& network_;
  const GgufFamily& family_;
  Json config_;
  GgufMetadata metadata_;
  std::vector<GgufFileTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> indices_;
};

// The best that was found so far of what stands in the way.
struct Nearest {
  int differences = std::numeric_limits<int>::max();
  std::string what;

  void Consider(int count, std::string text) {
    if (count < differences) {
      differences = count;
      what = std::move(text);
    }
  }
};
constexpr int kNoPlace = 1000;  // differences of a draft that cannot be compared

std::optional<GgufForm> Try(const DecoderFacts& facts, const Network& network,
                            const GgufFamily& family, const Architecture& row,
                            std::string_view usual, Nearest& nearest) {
  GgufDraft draft(facts, network, family);
  if (const Status status = draft.Write(row); !status.ok()) {
    nearest.Consider(kNoPlace, status.error().message);
    return std::nullopt;
  }
  const Result<Recipe> recipe = draft.ReadBack();
  if (!recipe.ok()) {
    nearest.Consider(kNoPlace, recipe.error().message);
    return std::nullopt;
  }
  const RecipeMatch match =
      MatchRecipe(*recipe, facts, network, family.architecture, RealsAlike::kAsF32);
  if (match.differences != 0) {
    nearest.Consider(match.differences, match.first);
    return std::nullopt;
  }
  std::vector<std::string> remarks;
  if (const Status status = CheckGgufLimits(facts, family, usual, remarks); !status.ok()) {
    nearest.Consider(0, status.error().message);
    return std::nullopt;
  }
  GgufForm form = draft.Take(match);
  form.remarks = std::move(remarks);
  return form;
}

}  // namespace

Result<GgufForm> FindGgufForm(const DecoderFacts& facts, const Network& network,
                              std::string_view usual) {
  const DecoderFacts idle = WithoutIdleWindows(facts);
  std::vector<const GgufFamily*> families;
  for (const GgufFamily& family : AllGgufFamilies()) {
    families.push_back(&family);
  }
  std::ranges::stable_sort(families, {}, [&](const GgufFamily* family) {
    return std::pair(family->last, family->model_type != usual);
  });
  Nearest nearest;
  for (const GgufFamily* family : families) {
    const auto rows = FindArchitectures(family->model_type);
    CHECK(rows.ok());  // a row of the table names rows of the other
    for (const Architecture* row : *rows) {
      for (const DecoderFacts* each : {&idle, &facts}) {
        if (auto form = Try(*each, network, *family, *row, usual, nearest)) {
          return *std::move(form);
        }
      }
    }
  }
  return Unsupported(
      "no architecture of GGUF that ashlar knows has such a network; the nearest: {}",
      nearest.what);
}

}  // namespace ashlar::internal
