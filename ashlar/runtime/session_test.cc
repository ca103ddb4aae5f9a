#include "ashlar/runtime/session.h"

#include <algorithm>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace ashlar {
namespace {

using testing_networks::LlamaSpec;
using testing_networks::RandomLlama;
using testing_networks::RandomTokens;
using testing_networks::StepOf;

class SessionTest : public ::testing::Test {
 protected:
  static EngineOptions Options(KvFormat format = KvFormat::kF32) {
    return {.isa = *ChooseIsa(""),
            .max_positions = 256,
            .max_rows = 64,
            .max_logit_rows = 16,
            .max_sequences = 4,
            .page_bytes = 4 << 20,
            .kv_format = format};
  }
  static Request Asking(NetworkId network, std::vector<std::int32_t> prompt,
                        std::uint64_t cache_scope = 0) {
    return {.network = network,
            .prompt = std::move(prompt),
            .max_tokens = 8,
            .sampling = {.temperature = 1, .seed = 3, .top_logprobs = 3},
            .cache_scope = cache_scope};
  }
  struct Said {
    std::vector<std::int32_t> tokens;
    std::vector<float> logprobs;
    std::int64_t cached_tokens = 0;
  };
  static Said Answer(Engine& engine, const Request& request) {
    const RequestId id = *engine.Submit(request);
    Said said;
    while (!engine.idle()) {
      for (const Delivery& delivery : StepOf(engine)) {
        EXPECT_EQ(delivery.request, id);
        said.cached_tokens = delivery.cached_tokens;
        if (delivery.token) {
          said.tokens.push_back(delivery.token->token);
          for (const TokenLogprob& each : delivery.token->top) {
            said.logprobs.push_back(each.logprob);
          }
        }
      }
    }
    return said;
  }
  // A session of `tokens`, read by an engine of its own.
  Session SessionOf(const Network& network, const std::vector<std::int32_t>& tokens,
                    const EngineOptions& options = Options()) {
    Engine engine(*store_, options);
    const NetworkId id = *engine.Load(network);
    Answer(engine, Asking(id, tokens));
    return *engine.SaveSession(id, tokens, 0);
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  std::mt19937_64 random_{TestSeed()};
  Network network_ = RandomLlama(*store_, {.layers = 2});
};

TEST_F(SessionTest, AnotherProcessGoesOnFromItWithTheSameBitsAndReadsOnlyTheRest) {
  const TempDirectory directory;
  const LlamaSpec kSpecs[] = {{.layers = 2}, {.layers = 2, .latent = true}, {.recurrent = true}};
  for (const LlamaSpec& spec : kSpecs) {
    const Network network = RandomLlama(*store_, spec);
    for (const KvFormat format : KvFormats()) {
      Engine first(*store_, Options(format));
      const NetworkId id = *first.Load(network);
      std::vector<std::int32_t> tokens = RandomTokens(random_, 70, 96);
      const Said said = Answer(first, Asking(id, tokens));
      tokens.insert(tokens.end(), said.tokens.begin(), said.tokens.end());
      ASSERT_TRUE(WriteSessionFile(directory / "s", *first.SaveSession(id, tokens, 0)).ok());

      Engine second(*store_, Options(format));
      const NetworkId again = *second.Load(network);
      const Result<Session> session = ReadSessionFile(directory / "s");
      ASSERT_TRUE(session.ok()) << session.error().message;
      EXPECT_EQ(session->tokens, tokens);
      // The last token of the answer was never computed; pages of a carried state are of 32.
      EXPECT_EQ(*second.RestoreSession(again, *session, 0), 64);
      std::vector<std::int32_t> prompt = session->tokens;
      const auto more = RandomTokens(random_, 20, 96);
      prompt.insert(prompt.end(), more.begin(), more.end());
      const Said restored = Answer(second, Asking(again, prompt));
      Engine cold(*store_, Options(format));
      const Said computed = Answer(cold, Asking(*cold.Load(network), prompt));
      EXPECT_EQ(restored.tokens, computed.tokens);
      EXPECT_EQ(restored.logprobs, computed.logprobs);
      EXPECT_GE(restored.cached_tokens, 64);
      EXPECT_EQ(computed.cached_tokens, 0);
    }
  }
}

TEST_F(SessionTest, ARequestThatRunsCanBeSaved) {
  Engine engine(*store_, Options());
  const NetworkId id = *engine.Load(network_);
  const auto prompt = RandomTokens(random_, 40, 96);
  ASSERT_TRUE(engine.Submit(Asking(id, prompt)).ok());
  EXPECT_EQ(engine.SaveSession(id, prompt, 0).error().code, ErrorCode::kNotFound);
  StepOf(engine);
  const Session session = *engine.SaveSession(id, prompt, 0);
  EXPECT_EQ(session.slots.size(), 2u);
  EXPECT_EQ(session.slots[0].page_count(), 2);
  EXPECT_FALSE(engine.idle());
}

TEST_F(SessionTest, IsFoundByRequestsOfTheScopeThatItIsRestoredInto) {
  const auto tokens = RandomTokens(random_, 65, 96);
  const Session session = SessionOf(network_, tokens);
  Engine engine(*store_, Options());
  const NetworkId id = *engine.Load(network_);
  ASSERT_EQ(*engine.RestoreSession(id, session, 7), 64);
  EXPECT_EQ(Answer(engine, Asking(id, tokens, 8)).cached_tokens, 0);
  EXPECT_EQ(Answer(engine, Asking(id, tokens, 7)).cached_tokens, 64);
  ASSERT_EQ(*engine.RestoreSession(id, session, 7), 64);  // all of it is there
}

TEST_F(SessionTest, WhatDiffersIsNamedAndNothingIsRestored) {
  const auto tokens = RandomTokens(random_, 65, 96);
  const Session session = SessionOf(network_, tokens);
  Engine engine(*store_, Options());
  const NetworkId own = *engine.Load(network_);
  const auto refused = [&](NetworkId network, const Session& changed) {
    const Result<std::int64_t> restored = engine.RestoreSession(network, changed, 0);
    return restored.ok() ? "no error" : restored.error().message;
  };
  const NetworkId tuned = *engine.Load(RandomLlama(*store_, {.layers = 2, .seed = 9}));
  EXPECT_NE(refused(tuned, session).find("another network, or of another precision: slot 0"),
            std::string::npos);
  const NetworkId deeper = *engine.Load(RandomLlama(*store_, {.layers = 3}));
  EXPECT_EQ(refused(deeper, session),
            "the session is of another network: it has 2 slots of state, and this one 3");
  const NetworkId narrow = *engine.Load(network_, {.kv_format = KvFormat::kQ8});
  EXPECT_EQ(refused(narrow, session),
            "the session keeps keys and values in f32, and the network is loaded with q8");
  Session other = session;
  other.form.kernel_form = "abacus.1";
  EXPECT_NE(refused(own, other).find("was computed by kernels \"abacus.1\""), std::string::npos);
  other = session;
  other.tokens[3] = 96;
  EXPECT_NE(refused(own, other).find("has the token 96"), std::string::npos);
  EXPECT_EQ(engine.page_use().cached, 0u);

  EngineOptions small = Options();
  small.page_bytes = 7 * 4096;  // the session has 2 slots of 4 pages
  Engine little(*store_, small);
  const Result<std::int64_t> restored = little.RestoreSession(*little.Load(network_), session, 0);
  ASSERT_FALSE(restored.ok());
  EXPECT_EQ(restored.error().code, ErrorCode::kExhausted);
}

TEST_F(SessionTest, EveryChangedByteAndEveryCutIsFound) {
  const std::vector<std::byte> bytes =
      EncodeSession(SessionOf(RandomLlama(*store_, {.layers = 1}), RandomTokens(random_, 17, 96)));
  ASSERT_TRUE(DecodeSession(bytes).ok());
  for (int i = 0; i < 300; ++i) {
    std::vector<std::byte> changed = bytes;
    if (i % 3 == 0) {
      changed.resize(random_() % bytes.size());
    } else {
      // As often as not near the beginning, where the sizes are.
      const std::size_t range = i % 3 == 1 ? bytes.size() : 200;
      changed[random_() % range] ^= static_cast<std::byte>(1 << (random_() % 8));
    }
    EXPECT_FALSE(DecodeSession(changed).ok()) << "change " << i;
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(DecodeSession(longer).ok());
}

// Lies with a digest that fits them.
TEST_F(SessionTest, WhatCannotBeIsRefused) {
  const auto text = [](const Session& session) {
    const Result<Session> read = DecodeSession(EncodeSession(session));
    return read.ok() ? "no error" : read.error().message;
  };
  const Session whole{
      .form = {.kv_format = "f32", .kernel_form = "reference.1"},
      .tokens = std::vector<std::int32_t>(40, 1),
      .slots = {{.page_positions = 16, .page_bytes = 8, .pages = std::vector<std::byte>(16)}}};
  EXPECT_EQ(text(whole), "no error");
  Session lie = whole;
  lie.slots[0].page_positions = 17;
  EXPECT_EQ(text(lie), "a page stands for 17 positions, which is no multiple of 16");
  lie = whole;
  lie.tokens.resize(31);
  EXPECT_EQ(text(lie), "2 pages of 16 positions stand for more than the 31 tokens");
  lie = whole;
  lie.form.kv_format = std::string(300, 'x');
  EXPECT_EQ(text(lie), "the KV format has 300 bytes, and can have at most 256");
  // The count of pages is written 16 bytes before them, and the digest has 32.
  std::vector<std::byte> bytes = EncodeSession(whole);
  bytes.resize(bytes.size() - 32);
  bytes[bytes.size() - 24] = std::byte{39};
  const Digest digest = Sha256(bytes);
  const auto end = std::as_bytes(std::span(digest.bytes()));
  bytes.insert(bytes.end(), end.begin(), end.end());
  EXPECT_EQ(DecodeSession(bytes).error().code, ErrorCode::kCorrupt);

  const TempDirectory directory;
  const Result<Session> absent = ReadSessionFile(directory / "absent");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ashlar
