// For tests: small tokenizers, spelled as JSON that a test then changes.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar::internal {

// BPE over the letters a to e and a space, with the merges ab, cd, abcd, and one special token.
inline Json SmallTokenizer() {
  return *ParseJson(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 10, "content": "<end>", "single_word": false, "lstrip": false,
                      "rstrip": false, "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "dropout": null, "unk_token": null,
              "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
              "byte_fallback": false, "ignore_merges": false,
              "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, " ": 5, "ab": 6, "cd": 7,
                        "abcd": 8, "<unk>": 9},
              "merges": [["a", "b"], ["c", "d"], ["ab", "cd"]]}})");
}

// The part of `json` at a path of object keys, to change it.
inline Json& Part(Json& json, std::initializer_list<std::string_view> path) {
  Json* part = &json;
  for (const std::string_view key : path) {
    if (part->Find(key) == nullptr) {
      part->Set(key, Json());
    }
    part = const_cast<Json*>(part->Find(key));
  }
  return *part;
}

inline Result<Tokenizer> TryLoad(const Json& json) {
  return Tokenizer::FromJson(WriteJson(json));
}

inline Tokenizer Load(const Json& json) {
  Result<Tokenizer> tokenizer = TryLoad(json);
  CHECK(tokenizer.ok() || (ADD_FAILURE() << tokenizer.error().message, false));
  return *std::move(tokenizer);
}

// The contents of the tokens that `text` becomes.
inline std::vector<std::string> Tokens(const Tokenizer& tokenizer, std::string_view text,
                                       const EncodeOptions& options = {}) {
  std::vector<std::string> contents;
  const std::vector<std::int32_t> ids = *tokenizer.Encode(text, options);
  for (const std::int32_t id : ids) {
    contents.emplace_back(tokenizer.TokenContent(id));
  }
  return contents;
}

inline std::string DecodeAsStream(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids,
                                  const DecodeOptions& options = {}) {
  StreamDecoder decoder(tokenizer, options);
  std::string text;
  for (const std::int32_t id : ids) {
    text += decoder.Push(id);
  }
  return text + decoder.Finish();
}

using TokenizerStage = std::pair<std::string, std::string>;  // its role and its type

// Each stage of a tokenizer.json, those of sequences too.
inline std::set<TokenizerStage> StagesOf(const Json& tokenizer) {
  std::set<TokenizerStage> stages;
  const std::function<void(const std::string&, const Json*)> add = [&](const std::string& role,
                                                                       const Json* stage) {
    if (stage == nullptr || stage->object() == nullptr) {
      return;
    }
    const std::string& type = *stage->Find("type")->string();
    if (type != "Sequence") {
      stages.emplace(role, type);
      return;
    }
    for (const auto& [key, value] : *stage->object()) {
      if (value.array() != nullptr) {
        for (const Json& part : *value.array()) {
          add(role, &part);
        }
      }
    }
  };
  add("models", tokenizer.Find("model"));
  add("normalizers", tokenizer.Find("normalizer"));
  add("pre-tokenizers", tokenizer.Find("pre_tokenizer"));
  add("post-processors", tokenizer.Find("post_processor"));
  add("decoders", tokenizer.Find("decoder"));
  return stages;
}

inline void RecordStage(const TokenizerStage& stage, const std::string& against,
                        const Tally& tally) {
  Record(
      {"tokenizer.json: " + stage.first, stage.second, against, tally.text("texts"), tally.all()});
}

inline Path SharedFixtures() {
  const char* given = std::getenv("ASHLAR_SHARED");
  return given != nullptr ? Path(given) : Path(ASHLAR_SOURCE_DIR "/../shared");
}

}  // namespace ashlar::internal
