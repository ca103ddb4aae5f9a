// GGUF files, from file to logits: what is imported, that nothing is lost, and what is refused.
#include "ashlar/formats/gguf_import.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_evidence.h"
#include "ashlar/codec/gguf/testing_blocks.h"
#include "ashlar/formats/gguf_export.h"
#include "ashlar/formats/internal/row_order.h"
#include "ashlar/formats/testing_gguf.h"
#include "ashlar/graph/derive.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/text/chat_format.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/imported.h"
#include "tests/support/model_directories.h"
#include "tests/support/tiny_model.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;
using testing::Library;
using testing::LogitsOf;
using testing::TinySpec;

class GgufImport : public ::testing::Test {
 protected:
  Network MustImport(const Path& path, const std::string& name) {
    const auto report = ImportGguf(path, name, library_.catalog());
    EXPECT_TRUE(report.ok()) << report.error().message;
    return *library_.catalog().Load(name);
  }
  std::vector<float> Logits(const Network& network, Isa isa = testing::BestIsa()) {
    Engine engine(library_.store(), {.isa = isa, .max_positions = 64});
    const auto id = engine.Load(network);
    EXPECT_TRUE(id.ok()) << id.error().message;
    std::vector<std::int32_t> ids;
    for (int i = 0; i < 21; ++i) {
      ids.push_back(i * 5 + 3);
    }
    return LogitsOf(engine, *id, ids);
  }
  Network Encoded(const std::string& base, const std::string& codec) {
    return library_.Derive(base, base + "-" + codec, "encode", {{"codec", codec}});
  }

  Library library_;
  TempDirectory directory_;
};

// A network of one layer, width 32, in f32.
GgufLies TinyFile() {
  GgufLies file{.pairs = GgufLies::TinyLlama()};
  const auto add = [&file](const std::string& name, std::vector<std::uint64_t> dims) {
    std::uint64_t count = 1;
    for (const std::uint64_t dim : dims) {
      count *= dim;
    }
    std::string data;
    for (std::uint64_t i = 0; i < count; ++i) {
      data += GgufLies::Bytes(static_cast<float>(i % 7) * 0.01f);
    }
    file.tensors.push_back({name, std::move(dims), 0, data});
  };
  add("token_embd.weight", {32, 128});
  add("output_norm.weight", {32});
  add("blk.0.attn_norm.weight", {32});
  for (const char* name : {"q", "k", "v", "output"}) {
    add(std::string("blk.0.attn_") + name + ".weight", {32, 32});
  }
  add("blk.0.ffn_norm.weight", {32});
  add("blk.0.ffn_gate.weight", {32, 64});
  add("blk.0.ffn_up.weight", {32, 64});
  add("blk.0.ffn_down.weight", {64, 32});
  return file;
}

// ---- Every type of tensor: files of the reference implementation.

constexpr const char* kTypesTable = "Tensor types of GGUF files";

// What the codec's kernel computes on.
const char* KernelOf(const Codec& codec) {
  const auto kernel = std::ranges::find(LinearKernels(), codec.name, &LinearKernel::codec);
  CHECK(kernel != LinearKernels().end());
  return kernel->activations == Activations::kQuantized ? "on the packed form" : "by rows";
}

// mini-TYPE.gguf, in ../shared.
std::vector<Path> TypeFixtures(const Path& shared) {
  std::vector<Path> files;
  for (const auto& file : std::filesystem::directory_iterator(shared / "fixtures/gguf")) {
    if (file.path().extension() == ".gguf") {
      files.push_back(file.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

TEST_F(GgufImport, OfEveryTypeKeepsNumbersAndBytesAndComputesWithThem) {
  ASHLAR_NEED_SHARED_FILES(shared);
  for (const Path& path : TypeFixtures(shared)) {
    const std::string name = path.stem();
    SCOPED_TRACE(name);
    Network network = MustImport(path, name);
    EXPECT_EQ(network.vocabulary, 259);
    EXPECT_TRUE(network.files.contains("tokenizer.json"));
    // The numbers of one matrix, whose rows stand in the file in another order.
    Path expected_path = path;
    const auto expected =
        SafetensorsFile::Open(expected_path.replace_extension("expected.safetensors"));
    ASSERT_TRUE(expected.ok()) << expected.error().message;
    const Block& attention = network.BlockOf(1);
    const TensorManifest& k = attention.tensors.at("k");
    const Blob blob = *library_.store().Get(k.levels.front().blob);
    const std::int64_t columns = k.shape[1];
    std::vector<float> values(static_cast<std::size_t>(k.shape.elements()));
    DecodeTensor(*k.codec, k.shape, blob.bytes(), values.data());
    const std::vector<float> numbers =
        testing::NumbersOf<float>(*expected, expected->entries().front().name);
    ASSERT_EQ(numbers.size(), values.size());
    const internal::RowOrder order(attention.attributes.Integer("key_dim"));
    for (std::int64_t row = 0; row < k.shape[0]; ++row) {
      ASSERT_EQ(
          std::memcmp(values.data() + row * columns, numbers.data() + order.InFile(row) * columns,
                      static_cast<std::size_t>(columns) * sizeof(float)),
          0)
          << "row " << row;
    }
    // An export gives every tensor's bytes back. (It has no words for this tokenizer.)
    network.files.clear();
    network.vocabulary = 0;
    const Path out = directory_ / (name + ".gguf");
    const auto report = ExportGguf(network, name, library_.store(), out);
    ASSERT_TRUE(report.ok()) << report.error().message;
    const auto before = GgufFile::Open(path);
    const auto after = GgufFile::Open(out);
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_EQ(before->entries().size(), after->entries().size());
    for (const GgufEntry& entry : before->entries()) {
      const GgufEntry* again = after->Find(entry.name);
      ASSERT_NE(again, nullptr) << entry.name;
      EXPECT_EQ(again->type->name, entry.type->name) << entry.name;
      EXPECT_TRUE(std::ranges::equal(again->bytes, entry.bytes)) << entry.name;
    }
    const std::string_view type = before->Find("blk.0.attn_k.weight")->type->name;
    Record({kTypesTable, type, "fixtures/gguf/" + name + ".gguf",
            fmt::format("{} numbers equal to the bit; exported, the same bytes", values.size()),
            true});
    // What its kernels compute is what plain numbers give, up to the rounding of activations.
    const std::vector<float> logits = Logits(network);
    const std::vector<float> plain = Logits(Encoded(name, "f32"));
    double largest = 0;
    for (const float logit : plain) {
      largest = std::max<double>(largest, std::abs(logit));
    }
    const double difference = testing::LargestDifference(logits, plain);
    EXPECT_LT(difference, 0.03 * largest);
    Record({kTypesTable, type, std::string("its kernel, ") + KernelOf(*k.codec),
            fmt::format("logits within {:.2g} % of those of f32", 100 * difference / largest),
            difference < 0.03 * largest});
  }
}

// A network whose matrices are random blocks of a type, by its definition: one layer, one block of
// 256 wide where the type has such.
GgufLies BlockFile(const GgufTensorType& type, const BlockCodec& of) {
  const std::uint64_t width = 256;
  GgufLies file{.pairs = {GgufLies::Of("general.architecture", "llama"),
                          GgufLies::U32("llama.block_count", 1),
                          GgufLies::U32("llama.context_length", 64),
                          GgufLies::U32("llama.embedding_length", width),
                          GgufLies::U32("llama.feed_forward_length", 2 * width),
                          GgufLies::U32("llama.attention.head_count", 4),
                          GgufLies::F32("llama.attention.layer_norm_rms_epsilon", 1e-5f)}};
  std::mt19937_64 random(type.id);
  const auto text = [](std::span<const std::byte> bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const auto matrix = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows) {
    const auto blocks = static_cast<std::int64_t>(rows * columns) / of.type->columns;
    file.tensors.push_back(
        {name, {columns, rows}, type.id, text(RandomBlocks(*of.type, blocks, random))});
  };
  const auto norm = [&](const std::string& name) {
    const std::vector<float> ones(width, 1.0f);
    file.tensors.push_back({name, {width}, 0, text(std::as_bytes(std::span(ones)))});
  };
  matrix("token_embd.weight", width, 128);
  norm("blk.0.attn_norm.weight");
  for (const char* name : {"q", "k", "v", "output"}) {
    matrix(std::string("blk.0.attn_") + name + ".weight", width, width);
  }
  norm("blk.0.ffn_norm.weight");
  matrix("blk.0.ffn_gate.weight", width, 2 * width);
  matrix("blk.0.ffn_up.weight", width, 2 * width);
  matrix("blk.0.ffn_down.weight", 2 * width, width);
  norm("output_norm.weight");
  return file;
}

// Of the types that no file at hand has, too: files made here.
TEST_F(GgufImport, OfBlocksOfEveryTypeKeepsBytesAndComputesWithThem) {
  for (const BlockCodec& of : AllBlockCodecs()) {
    const GgufTensorType& type = **GgufTypeOf(*of.codec);
    const std::string name(type.name);
    SCOPED_TRACE(name);
    const Path path = directory_ / (name + ".gguf");
    const std::string before = BlockFile(type, of).Write();
    std::ofstream(path, std::ios::binary) << before;
    const Network network = MustImport(path, name);
    // An export has the bytes of every tensor, and so those of another import.
    const Path out = directory_ / (name + "-again.gguf");
    const auto report = ExportGguf(network, name, library_.store(), out);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(MustImport(out, name + "-again").digest(), network.digest());
    const auto read = GgufFile::Open(path);
    const auto written = GgufFile::Open(out);
    ASSERT_TRUE(read.ok() && written.ok());
    EXPECT_EQ(read->entries().size(), written->entries().size());
    bool same = true;
    std::size_t bytes = 0;
    for (const GgufEntry& entry : read->entries()) {
      const GgufEntry* const again = written->Find(entry.name);
      ASSERT_NE(again, nullptr) << entry.name;
      EXPECT_EQ(again->type, entry.type) << entry.name;
      same = same && std::ranges::equal(again->bytes, entry.bytes);
      bytes += entry.bytes.size();
    }
    EXPECT_TRUE(same);
    // Its kernels' logits are those of plain numbers, up to the rounding of activations.
    const std::vector<float> logits = Logits(network);
    const std::vector<float> plain = Logits(Encoded(name, "f32"));
    const double largest = testing::LargestDifference(plain, std::vector<float>(plain.size()));
    const double difference = testing::LargestDifference(logits, plain);
    EXPECT_GT(largest, 0);
    EXPECT_LT(difference, 0.05 * largest);
    Record({kTypesTable, type.name,
            fmt::format("a file of random blocks; its kernel, {}", KernelOf(*of.codec)),
            fmt::format("{} bytes the same when exported; logits within {:.2g} % of those of f32",
                        bytes, 100 * difference / largest),
            same && difference < 0.05 * largest});
  }
}

// Every finite number of 16 bits, and as many of 32, comes out as the formula of its type says.
TEST_F(GgufImport, OfPlainNumbersKeepsEveryOne) {
  for (const char* name : {"F32", "F16", "BF16"}) {
    SCOPED_TRACE(name);
    const GgufTensorType& type =
        *std::ranges::find(AllGgufTensorTypes(), name, &GgufTensorType::name);
    constexpr std::uint32_t kNumbers = 1 << 16;
    GgufLies file = TinyFile();
    GgufLies::Tensor& embedding = file.tensors.front();
    embedding.dims = {32, kNumbers / 32};
    embedding.type = type.id;
    embedding.data.clear();
    std::vector<float> expected;
    for (std::uint32_t i = 0; i < kNumbers; ++i) {
      const std::uint32_t bits = type.block_bytes == 4 ? i * 0x10001u : i;
      const int exponent_bits = type.id == 1 ? 5 : 8;
      const int fraction_bits = type.block_bytes * 8 - 1 - exponent_bits;
      const int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
      const auto fraction = static_cast<double>(bits & ((1u << fraction_bits) - 1));
      const int bias = (1 << (exponent_bits - 1)) - 1;
      const bool finite = exponent != (1 << exponent_bits) - 1;
      const double size = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                        : std::ldexp(fraction + std::ldexp(1, fraction_bits),
                                                     exponent - bias - fraction_bits);
      const bool negative = (bits >> (type.block_bytes * 8 - 1)) != 0;
      expected.push_back(!finite ? 0 : static_cast<float>(negative ? -size : size));
      const std::uint32_t kept = finite ? bits : 0;
      embedding.data.append(reinterpret_cast<const char*>(&kept),
                            static_cast<std::size_t>(type.block_bytes));
    }
    const Path path = directory_ / (std::string(name) + ".gguf");
    std::ofstream(path, std::ios::binary) << file.Write();
    const Network network = MustImport(path, name);
    const TensorManifest& tensor = network.BlockOf(0).tensors.begin()->second;
    const Blob blob = *library_.store().Get(tensor.levels.front().blob);
    std::vector<float> values(kNumbers);
    DecodeTensor(*tensor.codec, tensor.shape, blob.bytes(), values.data());
    const bool equal = std::memcmp(values.data(), expected.data(), kNumbers * sizeof(float)) == 0;
    EXPECT_TRUE(equal);
    Record({kTypesTable, name, "every number of 16 bits, or as many of 32",
            fmt::format("{} numbers equal to the bit", kNumbers), equal});
  }
}

// ---- Every architecture: what was exported comes back as the same blocks.

TEST_F(GgufImport, OfAnExportedNetworkGivesTheSameBlocks) {
  const TinySpec cases[] = {
      {},
      {.tied = true},
      {.qkv_bias = true, .output_bias = true, .mlp_bias = true},
      {.model_type = "qwen2", .class_name = "Qwen2ForCausalLM", .qkv_bias = true},
      {.model_type = "qwen3", .class_name = "Qwen3ForCausalLM", .qk_norm = true},
  };
  int index = 0;
  for (TinySpec spec : cases) {
    SCOPED_TRACE(index);
    if (spec.output_bias) {
      spec.fields = {{"attention_bias", true}, {"mlp_bias", true}};
    }
    const std::string name = "tiny" + std::to_string(index++);
    const Path directory = directory_ / name;
    testing::WriteModel(testing::MakeTinyModel(spec), directory);
    const Network network = library_.Import(directory, name);
    const Path file = directory_ / (name + ".gguf");
    const auto report = ExportGguf(network, name, library_.store(), file);
    ASSERT_TRUE(report.ok()) << report.error().message;
    const Network again = MustImport(file, name + "-again");
    ASSERT_EQ(again.nodes.size(), network.nodes.size());
    for (std::size_t i = 0; i < network.nodes.size(); ++i) {
      EXPECT_EQ(WriteJson(again.BlockOf(static_cast<int>(i)).attributes.ToJson()),
                WriteJson(network.BlockOf(static_cast<int>(i)).attributes.ToJson()));
      // Vectors come back as f32, whatever they were; these are.
      EXPECT_EQ(again.nodes[i], network.nodes[i]) << i;
    }
    EXPECT_EQ(again.metadata.context_length, network.metadata.context_length);
    EXPECT_EQ(Logits(again), Logits(network));
  }
}

TEST_F(GgufImport, OfAFileWithATokenizerEncodesText) {
  GgufLies file = TinyFile();
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::string types = GgufLies::Bytes(2) + GgufLies::Bytes(3) + GgufLies::Bytes(3);
  std::string scores;
  for (const char* token : {"\u2581", "a", "b", "ab", "\u2581ab"}) {
    tokens.push_back(token);
    types += GgufLies::Bytes(1);
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    scores += GgufLies::Bytes(static_cast<float>(i));
  }
  file.pairs.push_back(GgufLies::Of("tokenizer.ggml.model", "llama"));
  file.pairs.push_back(GgufLies::Texts("tokenizer.ggml.tokens", tokens));
  file.pairs.push_back(GgufLies::Array("tokenizer.ggml.scores", 6, tokens.size(), scores));
  file.pairs.push_back(GgufLies::Array("tokenizer.ggml.token_type", 5, tokens.size(), types));
  file.pairs.push_back(GgufLies::U32("tokenizer.ggml.bos_token_id", 1));
  file.pairs.push_back(GgufLies::U32("tokenizer.ggml.eos_token_id", 2));
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template", "{{ messages }}"));
  const Path path = directory_ / "words.gguf";
  std::ofstream(path, std::ios::binary) << file.Write();
  const Network network = MustImport(path, "words");
  EXPECT_EQ(network.vocabulary, 8);
  EXPECT_EQ(network.metadata.bos_token, 1);
  EXPECT_EQ(network.metadata.eos_tokens, std::vector<std::int64_t>{2});
  const auto text = [&](const char* name) {
    return std::string(
        AsText((*library_.store().Get(network.files.find(name)->second.blob)).bytes()));
  };
  EXPECT_EQ(text("chat_template.jinja"), "{{ messages }}");
  const auto tokenizer = Tokenizer::FromJson(text("tokenizer.json"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  EXPECT_EQ(*tokenizer->Encode("ab"), (std::vector<std::int32_t>{1, 7}));
}

// ---- What is refused

class GgufImportLie : public GgufImport {
 protected:
  void ExpectRefusal(const GgufLies& lies, const std::string& message) {
    const Path path = directory_ / "lie.gguf";
    std::ofstream(path, std::ios::binary) << lies.Write();
    const auto report = ImportGguf(path, "lie", library_.catalog());
    ASSERT_FALSE(report.ok()) << message;
    EXPECT_THAT(report.error().message, HasSubstr(message));
    EXPECT_THAT(report.error().message, HasSubstr("lie.gguf"));
    EXPECT_FALSE(library_.catalog().Load("lie").ok());
  }
  static GgufLies::Pair& PairOf(GgufLies& lies, const std::string& key) {
    return *std::ranges::find(lies.pairs, key, &GgufLies::Pair::key);
  }
};

TEST_F(GgufImportLie, TheTruthIsImported) {
  const Path path = directory_ / "truth.gguf";
  std::ofstream(path, std::ios::binary) << TinyFile().Write();
  const Network network = MustImport(path, "truth");
  EXPECT_EQ(network.nodes.size(), 5u);
  for (const float logit : Logits(network)) {
    ASSERT_TRUE(std::isfinite(logit));
  }
}

TEST_F(GgufImportLie, AnArchitectureOrAKeyThatIsNotKnownIsNamed) {
  GgufLies lies = TinyFile();
  lies.pairs[0] = GgufLies::Of("general.architecture", "clip");
  ExpectRefusal(lies, "networks of architecture \"clip\" cannot be imported; known: llama");
  lies = TinyFile();
  lies.pairs.push_back(GgufLies::F32("llama.attn_logit_softcapping", 30));
  ExpectRefusal(lies, "\"llama.attn_logit_softcapping\" is a key that ashlar does not know");
  lies = TinyFile();
  lies.pairs.erase(lies.pairs.begin());
  ExpectRefusal(lies, "no general.architecture");
  lies = TinyFile();
  lies.pairs.erase(lies.pairs.begin() + 3);
  ExpectRefusal(lies, "the metadata have no llama.embedding_length");
  lies = TinyFile();
  lies.pairs.push_back(GgufLies::Of("llama.rope.scaling.type", "longrope"));
  ExpectRefusal(lies, "llama.rope.scaling.type \"longrope\" cannot be imported");
}

// A count of layers past any fixed array is an error, and so is one that is only too large.
TEST_F(GgufImportLie, HyperParametersBeyondTheirBoundsAreErrors) {
  for (const auto& [key, value, message] : {
           std::tuple{"llama.block_count", 600u, "there is no tensor \"blk.1.attn_norm.weight\""},
           {"llama.block_count", 4'000'000'000u, "llama.block_count is 4000000000, expected 1 to"},
           {"llama.block_count", 2'000'000'000u, "at most 10000 are allowed"},
           {"llama.block_count", 0u, "llama.block_count is 0"},
           {"llama.embedding_length", 0u, "llama.embedding_length is 0"},
           {"llama.embedding_length", 64u, "but the metadata make it"},
           {"llama.attention.head_count", 3u, "the metadata make it [30, 32]"},
           {"llama.attention.head_count", 64u, "heads with keys of 0"},
           {"llama.feed_forward_length", 2'147'483'648u,
            "the mlp blocks that the metadata describe: attribute \"channels\""},
       }) {
    GgufLies lies = TinyFile();
    PairOf(lies, key) = GgufLies::U32(key, value);
    ExpectRefusal(lies, message);
  }
  GgufLies lies = TinyFile();
  PairOf(lies, "llama.attention.head_count") =
      GgufLies::Array("llama.attention.head_count", 5, 2, GgufLies::Bytes(2) + GgufLies::Bytes(4));
  ExpectRefusal(lies, "layers that differ in it cannot be imported");
  lies = TinyFile();
  PairOf(lies, "llama.block_count") = GgufLies::Of("llama.block_count", "one");
  ExpectRefusal(lies, "llama.block_count is text, expected an integer");
}

TEST_F(GgufImportLie, TensorsThatAreMissingLeftOverOrOfAnotherShapeAreNamed) {
  GgufLies lies = TinyFile();
  lies.tensors.pop_back();
  ExpectRefusal(lies, "there is no tensor \"blk.0.ffn_down.weight\"");
  lies = TinyFile();
  lies.tensors.push_back({"blk.1.attn_q.weight", {4}, 0, std::string(16, '\0')});
  ExpectRefusal(lies, "tensor \"blk.1.attn_q.weight\" is one that the metadata do not call for");
  lies = TinyFile();
  std::swap(lies.tensors.back().dims[0], lies.tensors.back().dims[1]);
  ExpectRefusal(lies, "tensor \"blk.0.ffn_down.weight\" has shape [64, 32]");
  lies = TinyFile();
  lies.tensors.push_back({"rope_freqs.weight", {8}, 0, std::string(32, '\0')});
  ExpectRefusal(lies, "the tensor rope_freqs.weight is not what the llama3 scaling gives");
}

// Token tables that are larger than the network, of another type or of other lengths.
TEST_F(GgufImportLie, AVocabularyThatContradictsTheNetworkOrItselfIsNamed) {
  GgufLies lies = TinyFile();
  lies.pairs.push_back(GgufLies::Of("tokenizer.ggml.model", "llama"));
  lies.pairs.push_back(
      GgufLies::Texts("tokenizer.ggml.tokens", std::vector<std::string>(129, "x")));
  ExpectRefusal(lies, "tokenizer.ggml.tokens has 129 tokens, but the network reads 128 ids");
  lies.pairs.back() = GgufLies::Array("tokenizer.ggml.tokens", 0, 4, "abcd");
  ExpectRefusal(lies, "tokenizer.ggml.tokens is an array of u8, expected an array of texts");
  lies.pairs.back() = GgufLies::Texts("tokenizer.ggml.tokens", {"a", "b"});
  lies.pairs.push_back(GgufLies::Array("tokenizer.ggml.scores", 0, 4, "abcd"));
  ExpectRefusal(lies, "tokenizer.ggml.scores is an array of u8, expected an array of f32");
  lies.pairs.back() = GgufLies::Array("tokenizer.ggml.scores", 6, 1, GgufLies::Bytes(0.0f));
  ExpectRefusal(lies, "scores");
}

TEST_F(GgufImport, OfAVocabularyWithATokenTwiceLeavesTheTokenizerOutAndSaysSo) {
  GgufLies file = TinyFile();
  file.pairs.push_back(GgufLies::Of("tokenizer.ggml.model", "gpt2"));
  file.pairs.push_back(GgufLies::Texts("tokenizer.ggml.tokens", {"a", "b", "a"}));
  const Path path = directory_ / "twice.gguf";
  std::ofstream(path, std::ios::binary) << file.Write();
  const auto report = ImportGguf(path, "twice", library_.catalog());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks, ::testing::ElementsAre(HasSubstr(
                                   "the tokenizer is not imported, so the network can be run by "
                                   "ids only: tokenizer.ggml.tokens: \"a\" has both the ids 0 and "
                                   "2")));
  EXPECT_FALSE(library_.catalog().Load("twice")->files.contains("tokenizer.json"));
}

TEST_F(GgufImport, OfAFileWithNamedTemplatesTakesTheOneForToolsWithTools) {
  GgufLies file = TinyFile();
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template", "plain"));
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template.tool_use", "with tools"));
  const Path path = directory_ / "chat.gguf";
  std::ofstream(path, std::ios::binary) << file.Write();
  const Network network = MustImport(path, "chat");
  const auto chat = ChatFormat::FromFiles(
      {.chat_template = *ReadNetworkFile(network, library_.store(), "chat_template.jinja"),
       .tokenizer_config = *ReadNetworkFile(network, library_.store(), "tokenizer_config.json")});
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  const auto messages = Json::Array{Json::Of({{"role", "user"}, {"content", "hello"}})};
  EXPECT_EQ(*chat->Render(Json::Of({{"messages", messages}}), {}), "plain");
  EXPECT_EQ(*chat->Render(Json::Of({{"messages", messages}, {"tools", Json::Array{"f"}}}), {}),
            "with tools");
}

TEST_F(GgufImport, OfANamedTemplateThatCannotBeReadLeavesItOutAndChatsGoOn) {
  GgufLies file = TinyFile();
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template", "plain"));
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template.rag", "{% nonsense %}"));
  file.pairs.push_back(GgufLies::Of("tokenizer.chat_template.tool_use", "with tools"));
  const Path path = directory_ / "chat.gguf";
  std::ofstream(path, std::ios::binary) << file.Write();
  const auto report = ImportGguf(path, "chat", library_.catalog());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_THAT(report->remarks,
              ::testing::Contains(HasSubstr("the chat template \"rag\" is not imported: ")));
  const Network network = *library_.catalog().Load("chat");
  const auto chat = ChatFormat::FromFiles(
      {.chat_template = *ReadNetworkFile(network, library_.store(), "chat_template.jinja"),
       .tokenizer_config = *ReadNetworkFile(network, library_.store(), "tokenizer_config.json")});
  ASSERT_TRUE(chat.ok()) << chat.error().message;
  EXPECT_EQ(*chat->Render(Json::Of({{"tools", Json::Array{"f"}}}), {}), "with tools");
}

TEST_F(GgufImportLie, MoreNamedTemplatesThanChatsReadAreRefused) {
  GgufLies lies = TinyFile();
  for (int i = 0; i <= 100; ++i) {
    lies.pairs.push_back(GgufLies::Of(fmt::format("tokenizer.chat_template.t{}", i), "t"));
  }
  ExpectRefusal(lies, "there are more than 100 chat templates");
}

TEST_F(GgufImportLie, ATensorOfFactorsThatNothingReadsIsNamed) {
  GgufLies lies = TinyFile();
  lies.tensors.push_back({"rope_factors_short.weight", {8}, 0, std::string(32, '\0')});
  ExpectRefusal(lies, "tensor \"rope_factors_short.weight\" is one that the metadata do not call");
}

TEST_F(GgufImportLie, AScaleThatIsNotANumberIsNamedAndNothingIsTagged) {
  GgufLies lies = TinyFile();
  GgufLies::Tensor& tensor = lies.tensors.back();
  tensor.type = 8;
  tensor.data = std::string(32 * 2 * 34, '\x01');
  tensor.data[34 * 7 + 1] = '\x7c';
  ExpectRefusal(lies, "tensor \"blk.0.ffn_down.weight\", from row 0 on: the scale of row 3");
}

}  // namespace
}  // namespace ashlar
