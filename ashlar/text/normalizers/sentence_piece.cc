// SentencePiece: what sentencepiece does to a text (its normalizer.cc): at each place the longest
// entry of a charsmap is replaced, spaces are trimmed and joined if asked, one is added in front
// or behind, and all are written as "▁". Of GGUF files and tokenizer.model files.
#include "ashlar/text/internal/byte_tree.h"
#include "ashlar/text/internal/charsmap.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

struct SentencePieceSettings {
  Charsmap charsmap;
  std::vector<std::string> user_defined;  // stay as they are written
  bool add_dummy_prefix = false;
  bool remove_extra_whitespaces = false;
  bool escape_whitespaces = false;
  bool treat_whitespace_as_suffix = false;
};

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceSettings settings)
      : settings_(std::move(settings)), space_(settings_.escape_whitespaces ? "▁" : " ") {
    std::vector<ByteTree::Entry> entries;
    for (const std::string& content : settings_.user_defined) {
      entries.push_back({content, 0});
    }
    user_defined_ = ByteTree(std::move(entries));
  }

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    std::string_view rest = text;
    const bool join = settings_.remove_extra_whitespaces;
    while (join && !rest.empty()) {
      const Charsmap::Match front = Front(rest);
      if (front.replacement != " ") {
        break;
      }
      rest.remove_prefix(front.size);
    }
    std::string out;
    out.reserve(2 * text.size());
    if (!rest.empty()) {
      const bool suffix = settings_.treat_whitespace_as_suffix;
      if (settings_.add_dummy_prefix && !suffix) {
        out += space_;
      }
      ASHLAR_TRY(AppendText(rest, max_bytes, out));
      while (join && out.ends_with(space_)) {
        out.resize(out.size() - space_.size());
      }
      if (settings_.add_dummy_prefix && suffix) {
        out += space_;
      }
    }
    text = std::move(out);
    return CheckStageSize(text.size(), max_bytes);
  }

 private:
  Charsmap::Match Front(std::string_view text) const {
    const ByteTree::Match literal = user_defined_.Longest(text);
    if (literal.size > 0) {
      return {literal.size, text.substr(0, literal.size)};
    }
    const Charsmap::Match mapped = settings_.charsmap.Longest(text);
    const std::size_t size = FirstChar(text).size;
    return mapped.size > 0 ? mapped : Charsmap::Match{size, text.substr(0, size)};
  }

  Status AppendText(std::string_view rest, std::size_t max_bytes, std::string& out) const {
    bool after_space = settings_.remove_extra_whitespaces;
    while (!rest.empty()) {
      const Charsmap::Match front = Front(rest);
      rest.remove_prefix(front.size);
      std::string_view part = front.replacement;
      while (after_space && part.starts_with(' ')) {
        part.remove_prefix(1);
      }
      for (const char c : part) {
        if (c == ' ') {
          out += space_;
        } else {
          out.push_back(c);
        }
      }
      if (!part.empty()) {
        after_space = settings_.remove_extra_whitespaces && part.ends_with(' ');
      }
      ASHLAR_TRY(CheckStageSize(out.size(), max_bytes));
    }
    return {};
  }

  SentencePieceSettings settings_;
  std::string space_;
  ByteTree user_defined_;
};

}  // namespace

NormalizerResult ParseSentencePiece(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type", "precompiled_charsmap", "user_defined", "add_dummy_prefix",
                             "remove_extra_whitespaces", "escape_whitespaces",
                             "treat_whitespace_as_suffix"}));
  SentencePieceSettings settings;
  ASHLAR_TRY(settings.charsmap, ParseCharsmap(json));
  ASHLAR_TRY(const std::optional<JsonCursor> list, json.Find("user_defined"));
  if (list.has_value()) {
    ASHLAR_TRY(const std::vector<JsonCursor> contents, list->AsArray());
    for (const JsonCursor& content : contents) {
      ASHLAR_TRY(std::string text, content.AsString());
      if (text.size() > kMaxLiteralBytes) {
        return content.Invalid("it has {} bytes, more than {}", text.size(), kMaxLiteralBytes);
      }
      settings.user_defined.push_back(std::move(text));
    }
  }
  ASHLAR_TRY(settings.add_dummy_prefix, json.Bool("add_dummy_prefix"));
  ASHLAR_TRY(settings.remove_extra_whitespaces, json.Bool("remove_extra_whitespaces"));
  ASHLAR_TRY(settings.escape_whitespaces, json.Bool("escape_whitespaces"));
  ASHLAR_TRY(settings.treat_whitespace_as_suffix, json.Bool("treat_whitespace_as_suffix"));
  return std::make_unique<SentencePieceNormalizer>(std::move(settings));
}

}  // namespace ashlar::internal
