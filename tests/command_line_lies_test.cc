// Command lines that are wrong: what each error says, and its exit code.
#include <gmock/gmock.h>

#include "ashlar/base/json.h"
#include "ashlar/base/temp_directory.h"
#include "tests/support/lies.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;
using testing::ExpectNamedError;
using testing::HonestModel;

TEST(CommandLineLies, AreUsageErrors) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  HonestModel().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  const std::pair<std::vector<std::string>, const char*> lies[] = {
      {{"frobnicate"}, "there is no verb \"frobnicate\"; known: import, "},
      {{"--store", "x", "frobnicate"}, "there is no verb \"frobnicate\""},
      {{}, "expected a verb: import, "},
      {{"ls", "--frob"}, "--frob"},
      {{"ls", "extra"}, "extra"},
      {{"import", "hf", "x"}, "--as is required"},
      {{"import", "onnx", "x", "--as", "y"}, "unknown format \"onnx\"; known: hf"},
      {{"import", "hf", directory.path().string(), "--as", "../up"}, "../up"},
      {{"why", "../../x"}, "\"../../x\""},
      {{"why", "sha256:../../x"}, "sha256:../../x"},
      {{"tag", "net", "sha256:x"}, "sha256:x"},
      {{"rm"}, "NET is required"},
      {{"show", "net", "--graph"}, "--graph needs a value: FORM"},
      {{"show", "net", "--graph", "svg"}, "expected dot, mermaid or json, found \"svg\""},
      {{"derive", "new", "--from", "net", "shrink"},
       "unknown transform \"shrink\"; known: drop, keep, repeat, share, swap, stack, slice"},
      {{"derive", "new", "--from", "net", "drop", "--layers", "7"}, "7"},
      {{"derive", "new", "--from", "net", "drop", "--layers", "x"}, "x"},
      {{"derive", "new", "--from", "net", "drop", "--frob", "1"}, "frob"},
      {{"derive", "new", "--from", "net", "drop", "--layers", "0", "--store"},
       "--store needs a value"},
      {{"derive", "new", "--frob", "1", "--from", "net", "drop"}, "unknown option --frob"},
      {{"derive", "--from", "net", "drop", "--layers", "0"},
       "the new network's name is missing: \"drop\" is a transform; write as in: derive short "},
      {{"derive", "new", "drop", "--layers", "0"}, "expected --from NET"},
      {{"derive", "new", "--from", "net"}, "expected a transform"},
      {{"derive", "--from", "net"}, "expected NEW"},
      {{"derive", "new", "--from", "net", "slice", "--channels", "33"}, "33"},
      {{"encode", "net", "--as", "new", "--codec", "q3"},
       "--codec: unknown codec \"q3\"; numbers can be encoded in"},
      {{"eval", "speed", "net"}, "expected ppl, logits or experts, found \"speed\""},
      {{"eval", "ppl", "net", "--ids", "in"}, "--ids is for eval logits"},
      {{"eval", "logits", "net", "--window", "8"}, "--window is for eval ppl"},
      {{"eval", "experts", "net"}, "eval experts needs --text FILE"},
      {{"run", "net", "-p", "x", "--stop", ""}, "--stop: the text is empty"},
      {{"run", "net", "-p", "x", "--stop", "a", "--stop", ""}, "--stop: the text is empty"},
      {{"run", "net", "-p", "x", "--context", "0"}, "--context: expected an integer from 1"},
      {{"chat", "net", "--context", "99999999"}, "--context: expected an integer from 1"},
      {{"bench", "net", "--context", "much"}, "--context: expected an integer from 1"},
  };
  for (const auto& [words, error] : lies) {
    ExpectNamedError(ashlar(words), 2, error);
    // For programs, the same as JSON.
    std::vector<std::string> with_json = words;
    with_json.insert(with_json.begin(), "--json");  // not last: there it would be a value
    const CommandResult result = ashlar(with_json);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1);
    const auto json = ParseJson(result.err);
    ASSERT_TRUE(json.ok() && json->Find("error") != nullptr) << result.err;
    EXPECT_EQ(*json->Find("error")->Find("code")->string(), "invalid");
    EXPECT_THAT(*json->Find("error")->Find("message")->string(), ::testing::HasSubstr(error));
  }
}

TEST(CommandLineLies, AreFoundBeforeAnythingIsRead) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");  // there is none
  const std::pair<std::vector<std::string>, std::string> lies[] = {
      {{"show", "net", "--graph", "svg"}, "svg"},
      {{"encode", "net", "--as", "new", "--codec", "q3"}, "q3"},
      {{"derive", "new", "--from", "net", "shrink"}, "shrink"},
      {{"run", "net", "-p", "x", "--threads", "0"}, "--threads"},
      {{"run", "net", "-p", "x", "--memory", "much"}, "--memory"},
      {{"run", "net", "-p", "x", "--max-tokens", "many"}, "--max-tokens"},
      {{"bench", "net", "--context", "0"}, "--context"},
      // A folder, where a file will be written.
      {{"export", "gguf", "net", directory.path().string()},
       "PATH: " + directory.path().string() + ": expected a regular file"},
      {{"eval", "logits", "net", "--ids", "x", "--out", directory.path().string()},
       "--out: " + directory.path().string() + ": expected a regular file"},
  };
  for (const auto& [words, error] : lies) {
    ExpectNamedError(ashlar(words), 2, error);
  }
}

TEST(CommandLineLies, WhatIsNotThereIsNoUsageError) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ExpectNamedError(ashlar({"ls"}), 1, "there is no store at");
  ExpectNamedError(ashlar({"import", "hf", directory / "empty", "--as", "x"}), 1,
                   "SOURCE: there is nothing at " + (directory / "empty").string());
  testing::WriteText(directory / "model.gguf", "GGUF");
  ExpectNamedError(ashlar({"import", "hf", directory / "model.gguf", "--as", "x"}), 2,
                   "model.gguf is a file; expected the directory with its config.json ('ashlar "
                   "import gguf' reads");
  ExpectNamedError(ashlar({"import", "gguf", directory.path().string(), "--as", "x"}), 2,
                   "is a directory; expected a file ('ashlar import hf' reads");
  std::filesystem::create_directory(directory / "adapter");
  testing::WriteText(directory / "adapter/adapter_config.json", "{}");
  ExpectNamedError(ashlar({"import", "hf", directory / "adapter", "--as", "x"}), 1,
                   "adapter is an adapter (adapter_config.json), not a whole network: merge it");
  EXPECT_FALSE(std::filesystem::exists(directory / "store")) << "no store is made for nothing";
  HonestModel().Write(directory.path());
  ASSERT_EQ(ashlar({"import", "hf", directory.path().string(), "--as", "net"}).exit_code, 0);
  ExpectNamedError(ashlar({"show", "nett"}), 1, "no network named \"nett\"");
  ExpectNamedError(ashlar({"rm", "nett"}), 1, "nett");
  // Of several names all go or none.
  ExpectNamedError(ashlar({"rm", "net", "nett"}), 1,
                   "nothing was removed: no network named \"nett\"");
  EXPECT_EQ(ashlar({"show", "net"}).exit_code, 0);
  std::filesystem::create_directory(directory / "empty");
  ExpectNamedError(ashlar({"import", "hf", directory / "empty", "--as", "x"}), 1,
                   "empty/config.json");
  ExpectNamedError(ashlar({"why", "sha256:" + std::string(64, '0')}), 1, "has no blob");
}

}  // namespace
}  // namespace ashlar
