// Prompts for networks that were taught to fill in the middle of a text: between a prefix and a
// suffix. Which marks a network knows is seen from its vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/text/tokenizer.h"

namespace ashlar {

struct MiddleMarks {
  std::int32_t prefix;
  std::int32_t suffix;
  std::int32_t middle;  // the middle begins
  bool suffix_first = false;
  std::optional<std::int32_t> repository;  // its name follows
  std::optional<std::int32_t> file;        // another file begins, with its name
};

// A file that the text between prefix and suffix may go by.
struct ContextFile {
  std::string name;
  std::string text;
};

// Nothing when the vocabulary has none.
std::optional<MiddleMarks> FindMiddleMarks(const Tokenizer& tokenizer);

// The marks with the two texts between them, and before them what the tokenizer begins texts with,
// and `context`, written as llama.cpp's server does (format_infill):
//
//   REPOSITORY myproject \n  FILE name \n text ...  FILE filename \n  PREFIX ...
//
// Requires: marks.file, where there is context.
Result<std::vector<std::int32_t>> MiddlePrompt(const Tokenizer& tokenizer, const MiddleMarks& marks,
                                               std::string_view prefix, std::string_view suffix,
                                               std::span<const ContextFile> context = {});

}  // namespace ashlar
