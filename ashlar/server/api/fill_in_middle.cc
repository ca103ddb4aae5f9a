#include "ashlar/server/api/fill_in_middle.h"

namespace ashlar {
namespace {

struct MarkRow {
  std::string_view prefix;
  std::string_view suffix;
  std::string_view middle;
  bool suffix_first = false;
};

constexpr MarkRow kMarks[] = {
    {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},     // Qwen 2.5, CodeGemma
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},           // StarCoder, Granite
    {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},           // SantaCoder
    {"▁<PRE>", "▁<SUF>", "▁<MID>"},                             // Code Llama
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},     // DeepSeek: the hole parts the two
    {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},  // GLM
    {"[PREFIX]", "[SUFFIX]", "[MIDDLE]", true},                 // Codestral
};

constexpr std::string_view kRepositoryMarks[] = {
    "<|repo_name|>",  // Qwen 2.5
    "<repo_name>",    // StarCoder 2
    "<reponame>",     // StarCoder, Granite
};
constexpr std::string_view kFileMarks[] = {
    "<|file_sep|>",        // Qwen 2.5
    "<file_sep>",          // StarCoder 2
    "<filename>",          // StarCoder, Granite
    "<|file_separator|>",  // CodeGemma
};

std::optional<std::int32_t> FindMark(const Tokenizer& tokenizer,
                                     std::span<const std::string_view> marks) {
  for (const std::string_view mark : marks) {
    if (const auto token = tokenizer.TokenId(mark)) {
      return token;
    }
  }
  return std::nullopt;
}

Status AppendText(const Tokenizer& tokenizer, std::string_view text,
                  std::vector<std::int32_t>& ids) {
  ASHLAR_TRY(const std::vector<std::int32_t> more,
             tokenizer.Encode(text, {.add_special_tokens = false, .parse_special_tokens = false}));
  ids.insert(ids.end(), more.begin(), more.end());
  return {};
}

}  // namespace

std::optional<MiddleMarks> FindMiddleMarks(const Tokenizer& tokenizer) {
  for (const MarkRow& row : kMarks) {
    const auto prefix = tokenizer.TokenId(row.prefix);
    const auto suffix = tokenizer.TokenId(row.suffix);
    const auto middle = tokenizer.TokenId(row.middle);
    if (prefix && suffix && (middle || row.suffix_first)) {
      // Without a mark of its own, the middle goes on where the prefix ends.
      return MiddleMarks{.prefix = *prefix,
                         .suffix = *suffix,
                         .middle = middle.value_or(-1),
                         .suffix_first = row.suffix_first,
                         .repository = FindMark(tokenizer, kRepositoryMarks),
                         .file = FindMark(tokenizer, kFileMarks)};
    }
  }
  return std::nullopt;
}

Result<std::vector<std::int32_t>> MiddlePrompt(const Tokenizer& tokenizer, const MiddleMarks& marks,
                                               std::string_view prefix, std::string_view suffix,
                                               std::span<const ContextFile> context) {
  ASHLAR_TRY(std::vector<std::int32_t> ids, tokenizer.Encode(""));
  const auto append = [&](std::int32_t mark, std::string_view text) {
    ids.push_back(mark);
    return AppendText(tokenizer, text, ids);
  };
  if (!context.empty()) {
    if (marks.repository) {
      ASHLAR_TRY(append(*marks.repository, "myproject\n"));
    }
    for (const ContextFile& file : context) {
      ASHLAR_TRY(append(*marks.file, file.name + "\n"));
      ASHLAR_TRY(AppendText(tokenizer, file.text, ids));
    }
    ASHLAR_TRY(append(*marks.file, "filename\n"));
  }
  if (marks.suffix_first) {
    ASHLAR_TRY(append(marks.suffix, suffix));
    ASHLAR_TRY(append(marks.prefix, prefix));
    return ids;
  }
  ASHLAR_TRY(append(marks.prefix, prefix));
  ASHLAR_TRY(append(marks.suffix, suffix));
  ids.push_back(marks.middle);
  return ids;
}

}  // namespace ashlar
