// The architectures of GGUF files, each a row: which family of ours (architecture.h) it is, which
// of its keys is which field of config.json there, and what it leaves unsaid. Files are read and
// written by the same rows.
//
// A new architecture is a row here, beside its row in formats/architectures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "ashlar/formats/architecture.h"
#include "ashlar/formats/internal/gguf_names.h"

namespace ashlar::internal {

enum class GgufKeyType : std::uint8_t { kInteger, kReal, kBool };

// A key of the metadata (after the architecture's name and a point), and its field of config.json.
struct GgufKey {
  std::string_view key;
  std::string_view field;
  GgufKeyType type = GgufKeyType::kInteger;
  bool required = false;
  std::int64_t least = 1;         // of an integer
  std::string_view without = {};  // a remark on a file that lacks it: what holds then
};

// The sizes that every file has, under the names that its family's config.json has for them. Those
// of a part that layers do not have are without a meaning, and written as 0.
struct GgufSize {
  std::string_view key;
  Spelling SizeFields::*field;
  bool (Architecture::*of)() const = nullptr;  // null: of every network
};
inline constexpr GgufSize kGgufSizes[] = {
    {"block_count", &SizeFields::layers},
    {"context_length", &SizeFields::positions},
    {"embedding_length", &SizeFields::width},
    {"feed_forward_length", &SizeFields::channels, &Architecture::feeds_forward},
    {"attention.head_count", &SizeFields::heads, &Architecture::attends},
};

// What a field is where a file does not say, or cannot.
struct GgufFixedField {
  std::string_view field;
  std::variant<bool, std::int64_t, double, std::string_view> value;
};
// A key that must have this value: another one is another architecture.
struct GgufConstant {
  std::string_view key;
  std::int64_t value;
  std::string_view meaning;  // of the value, for people
  GgufKeyType type = GgufKeyType::kInteger;
  bool required = true;  // else it may be missing, and then it is as if it were there
  bool decides = true;   // else it is written, and any value is read: llama.cpp looks elsewhere
};
// Keys that say of any network that it has nothing out of the ordinary: harmless with these values,
// and read where a family has no row of its own for the key.
inline constexpr GgufConstant kGgufIdle[] = {
    {.key = "attention.causal",
     .value = 1,
     .meaning = "tokens see those before them",
     .type = GgufKeyType::kBool,
     .required = false},
    {.key = "expert_count", .value = 0, .meaning = "no experts", .required = false},
    {.key = "expert_used_count", .value = 0, .meaning = "no experts", .required = false},
};
// A key that is a product of a field and another key.
struct GgufProduct {
  std::string_view key;
  std::string_view field;
  std::string_view by;
};
// An array of booleans, a layer each, and what `layer_types` calls those that are true and those
// that are not.
struct GgufLayerTypes {
  std::string_view key = {};  // empty: no such array
  std::string_view yes = {};
  std::string_view no = {};
};
// What the configuration decides, and a file by the tensors that it has: a bias, or a norm. With
// several rows of one field, by any of them.
struct GgufPartField {
  std::string_view field;
  std::string_view tensor;
};

// A field with what scores are divided by the root of: the dimensions of a head, but the width for
// each head in the network of so many layers, which no key says.
struct GgufScoresField {
  std::string_view field = {};
  std::int64_t layers_of_width = 0;
};

struct GgufFamily {
  std::string_view architecture;  // general.architecture
  std::string_view model_type;    // config.json's
  // What `tensor_data_layout` says of this family's files, when it says anything.
  std::string_view layout = "reference";
  // Rows of q and k stand in the order that llama.cpp's rotation of neighbours wants: row 2i of a
  // head was row i, and 2i + 1 was i + d / 2.
  bool turns_neighbours = false;
  // Weights of norms have what the family adds to them already in them.
  bool norms_hold_offset = false;
  // Between what is stretched and what is not, yarn's ramp begins and ends between two pairs.
  bool fractional_ramp = false;
  std::span<const GgufKey> keys = {};
  std::span<const GgufFixedField> fixed = {};
  std::span<const GgufConstant> constants = {};
  std::span<const GgufProduct> products = {};
  GgufLayerTypes layer_types = {};
  std::span<const GgufPartField> parts = {};
  std::span<const GgufName> names = {};  // of its own, before those of all architectures
  GgufScoresField scores = {};
  // An architecture may have several rows: the first whose tensor the file has, of which it lacks
  // the other, and whose constants it has.
  std::string_view needs = {};
  std::string_view lacks = {};

  bool last = false;  // written only when no other row will do

  // What llama.cpp asks of a file, or does with it.
  bool joins = false;                // q, k and v are one tensor, and so are gate and up
  bool square = false;               // all heads together are as wide as the network
  bool frequency_factors = false;    // it reads rope_freqs.weight
  bool windows = false;              // it applies them
  std::int64_t windows_of = 0;       // but in networks of so many layers only; 0: in all
  std::int64_t head_norms_from = 0;  // norms of queries and keys, in so many layers or more
  bool biased = false;               // all has biases
  bool key_of_each_head = false;     // as many heads of keys as of queries
  bool doubles_width = false;        // twice as many channels as the network is wide
  bool ranks_two = false;            // groups of experts are as good as their two best
  // Whether queries have no latent, which it takes from the number of layers alone.
  std::optional<bool> light = {};
};

std::span<const GgufFamily> AllGgufFamilies();

}  // namespace ashlar::internal
