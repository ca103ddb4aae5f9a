// An Architecture says how a family's checkpoints become blocks: which tensor is which, and what
// each field of config.json means. It is a row of data; nothing of it is left when the network
// runs.
//
// To add a family: a file in formats/architectures with a constant Architecture, and its line in
// all_architectures.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

// ---- Tensors

// A tensor of the checkpoint that joins several of a block's: their rows follow each other. With
// `by`, an integer attribute of the block, each is cut into so many equal groups of rows, and the
// first groups of all come first: [q of group 0, k of group 0, v of group 0, q of group 1, ...].
// (For a bias, the parts are the biases of those named. Of a numbered tensor, such as
// "experts.3.gate", the parts are those beside it.)
struct Joined {
  std::span<const std::string_view> parts;
  std::string_view by = {};
  std::string_view turned = {};  // the part whose columns are the rows there
};

// The dimensions that a file has a block's vector in, outermost first: each an integer attribute of
// the block, a number, or (once, empty) what is left. Empty: it is a vector there too.
using VectorDims = std::span<const std::string_view>;

// A tensor of a block and its name in the checkpoint; {} stands for the layer. A row may list
// tensors that only some configurations have: the block's attributes decide.
struct TensorName {
  std::string_view tensor;
  std::string_view checkpoint;
  const Joined* joined = nullptr;    // the checkpoint's tensor holds others too
  bool transposed = false;           // the checkpoint has it as [inputs, outputs]
  std::string_view stacked_by = {};  // an integer attribute: so many tensors of the checkpoint,
                                     // numbered by the second {}, have its rows
  // An integer attribute: there are so many such tensors, numbered by the {} of their names. The
  // checkpoint has as many, numbered by another {}; or, without it, all in one, whose first
  // dimension counts them, or (`flat`) whose rows are those of all.
  std::string_view each = {};
  bool flat = false;
  VectorDims dims = {};
};

// ---- Settings

using SettingValue = std::variant<std::int64_t, double, std::string_view>;

// What a number in a field means, where an attribute wants another form of it; and the way back,
// but for rounding.
struct Conversion {
  double (*meaning)(double) = nullptr;  // null: what it is
  double (*number)(double) = nullptr;
};

// An attribute of a block and what decides it: the family alone, or a field of config.json.
struct Setting {
  std::string_view attribute;
  SettingValue value;  // without a field, or when it is absent
  std::string_view field = {};
  Conversion convert = {};                // what a number in the field means
  std::optional<SettingValue> null = {};  // when the field is null; none: as when absent
  SettingValue on = std::int64_t{1};      // when the field is true
  SettingValue off = std::int64_t{0};     // when it is false
  std::int64_t item = -1;      // the field is a list, and this one of its numbers is meant
  std::int64_t per_width = 0;  // when the field is absent or the word auto: the block's width over
                               // this, rounded up
};

// A boolean, integer or word of config.json, and what it must be.
struct Condition {
  std::string_view field;
  std::int64_t is;                        // true counts as 1, false as 0; `word` as 1, others as 0
  std::int64_t otherwise;                 // what it counts as when it is absent
  std::optional<std::int64_t> null = {};  // and when it is null; none: as when absent
  bool counts = false;                    // an integer; else a boolean, unless it is beyond 0 and 1
  std::string_view word = {};             // empty: no word
};

struct FixedWord {
  std::string_view field;
  std::string_view word;
};

// A boolean that a field decides; without a field, the family does.
struct Switch {
  bool otherwise = false;       // when there is no field, or it is absent
  std::string_view field = {};  // of config.json
};

// The names that one field goes by; at most one of them may be there. Empty: the family has none.
struct Spelling {
  std::string_view names[3];
};

// A field that counts; null is 0.
struct Count {
  Spelling names = {};
  std::int64_t otherwise = 0;  // when it is absent
};

// ---- Parts of a decoder

// The tensors and settings of the blocks of one sort.
struct BlockRow {
  std::span<const TensorName> tensors;
  std::span<const Setting> settings = {};
};

// The norms before and after each attention and MLP, and the last one.
struct NormRow {
  std::string_view type = "rms";
  Spelling eps = {{"rms_norm_eps"}};
  double default_eps = 1e-6;
  double offset = 0;                    // added to the weights
  bool bias = false;                    // of layer norms
  bool before = true;                   // attention and MLP read normed values
  bool after = false;                   // what they give is normed
  std::optional<double> last_eps = {};  // of the last norm, whatever the field says
  // After each so many layers the reference halves what flows through, with the weights that add to
  // it: norms see halves, so that their epsilon counts four times as much. 0: never.
  Count halved_every = {};
};

// How positions enter.
enum class Positions : std::uint8_t {
  kRotary,   // queries and keys turn
  kLearned,  // the embedding has a row for each
};

enum class RotatedLayers : std::uint8_t {
  kAll,
  kWindowed,  // those with a window only, when any has one
  kListed,    // `no_rope_layers` (1: rotated), or all but each `no_rope_layer_interval`-th
};

struct RopeRow {
  Spelling theta = {{"rope_theta"}};
  double default_theta = 10000;
  Spelling partial = {{"partial_rotary_factor"}};
  double default_partial = 1;  // of the dimensions of a head that are rotated
  Switch neighbours = {};      // dims 2i and 2i + 1 turn together, not i and i + dims / 2
  RotatedLayers layers = RotatedLayers::kAll;
  Spelling windowed_theta = {};  // layers with a window have a base of their own, unscaled
  double default_windowed_theta = 10000;
  std::optional<std::int64_t> original_positions = {};  // none: max_position_embeddings
  std::string_view yarn_means = "yarn";                 // some wrote yarn and meant another
  bool dynamic_alpha = false;  // a dynamic scaling may have an `alpha`, which stretches once
  // The square of 0.1 mscale_all_dim ln(factor) + 1 is a factor of the scores' scale.
  bool scores_scaled = false;
  // What `rope_parameters` is when it is absent, as JSON. Empty: no scaling.
  std::string_view default_parameters = {};
};

// Instead of a rotation, scores fall with the distance (Press et al. 2022).
struct AlibiRow {
  Switch used = {};
  bool in_scale = false;  // the scale of the scores is applied to what they fall by as well
};

// Which layers attend to a sliding window only.
enum class Windows : std::uint8_t {
  kNone,         // every layer sees everything
  kEveryLayer,   // `sliding_window` (null: none) holds for every layer
  kByLayerType,  // `layer_types` says; when it is absent, the rule below
};

// Which layers have a window when `layer_types` is absent.
enum class WindowRule : std::uint8_t {
  kAllButEvery,  // all but each n-th, counted from 1; n is WindowRow::every
  kFromLayer,    // those from `max_window_layers` on
  kNotRotated,   // those without rotation
  kAlternating,  // those of even number, of the first `max_window_layers`
};

struct WindowRow {
  Windows which = Windows::kNone;
  std::optional<std::int64_t> default_window = {};  // of `sliding_window`
  Switch used = {.otherwise = true};                // else there is none
  WindowRule rule = WindowRule::kAllButEvery;
  Spelling every = {};
  std::int64_t default_every = 2;
};

// Layers with a block that carries a state from position to position, in the place of attention.
struct RecurrentRow {
  std::string_view kind = {};  // of block; empty: the family has none
  BlockRow block = {};
  // The attribute that is the number of channels, as SizeFields::channels gives it; empty: none.
  std::string_view channels = {};
  // Which layers: those that `layer_types` calls linear_attention or, when it is absent, all but
  // each n-th, counted from 1. Without names: every layer.
  Count every = {};
};

// Layers with a mixture of experts instead of an MLP.
struct MixtureRow {
  BlockRow block = {};  // without tensors: the family has none
  Count experts = {};   // 0: every layer has an MLP
  Count experts_per_token = {};
  Count channels = {{{"moe_intermediate_size"}}};  // 0: as many as the MLP
  Count shared_channels = {};
  Count shared_experts = {};  // so many times `channels` join them
  Count groups = {};
  Count groups_per_token = {};
  std::string_view group_rank = {};  // how groups are compared; empty: as the kind does
  // Which layers have an MLP all the same.
  Count first_dense = {};        // so many first ones
  Spelling dense_layers = {};    // a list of their numbers
  Count every = {{}, 1};         // all but each n-th, counted from 1
  Count multiples_of = {{}, 1};  // all whose number, counted from 0, is no multiple
};

// The fields with the sizes of a decoder.
struct SizeFields {
  Spelling width = {{"hidden_size"}};
  Spelling channels = {{"intermediate_size"}};
  Spelling channels_per_width = {};  // when that is absent
  Spelling layers = {{"num_hidden_layers"}};
  Spelling heads = {{"num_attention_heads"}};
  Spelling key_value_heads = {{"num_key_value_heads"}};
  Spelling head_dim = {{"head_dim"}};
  Spelling positions = {{"max_position_embeddings"}};
};

// ---- The family

struct Architecture {
  std::string_view model_type;              // config.json's
  std::string_view class_name;              // config.json's architectures[0]
  std::string_view former_class_name = {};  // what it was called before, if it was
  // A family whose tensors or graph differ by configuration has several rows of one model_type:
  // the first whose conditions all hold.
  std::span<const Condition> when = {};
  // What begins every name but the head's, and checkpoints saved without a head leave out.
  std::string_view base_prefix = "model.";

  BlockRow embed;
  BlockRow embed_norm = {};  // of what the embedding gives; without tensors: none
  BlockRow attention = {};   // without tensors: every layer is recurrent
  RecurrentRow recurrent = {};
  BlockRow mlp = {};  // without tensors, and without a mixture: layers have none
  MixtureRow mixture = {};
  BlockRow norm;  // the last one
  BlockRow head;  // its weight is the embedding's when tied

  NormRow norms = {};
  // Attention is of kind latent_attention, whose sizes are settings.
  bool latent = false;
  // Attention and MLP read the same value and both add to it.
  Switch parallel = {};
  Positions positions = Positions::kRotary;
  RopeRow rope = {};
  AlibiRow alibi = {};
  WindowRow windows = {};
  SizeFields sizes = {};
  Spelling activation = {{"hidden_act"}};
  Switch multi_query = {};  // one key-value head for all

  // Defaults of the family's configuration class, for fields that are absent.
  std::string_view default_activation =
      "silu";  // empty: blocks have one by their settings, or none
  std::int64_t max_positions = 2048;
  std::optional<std::int64_t> key_value_heads = {};     // none: as many as query heads
  std::optional<std::int64_t> head_dim = {};            // none: width / heads
  std::optional<std::int64_t> channels_per_width = {};  // none: the field must be there
  bool tied = false;                                    // `tie_word_embeddings`

  // So many layers after the last predict further tokens: a checkpoint may hold them, and they are
  // not computed.
  Spelling extra_layers = {};
  // Fields with a word that must be this one.
  std::span<const FixedWord> fixed_words = {};
  // Fields that this family's reference implementation does not read, whatever they are.
  std::span<const std::string_view> ignored_fields = {};
  // Beginnings of the names of tensors that its checkpoints may hold and that are not computed.
  std::span<const std::string_view> ignored_prefixes = {};
  // Ends of the names of tensors that its checkpoints may hold and that no weight is.
  std::span<const std::string_view> ignored_tensors = {};

  // Whether layers have an attention, and an MLP or a mixture.
  constexpr bool attends() const { return !attention.tensors.empty(); }
  constexpr bool feeds_forward() const {
    return !mlp.tensors.empty() || !mixture.block.tensors.empty();
  }
};

std::span<const Architecture* const> AllArchitectures();
// The rows of a model_type, in order. kUnsupported, listing the known ones.
Result<std::vector<const Architecture*>> FindArchitectures(std::string_view model_type);

}  // namespace ashlar
