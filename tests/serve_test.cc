// `ashlar serve` as its users run it, and clients that others wrote: the npm packages openai, ai
// and
// @ai-sdk/openai-compatible, installed outside of the sources, in build/peers/openai. Without npm
// or a network those tests skip.
#include <regex>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::Command;
using testing::CommandResult;

// The demo network, and the same with a chat template that has tools.
void MakeServedStore(const Ashlar& ashlar, const TempDirectory& directory) {
  const Path with_tools = directory / "with-tools";
  std::filesystem::copy(testing::DemoModel(), with_tools);
  testing::WriteText(
      with_tools / "chat_template.jinja",
      "{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}"
      "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
      "{% for call in message.tool_calls or [] %}<tool_call>{\"name\": "
      "\"{{ call.function.name }}\", \"arguments\": {{ call.function.arguments | tojson }}}"
      "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n");
  for (const auto& [name, path] :
       {std::pair<std::string, Path>{"base", testing::DemoModel()}, {"tools", with_tools}}) {
    const CommandResult imported = ashlar({"import", "hf", path.string(), "--as", name});
    ASSERT_EQ(imported.exit_code, 0) << ::testing::PrintToString(imported);
  }
}

// Starts a server at a port that is free, runs `script` with its address as $URL, and ends it with
// SIGTERM. The exit code is the script's, or else the server's.
CommandResult WithServer(const Ashlar& ashlar, const TempDirectory& directory,
                         const std::string& script, const std::string& options = "") {
  const std::string out = (directory / "serve.out").string();
  return ashlar.Shell(
      "$ASHLAR serve --port 0 --json --context 512 --threads 1 " + options + " >" + out +
      " & SERVER=$!\n"
      "trap 'kill -9 $SERVER 2>/dev/null' EXIT\n"
      "for i in {1..600}; do [[ -s " +
      out + " ]] && break; sleep 0.1; done\n" + "URL=$(sed 's/.*\"url\":\"\\([^\"]*\\)\".*/\\1/' " +
      out + ")\n" + "{ " + script + "\n} || exit\n" +
      "kill -TERM $SERVER; wait $SERVER; CODE=$?; wait; exit $CODE");
}

TEST(Serve, AnswersAndFinishesWhatWasBegunWhenItIsToEnd) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MakeServedStore(ashlar, directory);
  // SIGTERM comes while a stream runs: it is whole all the same.
  const std::string stream = (directory / "stream").string();
  const CommandResult result =
      WithServer(ashlar, directory,
                 "curl -sSf $URL/health && curl -sSf $URL/v1/models &&\n"
                 "{ curl -sSfN $URL/v1/completions -d '{\"model\": \"base\", \"prompt\": \"Once\", "
                 "\"max_tokens\": 300, \"ignore_eos\": true, \"stream\": true}' >" +
                     stream + " & } && while [[ ! -s " + stream + " ]]; do sleep 0.02; done");
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  EXPECT_NE(result.out.find("{\"status\":\"ok\"}"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\"id\":\"tools\""), std::string::npos) << result.out;
  const auto text = ReadTextFile(stream);
  ASSERT_TRUE(text.ok());
  EXPECT_TRUE(text->ends_with("data: [DONE]\n\n")) << text->substr(text->size() - 200);
}

TEST(Serve, RefusedConnectionsAreToldOfAndAreNoRequests) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MakeServedStore(ashlar, directory);
  const Path log = directory / "log";
  const Path told = directory / "told";
  const CommandResult result = WithServer(
      ashlar, directory,
      "HOST=${URL#http://}; exec 3<>/dev/tcp/${HOST%:*}/${HOST#*:}\n"
      "for i in 1 2; do curl -s -o /dev/null -w '%{http_code} ' $URL/health; done\n"
      "for i in {1..300}; do grep 'refused connections: ' " +
          told.string() +
          " && break; sleep 0.1; done\n"
          "exec 3<&-\n"
          "for i in {1..300}; do TEXT=$(curl -sf $URL/metrics) && break; sleep 0.1; done\n"
          "grep '^ashlar_http.*refused' <<<\"$TEXT\"",
      "--max-connections 1 --access-log " + log.string() + " 2>" + told.string());
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  EXPECT_TRUE(result.out.starts_with("503 503 refused connections: ")) << result.out;
  // (Those that came before the server saw the first one's end are refused as well.)
  EXPECT_TRUE(std::regex_search(result.out, std::regex("connections_refused_total ([2-9]|\\d\\d)")))
      << result.out;
  EXPECT_NE(result.out.find("requests_refused_total 0\n"), std::string::npos) << result.out;
  EXPECT_EQ(ReadTextFile(log)->find("\"status\":503"), std::string::npos);
}

TEST(Serve, OptionsThatCannotBeAreNamed) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MakeServedStore(ashlar, directory);
  struct OptionCase {
    std::vector<std::string> words;
    const char* error;
  };
  const OptionCase cases[] = {
      {{"--port", "70000"}, "--port"},
      {{"--memory", "2M"}, "leave nothing for weights"},
      {{"--preload", "none"}, "none"},
      {{"--tls-certificate", "missing.pem"}, "key"},
      {{"--host", "not an address"}, "not an address"},
  };
  for (const OptionCase& each : cases) {
    std::vector<std::string> words = {"serve", "--port", "0"};
    words.insert(words.end(), each.words.begin(), each.words.end());
    if (each.words.front() == "--port") {
      words.erase(words.begin() + 1, words.begin() + 3);
    }
    const CommandResult result = ashlar(words);
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(each.error), std::string::npos) << ::testing::PrintToString(result);
  }
}

TEST(ServePeer, TheClientsOfOpenAiAndVercelFindEveryEndpointAsTheyExpectIt) {
  const CommandResult peer =
      Command({ASHLAR_SOURCE_DIR "/tests/peers/install.sh", "openai"}).Wait();
  if (peer.exit_code != 0) {
    GTEST_SKIP() << "the openai client is not installed: no node, npm or network";
  }
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  MakeServedStore(ashlar, directory);
  const std::string folder = peer.out.substr(0, peer.out.find('\n'));
  const CommandResult result =
      WithServer(ashlar, directory, "node " + folder + "/drive.mjs $URL base tools");
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  EXPECT_EQ(result.out, "ok\n");
}

}  // namespace
}  // namespace ashlar
