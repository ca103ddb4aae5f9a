// How a part of a tokenizer.json becomes stages.
//
// Each role (normalizer, pre-tokenizer, ...) has an abstract class, one file per type of stage
// and one list of StageTypes. In the file a role is null, one object with a "type", or a
// "Sequence" of such objects; here it is always a list, run from first to last.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar::internal {

// What a text of `bytes` may grow to between stages: a hostile file could multiply it without end.
// The longest that real stages make is 11 times as long (NFKC of U+FDFA).
constexpr std::size_t MaxStageBytes(std::size_t bytes) {
  return 32 * bytes + (64u << 10);
}
// A contained string (a replacement, a prefix, a token) that is longer is no tokenizer's.
inline constexpr std::size_t kMaxLiteralBytes = 4096;
inline constexpr std::size_t kMaxStages = 64;

template <class Stage>
using StageList = std::vector<std::unique_ptr<const Stage>>;

template <class Stage>
struct StageType {
  std::string_view name;  // the "type" in the file
  Result<std::unique_ptr<const Stage>> (*parse)(const JsonCursor& json);
};

template <class Stage>
Result<std::unique_ptr<const Stage>> ParseStage(const JsonCursor& json,
                                                std::span<const StageType<Stage>> types) {
  ASHLAR_TRY(const std::string name, json.String("type"));
  std::string known;
  for (const StageType<Stage>& type : types) {
    if (type.name == name) {
      return type.parse(json);
    }
    known += fmt::format("{}{}", known.empty() ? "" : ", ", type.name);
  }
  return Unsupported("{}: the type {} is not supported; known: {}", json.path(),
                     QuoteForError(name), known);
}

// `members` is the key under which a Sequence of this role holds its stages. A Sequence within a
// Sequence is one after the other all the same.
template <class Stage>
Status AppendStages(const JsonCursor& json, std::string_view members,
                    std::span<const StageType<Stage>> types, StageList<Stage>& stages) {
  ASHLAR_TRY(const std::string name, json.String("type"));
  if (name == "Sequence") {
    ASHLAR_TRY(json.AllowOnly({"type", members}));
    ASHLAR_TRY(const JsonCursor list, json.At(members));
    ASHLAR_TRY(const std::vector<JsonCursor> parts, list.AsArray(kMaxStages));
    for (const JsonCursor& part : parts) {
      ASHLAR_TRY(AppendStages(part, members, types, stages));
    }
    return {};
  }
  if (stages.size() == kMaxStages) {
    return json.Invalid("these are more than {} stages", kMaxStages);
  }
  ASHLAR_TRY(std::unique_ptr<const Stage> stage, ParseStage(json, types));
  stages.push_back(std::move(stage));
  return {};
}

template <class Stage>
Result<StageList<Stage>> ParseStages(const JsonCursor& json, std::string_view members,
                                     std::span<const StageType<Stage>> types) {
  StageList<Stage> stages;
  if (!json.is_null()) {
    ASHLAR_TRY(AppendStages(json, members, types, stages));
  }
  return stages;
}

// kExhausted when `bytes`, the size of a text between stages, is over `max_bytes`.
Status CheckStageSize(std::size_t bytes, std::size_t max_bytes);

// A string member of at most kMaxLiteralBytes.
Result<std::string> ParseLiteral(const JsonCursor& json, std::string_view key);
// A string member of one character.
Result<std::string> ParseCharacter(const JsonCursor& json, std::string_view key);

}  // namespace ashlar::internal
