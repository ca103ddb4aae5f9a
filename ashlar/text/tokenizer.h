// A Tokenizer turns text into token ids and back, exactly as its tokenizer.json says.
//
// It is a composition of stages, each read from its own part of that file (see README.md):
//
//   text -> added tokens -> normalizer -> pre-tokenizer -> model -> post-processor -> ids
//   ids  -> contents of tokens -> decoder stages -> text
//
// What the file asks for is done or refused by name; nothing in it is passed over. The reference
// is the `tokenizers` library of Hugging Face.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"

namespace ashlar {

namespace internal {
struct TokenizerParts;
class PieceSink;
class TextSink;
}  // namespace internal

struct EncodeOptions {
  // Whether the post-processor puts its tokens (such as a begin-of-text) around the text.
  bool add_special_tokens = true;
  // Whether special tokens written out in the text (`<|im_end|>`) become their ids. False for
  // text of users, who could otherwise forge a turn: then none comes of a text, be it that the model
  // knows the whole of it as a piece. Added tokens that are not special always become theirs.
  bool parse_special_tokens = true;
};

struct DecodeOptions {
  bool skip_special_tokens = true;
};

// Immutable, thread-safe, movable.
class Tokenizer {
 public:
  // Ids lie in [0, kMaxTokenId]: 64 times the largest vocabulary in use, and small enough for a
  // table over all ids to be affordable.
  static constexpr std::int32_t kMaxTokenId = (1 << 24) - 1;
  // Longer texts are refused by Encode.
  static constexpr std::size_t kMaxTextBytes = 32u << 20;

  // Reads the text of a tokenizer.json. Errors name the JSON path: kInvalid for what no tokenizer
  // can mean, kUnsupported for a component or setting that this version does not have.
  static Result<Tokenizer> FromJson(std::string_view tokenizer_json);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Each ill-formed UTF-8 sequence counts as one U+FFFD. A character that the vocabulary has no
  // token for, where the file names no unknown token, adds nothing (both as in the reference).
  // Errors: kInvalid when the text is too long; kExhausted when a pattern of the tokenizer
  // backtracks beyond all bounds on it.
  Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                           const EncodeOptions& options = {}) const;

  // The text of `ids`, always well-formed UTF-8: bytes that form no character become U+FFFD.
  // Ids without a token add nothing, as in the reference: a model may have more rows than its
  // vocabulary has tokens.
  std::string Decode(std::span<const std::int32_t> ids, const DecodeOptions& options = {}) const;

  // The largest id + 1; ids below it may be unused.
  std::int32_t vocabulary_size() const;

  // The id of the token with exactly this content, as the file spells it ("Ġthe", "<|pad|>").
  std::optional<std::int32_t> TokenId(std::string_view content) const;
  // That spelling; empty for an id without a token. Valid while the tokenizer lives.
  std::string_view TokenContent(std::int32_t id) const;
  // The bytes that the token stands for wherever it is (" the"); may be a part of a character.
  std::string TokenBytes(std::int32_t id) const;
  bool IsSpecial(std::int32_t id) const;

 private:
  friend class StreamDecoder;
  explicit Tokenizer(std::unique_ptr<const internal::TokenizerParts> parts);
  std::unique_ptr<const internal::TokenizerParts> parts_;
};

// Decodes ids one at a time. All that Push and Finish return, put together, is what Decode gives
// for all the ids; each piece is whole characters, given out as soon as no later id can change it.
// Confined to one thread; must not outlive the tokenizer's storage (the tokenizer may move).
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {});
  StreamDecoder(StreamDecoder&&) noexcept;
  StreamDecoder& operator=(StreamDecoder&&) noexcept;
  ~StreamDecoder();

  std::string Push(std::int32_t id);
  // What was held back: the end of the text. No Push after it.
  std::string Finish();

 private:
  const internal::TokenizerParts* parts_;
  DecodeOptions options_;
  std::unique_ptr<internal::TextSink> text_;
  std::vector<std::unique_ptr<internal::PieceSink>> stages_;  // the first is last
};

}  // namespace ashlar
