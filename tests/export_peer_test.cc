// Files that ashlar exports, run by llama.cpp itself: the npm package node-llama-cpp, installed
// outside of the sources, in build/peers/llama. Without npm or a network these tests skip.
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::Command;
using testing::CommandResult;

std::optional<Path> InstallPeer() {
  const CommandResult result =
      Command({ASHLAR_SOURCE_DIR "/tests/peers/install.sh", "llama"}).Wait();
  if (result.exit_code != 0) {
    return std::nullopt;
  }
  return Path(result.out.substr(0, result.out.find('\n')));
}

#define ASHLAR_NEED_LLAMA_PEER(peer)                                            \
  const std::optional<Path> peer##_found = InstallPeer();                       \
  if (!peer##_found) {                                                          \
    GTEST_SKIP() << "node-llama-cpp is not installed: no node, npm or network"; \
  }                                                                             \
  const Path& peer = *peer##_found

Json Parse(const CommandResult& result) {
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const auto json = ParseJson(result.out);
  EXPECT_TRUE(json.ok()) << result.out;
  return json.ok() ? *json : Json();
}

// What llama.cpp says: {"ids": of each text, "tokens": after each prompt}.
Json AskPeer(const Path& peer, const Path& file, const Json& request, const Path& scratch) {
  testing::WriteText(scratch, WriteJson(request));
  return Parse(Command({"/usr/bin/env", "node", (peer / "generate.mjs").string(), file.string(),
                        scratch.string()})
                   .Wait());
}

void MustRun(const Ashlar& ashlar, const std::vector<std::string>& words) {
  const CommandResult result = ashlar(words);
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

constexpr std::int64_t kReferenceTokens = 48;  // that reference.json has
constexpr std::int64_t kTokens = 24;

// Greedy tokens of the reference implementation in Python, in f32, and its tokenizer's ids.
TEST(ExportPeer, LlamaCppSaysWhatTheReferenceSays) {
  ASHLAR_NEED_SHARED_FILES(shared);
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MustRun(ashlar, {"import", "hf", (shared / "models/lab").string(), "--as", "lab"});
  MustRun(ashlar, {"encode", "lab", "--as", "lab-f32", "--codec", "f32"});
  MustRun(ashlar, {"export", "gguf", "lab-f32", directory / "lab.gguf"});

  const Json reference = *ParseJson(*ReadTextFile(shared / "fixtures/reference/reference.json"));
  const Json cases = *ParseJson(*ReadTextFile(shared / "fixtures/reference/tokenizer_cases.json"));
  Json texts = Json::Array();
  for (const Json& entry : *cases.array()) {
    texts.Append(*entry.Find("text"));
  }
  const Json::Object& greedy = *reference.Find("lab")->Find("greedy")->object();
  Json prompts = Json::Array();
  for (const auto& [domain, entry] : greedy) {
    prompts.Append(*entry.Find("prompt_ids"));
  }
  const Json answer =
      AskPeer(peer, directory / "lab.gguf",
              Json::Of({{"texts", texts}, {"prompts", prompts}, {"count", kReferenceTokens}}),
              directory / "request");
  const Json::Array& ids = *answer.Find("ids")->array();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Json& entry = cases.array()->at(i);
    EXPECT_EQ(ids[i], *entry.Find("ids")) << WriteJson(*entry.Find("text"));
  }
  const Json::Array& tokens = *answer.Find("tokens")->array();
  ASSERT_EQ(tokens.size(), greedy.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i], *greedy[i].second.Find("new_ids")) << greedy[i].first;
  }
}

// Each codec of the demo, against ashlar's own greedy tokens. In f32 they are the same; quantized,
// the two engines round activations differently, and a near tie may part them after a while.
TEST(ExportPeer, LlamaCppSaysWhatAshlarSaysInEveryCodec) {
  ASHLAR_NEED_LLAMA_PEER(peer);
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MustRun(ashlar, {"import", "hf", testing::DemoModel().string(), "--as", "demo"});
  const std::string texts[] = {"Once upon a time", "def main():", "## Installation\n\n"};
  struct Case {
    const char* codec;
    std::int64_t alike;  // tokens after which they may part
  };
  for (const Case& each : {Case{"f32", kTokens}, {"f16", 8}, {"bf16", 8}, {"q8", 8}, {"q4", 1}}) {
    SCOPED_TRACE(each.codec);
    const std::string name = std::string("demo-") + each.codec;
    MustRun(ashlar, {"encode", "demo", "--as", name, "--codec", each.codec});
    MustRun(ashlar, {"export", "gguf", name, directory / (name + ".gguf")});
    Json ours = Json::Array();
    Json prompts = Json::Array();
    for (const std::string& text : texts) {
      const Json run = Parse(ashlar(
          {"run", name, "-p", text, "-n", std::to_string(kTokens), "--ignore-eos", "--json"}));
      ours.Append(*run.Find("token_ids"));
      prompts.Append(text);
    }
    const Json answer =
        AskPeer(peer, directory / (name + ".gguf"),
                Json::Of({{"texts", Json::Array()}, {"prompts", prompts}, {"count", kTokens}}),
                directory / "request");
    for (std::size_t i = 0; i < std::size(texts); ++i) {
      const Json::Array& theirs = *answer.Find("tokens")->array()->at(i).array();
      const Json::Array& own = *ours.array()->at(i).array();
      ASSERT_EQ(theirs.size(), own.size());
      std::size_t alike = 0;
      while (alike < own.size() && theirs[alike] == own[alike]) {
        ++alike;
      }
      std::printf("%s, \"%.8s...\": %zu of %lld tokens alike\n", each.codec, texts[i].c_str(),
                  alike, static_cast<long long>(kTokens));
      EXPECT_GE(static_cast<std::int64_t>(alike), each.alike) << texts[i];
    }
  }
}

}  // namespace
}  // namespace ashlar
