// A BlockKind declares what blocks of one kind are: attributes, tensors, interface, cost, slices.
//
// It is all that validation, planning and transforms know of a kind; how it computes stands beside
// it in ashlar/kinds (and later in modules for other devices). Kinds are passed as a list, so the
// graph depends on none of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/graph/attributes.h"
#include "ashlar/tensor/shape.h"

namespace ashlar {

enum class TensorRole : std::uint8_t {
  kMatrix,  // [outputs, inputs]: any codec
  kVector,  // norm weights, biases: raw codecs
  kRouter,  // [outputs, inputs], small: decides what computes, or what is kept of a state; any
            // codec, f32 unless asked
};

struct TensorSpec {
  std::string name;
  TensorRole role;
  Shape shape;
};

// What flows in and out of a block, per row.
struct Interface {
  std::int64_t width_in = 0;   // floats; 0: reads token ids
  std::int64_t width_out = 0;  // floats
  // State, of one of two sorts. Numbers that each position adds and later ones read (keys and
  // values), in the KV format; or numbers that are carried from position to position, and are kept
  // in f32, since their rounding would add up.
  std::int64_t state_floats = 0;
  // Keys and values of heads that those numbers are: a format may give each a scale.
  std::int64_t state_vectors = 0;
  std::int64_t carried_floats = 0;
  bool stateful() const { return state_floats > 0 || carried_floats > 0; }
  // What of the state is seen by a later reader of the slot: nodes may share a slot only when
  // theirs are equal. Empty for stateless kinds. Example: "kv:2x64+64".
  std::string state_shape;
  std::int64_t max_positions = 0;  // a sequence is no longer than this; 0: any length
  // Token ids below this are read (when width_in is 0) or scored: the output is logits. Else 0.
  std::int64_t vocabulary = 0;
};

// Per row, except where said.
struct Cost {
  double flops = 0;
  double flops_per_position = 0;  // and per visible position of context
};

// Which first part of a block a node uses: sliceable attribute -> its smaller value, such as
// {"channels": 576}. Empty: all of it.
using Slice = std::map<std::string, std::int64_t, std::less<>>;

struct SliceAxis {
  std::string_view attribute;  // the sliceable attribute, such as "channels" or "kv_heads"
  std::string_view doc;
};

struct BlockKind {
  std::string_view name;     // in manifests, for ever
  std::string_view summary;  // one line with the formula
  std::span<const AttributeSpec> attributes;
  std::span<const SliceAxis> slices;

  // The tensors that a block with these attributes has, exactly. kInvalid when attributes
  // contradict each other (heads no multiple of kv_heads).
  Result<std::vector<TensorSpec>> (*tensors)(const Attributes& attributes);
  Interface (*interface)(const Attributes& attributes);
  Cost (*cost)(const Attributes& attributes);
  // The attributes of the sub-block (more than the sliced one may change: heads follow kv_heads).
  // Its tensors' shapes tell which first rows and columns of the stored ones it uses. Null when
  // nothing can be sliced. The caller has checked names and 1 <= value <= stored value.
  Attributes (*apply_slice)(const Attributes& attributes, const Slice& slice);
};

class Kinds {
 public:
  // `kinds` must live as long as this (they are constants).
  explicit Kinds(std::span<const BlockKind* const> kinds) : kinds_(kinds) {}
  std::span<const BlockKind* const> all() const { return kinds_; }
  // kUnsupported, listing the known kinds.
  Result<const BlockKind*> Find(std::string_view name) const;

 private:
  std::span<const BlockKind* const> kinds_;
};

// Columns that a slice uses of a matrix must be whole multiples of this (or all of them), so that
// every codec can be read in place.
inline constexpr std::int64_t kSliceUnit = 32;

}  // namespace ashlar
