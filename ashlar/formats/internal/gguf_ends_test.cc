#include "ashlar/formats/internal/gguf_ends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/formats/gguf_write.h"
#include "tests/support/model_directories.h"

namespace ashlar::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::int64_t> EndsOf(std::vector<std::string> tokens, GgufMetadata keys = {}) {
  for (auto& [key, value] : keys) {
    key = "tokenizer.ggml." + key;
  }
  keys.emplace_back("tokenizer.ggml.tokens", std::move(tokens));
  const std::vector<std::byte> header = GgufHeader({.metadata = std::move(keys), .tensors = {}});
  return *ReadGgufEnds(GgufFile::Parse(header, "file")->fields());
}

TEST(GgufEnds, AreThoseOfKeysAndThenThoseOfNames) {
  EXPECT_THAT(EndsOf({"a", "<|im_end|>", "b", "</s>", "<|im_start|>"}), ElementsAre(1, 3));
  EXPECT_THAT(EndsOf({"a", "<|eot_id|>", "b"}, {{"eot_token_id", 0u}, {"eos_token_id", 2u}}),
              ElementsAre(2, 0, 1));
  EXPECT_THAT(EndsOf({"a"}, {{"eos_token_id", 0xffffffffu}, {"eot_token_id", 0u}}), ElementsAre(0));
}

TEST(GgufEnds, OfAFileThatNamesEveryTokenAlikeAreFoundSoon) {
  EXPECT_EQ(EndsOf(std::vector<std::string>(500'000, "</s>")).size(), 500'000u);
}

TEST(GgufEnds, OfFilesOfCodeAreThoseOfTheirKeysOrElseOfNames) {
  EXPECT_THAT(EndsOf({"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|fim_middle|>"}),
              ElementsAre(0, 1, 2));
  EXPECT_THAT(EndsOf({"<|fim_pad|>", "a"}, {{"fim_pad_token_id", 1u}}), ElementsAre(1));
}

TEST(GgufEnds, OfTurnsOfSeveralMessagesAreNotTheMessages) {
  EXPECT_THAT(EndsOf({"<|end|>", "<|return|>", "<|call|>"}), ElementsAre(1, 2));
  EXPECT_THAT(EndsOf({"<|end|>", "<|flush|>", "<|calls|>"}, {{"eot_token_id", 0u}}),
              ElementsAre(1, 2));
  EXPECT_THAT(EndsOf({"<|end|>", "<|call|>"}), ElementsAre(0, 1));
  EXPECT_THAT(EndsOf({"</s>", "<eos>", "<|tool_response>"}), ElementsAre(1, 2));
}

TEST(GgufEnds, ThatAFileLosesAndGainsAreSaid) {
  const auto remarks = [](std::vector<std::string> tokens, GgufMetadata keys,
                          std::vector<std::int64_t> ends) {
    keys.emplace_back("tokenizer.ggml.model", std::string("gpt2"));
    keys.emplace_back("tokenizer.ggml.tokens", std::move(tokens));
    return *RemarksOnGgufEnds(keys, ends);
  };
  const GgufMetadata eos = {{"tokenizer.ggml.eos_token_id", 1u}};
  EXPECT_THAT(remarks({"a", "b"}, eos, {1}), IsEmpty());
  EXPECT_THAT(remarks({"a", "b", "<|im_end|>", "<|end|>"}, eos, {1, 3}),
              ElementsAre(HasSubstr("ends a text at 2 (\"<|im_end|>\") too")));
  EXPECT_THAT(remarks({"a", "b", "c"}, eos, {1, 0, 2, 7}),
              ElementsAre(HasSubstr("does not end a text at 0 (\"a\"), 2 (\"c\"), 7, as")));
  EXPECT_THAT(remarks({"<|end|>", "<|return|>", "<|call|>"}, eos, {0, 1, 2}),
              ElementsAre(HasSubstr("does not end a text at 0 (\"<|end|>\"), as")));
  // Without a key for one, its model has an end: of gpt2 the token 11.
  EXPECT_THAT(remarks(std::vector<std::string>(11, "a"), {}, {}), IsEmpty());
  EXPECT_THAT(remarks(std::vector<std::string>(12, "a"), {}, {}),
              ElementsAre(HasSubstr("ends a text at 11 (\"a\") too")));
  EXPECT_THAT(remarks(std::vector<std::string>(20, "</s>"), eos, {}),
              ElementsAre(HasSubstr("7 (\"</s>\"), and 12 more too")));
}

// Its template ends turns with "<|end|>", and its keys name "<|endoftext|>" alone.
TEST(GgufEnds, OfPhi3AreWhereLlamaCppEndsItsTurns) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const auto file = GgufFile::Open(shared / "fixtures/tokenizers/ggml-vocab-phi-3.gguf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto tokens = **file->fields().Texts("tokenizer.ggml.tokens");
  const std::vector<std::int64_t> ids = *ReadGgufEnds(file->fields());
  std::vector<std::string_view> ends;
  for (const std::int64_t id : ids) {
    ends.push_back(tokens[static_cast<std::size_t>(id)]);
  }
  EXPECT_THAT(ends, ElementsAre("<|endoftext|>", "</s>", "<|end|>"));
}

}  // namespace
}  // namespace ashlar::internal
