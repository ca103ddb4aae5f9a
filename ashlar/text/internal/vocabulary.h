// A Vocabulary is a one-to-one map between tokens' contents and their ids.
//
// Memory is proportional to the tokens it holds, whatever their ids are. Thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ashlar/base/result.h"

namespace ashlar::internal {

class Vocabulary {
 public:
  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  void Reserve(std::size_t tokens);

  // kInvalid when the content or the id is there already, the id is not in
  // [0, Tokenizer::kMaxTokenId] or the content is over kMaxLiteralBytes long.
  Status Add(std::string_view content, std::int64_t id);

  std::optional<std::int32_t> Id(std::string_view content) const;
  // Null when no token has this id. Valid while the vocabulary lives.
  const std::string* Content(std::int32_t id) const;

  // `visit(content, id)` for every token, in no particular order. The contents stay where they are
  // while the vocabulary lives.
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const auto& [content, id] : ids_) {
      visit(std::string_view(content), id);
    }
  }

  // The largest id + 1.
  std::int32_t size() const { return size_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<std::int32_t, const std::string*> contents_;  // the keys of ids_
  std::int32_t size_ = 0;
};

}  // namespace ashlar::internal
