// The classes of faults that were published of programs that read models (memory written past a
// buffer that a count made too small, files of others read through a digest, templates that ran
// code, ...): each, told to each parser that it could be told to, is an error that says what is
// wrong, soon. (One class has nothing to be told to: workers that compute for whoever reaches them.
// No verb computes for another process.)
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_time.h"
#include "ashlar/formats/gguf_import.h"
#include "ashlar/formats/testing_gguf.h"
#include "ashlar/store/internal/tag_index.h"
#include "ashlar/store/oci.h"
#include "ashlar/text/chat_template.h"
#include "ashlar/text/gguf_vocabulary.h"
#include "ashlar/text/sentence_piece_model.h"
#include "ashlar/text/tokenizer.h"
#include "tests/support/imported.h"
#include "tests/support/lies.h"

namespace ashlar::published_faults {
namespace {

using testing::HonestModel;
using testing::Library;
using testing::ModelFiles;

template <class T>
Status StatusOf(const Result<T>& result) {
  return result.ok() ? Status() : Status(result.error());
}

// ---- The parsers, each told one lie

Status Gguf(const std::function<void(GgufLies&)>& tell) {
  GgufLies file{.pairs = GgufLies::TinyLlama()};
  file.tensors = {{"token_embd.weight", {32, 4}, 0, std::string(512, '\0')}};
  tell(file);
  const std::string bytes = file.Write();
  ASHLAR_TRY(const GgufFile read, GgufFile::Parse(AsBytes(bytes), "lie.gguf"));
  return CheckGgufImport(read, AllKinds());
}

// The tables of a vocabulary that is right but for the lie.
Status GgufWords(const std::function<void(GgufVocabulary&)>& tell) {
  GgufVocabulary vocabulary{.model = "llama",
                            .tokens = {"<unk>", "<s>", "a", "b", "ab"},
                            .scores = {0, 0, -1, -2, -3},
                            .token_types = {2, 3, 1, 1, 1}};
  tell(vocabulary);
  return StatusOf(GgufTokenizerJson(vocabulary));
}

// A model directory, imported.
Status Directory(const std::function<void(ModelFiles&)>& tell) {
  TempDirectory directory;
  ModelFiles files = HonestModel();
  tell(files);
  files.Write(directory.path());
  Library library;
  return StatusOf(ImportHuggingFace(directory.path(), "lie", library.catalog()));
}
std::function<Status()> Config(const char* field, const Json& value) {
  return [=] { return Directory([=](ModelFiles& files) { files.config.Set(field, value); }); };
}
std::function<Status()> TensorField(const char* field, const Json& value) {
  return [=] {
    return Directory(
        [=](ModelFiles& files) { files.Entry("model.norm.weight").Set(field, value); });
  };
}

std::function<Status()> TokenizerFile(const std::string& model, const std::string& rest = "") {
  return [=] {
    return StatusOf(Tokenizer::FromJson(R"({"added_tokens": [], "model": )" + model + rest + "}"));
  };
}

std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) {
    bytes.push_back(static_cast<char>(value | 0x80));
  }
  return bytes + static_cast<char>(value);
}
std::string Field(int number, std::string_view value) {
  return Varint(static_cast<std::uint64_t>(number) << 3 | 2) + Varint(value.size()) +
         std::string(value);
}
std::function<Status()> SentencePiece(const std::string& after_a_good_piece) {
  const std::string unknown = Field(1, "<unk>") + Varint(3 << 3) + Varint(2);
  return
      [=] { return StatusOf(SentencePieceTokenizerJson(Field(1, unknown) + after_a_good_piece)); };
}

std::function<Status()> Template(const std::string& source) {
  return [=]() -> Status {
    ASHLAR_TRY(const ChatTemplate parsed, ChatTemplate::Parse(source));
    return StatusOf(parsed.Render(Json::Of({}), {}));
  };
}

// What stands in a store: OCI documents, and the manifests of blocks and networks.
std::string OciText(const std::string& descriptor) {
  return R"({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [)" +
         descriptor + "]}";
}
std::string OciDescriptor(const std::string& digest, const std::string& size) {
  return R"({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": ")" + digest +
         R"(", "size": )" + size + "}";
}
std::function<Status()> Oci(const std::string& text) {
  return [=] { return StatusOf(ParseOciIndex(text)); };
}
std::function<Status()> Tags(const std::string& text) {
  return [=] { return StatusOf(internal::TagIndex::Parse(text)); };
}

// The manifest of a norm block, with one text in it replaced.
std::function<Status()> Manifest(const std::string& from, const std::string& to) {
  return [=] {
    std::string text =
        R"({"attributes":{"eps":"0.00001","type":"rms","width":64},"kind":"norm","schema":1,)"
        R"("tensors":{"weight":{"codec":"f32.1","levels":[{"blob":"sha256:)" +
        std::string(64, 'a') + R"(","length":256,"offset":0}],"shape":[64]}},"type":"block"})";
    testing::ReplaceText(text, from, to);
    return StatusOf(ParseBlock(text, AllKinds()));
  };
}

// A request to an engine that runs an honest network of 128 ids and 256 positions.
std::function<Status()> Asked(const std::function<void(Request&)>& tell) {
  return [=]() -> Status {
    TempDirectory directory;
    HonestModel().Write(directory.path());
    Library library;
    const Network network = library.Import(directory.path(), "honest");
    Engine engine(library.store(), {.max_positions = 64});
    Request request{.network = *engine.Load(network), .prompt = {1, 2, 3}, .max_tokens = 4};
    tell(request);
    return StatusOf(engine.Submit(request));
  };
}

// ---- What was published

enum class Parser {
  kGguf,
  kSafetensors,
  kConfig,
  kTokenizer,
  kSentencePiece,
  kTemplate,
  kStore,
  kManifest,
  kRequest,
};
constexpr std::pair<Parser, const char*> kParsers[] = {
    {Parser::kGguf, "gguf"},
    {Parser::kSafetensors, "safetensors"},
    {Parser::kConfig, "config"},
    {Parser::kTokenizer, "tokenizer"},
    {Parser::kSentencePiece, "sentence_piece"},
    {Parser::kTemplate, "template"},
    {Parser::kStore, "store"},
    {Parser::kManifest, "manifest"},
    {Parser::kRequest, "request"},
};
const char* NameOf(Parser parser) {
  return std::ranges::find(kParsers, parser, &std::pair<Parser, const char*>::first)->second;
}

struct Told {
  Parser parser;
  std::function<Status()> lie;
  const char* error;  // is in the message
};
struct Fault {
  const char* name;
  std::vector<Told> told;
  std::set<Parser> not_for;  // and why:
  const char* reason;
};

constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;
const std::string kDeep(100'000, '[');

std::vector<Fault> Faults() {
  using enum Parser;
  const std::string model = R"({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"})";
  const std::string digest = "sha256:" + std::string(64, 'a');
  return {
      {"arithmetic_that_overflows",
       {{kGguf, [] { return Gguf([](GgufLies& f) {
                       f.tensors[0].dims = {kHuge, 8};
                     }); },
         "token_embd.weight"},
        {kSafetensors, TensorField("shape", Json::Array{1LL << 47, 1LL << 47, 1LL << 47}),
         "does not fit in 64 bits"},
        {kConfig, Config("head_dim", 1LL << 30), "\"key_dim\" must be from 1 to 4096"},
        {kTokenizer, TokenizerFile(R"({"type": "WordLevel", "vocab": {"a": 9223372036854775807},
                           "unk_token": "a"})"),
         "9223372036854775807"},
        {kSentencePiece, SentencePiece(Varint(1 << 3 | 2) + Varint(~0ull)), "18446744073709551615"},
        {kTemplate, Template("{{ 'ab' * 9223372036854775807 }}"), "bytes"},
        {kTemplate, Template("{{ 9223372036854775807 * 2 }}"), "64 bits"},
        {kStore, Oci(OciText(OciDescriptor(digest, "18446744073709551616"))), "size"},
        {kManifest, Manifest("\"shape\":[64]", "\"shape\":[4294967296,4294967296,4294967296]"),
         "shape"},
        {kManifest, Manifest("\"offset\":0", "\"offset\":9223372036854775807"), "offset"},
        {kRequest, Asked([](Request& r) { r.max_tokens = INT64_MAX; }), "max_tokens"}},
       {},
       ""},
      {"data_past_the_end",
       {{kGguf, [] { return Gguf([](GgufLies& f) { f.tensors[0].offset = 1 << 20; }); },
         "at offset 1048576"},
        {kGguf, [] { return Gguf([](GgufLies& f) {
                       f.tensors[0].dims = {32, 4000};
                     }); },
         "claims 512000 bytes"},
        {kSafetensors, TensorField("data_offsets", Json::Array{1, 1LL << 40}), "lies outside the"},
        {kConfig, Config("vocab_size", 4096), "but config.json makes it [4096, 64]"},
        {kSentencePiece, SentencePiece(Varint(1 << 3 | 2) + Varint(100) + "short"), "needs 100"},
        {kManifest, Manifest("\"length\":256", "\"length\":255"), "takes 256 bytes"}},
       {kTokenizer, kTemplate, kStore, kRequest},
       "no offsets or lengths of other data; what a manifest claims of its blob, loading checks"},
      {"a_path_out_of_a_digest",
       {{kSafetensors,
         [] {
           return Directory([](ModelFiles& files) {
             files.weights = "shard.safetensors";
             files.others["model.safetensors.index.json"] =
                 R"({"weight_map": {"a": "../../../../etc/passwd"}})";
           });
         },
         "is not the plain name of a file"},
        {kStore, Oci(OciText(OciDescriptor("sha256:../../../../etc/passwd", "4"))), "digest"},
        {kStore, Tags(OciText(OciDescriptor("../../x", "4"))), "digest"},
        {kManifest, Manifest("\"sha256:" + std::string(64, 'a'), "\"sha256:../../etc/passwd"),
         "blob"}},
       {kGguf, kConfig, kTokenizer, kSentencePiece, kTemplate, kRequest},
       "they name no file; GGUF's shards are numbered after the first one's own name"},
      {"a_value_of_another_type",
       {{kGguf,
         []() -> Status {
           GgufLies lies;
           lies.pairs = {GgufLies::Array("tokenizer.ggml.scores", 0, 4, "abcd")};
           const std::string bytes = lies.Write();
           ASHLAR_TRY(const GgufFile file, GgufFile::Parse(AsBytes(bytes), "lie.gguf"));
           return StatusOf(file.fields().Reals("tokenizer.ggml.scores"));
         },
         "is an array of u8, expected an array of f32"},
        {kGguf,
         [] {
           return Gguf([](GgufLies& f) { f.pairs[1] = GgufLies::Of("llama.block_count", "1"); });
         },
         "llama.block_count is text, expected an integer"},
        {kSafetensors, TensorField("shape", "64"), "expected an array"},
        {kSafetensors, TensorField("dtype", "I32"), "F32, F16 and BF16 can be imported"},
        {kConfig, Config("hidden_size", "64"), "expected an integer"},
        {kTokenizer,
         TokenizerFile(R"({"type": "WordLevel", "vocab": {"a": "0"}, "unk_token": "a"})"),
         "string"},
        {kSentencePiece, SentencePiece(Varint(1 << 3) + Varint(5)), "wire type 0"},
        {kTemplate, Template("{{ 'a' + 1 }}"), "+ is not for string and integer"},
        {kStore, Oci(OciText(OciDescriptor(digest, "\"4\""))), "size"},
        {kManifest, Manifest("\"width\":64", "\"width\":\"64\""), "width"},
        {kManifest, Manifest("\"tensors\":{", "\"tensors\":[{"), "JSON"}},
       {kRequest},
       "its fields are typed before they come here"},
      {"a_vocabulary_that_lies",
       {{kGguf, [] { return GgufWords([](GgufVocabulary& v) { v.scores.pop_back(); }); }, "scores"},
        {kGguf, [] { return GgufWords([](GgufVocabulary& v) { v.bos = -1; }); }, "bos_token_id"},
        {kGguf, [] { return GgufWords([](GgufVocabulary& v) { v.unknown = 1LL << 40; }); },
         "unknown_token_id"},
        {kConfig,
         [] {
           return Directory([](ModelFiles& files) {
             files.others["tokenizer.json"] =
                 R"({"added_tokens": [], "model": {"type": "WordLevel", "vocab": {"a": 128},
                     "unk_token": "a"}})";
           });
         },
         "config.json's vocab_size is 128"},
        {kTokenizer,
         TokenizerFile(R"({"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"})"), "-1"},
        {kTokenizer,
         TokenizerFile(model, R"(, "post_processor": {"type": "BertProcessing", "sep": ["a", 99],
                                  "cls": ["a", 0]})"),
         "99"},
        {kSentencePiece, SentencePiece(Field(1, Field(1, "b") + Varint(3 << 3) + Varint(~0ull))),
         "type is -1"},
        {kManifest,
         [] {
           return StatusOf(ParseNetwork(R"({"metadata":{},"nodes":[],"schema":1,"type":"network",)"
                                        R"("vocabulary":-1})"));
         },
         "vocabulary"},
        {kRequest, Asked([](Request& r) { r.prompt = {128}; }), "128"},
        {kRequest, Asked([](Request& r) { r.prompt = {-1}; }), "-1"}},
       {kSafetensors, kTemplate, kStore},
       "they hold no vocabulary"},
      {"hyper_parameters_beyond_their_bounds",
       {{kGguf,
         [] {
           return Gguf([](GgufLies& f) {
             f.pairs[1] = GgufLies::U32("llama.block_count", 4'000'000'000u);
           });
         },
         "llama.block_count is 4000000000"},
        {kGguf,
         [] {
           return Gguf(
               [](GgufLies& f) { f.pairs[5] = GgufLies::U32("llama.attention.head_count", 0); });
         },
         "llama.attention.head_count is 0"},
        {kConfig, Config("num_hidden_layers", 1'000'000'000), "at most 10000 are allowed"},
        {kConfig, Config("num_attention_heads", 1 << 30), "heads"},
        {kTokenizer,
         TokenizerFile(R"({"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##",
                           "max_input_chars_per_word": -1, "vocab": {"a": 0}})"),
         "max_input_chars_per_word"},
        {kSentencePiece, SentencePiece(Field(2, Varint(3 << 3) + Varint(99))), "model type is 99"},
        {kManifest, Manifest("\"width\":64", "\"width\":9007199254740991"), "width"},
        {kRequest, Asked([](Request& r) { r.sampling.top_k = -1; }), "top_k"}},
       {kSafetensors, kTemplate, kStore},
       "they have no hyper-parameters"},
      {"counts_without_bound",
       {{kGguf, [] { return Gguf([](GgufLies& f) { f.tensor_count = ~0ull; }); },
         "claims 18446744073709551615 tensors"},
        {kGguf,
         [] {
           return Gguf([](GgufLies& f) {
             f.pairs.push_back(GgufLies::Array("a", 8, std::uint64_t{1} << 40, ""));
           });
         },
         "values of an array"},
        {kSafetensors,
         [] {
           return Directory(
               [](ModelFiles& files) { files.header.Set("x", Json::Array(2'000'000, Json(0))); });
         },
         "more than 1048576 values"},
        {kConfig,
         [] {
           return Directory([](ModelFiles& files) {
             files.config = Json();
             files.others["config.json"] = kDeep;
           });
         },
         "nested deeper than"},
        {kTokenizer, TokenizerFile(kDeep), "nested deeper than"},
        {kTokenizer, TokenizerFile(R"({"type": "WordLevel", "vocab": {"a": 4000000000},
                                       "unk_token": "a"})"),
         "4000000000"},
        {kSentencePiece, SentencePiece(std::string(11, '\xff')), "over 64 bits"},
        {kTemplate,
         Template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
         "the template makes more than"},
        {kTemplate, Template("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "deep"},
        {kStore, Oci(kDeep), "nested deeper than"},
        {kStore, Tags(kDeep), "nested deeper than"},
        {kManifest, [] { return StatusOf(ParseNetwork(kDeep)); }, "nested deeper than"},
        {kRequest, Asked([](Request& r) { r.prompt.assign(1'000'000, 1); }), "positions"}},
       {},
       ""},
      {"an_alignment_that_is_none",
       {{kGguf,
         [] {
           return Gguf(
               [](GgufLies& f) { f.pairs.push_back(GgufLies::U32("general.alignment", 0)); });
         },
         "general.alignment is 0"},
        {kGguf,
         [] {
           return Gguf([](GgufLies& f) {
             f.pairs.push_back(GgufLies::U32("general.alignment", 0x80000000));
           });
         },
         "general.alignment is 2147483648"}},
       {kSafetensors, kConfig, kTokenizer, kSentencePiece, kTemplate, kStore, kManifest, kRequest},
       "they state no alignment"},
      {"a_negative_field_of_a_request",
       {{kRequest, Asked([](Request& r) { r.max_tokens = -1; }), "max_tokens"},
        {kRequest, Asked([](Request& r) { r.sampling.temperature = -1; }), "temperature"}},
       {kGguf, kSafetensors, kConfig, kTokenizer, kSentencePiece, kTemplate, kStore, kManifest},
       "they are files"},
      {"a_template_that_reaches_out",
       {{kTemplate, Template("{{ ''.__class__.__mro__[1].__subclasses__() }}"), "no attribute"},
        {kTemplate, Template("{{ self.__init__.__globals__ }}"), "'self' is undefined"},
        {kTemplate, Template("{% include '/etc/passwd' %}"), "include"}},
       {kGguf, kSafetensors, kConfig, kTokenizer, kSentencePiece, kStore, kManifest, kRequest},
       "they hold a template at most as a text"},
  };
}

struct Case {
  std::string name;
  Told told;
};
void PrintTo(const Case& each, std::ostream* os) {
  *os << each.name;
}
std::vector<Case> Cases() {
  std::vector<Case> cases;
  std::map<std::string, int> seen;
  for (const Fault& fault : Faults()) {
    for (const Told& told : fault.told) {
      std::string name = fmt::format("{}_in_{}", fault.name, NameOf(told.parser));
      const int count = ++seen[name];
      cases.push_back({count == 1 ? name : fmt::format("{}_{}", name, count), told});
    }
  }
  return cases;
}

class PublishedFault : public ::testing::TestWithParam<Case> {};

TEST_P(PublishedFault, IsAnErrorThatSaysWhatIsWrongSoon) {
  const Told& told = GetParam().told;
  const double begin = CpuSeconds();
  const Status status = told.lie();
  const double took = CpuSeconds() - begin;
  ASSERT_FALSE(status.ok()) << "it was believed";
  EXPECT_THAT(status.error().message, ::testing::HasSubstr(told.error));
  EXPECT_LT(status.error().message.size(), 2000u);
  EXPECT_LT(took, 5);
}
INSTANTIATE_TEST_SUITE_P(, PublishedFault, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return info.param.name; });

TEST(PublishedFaults, EachIsToldToEveryParserThatItCouldBeToldTo) {
  for (const Fault& fault : Faults()) {
    EXPECT_FALSE(fault.told.empty()) << fault.name << ": tested nowhere";
    std::set<Parser> covered = fault.not_for;
    for (const Told& told : fault.told) {
      EXPECT_FALSE(fault.not_for.contains(told.parser)) << fault.name;
      covered.insert(told.parser);
    }
    EXPECT_EQ(covered.size(), std::size(kParsers)) << fault.name;
    EXPECT_EQ(fault.not_for.empty(), fault.reason[0] == '\0') << fault.name;
  }
}

}  // namespace
}  // namespace ashlar::published_faults
