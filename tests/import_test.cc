// Importing, as a person does it: what it costs, and what it survives.
#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/json_cursor.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/formats/checkpoint.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::Command;
using testing::CommandResult;
using testing::DemoModel;
using testing::TinySpec;
using testing::WriteModel;

// The JSON that a command which must not fail printed.
Json JsonOf(const CommandResult& result) {
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  const auto json = ParseJson(result.out);
  EXPECT_TRUE(json.ok()) << result.out;
  return json.ok() ? *json : Json();
}

std::int64_t IntegerIn(const Json& json, std::string_view key) {
  const auto value = JsonCursor(json).Integer(key, 0, std::int64_t{1} << 50);
  EXPECT_TRUE(value.ok()) << value.error().message;
  return *value;
}

Json Import(const Ashlar& ashlar, const Path& directory, const std::string& name) {
  return JsonOf(ashlar({"import", "hf", directory.string(), "--as", name, "--json"}));
}

std::map<std::string, std::uint64_t> BlobsOf(const Ashlar& ashlar) {
  std::map<std::string, std::uint64_t> blobs;
  const Path folder = ashlar.store() / "blobs/sha256";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    blobs[file.path().filename()] = file.file_size();
  }
  return blobs;
}

std::uint64_t BytesOf(const Ashlar& ashlar) {
  std::uint64_t bytes = 0;
  for (const auto& [digest, size] : BlobsOf(ashlar)) {
    bytes += size;
  }
  return bytes;
}

void ExpectClean(const Ashlar& ashlar) {
  const CommandResult fsck = ashlar({"fsck"});
  EXPECT_EQ(fsck.exit_code, 0) << ::testing::PrintToString(fsck);
}

// Some megabytes in some thirty tensors: long enough to be killed anywhere.
TinySpec MediumSpec(std::uint64_t seed) {
  return {.layers = 3, .width = 256, .channels = 512, .vocabulary = 512, .seed = seed};
}

TEST(Import, OfTheSameModelAgainAddsNothing) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  const Json first = Import(ashlar, DemoModel(), "demo");
  EXPECT_EQ(static_cast<std::uint64_t>(IntegerIn(first, "added_bytes")), BytesOf(ashlar));
  const auto blobs = BlobsOf(ashlar);
  for (const char* name : {"demo", "again"}) {
    const Json second = Import(ashlar, DemoModel(), name);
    EXPECT_EQ(IntegerIn(second, "added_bytes"), 0);
    EXPECT_EQ(*second.Find("digest"), *first.Find("digest"));
    EXPECT_EQ(BlobsOf(ashlar), blobs);
  }
}

TEST(Import, OfShardsGivesTheNetworkOfTheSingleFile) {
  TempDirectory directory;
  const testing::TinyModel model = testing::MakeTinyModel({});
  WriteModel(model, directory / "single");
  WriteModel(model, directory / "shards", 3);
  const Ashlar ashlar(directory / "store");
  const Json single = Import(ashlar, directory / "single", "single");
  const Json shards = Import(ashlar, directory / "shards", "shards");
  EXPECT_EQ(*single.Find("digest"), *shards.Find("digest"));
  EXPECT_EQ(IntegerIn(shards, "source_bytes"), IntegerIn(shards, "found_bytes"));
  EXPECT_LT(IntegerIn(shards, "added_bytes"), 4096);  // what tells where it came from
}

// The tensors of `from`, one after the other, as one that takes their place.
void Join(testing::TinyModel& model, const std::vector<std::string>& from, const std::string& to) {
  testing::TinyTensor joined;
  for (const std::string& name : from) {
    const testing::TinyTensor& part = model.tensors.at(name);
    joined.shape = {joined.shape.empty() ? part.shape[0] : joined.shape[0] + part.shape[0],
                    part.shape[1]};
    joined.values.insert(joined.values.end(), part.values.begin(), part.values.end());
    model.tensors.erase(name);
  }
  model.tensors[to] = std::move(joined);
}

TEST(Import, OfJoinedMatricesGivesTheNetworkOfThoseApart) {
  TempDirectory directory;
  testing::TinyModel model = testing::MakeTinyModel({});
  WriteModel(model, directory / "apart");
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    const std::string attention = std::string(layer) + "self_attn.";
    const std::string mlp = std::string(layer) + "mlp.";
    Join(model,
         {attention + "q_proj.weight", attention + "k_proj.weight", attention + "v_proj.weight"},
         attention + "qkv_proj.weight");
    Join(model, {mlp + "gate_proj.weight", mlp + "up_proj.weight"}, mlp + "gate_up_proj.weight");
  }
  model.config.Set("model_type", "phi3");
  model.config.Set("architectures", Json::Array{"Phi3ForCausalLM"});
  WriteModel(model, directory / "joined");
  const Ashlar ashlar(directory / "store");
  const Json apart = Import(ashlar, directory / "apart", "apart");
  const Json joined = Import(ashlar, directory / "joined", "joined");
  EXPECT_EQ(*apart.Find("digest"), *joined.Find("digest"));
  EXPECT_EQ(IntegerIn(joined, "source_bytes"), IntegerIn(joined, "found_bytes"));
}

// A checkpoint with layer norms, a plain MLP and all biases, by the names of starcoder2.
testing::TinyModel ModelWithBiases() {
  testing::TinyModel model = testing::MakeTinyModel(
      {.layers = 1, .kv_heads = 4, .qkv_bias = true, .output_bias = true, .mlp_bias = true});
  std::map<std::string, testing::TinyTensor> tensors;
  for (auto& [name, tensor] : model.tensors) {
    if (name.find("gate_proj") != std::string::npos) {
      continue;
    }
    if (const std::size_t at = name.find("norm.weight"); at != std::string::npos) {
      testing::TinyTensor bias = tensor;
      std::ranges::reverse(bias.values);
      tensors[name.substr(0, at) + "norm.bias"] = std::move(bias);
    }
    std::string renamed = name;
    for (const auto& [from, to] :
         {std::pair("up_proj", "c_fc"), std::pair("down_proj", "c_proj")}) {
      if (const std::size_t at = renamed.find(from); at != std::string::npos) {
        renamed.replace(at, std::string_view(from).size(), to);
      }
    }
    tensors[renamed] = std::move(tensor);
  }
  model.tensors = std::move(tensors);
  for (const char* field : {"rms_norm_eps", "num_key_value_heads", "head_dim", "hidden_act"}) {
    model.config.Set(field, nullptr);
  }
  return model;
}

// The same by other names, with the rows of q, k and v of each head together.
testing::TinyModel Renamed(testing::TinyModel model,
                           const std::vector<std::pair<std::string, std::string>>& names,
                           const std::string& attention) {
  for (const char* end : {".weight", ".bias"}) {
    testing::TinyTensor joined;
    for (std::int64_t head = 0; head < model.spec.heads; ++head) {
      for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
        const auto& from = model.tensors.at(std::string("model.layers.0.self_attn.") + part + end);
        const std::int64_t numbers = testing::CountOf(from.shape) / model.spec.heads;
        const auto begin = from.values.begin() + head * numbers;
        joined.values.insert(joined.values.end(), begin, begin + numbers);
        joined.shape = from.shape;
      }
    }
    joined.shape[0] *= 3;
    for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
      model.tensors.erase(std::string("model.layers.0.self_attn.") + part + end);
    }
    model.tensors[attention + end] = std::move(joined);
  }
  std::map<std::string, testing::TinyTensor> tensors;
  for (auto& [name, tensor] : model.tensors) {
    std::string renamed = name;
    for (const auto& [from, to] : names) {
      if (renamed.starts_with(from + ".")) {
        renamed.replace(0, from.size(), to);
        break;
      }
    }
    tensors[renamed] = std::move(tensor);
  }
  model.tensors = std::move(tensors);
  return model;
}

TEST(Import, OfTheSameLayersInThreeFamiliesGivesOneNetwork) {
  TempDirectory directory;
  const auto write = [&](testing::TinyModel model, const std::string& name, Json::Object fields) {
    for (const auto& [key, value] : fields) {
      model.config.Set(key, value);
    }
    WriteModel(model, directory / name);
  };
  const testing::TinyModel starcoder2 = ModelWithBiases();
  const testing::TinyModel gpt_neox =
      Renamed(starcoder2,
              {{"model.layers.0.self_attn.o_proj", "gpt_neox.layers.0.attention.dense"},
               {"model.layers.0.mlp.c_fc", "gpt_neox.layers.0.mlp.dense_h_to_4h"},
               {"model.layers.0.mlp.c_proj", "gpt_neox.layers.0.mlp.dense_4h_to_h"},
               {"model.layers", "gpt_neox.layers"},
               {"model.embed_tokens", "gpt_neox.embed_in"},
               {"model.norm", "gpt_neox.final_layer_norm"},
               {"lm_head", "embed_out"}},
              "gpt_neox.layers.0.attention.query_key_value");
  const auto falcon = [&](const std::string& attention_norm, const std::string& mlp_norm) {
    const std::string layer = "transformer.h.0.";
    return Renamed(starcoder2,
                   {{"model.layers.0.self_attn.o_proj", layer + "self_attention.dense"},
                    {"model.layers.0.mlp.c_fc", layer + "mlp.dense_h_to_4h"},
                    {"model.layers.0.mlp.c_proj", layer + "mlp.dense_4h_to_h"},
                    {"model.layers.0.input_layernorm", layer + attention_norm},
                    {"model.layers.0.post_attention_layernorm", layer + mlp_norm},
                    {"model.embed_tokens", "transformer.word_embeddings"},
                    {"model.norm", "transformer.ln_f"}},
                   layer + "self_attention.query_key_value");
  };
  write(starcoder2, "starcoder2",
        {{"model_type", "starcoder2"},
         {"architectures", Json::Array{"Starcoder2ForCausalLM"}},
         {"num_key_value_heads", 4},
         {"hidden_act", "gelu"},
         {"norm_epsilon", 1e-5}});
  write(gpt_neox, "gpt_neox",
        {{"model_type", "gpt_neox"},
         {"architectures", Json::Array{"GPTNeoXForCausalLM"}},
         {"rotary_pct", 1.0},
         {"use_parallel_residual", false}});
  write(gpt_neox, "gpt_neox_parallel",
        {{"model_type", "gpt_neox"},
         {"architectures", Json::Array{"GPTNeoXForCausalLM"}},
         {"rotary_pct", 1.0}});
  const Json::Object falcon_fields = {{"model_type", "falcon"},
                                      {"architectures", Json::Array{"FalconForCausalLM"}},
                                      {"ffn_hidden_size", 96},
                                      {"multi_query", false},
                                      {"bias", true}};
  const auto with = [&](const char* key, bool value) {
    Json::Object fields = falcon_fields;
    fields.emplace_back(key, value);
    return fields;
  };
  write(falcon("input_layernorm", "post_attention_layernorm"), "falcon",
        with("parallel_attn", false));
  write(falcon("ln_attn", "ln_mlp"), "falcon_parallel", with("new_decoder_architecture", true));

  const Ashlar ashlar(directory / "store");
  const auto digest = [&](const std::string& name) {
    return *Import(ashlar, directory / name, name).Find("digest");
  };
  const Json one_after_the_other = digest("starcoder2");
  EXPECT_EQ(digest("gpt_neox"), one_after_the_other);
  EXPECT_EQ(digest("falcon"), one_after_the_other);
  const Json side_by_side = digest("gpt_neox_parallel");
  EXPECT_EQ(digest("falcon_parallel"), side_by_side);
  EXPECT_FALSE(side_by_side == one_after_the_other);
}

TEST(Import, OfANetworkThatSeesGivesTheOneThatReadsItsText) {
  TempDirectory directory;
  testing::TinyModel model = testing::MakeTinyModel({.tied = true});
  model.config.Set("model_type", "mistral");
  model.config.Set("architectures", Json::Array{"MistralForCausalLM"});
  WriteModel(model, directory / "reads");
  const Ashlar ashlar(directory / "store");
  const Json expected = *Import(ashlar, directory / "reads", "reads").Find("digest");

  Json text = model.config;
  text.object()->erase(text.object()->begin());  // architectures
  const Json seeing = Json::Of({{"model_type", "mistral3"},
                                {"architectures", Json::Array{"Mistral3ForConditionalGeneration"}},
                                {"image_token_index", 10},
                                {"vision_config", Json::Of({{"hidden_size", 8}})},
                                {"text_config", text}});
  const testing::TinyTensor image = model.tensors.begin()->second;
  // As such checkpoints were saved at first, and later.
  for (const auto& [base, tower] : {std::pair("language_model.model.", "vision_tower."),
                                    std::pair("model.language_model.", "model.vision_tower.")}) {
    testing::TinyModel seer = {.spec = model.spec, .config = seeing, .tensors = {}};
    for (const auto& [name, tensor] : model.tensors) {
      seer.tensors[base + name.substr(std::string("model.").size())] = tensor;
    }
    seer.tensors[std::string(tower) + "patch_conv.weight"] = image;
    WriteModel(seer, directory / base);
    const Json report = Import(ashlar, directory / base, "seer");
    EXPECT_EQ(*report.Find("digest"), expected) << base;
    EXPECT_THAT(WriteJson(report), ::testing::HasSubstr("1 tensors of the part that sees images"));

    seer.config.Set("image_gate", 2);
    WriteModel(seer, directory / "gated");
    const auto refused = ashlar({"import", "hf", (directory / "gated").string(), "--as", "gated"});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err,
                ::testing::HasSubstr("image_gate is a field that ashlar does not know"));
    std::filesystem::remove_all(directory / "gated");
  }
}

TEST(Import, OfACheckpointThatWasSavedWithoutItsHeadGivesTheSameNetwork) {
  TempDirectory directory;
  testing::TinyModel model = testing::MakeTinyModel({.tied = true});
  WriteModel(model, directory / "whole");
  std::map<std::string, testing::TinyTensor> renamed;
  for (auto& [name, tensor] : model.tensors) {
    renamed[name.substr(std::string("model.").size())] = std::move(tensor);
  }
  model.tensors = std::move(renamed);
  WriteModel(model, directory / "headless");
  const Ashlar ashlar(directory / "store");
  EXPECT_EQ(*Import(ashlar, directory / "whole", "whole").Find("digest"),
            *Import(ashlar, directory / "headless", "headless").Find("digest"));
}

TEST(Import, OfAFineTuneAddsOnlyWhatDiffers) {
  ASHLAR_NEED_SHARED_FILES(shared);
  const Checkpoint base = *Checkpoint::Open(shared / "models/lab");
  const Checkpoint tuned = *Checkpoint::Open(shared / "models/lab-docs");
  std::int64_t differing = 0;
  for (const std::string& name : tuned.Names()) {
    if (!std::ranges::equal(base.Find(name)->bytes, tuned.Find(name)->bytes)) {
      differing += static_cast<std::int64_t>(tuned.Find(name)->bytes.size());
    }
  }
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  const Json first = Import(ashlar, shared / "models/lab", "lab");
  EXPECT_GE(IntegerIn(first, "added_bytes"), IntegerIn(first, "source_bytes"));
  const std::uint64_t before = BytesOf(ashlar);
  const Json second = Import(ashlar, shared / "models/lab-docs", "lab-docs");
  EXPECT_EQ(BytesOf(ashlar) - before, static_cast<std::uint64_t>(IntegerIn(second, "added_bytes")));
  EXPECT_GE(IntegerIn(second, "added_bytes"), differing);
  EXPECT_LT(IntegerIn(second, "added_bytes"), differing + (64 << 10));
  EXPECT_NEAR(static_cast<double>(IntegerIn(second, "added_bytes")), 25.2e6, 0.05e6);
}

TEST(Import, SharesWhatTwoModelsHaveInCommon) {
  TempDirectory directory;
  testing::TinyModel model = testing::MakeTinyModel(MediumSpec(1));
  WriteModel(model, directory / "base");
  std::vector<float>& changed = model.tensors["model.layers.2.mlp.up_proj.weight"].values;
  changed[5] += 1;
  WriteModel(model, directory / "tuned");
  const Ashlar ashlar(directory / "store");
  Import(ashlar, directory / "base", "base");
  const Json tuned = Import(ashlar, directory / "tuned", "tuned");
  const auto bytes = static_cast<std::int64_t>(changed.size() * sizeof(float));
  EXPECT_GE(IntegerIn(tuned, "added_bytes"), bytes);
  EXPECT_LT(IntegerIn(tuned, "added_bytes"), bytes + (64 << 10));
}

TEST(Import, GoesOnAfterBeingKilledAtAnyMoment) {
  TempDirectory directory;
  WriteModel(testing::MakeTinyModel(MediumSpec(1)), directory / "first");
  WriteModel(testing::MakeTinyModel(MediumSpec(2)), directory / "second");
  const Ashlar undisturbed(directory / "undisturbed");
  Import(undisturbed, directory / "first", "first");
  const std::vector<std::string> words = {"import", "hf",     (directory / "second").string(),
                                          "--as",   "second", "--json"};
  const CommandResult whole = undisturbed(words);
  ASSERT_EQ(whole.exit_code, 0) << ::testing::PrintToString(whole);

  const char* given = std::getenv("ASHLAR_KILL_ROUNDS");
  const int rounds = given != nullptr ? std::atoi(given) : 12;
  std::mt19937_64 random(TestSeed());
  int killed = 0;
  for (int round = 0; round < rounds; ++round) {
    const Ashlar ashlar(directory / ("store" + std::to_string(round)));
    const bool acknowledged = round % 2 == 0;  // else the store itself may be half made
    if (acknowledged) {
      Import(ashlar, directory / "first", "first");
    }
    for (int kill = 0; kill < 2; ++kill) {
      const std::int64_t when = std::uniform_int_distribution<std::int64_t>(
          0, static_cast<std::int64_t>(whole.seconds * 1.1e6))(random);
      const CommandResult result = ashlar(words, {.kill_after_us = when});
      killed += result.signal == SIGKILL ? 1 : 0;
      ASSERT_TRUE(result.signal == SIGKILL || result.exit_code == 0)
          << ::testing::PrintToString(result);
      if (!acknowledged) {
        continue;
      }
      // What was acknowledged is there, what is half-done is not visible, nothing is damaged.
      ExpectClean(ashlar);
      const Json list = JsonOf(ashlar({"ls", "--json"}));
      std::set<std::string> names;
      for (const Json& entry : *list.array()) {
        names.insert(*entry.Find("name")->string());
      }
      EXPECT_TRUE(names.contains("first"));
      if (names.contains("second")) {
        EXPECT_EQ(ashlar({"show", "second", "--json"}).exit_code, 0);
      }
    }
    if (!acknowledged) {
      Import(ashlar, directory / "first", "first");
    }
    const Json resumed = JsonOf(ashlar(words));
    EXPECT_EQ(*resumed.Find("digest"), *ParseJson(whole.out)->Find("digest"));
    ExpectClean(ashlar);
    EXPECT_EQ(ashlar({"gc"}).exit_code, 0);
    EXPECT_EQ(BlobsOf(ashlar), BlobsOf(undisturbed));
    EXPECT_TRUE(std::filesystem::is_empty(ashlar.store() / "ashlar/tmp"));
    std::filesystem::remove_all(ashlar.store());
  }
  std::printf("killed %d of %d imports\n", killed, 2 * rounds);
  EXPECT_GT(killed, 0);
}

TEST(Import, MayRunInTwoProcessesAtOnce) {
  TempDirectory directory;
  WriteModel(testing::MakeTinyModel(MediumSpec(1)), directory / "a");
  WriteModel(testing::MakeTinyModel(MediumSpec(2)), directory / "b");
  const Ashlar alone(directory / "alone");
  const Json a = Import(alone, directory / "a", "a");
  const Json b = Import(alone, directory / "b", "b");
  const Ashlar ashlar(directory / "store");
  std::vector<std::unique_ptr<Command>> running;
  for (const auto& [model, name] :
       {std::pair("a", "a"), std::pair("a", "a2"), std::pair("b", "b"), std::pair("a", "a")}) {
    running.push_back(std::make_unique<Command>(
        Ashlar::Words({"import", "hf", (directory / model).string(), "--as", name, "--json"}),
        ashlar.WithStore({})));
  }
  std::vector<CommandResult> results;
  for (const auto& command : running) {
    results.push_back(command->Wait());
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(*JsonOf(results[i]).Find("digest"), *(i == 2 ? b : a).Find("digest"));
  }
  ExpectClean(ashlar);
  EXPECT_EQ(JsonOf(ashlar({"ls", "--json"})).array()->size(), 3u);
  EXPECT_EQ(BlobsOf(ashlar), BlobsOf(alone));
}

TEST(Import, TakesTheMemoryOfTheLargestTensorAndNotOfTheModel) {
  constexpr std::uint64_t kLargest = 16 << 20;
  const TinySpec spec = {.layers = 4, .width = 1024, .channels = 4096};
  TempDirectory directory;
  testing::WriteText(directory / "config.json", WriteJson(testing::ConfigOf(spec)));
  {
    // Every tensor is another piece of the same numbers, so that this process stays small.
    std::vector<float> numbers(kLargest / sizeof(float) + 1000);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<float>(i * 2654435761u % 1000) * 1e-4f;
    }
    std::vector<SafetensorsTensor> tensors;
    for (const auto& [name, shape] : testing::ShapesOf(spec)) {
      const std::span<const float> piece = std::span(numbers).subspan(
          tensors.size(), static_cast<std::size_t>(testing::CountOf(shape)));
      tensors.push_back(
          {.name = name, .dtype = "F32", .shape = shape, .bytes = std::as_bytes(piece)});
    }
    ASSERT_TRUE(WriteSafetensors(directory / "model.safetensors", tensors).ok());
  }
  const Ashlar ashlar(directory / "store");
  for (const char* name : {"first", "second"}) {
    const CommandResult result =
        ashlar({"import", "hf", directory.path().string(), "--as", name, "--json"});
    EXPECT_GT(IntegerIn(JsonOf(result), "source_bytes"), 190'000'000);
    if (!kSanitized) {
      EXPECT_LT(result.peak_bytes, kLargest + (64u << 20)) << name;
    }
  }
}

TEST(Import, IntoAStoreThatMayNotBeWrittenFailsAndReadingGoesOn) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "changes to a user without rights, which only root can";
  }
  TempDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  WriteModel(testing::MakeTinyModel({}), directory / "tiny");
  const Ashlar ashlar(directory / "store");
  Import(ashlar, DemoModel(), "demo");
  const auto blobs = BlobsOf(ashlar);
  const std::string nobody =
      "chmod -R a+rX,a-w \"$ASHLAR_STORE\" && "
      "setpriv --reuid=65534 --regid=65534 --clear-groups \"$ASHLAR\" ";
  const CommandResult import =
      ashlar.Shell(nobody + "import hf " + (directory / "tiny").string() + " --as tiny");
  EXPECT_EQ(import.exit_code, 1) << ::testing::PrintToString(import);
  EXPECT_NE(import.err.find("ermission denied"), std::string::npos) << import.err;
  for (const char* words : {"ls", "show demo", "fsck --keep", "run demo -p Once -n 2"}) {
    const CommandResult result = ashlar.Shell(nobody + words);
    EXPECT_EQ(result.exit_code, 0) << words << ": " << ::testing::PrintToString(result);
  }
  EXPECT_EQ(BlobsOf(ashlar), blobs);
}

TEST(Derive, CostsLessThanSixtyFourKilobytes) {
  TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  Import(ashlar, DemoModel(), "demo");
  const std::vector<std::vector<std::string>> derivations = {
      {"derive", "short", "--from", "demo", "drop", "--layers", "3,4"},
      {"derive", "deep", "--from", "demo", "repeat", "--layers", "3"},
      {"derive", "slim", "--from", "demo", "slice", "--channels", "75%"},
  };
  for (std::vector<std::string> words : derivations) {
    const std::uint64_t before = BytesOf(ashlar);
    words.push_back("--json");
    const Json derived = JsonOf(ashlar(words));
    const std::uint64_t growth = BytesOf(ashlar) - before;
    EXPECT_EQ(growth, static_cast<std::uint64_t>(IntegerIn(derived, "added_bytes"))) << words[1];
    EXPECT_GT(growth, 0u) << words[1];
    EXPECT_LT(growth, 64u << 10) << words[1];
  }
  ExpectClean(ashlar);
}

}  // namespace
}  // namespace ashlar
