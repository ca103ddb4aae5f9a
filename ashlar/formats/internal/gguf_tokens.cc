#include "ashlar/formats/internal/gguf_tokens.h"

#include <limits>

#include "ashlar/base/byte_reader.h"
#include "ashlar/formats/gguf_write.h"

namespace ashlar::internal {
namespace {

// The values under "tokenizer.ggml.", by the rest of their keys.
class VocabularyFields {
 public:
  explicit VocabularyFields(const GgufFields& fields) : fields_(fields) {}

  Status Read(std::string_view key, std::string& to) const {
    ASHLAR_TRY(const auto value, fields_.Text(Key(key)));
    to = value.value_or("");
    return {};
  }
  Status Read(std::string_view key, std::optional<bool>& to) const {
    ASHLAR_TRY(to, fields_.Bool(Key(key)));
    return {};
  }
  // -1, in whatever size, says that there is none.
  Status Read(std::string_view key, std::optional<std::int64_t>& to) const {
    constexpr std::int64_t kNone = std::numeric_limits<std::uint32_t>::max();
    ASHLAR_TRY(const auto value, fields_.Integer(Key(key), -1, kNone));
    if (value && *value != -1 && *value != kNone) {
      to = *value;
    }
    return {};
  }
  Status Read(std::string_view key, std::vector<std::string>& to) const {
    ASHLAR_TRY(const auto values, fields_.Texts(Key(key)));
    if (values) {
      to.assign(values->begin(), values->end());
    }
    return {};
  }
  Status Read(std::string_view key, std::vector<float>& to) const {
    ASHLAR_TRY(auto values, fields_.Reals(Key(key)));
    if (values) {
      to = *std::move(values);
    }
    return {};
  }
  Status Read(std::string_view key, std::vector<std::int32_t>& to) const {
    ASHLAR_TRY(const auto values, fields_.Integers(Key(key)));
    for (const std::int64_t value : values.value_or(std::vector<std::int64_t>())) {
      if (value != static_cast<std::int32_t>(value)) {
        return Invalid("{} has the value {}, which is out of range", Key(key), value);
      }
      to.push_back(static_cast<std::int32_t>(value));
    }
    return {};
  }
  // An array of bytes, signed or not.
  Status ReadBytes(std::string_view key, std::string& to) const {
    ASHLAR_TRY(const auto values, fields_.Integers(Key(key)));
    for (const std::int64_t value : values.value_or(std::vector<std::int64_t>())) {
      if (value < -128 || value > 255) {
        return Invalid("{} has the value {}, which is no byte", Key(key), value);
      }
      to.push_back(static_cast<char>(value));
    }
    return {};
  }

 private:
  static std::string Key(std::string_view key) { return fmt::format("tokenizer.ggml.{}", key); }

  const GgufFields& fields_;
};

}  // namespace

Result<std::optional<GgufVocabulary>> ReadGgufVocabulary(const GgufFields& fields,
                                                         std::int64_t ids) {
  const VocabularyFields read(fields);
  GgufVocabulary vocabulary;
  ASHLAR_TRY(read.Read("model", vocabulary.model));
  if (vocabulary.model.empty() || vocabulary.model == "none") {
    return std::optional<GgufVocabulary>();
  }
  ASHLAR_TRY(read.Read("pre", vocabulary.pre));
  ASHLAR_TRY(read.Read("tokens", vocabulary.tokens));
  if (std::ssize(vocabulary.tokens) > ids) {
    return Invalid("tokenizer.ggml.tokens has {} tokens, but the network reads {} ids",
                   vocabulary.tokens.size(), ids);
  }
  ASHLAR_TRY(read.Read("scores", vocabulary.scores));
  ASHLAR_TRY(read.Read("token_type", vocabulary.token_types));
  ASHLAR_TRY(read.Read("merges", vocabulary.merges));
  ASHLAR_TRY(read.Read("bos_token_id", vocabulary.bos));
  if (vocabulary.model == "bert" && !vocabulary.bos) {
    ASHLAR_TRY(read.Read("cls_token_id", vocabulary.bos));
  }
  ASHLAR_TRY(read.Read("eos_token_id", vocabulary.eos));
  ASHLAR_TRY(read.Read("unknown_token_id", vocabulary.unknown));
  ASHLAR_TRY(read.Read("seperator_token_id", vocabulary.separator));
  ASHLAR_TRY(read.Read("add_bos_token", vocabulary.add_bos));
  ASHLAR_TRY(read.Read("add_eos_token", vocabulary.add_eos));
  ASHLAR_TRY(read.Read("add_space_prefix", vocabulary.add_space_prefix));
  ASHLAR_TRY(read.Read("remove_extra_whitespaces", vocabulary.remove_extra_whitespaces));
  ASHLAR_TRY(read.Read("normalizer.lowercase", vocabulary.lowercase));
  ASHLAR_TRY(read.Read("normalizer.strip_accents", vocabulary.strip_accents));
  ASHLAR_TRY(read.ReadBytes("precompiled_charsmap", vocabulary.precompiled_charsmap));
  ASHLAR_TRY(const auto name, fields.Text("general.name"));
  vocabulary.name = name.value_or("");
  return std::optional(std::move(vocabulary));
}

std::string TokenizerGguf(const GgufFields& fields) {
  GgufContent content;
  for (const std::string_view key : fields.keys()) {
    // (Templates are files of their own; the name tells some tokenizers apart.)
    const bool kept = key.starts_with("tokenizer.") && !key.starts_with("tokenizer.chat_template");
    if (kept || key == kGeneralName) {
      content.metadata.emplace_back(key, fields.Serialized(key));
    }
  }
  const std::vector<std::byte> bytes = GgufHeader(content);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<std::optional<GgufMetadata>> ReadTokenizerGguf(std::string_view bytes,
                                                      const std::string* tokenizer_json,
                                                      std::int64_t ids) {
  ASHLAR_TRY(const GgufFile file, GgufFile::Parse(AsBytes(bytes), kTokenizerGguf));
  ASHLAR_TRY(const auto vocabulary, ReadGgufVocabulary(file.fields(), ids));
  std::optional<GgufMetadata> metadata;
  if (!vocabulary) {
    return metadata;
  }
  const Result<std::string> meaning = GgufTokenizerJson(*vocabulary);
  if (tokenizer_json == nullptr ? meaning.ok() : !meaning.ok() || *meaning != *tokenizer_json) {
    return metadata;
  }
  metadata.emplace();
  for (const std::string_view key : file.fields().keys()) {
    metadata->emplace_back(key, file.fields().Serialized(key));
  }
  return metadata;
}

}  // namespace ashlar::internal
