#include "ashlar/text/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "ashlar/text/decoders/decoder.h"
#include "ashlar/text/internal/added_tokens.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/models/model.h"
#include "ashlar/text/normalizers/normalizer.h"
#include "ashlar/text/post_processors/post_processor.h"
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar {
namespace internal {

struct TokenizerParts {
  StageList<Normalizer> normalizers;
  StageList<PreTokenizer> pre_tokenizers;
  std::unique_ptr<const Model> model;
  StageList<PostProcessor> post_processors;
  StageList<Decoder> decoders;
  AddedTokens added_tokens;

  // Nothing when the id has no token.
  std::optional<std::string_view> Content(std::int32_t id) const {
    const auto content = added_tokens.vocabulary().Content(id);
    return content ? content : model->vocabulary().Content(id);
  }
  bool IsSpecial(std::int32_t id) const {
    const AddedToken* added = added_tokens.Find(id);
    return added != nullptr && added->special;
  }

  // Where special tokens that are written out in `pieces` came of it, as ids from `begin` on, puts
  // what the model makes of it when it is cut within them. (What a model does not know may be a
  // special token too; a cut makes no fewer of those, and nothing changes.)
  void TakeBackSpecial(Pieces& pieces, std::size_t begin, std::vector<std::int32_t>& ids) const {
    std::unordered_map<std::int32_t, std::ptrdiff_t> written;
    for (std::size_t i = begin; i < ids.size(); ++i) {
      if (IsSpecial(ids[i])) {
        ++written[ids[i]];
      }
    }
    std::erase_if(written, [&](const auto& token) {
      return pieces.text.find(*Content(token.first)) == std::string::npos;
    });
    if (written.empty()) {
      return;
    }
    std::vector<std::int32_t> cut;
    added_tokens.CutSpecial(pieces);
    model->Encode(pieces, cut);
    for (const std::int32_t id : cut) {
      if (const auto token = written.find(id); token != written.end()) {
        --token->second;
      }
    }
    if (std::ranges::any_of(written, [](const auto& token) { return token.second > 0; })) {
      ids.resize(begin);
      ids.insert(ids.end(), cut.begin(), cut.end());
    }
  }
};

// The end of a chain of decoders.
class TextSink final : public PieceSink {
 public:
  void Append(std::string_view characters) override { text_ += characters; }
  void EndToken() override {}
  void EndText() override {}
  // What has come since the last Take.
  std::string Take() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

}  // namespace internal

using namespace internal;  // NOLINT: the stages are this file's subject

namespace {

// A member that may be null or absent.
Result<JsonCursor> FindOrNull(const JsonCursor& root, std::string_view key) {
  static const Json kNull;
  ASHLAR_TRY(const std::optional<JsonCursor> member, root.Find(key));
  return member.value_or(JsonCursor(kNull, fmt::format("{}.{}", root.path(), key)));
}

Status CheckHeader(const JsonCursor& root) {
  ASHLAR_TRY(root.AllowOnly({"version", "truncation", "padding", "added_tokens", "normalizer",
                             "pre_tokenizer", "post_processor", "decoder", "model"}));
  ASHLAR_TRY(const std::string version, root.StringOr("version", "1.0"));
  if (version != "1.0") {
    return Unsupported("{}.version: {} is not supported, only \"1.0\"", root.path(),
                       QuoteForError(version));
  }
  // As in the reference's own callers, these are a caller's to ask for: a text keeps all its
  // tokens and gets no others.
  for (const std::string_view key : {"truncation", "padding"}) {
    ASHLAR_TRY(const JsonCursor setting, FindOrNull(root, key));
    if (!setting.is_null()) {
      ASHLAR_TRY(setting.AsObject());
    }
  }
  return {};
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::FromJson(std::string_view tokenizer_json) {
  ASHLAR_TRY(const Json json, ParseJson(tokenizer_json));
  const JsonCursor root(json);
  ASHLAR_TRY(CheckHeader(root));
  auto parts = std::make_unique<TokenizerParts>();

  ASHLAR_TRY(const JsonCursor normalizer, FindOrNull(root, "normalizer"));
  ASHLAR_TRY(parts->normalizers, ParseNormalizers(normalizer));
  ASHLAR_TRY(const JsonCursor pre_tokenizer, FindOrNull(root, "pre_tokenizer"));
  ASHLAR_TRY(parts->pre_tokenizers, ParsePreTokenizers(pre_tokenizer));
  ASHLAR_TRY(const JsonCursor model, root.At("model"));
  ASHLAR_TRY(parts->model, ParseModel(model));
  ASHLAR_TRY(const JsonCursor decoder, FindOrNull(root, "decoder"));
  ASHLAR_TRY(parts->decoders, ParseDecoders(decoder));
  ASHLAR_TRY(const JsonCursor added_tokens, FindOrNull(root, "added_tokens"));
  if (!added_tokens.is_null()) {
    ASHLAR_TRY(parts->added_tokens,
               AddedTokens::Parse(added_tokens, parts->model->vocabulary(), parts->normalizers));
  }
  ASHLAR_TRY(const JsonCursor post_processor, FindOrNull(root, "post_processor"));
  ASHLAR_TRY(parts->post_processors, ParsePostProcessors(post_processor));
  for (const auto& stage : parts->post_processors) {
    for (const std::int32_t id : stage->added_ids()) {
      if (!parts->Content(id)) {
        return post_processor.Invalid("it adds the id {}, which has no token", id);
      }
    }
  }
  return Tokenizer(std::move(parts));
}

Result<std::vector<std::int32_t>> Tokenizer::Encode(std::string_view text,
                                                    const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    return Invalid("the text has {} bytes, more than {}", text.size(), kMaxTextBytes);
  }
  std::string repaired;
  if (!IsUtf8(text)) {
    repaired = RepairUtf8(text);
    text = repaired;
  }

  const std::size_t max_bytes = MaxStageBytes(text.size());
  std::vector<std::int32_t> ids;
  const auto split = [&](std::string_view part, AddedTokens::Stage stage) {
    return parts_->added_tokens.Split(part, stage, options.parse_special_tokens);
  };
  for (const Segment& given : split(text, AddedTokens::Stage::kGiven)) {
    if (given.id != Segment::kText) {
      ids.push_back(given.id);
      continue;
    }
    std::string normalized(given.text);
    for (const auto& normalizer : parts_->normalizers) {
      ASHLAR_TRY(normalizer->Apply(normalized, max_bytes));
    }
    for (const Segment& segment : split(normalized, AddedTokens::Stage::kNormalized)) {
      if (segment.id != Segment::kText) {
        ids.push_back(segment.id);
        continue;
      }
      const bool begins_input =
          given.text.data() == text.data() && segment.text.data() == normalized.data();
      Pieces pieces{.text = std::string(segment.text),
                    .ranges = {},
                    .max_bytes = max_bytes,
                    .begins_input = begins_input};
      pieces.ranges.push_back({0, static_cast<std::uint32_t>(segment.text.size())});
      for (const auto& pre_tokenizer : parts_->pre_tokenizers) {
        ASHLAR_TRY(pre_tokenizer->Apply(pieces));
      }
      const std::size_t before = ids.size();
      parts_->model->Encode(pieces, ids);
      if (!options.parse_special_tokens) {
        parts_->TakeBackSpecial(pieces, before, ids);
      }
    }
  }
  if (options.add_special_tokens) {
    for (const auto& post_processor : parts_->post_processors) {
      post_processor->Apply(ids);
    }
  }
  return ids;
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids,
                              const DecodeOptions& options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) {
    text += decoder.Push(id);
  }
  text += decoder.Finish();
  return text;
}

std::int32_t Tokenizer::vocabulary_size() const {
  return std::max(parts_->model->vocabulary().size(), parts_->added_tokens.vocabulary().size());
}

std::optional<std::int32_t> Tokenizer::TokenId(std::string_view content) const {
  const std::optional<std::int32_t> added = parts_->added_tokens.vocabulary().Id(content);
  return added.has_value() ? added : parts_->model->vocabulary().Id(content);
}

std::string_view Tokenizer::TokenContent(std::int32_t id) const {
  return parts_->Content(id).value_or(std::string_view());
}

std::string Tokenizer::TokenBytes(std::int32_t id) const {
  std::string bytes(TokenContent(id));
  for (const auto& decoder : parts_->decoders) {
    decoder->ToBytes(bytes);
  }
  return bytes;
}

bool Tokenizer::IsSpecial(std::int32_t id) const {
  return parts_->IsSpecial(id);
}

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options)
    : parts_(tokenizer.parts_.get()), options_(options), text_(std::make_unique<TextSink>()) {
  PieceSink* next = text_.get();
  for (auto decoder = parts_->decoders.rbegin(); decoder != parts_->decoders.rend(); ++decoder) {
    stages_.push_back((*decoder)->Start(*next));
    next = stages_.back().get();
  }
}

StreamDecoder::StreamDecoder(StreamDecoder&&) noexcept = default;
StreamDecoder& StreamDecoder::operator=(StreamDecoder&&) noexcept = default;
StreamDecoder::~StreamDecoder() = default;

std::string StreamDecoder::Push(std::int32_t id) {
  const std::optional<std::string_view> content = parts_->Content(id);
  if (!content || (options_.skip_special_tokens && parts_->IsSpecial(id))) {
    return {};
  }
  PieceSink& first = stages_.empty() ? *text_ : *stages_.back();
  first.Append(*content);
  first.EndToken();
  return text_->Take();
}

std::string StreamDecoder::Finish() {
  PieceSink& first = stages_.empty() ? *text_ : *stages_.back();
  first.EndText();
  return text_->Take();
}

}  // namespace ashlar
