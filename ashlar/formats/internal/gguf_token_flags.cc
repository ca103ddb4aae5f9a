#include "ashlar/formats/internal/gguf_token_flags.h"

#include <algorithm>

#include "ashlar/base/join.h"
#include "ashlar/text/gguf_vocabulary.h"

namespace ashlar::internal {
namespace {

struct FlaggedToken {
  std::string content;
  bool strips_left, strips_right, whole_words, normalized;
};

Result<std::vector<FlaggedToken>> ReadFlags(const JsonCursor& root) {
  std::vector<FlaggedToken> tokens;
  ASHLAR_TRY(const std::optional<JsonCursor> list, root.Find("added_tokens"));
  if (!list) {
    return tokens;
  }
  ASHLAR_TRY(const auto normalizers, StagesOf(root, "normalizer", "normalizers"));
  ASHLAR_TRY(const std::vector<JsonCursor> entries, list->AsArray());
  for (const JsonCursor& entry : entries) {
    FlaggedToken token;
    ASHLAR_TRY(token.content, entry.String("content"));
    ASHLAR_TRY(token.strips_left, entry.BoolOr("lstrip", false));
    ASHLAR_TRY(token.strips_right, entry.BoolOr("rstrip", false));
    ASHLAR_TRY(token.whole_words, entry.BoolOr("single_word", false));
    ASHLAR_TRY(const bool special, entry.BoolOr("special", false));
    ASHLAR_TRY(const bool normalized, entry.BoolOr("normalized", !special));
    token.normalized = normalized && !normalizers.empty();
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Whether the white space behind a token goes in a file of this name.
bool StripsRight(bool name_strips, std::string_view token) {
  return name_strips && std::ranges::find(kGgufKeepsRight, token) == std::end(kGgufKeepsRight);
}

// llama.cpp does not load a file of such a name without the tokens that it names itself.
bool LoadsWhereTheNameStrips(const GgufTokens& tokens) {
  const auto has = [&](std::string_view token) {
    return std::ranges::find(tokens.contents, token) != tokens.contents.end();
  };
  return has("</s>") && std::ranges::all_of(kGgufKeepsRight, has);
}

}  // namespace

Result<GgufFileName> NameOfTokenFlags(const JsonCursor& root, const GgufTokens& tokens,
                                      std::string_view wanted) {
  ASHLAR_TRY(const std::vector<FlaggedToken> flags, ReadFlags(root));
  const auto list = [&](auto which) {
    std::vector<std::string> contents;
    for (const FlaggedToken& token : flags) {
      if (which(token)) {
        contents.push_back(QuoteForError(token.content));
      }
    }
    return JoinSome(contents);
  };
  const auto others = [&](bool name_strips) {
    return std::ranges::count_if(flags, [&](const FlaggedToken& token) {
      return token.strips_right != StripsRight(name_strips, token.content);
    });
  };
  GgufFileName result{.name = std::string(wanted), .remarks = {}};
  bool strips = GgufNameStripsRight(wanted);
  const bool loads = LoadsWhereTheNameStrips(tokens);
  if (strips && (!loads || others(false) < others(true))) {
    result.name.clear();
    result.remarks.push_back(fmt::format(
        "the file has no general.name: by one like {} llama.cpp {}", QuoteForError(wanted),
        loads ? "takes the white space behind tokens away, which the tokenizer keeps"
              : "looks for tokens that the network does not have, and would not load the file"));
    strips = false;
  } else if (!strips && loads && others(true) < others(false)) {
    result.name = fmt::format("{} (phi-3)", wanted);
    result.remarks.push_back(
        fmt::format("the file's general.name is {}: by such a name alone llama.cpp takes the white "
                    "space behind tokens away, as the tokenizer does (rstrip)",
                    QuoteForError(result.name)));
    strips = true;
  }
  const auto remark = [&](std::string_view what, const std::string& which) {
    if (!which.empty()) {
      result.remarks.push_back(fmt::format("GGUF cannot say it: llama.cpp {}: {}", what, which));
    }
  };
  remark("keeps the white space in front of these tokens, which the tokenizer takes away (lstrip)",
         list([](const FlaggedToken& token) { return token.strips_left; }));
  remark("keeps the white space behind these tokens, which the tokenizer takes away (rstrip)",
         list([&](const FlaggedToken& token) {
           return token.strips_right && !StripsRight(strips, token.content);
         }));
  remark("takes away the white space behind these tokens, which the tokenizer keeps (rstrip)",
         list([&](const FlaggedToken& token) {
           return !token.strips_right && StripsRight(strips, token.content);
         }));
  remark("finds these tokens within words too, which the tokenizer does not (single_word)",
         list([](const FlaggedToken& token) { return token.whole_words; }));
  remark("looks for these tokens in the text as it is given, not as it is normalized (normalized)",
         list([](const FlaggedToken& token) { return token.normalized; }));
  return result;
}

}  // namespace ashlar::internal
