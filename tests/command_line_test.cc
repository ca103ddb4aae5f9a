// The command line as people and scripts use it: every verb, its help, its JSON, its exit codes.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandOptions;
using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

const Words kVerbs = {"import", "ls",      "show",  "diff",   "derive", "encode", "tag",
                      "rm",     "gc",      "fsck",  "why",    "run",    "chat",   "eval",
                      "bench",  "version", "synth", "export", "keys",   "shrink", "plan"};

// A store with the demo network and what most tests derive from it; made once, and read only.
class CommandLine : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDirectory;
    const Ashlar ashlar = Store();
    Must(ashlar, {"import", "hf", testing::DemoModel().string(), "--as", "demo"});
    Must(ashlar, {"derive", "short", "--from", "demo", "drop", "--layers", "3,4"});
    Must(ashlar, {"encode", "demo", "--as", "small", "--codec", "q8"});
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }

  static Ashlar Store() { return Ashlar(*directory_ / "store"); }
  static std::string Must(const Ashlar& ashlar, const Words& words) {
    const CommandResult result = ashlar(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    return result.out;
  }
  // `eval logits` of [batch, length] ids, all rows with the same first one, to `directory`/out.
  static Words EvalLogits(const TempDirectory& directory, std::int32_t batch, std::int32_t length) {
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < batch; ++i) {
      for (std::int32_t j = 0; j < length; ++j) {
        ids.push_back(j == 0 ? 5 : 5 + (i + j) % 4000);
      }
    }
    const SafetensorsTensor in[] = {{.name = "input_ids",
                                     .dtype = "I32",
                                     .shape = {batch, length},
                                     .bytes = std::as_bytes(std::span(ids))}};
    EXPECT_TRUE(WriteSafetensors(directory / "in", in).ok());
    return {"eval",
            "logits",
            "demo",
            "--ids",
            (directory / "in").string(),
            "--out",
            (directory / "out").string()};
  }
  // What the words print with --json: one document, and nothing after it.
  static Json JsonOf(Words words) {
    words.push_back("--json");
    const std::string out = Must(Store(), words);
    EXPECT_TRUE(out.ends_with('\n'));
    const auto json = ParseJson(out);
    EXPECT_TRUE(json.ok()) << json.error().message << "\n" << out;
    return json.ok() ? *json : Json();
  }
  static std::vector<std::string> KeysOf(const Json& json) {
    std::vector<std::string> keys;
    if (json.object() == nullptr) {
      ADD_FAILURE() << "no object: " << WriteJson(json);
      return keys;
    }
    for (const auto& [key, value] : *json.object()) {
      keys.push_back(key);
    }
    return keys;
  }
  static std::vector<std::int32_t> IdsOf(const Json& run) {
    std::vector<std::int32_t> ids;
    for (const Json& id : *run.Find("token_ids")->array()) {
      ids.push_back(static_cast<std::int32_t>(*id.integer()));
    }
    return ids;
  }
  static std::string TextOf(const Json& json, std::string_view key) {
    return *JsonCursor(json).String(key);
  }

 private:
  static inline TempDirectory* directory_ = nullptr;
};

// ---- Help

TEST_F(CommandLine, HelpListsEveryVerbAndEachHasHelpWithAnExample) {
  const std::string help = Must(Store(), {"--help"});
  for (const std::string& verb : kVerbs) {
    EXPECT_THAT(help, HasSubstr("\n  " + verb + " "));
    const std::string of_verb = Must(Store(), {verb, "--help"});
    EXPECT_THAT(of_verb, HasSubstr("Usage: ashlar " + verb));
    EXPECT_THAT(of_verb, HasSubstr("Examples:\n  ashlar "));
    EXPECT_THAT(of_verb, HasSubstr("--json"));
    EXPECT_THAT(of_verb, HasSubstr("--store"));
  }
}

// ---- Keys

TEST_F(CommandLine, AKeyIsShownOnceAndItsDigestGoesToAFileThatListChecks) {
  const CommandResult made = Store()({"keys", "new", "alice"});
  EXPECT_EQ(made.exit_code, 0);
  EXPECT_THAT(made.err, HasSubstr("ash-"));
  EXPECT_THAT(made.out, Not(HasSubstr("ash-")));
  TempDirectory directory;
  const std::string file = (directory / "keys.toml").string();
  std::ofstream(file) << made.out;
  EXPECT_THAT(Must(Store(), {"keys", "list", file}), HasSubstr("alice"));
  std::ofstream(file, std::ios::app) << "limit = 3\n";
  const CommandResult broken = Store()({"keys", "list", file});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_THAT(broken.err, HasSubstr(file + ": $.tenant[0]: "));
  EXPECT_THAT(broken.err, HasSubstr("limit"));
  EXPECT_EQ(Store()({"keys", "new", "not a name"}).exit_code, 2);
  EXPECT_EQ(Store()({"keys", "forget", "alice"}).exit_code, 2);
}

TEST_F(CommandLine, OptionsMayComeBeforeTheVerbAndAfterATransform) {
  const Words words = {"derive", "late", "drop", "--layers", "3", "--from", "demo"};
  TempDirectory other;
  const std::string store = (other / "store").string();
  Must(Store(), {"--store", store, "import", "hf", testing::DemoModel().string(), "--as", "demo"});
  for (const Words& options : {Words{"--store", store}, {"--store=" + store}}) {
    Words at_the_end = words;
    at_the_end.insert(at_the_end.end(), options.begin(), options.end());
    at_the_end.push_back("--json");
    const auto json = ParseJson(Must(Store(), at_the_end));
    EXPECT_EQ(TextOf(*json, "name"), "late");
    EXPECT_THAT(Must(Store(), {"ls", "--store", store}), HasSubstr("late"));
    Must(Store(), {"rm", "late", "--store", store});
  }
  Words help = words;
  help.push_back("--help");
  EXPECT_EQ(Must(Store(), help), Must(Store(), {"derive", "--help"}));
}

TEST_F(CommandLine, DeriveListDescribesEveryTransform) {
  const std::string list = Must(Store(), {"derive", "--list"});
  const Json json = JsonOf({"derive", "--list"});
  std::vector<std::string> names;
  for (const Json& transform : *json.array()) {
    names.push_back(TextOf(transform, "name"));
    EXPECT_THAT(list, HasSubstr(names.back()));
    EXPECT_THAT(list, HasSubstr("example: " + names.back()));
  }
  EXPECT_THAT(names, ::testing::IsSupersetOf({"drop", "keep", "repeat", "share", "swap", "stack",
                                              "slice", "rewire", "encode"}));
}

// ---- JSON

TEST_F(CommandLine, LsTellsWhatEachNetworkKeepsAlone) {
  const Json list = JsonOf({"ls"});
  ASSERT_EQ(list.array()->size(), 3u);
  for (const Json& entry : *list.array()) {
    EXPECT_THAT(KeysOf(entry),
                ElementsAre("name", "digest", "parameters", "unique_bytes", "shared_bytes"));
  }
  EXPECT_EQ(TextOf(list.array()->at(0), "name"), "demo");
  EXPECT_LT(*JsonCursor(list.array()->at(1)).Integer("unique_bytes", 0, 1 << 30), 64 << 10);
  EXPECT_GT(*JsonCursor(list.array()->at(1)).Integer("shared_bytes", 0, 1 << 30), 10'000'000);
  EXPECT_GT(*JsonCursor(list.array()->at(2)).Integer("unique_bytes", 0, 1 << 30), 7'000'000);
}

TEST_F(CommandLine, EveryVerbPrintsOneJsonDocument) {
  const Words show = {"show", "demo"};
  EXPECT_EQ(TextOf(JsonOf(show), "digest"), TextOf(*JsonOf({"ls"}).array()->begin(), "digest"));
  EXPECT_EQ(WriteJson(JsonOf({"show", "demo", "--graph", "json"})), WriteJson(JsonOf(show)));
  EXPECT_EQ(*JsonOf({"diff", "demo", "demo"}).Find("same")->boolean(), true);
  EXPECT_EQ(*JsonOf({"diff", "demo", "short"}).Find("same")->boolean(), false);
  EXPECT_THAT(KeysOf(JsonOf({"derive", "wide", "--from", "demo", "repeat", "--layers", "2"})),
              ElementsAre("name", "digest", "parameters", "weight_bytes", "added_bytes"));
  EXPECT_THAT(KeysOf(JsonOf({"encode", "demo", "--as", "tiny", "--codec", "q4"})),
              ElementsAre("name", "digest", "parameters", "weight_bytes", "added_bytes"));
  EXPECT_THAT(KeysOf(JsonOf({"tag", "wide", "wider"})), ElementsAre("name", "of"));
  EXPECT_EQ(JsonOf({"rm", "wide", "wider", "tiny"}).Find("removed")->array()->size(), 3u);
  const Json dry = JsonOf({"gc", "--dry-run"});
  EXPECT_EQ(*dry.Find("dry_run")->boolean(), true);
  EXPECT_GT(*JsonCursor(dry).Integer("removed_bytes", 0, 1 << 30), 4'000'000);
  const Json real = JsonOf({"gc"});
  EXPECT_EQ(*real.Find("removed"), *dry.Find("removed"));
  EXPECT_EQ(*JsonCursor(JsonOf({"gc"})).Integer("removed_bytes", 0, 1 << 30), 0);
  EXPECT_THAT(KeysOf(JsonOf({"fsck"})), ElementsAre("blobs", "bytes", "damage"));
  EXPECT_THAT(KeysOf(JsonOf({"version"})), ElementsAre("version", "isa", "isas", "cores"));

  const Json bench =
      JsonOf({"bench", "demo", "--prompt", "8", "--gen", "4", "--batch", "2", "--rounds", "1"});
  for (const char* field :
       {"prompt_tokens_per_second", "decode_tokens_per_second", "bandwidth_share"}) {
    EXPECT_GT(*JsonCursor(bench).Real(field), 0) << field;
  }
  const Json chat = *ParseJson(
      Store()({"chat", "demo", "-n", "4", "--json"}, {.input = "Hello.\n\nAgain.\n/exit\n"}).out);
  ASSERT_EQ(chat.array()->size(), 2u);
  EXPECT_THAT(KeysOf(chat.array()->front()), ElementsAre("user", "assistant", "finish_reason"));
}

TEST_F(CommandLine, ShrinkMakesANetworkWithLevelsAndNamesWhatItCannotDo) {
  Must(Store(), {"derive", "one", "--from", "demo", "keep", "--layers", "0"});
  const Json shrunk = JsonOf({"shrink", "one", "--as", "any", "--tokens", "256"});
  EXPECT_GT(*JsonCursor(shrunk).Real("bits_per_weight"), 8);
  EXPECT_LT(*JsonCursor(shrunk).Real("bits_per_weight"), 8.7);
  EXPECT_THAT(KeysOf(*shrunk.Find("seconds")), ElementsAre("text", "sensitivities", "passing rows",
                                                           "encoding", "storing", "adding up"));
  // A log says what it is at.
  EXPECT_THAT(Store()({"shrink", "one", "--as", "logged", "--tokens", "128"}).err,
              AllOf(HasSubstr("writing text: 128 tokens\n"),
                    ::testing::ContainsRegex("shrinking: [0-9]+ weights\n")));
  EXPECT_NE(Must(Store(), {"run", "any", "-p", "Once upon", "--max-tokens", "8"}), "");
  const TempDirectory directory;
  std::ofstream(directory / "short.txt") << "Too short.";
  const auto error_of = [&](const Words& more) {
    Words words = {"shrink", "one", "--as", "other"};
    words.insert(words.end(), more.begin(), more.end());
    const CommandResult result = Store()(words);
    EXPECT_NE(result.exit_code, 0);
    return result.err;
  };
  EXPECT_THAT(error_of({"--codec", "q4"}), HasSubstr("\"q4\" is no codec with levels"));
  EXPECT_THAT(error_of({"--text", (directory / "short.txt").string()}),
              HasSubstr("calibration needs 128 at least"));
  EXPECT_THAT(error_of({"--text", (directory / "none.txt").string()}), HasSubstr("none.txt"));
  EXPECT_THAT(error_of({"--tokens", "3"}), HasSubstr("--tokens"));
  EXPECT_THAT(error_of({"--base", "nothing"}), HasSubstr("no network named \"nothing\""));
  EXPECT_THAT(Store()({"shrink", "any", "--as", "more"}).err, HasSubstr("is shrunk already"));
  EXPECT_THAT(Store()({"shrink", "one", "--as", "any"}).err, HasSubstr("already; remove it first"));
  Must(Store(), {"rm", "one", "any", "logged"});
  Must(Store(), {"gc"});
}

TEST_F(CommandLine, WhyLeadsFromANetworkToABlob) {
  const std::string digest = TextOf(JsonOf({"show", "short"}), "digest");
  const Json chains = JsonOf({"why", digest});
  ASSERT_EQ(chains.array()->size(), 1u);
  EXPECT_EQ(TextOf(chains.array()->front(), "network"), "short");
  const Json& path = *chains.array()->front().Find("path");
  EXPECT_EQ(TextOf(path.array()->back(), "digest"), digest);
  EXPECT_THAT(Must(Store(), {"why", digest}), HasSubstr(digest));
}

TEST_F(CommandLine, AnErrorIsOneLineOfJsonOnStandardError) {
  const CommandResult result = Store()({"show", "nothing", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  const auto json = ParseJson(result.err);
  ASSERT_TRUE(json.ok()) << result.err;
  EXPECT_EQ(TextOf(*json->Find("error"), "code"), "not_found");
  EXPECT_THAT(TextOf(*json->Find("error"), "message"), HasSubstr("no network named \"nothing\""));
}

TEST_F(CommandLine, ShowDrawsTheGraph) {
  EXPECT_THAT(Must(Store(), {"show", "demo"}), HasSubstr("layers.0-7.attention"));
  EXPECT_THAT(Must(Store(), {"show", "demo", "--graph", "dot"}), HasSubstr("digraph"));
  EXPECT_THAT(Must(Store(), {"show", "demo", "--graph", "mermaid"}), HasSubstr("flowchart"));
}

// ---- Running

TEST_F(CommandLine, RunPrintsTheSameWhateverTheThreads) {
  const Words words = {"run", "demo",   "-p", "Once upon a time", "-n",  "24", "--temperature",
                       "0.9", "--seed", "11", "--top-p",          "0.95"};
  Json first = JsonOf(words);
  EXPECT_THAT(KeysOf(first),
              ElementsAre("network", "text", "token_ids", "finish_reason", "usage", "seconds"));
  EXPECT_EQ(*JsonCursor(first).At("usage")->Integer("completion_tokens", 0, 100), 24);
  first.Set("seconds", 0);
  for (const char* threads : {"1", "2", "3"}) {
    Words again = words;
    again.insert(again.end(), {"--threads", threads});
    Json result = JsonOf(again);
    result.Set("seconds", 0);
    EXPECT_EQ(result, first) << threads;
  }
  Words other = words;
  std::ranges::replace(other, "11", "12");
  EXPECT_NE(*JsonOf(other).Find("token_ids"), *first.Find("token_ids"));
  // Streamed as text it is the prompt and the same text.
  EXPECT_EQ(Must(Store(), words), "Once upon a time" + TextOf(first, "text") + "\n");
}

TEST_F(CommandLine, SeveralNetworksRunSideBySideAsEachRunsAlone) {
  const Json both = JsonOf({"run", "demo", "short", "small", "-p", "The sea", "-n", "12"});
  ASSERT_EQ(both.array()->size(), 3u);
  for (const Json& together : *both.array()) {
    const Json alone = JsonOf({"run", TextOf(together, "network"), "-p", "The sea", "-n", "12"});
    EXPECT_EQ(*together.Find("token_ids"), *alone.Find("token_ids"));
  }
  const std::string text = Must(Store(), {"run", "demo", "short", "-p", "The sea", "-n", "4"});
  EXPECT_THAT(text, ::testing::MatchesRegex("demo\nThe sea(.|\n)*\n\nshort\nThe sea(.|\n)*"));
}

// The token ids go with the text: only tokens that are wholly shown.
TEST_F(CommandLine, RunStopsBeforeAStopText) {
  const Words words = {"run", "demo", "-p", "Once upon a time", "-n", "30"};
  const Json whole = JsonOf(words);
  const std::string text = TextOf(whole, "text");
  const auto tokenizer =
      Tokenizer::FromJson(*ReadTextFile(testing::DemoModel() / "tokenizer.json"));
  const std::vector<std::int32_t> ids = IdsOf(whole);
  int inside = 0;
  for (const std::size_t at : {text.size() / 3, text.size() / 2, text.size() / 2 + 1,
                               text.size() / 2 + 2, text.size() - 4}) {
    const std::string stop = text.substr(at, 3);
    Words with_stop = words;
    with_stop.insert(with_stop.end(), {"--stop", stop, "--logprobs", "0"});
    const Json stopped = JsonOf(with_stop);
    const std::string shown = text.substr(0, text.find(stop));
    EXPECT_EQ(TextOf(stopped, "text"), shown);
    EXPECT_EQ(TextOf(stopped, "finish_reason"), "stop");
    const std::vector<std::int32_t> kept = IdsOf(stopped);
    ASSERT_LT(kept.size(), ids.size());
    EXPECT_TRUE(std::equal(kept.begin(), kept.end(), ids.begin()));
    const std::string decoded = tokenizer->Decode(kept);
    EXPECT_TRUE(shown.starts_with(decoded)) << stop;
    inside += decoded != shown ? 1 : 0;
    // One more would say more than is shown.
    const auto more = tokenizer->Decode(std::span(ids).first(kept.size() + 1));
    EXPECT_GT(more.size(), shown.size()) << stop;
    EXPECT_EQ(stopped.Find("logprobs")->array()->size(), kept.size());
    EXPECT_GT(*JsonCursor(*stopped.Find("usage")).Integer("completion_tokens", 0, 30),
              std::ssize(kept));
  }
  EXPECT_GT(inside, 0);  // of these some begin inside a token
  // A stop text is taken as it is typed, also where it looks like a list.
  Words list = words;
  list.insert(list.end(), {"--stop", "[a,e]"});
  EXPECT_EQ(TextOf(JsonOf(list), "text"), text);
}

TEST_F(CommandLine, RunGivesLogProbabilitiesAndHonoursBiases) {
  const Json plain = JsonOf({"run", "demo", "-p", "Once", "-n", "1", "--logprobs", "3"});
  const Json& first = plain.Find("logprobs")->array()->front();
  const Json::Array& best = *first.Find("top_logprobs")->array();
  ASSERT_EQ(best.size(), 3u);
  EXPECT_EQ(*best[0].Find("id"), *first.Find("id"));
  EXPECT_GE(*best[0].Find("logprob")->real(), *best[1].Find("logprob")->real());
  const std::int64_t runner_up = *best[1].Find("id")->integer();
  const Json biased = JsonOf(
      {"run", "demo", "-p", "Once", "-n", "1", "--logit-bias", std::to_string(runner_up) + "=50"});
  EXPECT_EQ(*biased.Find("token_ids")->array()->front().integer(), runner_up);
}

TEST_F(CommandLine, SamplingOptionsOutOfRangeAreNamed) {
  const std::pair<const char*, const char*> lies[] = {
      {"--temperature", "-1"},
      {"--temperature", "nan"},
      {"--temperature", "hot"},
      {"--top-k", "-1"},
      {"--top-k", "1.5"},
      {"--top-p", "1.01"},
      {"--min-p", "-0.1"},
      {"--typical-p", "2"},
      {"--repetition-penalty", "0"},
      {"--presence-penalty", "3"},
      {"--frequency-penalty", "-3"},
      {"--logit-bias", "7"},
      {"--logit-bias", "7=nan"},
      {"--logit-bias", "7=101"},
      {"--logit-bias", "x=1"},
      {"--logit-bias", "999999=1"},
      {"--seed", "-1"},
      {"--max-tokens", "-1"},
      {"--max-tokens", "many"},
      {"--threads", "0"},
      {"--threads", "100000"},
      {"--memory", "much"},
      {"--logprobs", "5"},
  };
  for (const auto& [option, value] : lies) {
    const CommandResult result = Store()({"run", "demo", "-p", "x", option, value});
    EXPECT_EQ(result.exit_code, 2) << option << " " << value << ::testing::PrintToString(result);
    std::string error = result.err;
    std::ranges::replace(error, '_', '-');  // the engine's word for --logit-bias
    EXPECT_THAT(error, HasSubstr(std::string(option).substr(2))) << value;
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(CommandLine, AnOptionTypedTwiceIsAnError) {
  const CommandResult result = Store()({"run", "demo", "-p", "x", "--seed", "1", "--seed", "2"});
  EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
}

TEST_F(CommandLine, AContextThatTheNetworkHasNotIsNamed) {
  const std::pair<Words, const char*> cases[] = {
      {{"run", "demo", "-p", "x", "--max-tokens", "5000"}, "context of 4096"},
      {{"run", "demo", "-p", "x", "--context", "5000"},
       "--context is 5000, but \"demo\" was made for 4096 positions"},
      {{"chat", "demo", "--context", "5000"}, "made for 4096 positions"},
      {{"bench", "demo", "--context", "5000"}, "made for 4096 positions"},
      {{"bench", "demo", "--prompt", "4000", "--gen", "97"},
       "--prompt 4000 and --gen 97 make 4097 tokens, but the context is 4096"},
      {{"bench", "demo", "--prompt", "8", "--gen", "8", "--context", "15"}, "the context is 15"},
      {{"run", "demo", "-p", "one two three four five", "--context", "2"}, "a context of 2"},
  };
  for (const auto& [words, error] : cases) {
    const CommandResult result = Store()(words);
    EXPECT_EQ(result.exit_code, 2) << ::testing::PrintToString(result);
    EXPECT_THAT(result.err, HasSubstr(error));
    EXPECT_EQ(result.out, "");
  }
}

TEST_F(CommandLine, AnAnswerEndsWhereTheContextDoes) {
  const Words words = {"run", "demo", "-p", "Once upon a time", "--ignore-eos", "--context", "20"};
  for (const Words& more : {Words{}, {"--max-tokens", "100"}}) {
    Words all = words;
    all.insert(all.end(), more.begin(), more.end());
    const Json json = JsonOf(all);
    EXPECT_EQ(TextOf(json, "finish_reason"), "length");
    EXPECT_EQ(*JsonCursor(*json.Find("usage")).Integer("total_tokens", 0, 100), 20);
  }
  // So it does where the network's own context ends, when nobody said how long it should be.
  std::string long_prompt;
  for (int i = 0; i < 4050; ++i) {
    long_prompt += "a\n";  // two tokens, or one
  }
  const Json one = JsonOf({"run", "demo", "-p", long_prompt.substr(0, 2), "-n", "0"});
  const std::int64_t each = *JsonCursor(*one.Find("usage")).Integer("prompt_tokens", 1, 2);
  const Json json =
      JsonOf({"run", "demo", "-p", long_prompt.substr(0, 2 * 4050 / each), "--ignore-eos"});
  EXPECT_EQ(TextOf(json, "finish_reason"), "length");
  EXPECT_EQ(*JsonCursor(*json.Find("usage")).Integer("total_tokens", 0, 5000), 4096);
}

TEST_F(CommandLine, EvalLogitsWritesWhatItSays) {
  TempDirectory directory;
  const Json json = JsonOf(EvalLogits(directory, 2, 3));
  EXPECT_EQ(WriteJson(*json.Find("shape")), "[2,3,4096]");
  const auto file = SafetensorsFile::Open(directory / "out");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const SafetensorsEntry* logits = file->Find("logits");
  ASSERT_NE(logits, nullptr);
  EXPECT_EQ(logits->dtype, "F32");
  EXPECT_EQ(logits->shape, (std::vector<std::int64_t>{2, 3, 4096}));
  // Rows are in the file's order: prompts that begin alike have like rows there, and then differ.
  const auto row = [&](std::size_t i) { return logits->bytes.subspan(i * 4096 * 4, 4096 * 4); };
  EXPECT_TRUE(std::ranges::equal(row(0), row(3)));
  EXPECT_FALSE(std::ranges::equal(row(1), row(4)));
}

// 100 MB of logits take no more memory than 4 MB of them.
TEST_F(CommandLine, EvalLogitsStreamsItsOutput) {
  if (kSanitized) {
    GTEST_SKIP() << "sanitizers take memory of their own";
  }
  TempDirectory directory;
  const CommandResult few = Store()(EvalLogits(directory, 1, 256));
  const CommandResult many = Store()(EvalLogits(directory, 24, 256));
  ASSERT_EQ(many.exit_code, 0) << ::testing::PrintToString(many);
  EXPECT_EQ(std::filesystem::file_size(directory / "out") >> 20, 96u);
  EXPECT_LT(many.peak_bytes, few.peak_bytes + (8u << 20));
}

TEST_F(CommandLine, EvalLogitsThatFailsLeavesNoFile) {
  TempDirectory directory;
  Words words = EvalLogits(directory, 1, 2);
  for (const char* more : {"--memory", "1M"}) {
    words.emplace_back(more);
  }
  EXPECT_EQ(Store()(words).exit_code, 1);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
  // A reader that is killed midway has not touched the name either.
  CommandOptions killed{.kill_after_us = 300'000};
  Store()(EvalLogits(directory, 400, 256), killed);
  EXPECT_FALSE(std::filesystem::exists(directory / "out"));
}

// ---- Terminals and pipes

TEST_F(CommandLine, WhatIsPipedHasNoEscapeCodes) {
  for (const Words& words : {Words{"ls"},
                             {"show", "demo"},
                             {"diff", "demo", "short"},
                             {"derive", "--list"},
                             {"run", "demo", "short", "-p", "x", "-n", "2"},
                             {"run", "demo", "-p", "x", "-n", "2"},
                             {"bench", "demo", "--prompt", "4", "--gen", "2", "--rounds", "1"},
                             {"plan", "demo"},
                             {"fsck"},
                             {"--help"}}) {
    const CommandResult result = Store()(words);
    EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("\x1b"))) << words[0];
    EXPECT_THAT(result.out + result.err, Not(HasSubstr("\r"))) << words[0];
  }
}

TEST_F(CommandLine, AReaderThatLeavesEarlyIsNoError) {
  const CommandResult result =
      Store().Shell("\"$ASHLAR\" derive --list | head -n 1; test ${PIPESTATUS[1]} -eq 0");
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  EXPECT_EQ(result.err, "");
}

TEST_F(CommandLine, AForcedInstructionSetIsTheOneThatRuns) {
  const Json version = JsonOf({"version"});
  for (const Json& isa : *version.Find("isas")->array()) {
    const CommandResult result =
        Store()({"version", "--json"}, {.environment = {"ASHLAR_ISA=" + *isa.string()}});
    EXPECT_EQ(*ParseJson(result.out)->Find("isa"), isa);
  }
  const CommandResult unknown =
      Store()({"run", "demo", "-p", "x"}, {.environment = {"ASHLAR_ISA=mmx"}});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("mmx"));
}

TEST_F(CommandLine, TheStoreIsTheOptionsThenTheEnvironmentsThenTheUsers) {
  TempDirectory home;
  const std::string demo = " import hf " + testing::DemoModel().string() + " --as demo >/dev/null";
  const CommandResult result = Store().Shell(
      "unset ASHLAR_STORE XDG_DATA_HOME; export HOME=" + home.path().string() + "\n" +
      "\"$ASHLAR\"" + demo + " && test -d $HOME/.local/share/ashlar/blobs &&\n" +
      "ASHLAR_STORE=$HOME/b \"$ASHLAR\"" + demo + " && test -d $HOME/b/blobs &&\n" +
      "ASHLAR_STORE=$HOME/b \"$ASHLAR\"" + demo + " --store $HOME/c && test -d $HOME/c/blobs");
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

}  // namespace
}  // namespace ashlar
