#include "ashlar/formats/gguf_read.h"

#include <fstream>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/testing_gguf.h"

namespace ashlar {
namespace {

using testing::HasSubstr;

// A small file of two tensors that can be read.
GgufLies HonestFile() {
  GgufLies file;
  file.pairs = {GgufLies::Of("general.architecture", "llama"),
                GgufLies::U32("answer", 42),
                GgufLies::F32("half", 0.5f),
                {"yes", 7, "\x01"},
                GgufLies::Texts("words", {"a", "", "\xff\xfe"}),
                GgufLies::Array("reals", 6, 2, GgufLies::Bytes(1.5f) + GgufLies::Bytes(-2.0f)),
                GgufLies::Array("numbers", 5, 2, GgufLies::Bytes(-1) + GgufLies::Bytes(7))};
  file.tensors = {{"matrix", {32, 2}, 8, std::string(2 * 34, 'x')},
                  {"vector", {3}, 0, std::string(12, 'y')}};
  return file;
}

Result<GgufFile> Read(const std::string& bytes) {
  return GgufFile::Parse(AsBytes(bytes), "f.gguf");
}
void ExpectError(const GgufLies& lies, ErrorCode code, const std::string& message) {
  const std::string bytes = lies.Write();
  const Result<GgufFile> file = Read(bytes);
  ASSERT_FALSE(file.ok()) << message;
  EXPECT_EQ(file.error().code, code) << file.error().message;
  EXPECT_THAT(file.error().message, HasSubstr("f.gguf"));
  EXPECT_THAT(file.error().message, HasSubstr(message));
}

TEST(GgufFile, GivesEachTensorWithItsShapeOutermostFirst) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufLies lies = HonestFile();
    lies.version = version;
    const std::string bytes = lies.Write();
    const Result<GgufFile> file = Read(bytes);
    ASSERT_TRUE(file.ok()) << file.error().message;
    ASSERT_EQ(file->entries().size(), 2u);
    const GgufEntry* matrix = file->Find("matrix");
    ASSERT_NE(matrix, nullptr);
    EXPECT_THAT(matrix->shape, testing::ElementsAre(2, 32));
    EXPECT_EQ(matrix->type->name, "Q8_0");
    EXPECT_EQ(AsText(matrix->bytes), std::string(68, 'x'));
    EXPECT_EQ(AsText(file->Find("vector")->bytes), std::string(12, 'y'));
    EXPECT_EQ(file->Find("other"), nullptr);
  }
}

TEST(GgufFile, GivesEachValueByItsKeyAndNothingForAnAbsentOne) {
  const std::string bytes = HonestFile().Write();
  const Result<GgufFile> file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const GgufFields& fields = file->fields();
  EXPECT_EQ(**fields.Text("general.architecture"), "llama");
  EXPECT_EQ(**fields.Integer("answer", 0, 100), 42);
  EXPECT_EQ(**fields.Real("half"), 0.5);
  EXPECT_TRUE(**fields.Bool("yes"));
  EXPECT_THAT(**fields.Texts("words"), testing::ElementsAre("a", "", "\xff\xfe"));
  EXPECT_THAT(**fields.Reals("reals"), testing::ElementsAre(1.5f, -2.0f));
  EXPECT_THAT(**fields.Integers("numbers"), testing::ElementsAre(-1, 7));
  EXPECT_FALSE(fields.Integer("absent", 0, 1)->has_value());
  EXPECT_FALSE(fields.Texts("absent")->has_value());
  EXPECT_EQ(fields.keys().size(), 7u);
}

TEST(GgufFile, TakesEveryIntegerTypeWithinItsBounds) {
  GgufLies lies;
  lies.pairs = {{"u8", 0, GgufLies::Bytes<std::uint8_t>(200)},
                {"i8", 1, GgufLies::Bytes<std::int8_t>(-3)},
                {"u16", 2, GgufLies::Bytes<std::uint16_t>(60'000)},
                {"i16", 3, GgufLies::Bytes<std::int16_t>(-300)},
                {"i32", 5, GgufLies::Bytes<std::int32_t>(-70'000)},
                {"u64", 10, GgufLies::Bytes<std::uint64_t>(5)},
                {"i64", 11, GgufLies::Bytes<std::int64_t>(-5)},
                {"huge", 10, GgufLies::Bytes<std::uint64_t>(~std::uint64_t{0})},
                {"f64", 12, GgufLies::Bytes(0.1)},
                {"nan", 6, GgufLies::Bytes(std::numeric_limits<float>::quiet_NaN())}};
  const std::string bytes = lies.Write();
  const Result<GgufFile> file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const GgufFields& fields = file->fields();
  const std::int64_t least = -100'000;
  const std::int64_t most = 100'000;
  for (const auto& [key, value] : {std::pair{"u8", 200},
                                   {"i8", -3},
                                   {"u16", 60'000},
                                   {"i16", -300},
                                   {"i32", -70'000},
                                   {"u64", 5},
                                   {"i64", -5}}) {
    EXPECT_EQ(**fields.Integer(key, least, most), value) << key;
  }
  EXPECT_EQ(**fields.Real("f64"), 0.1);
  EXPECT_THAT(fields.Integer("huge", least, most).error().message, HasSubstr("huge is u64"));
  EXPECT_THAT(fields.Integer("i8", 0, 5).error().message, HasSubstr("i8 is -3, expected 0 to 5"));
  EXPECT_THAT(fields.Real("nan").error().message, HasSubstr("nan"));
}

TEST(GgufFile, ReadsWhatTheWriterWrote) {
  const TempDirectory directory;
  const Path path = directory / "own.gguf";
  const std::string data(24, 'z');
  GgufContent content{.metadata = {{"a", std::uint32_t{7}}, {"b", std::vector<std::string>{"x"}}}};
  content.tensors.push_back({"t", {2, 3}, &AllGgufTensorTypes()[0], [&](const GgufSink& sink) {
                               return sink(AsBytes(data));
                             }});
  ASSERT_TRUE(WriteGguf(path, content).ok());
  const Result<GgufFile> file = GgufFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(**file->fields().Integer("a", 0, 9), 7);
  EXPECT_THAT(file->Find("t")->shape, testing::ElementsAre(2, 3));
  EXPECT_EQ(AsText(file->Find("t")->bytes), data);
  EXPECT_TRUE(file->CheckIntact().ok());
}

// ---- The classes of published vulnerabilities, each with a file that tries it.

TEST(GgufLie, CountSizeAndOffsetArithmeticThatOverflowsIsAnError) {
  const std::uint64_t huge = std::uint64_t{1} << 63;
  GgufLies lies = HonestFile();
  lies.tensors[0].dims = {huge, 2};
  ExpectError(lies, ErrorCode::kCorrupt, "dimension 0 is 9223372036854775808");
  lies.tensors[0].dims = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  ExpectError(lies, ErrorCode::kInvalid, "matrix");
  lies.tensors[0].dims = {std::uint64_t{1} << 48};
  ExpectError(lies, ErrorCode::kCorrupt, "was it cut short");
  lies = HonestFile();
  lies.tensors[1].offset = ~std::uint64_t{31};
  ExpectError(lies, ErrorCode::kCorrupt, "\"vector\" claims 12 bytes at offset");
  lies = HonestFile();
  lies.pairs.push_back(GgufLies::Array("a", 10, huge / 4, ""));
  ExpectError(lies, ErrorCode::kCorrupt, "values of an array");
}

TEST(GgufLie, ATensorPastTheEndOfTheFileIsAnError) {
  GgufLies lies = HonestFile();
  lies.tensors[1].offset = 1 << 20;
  ExpectError(lies, ErrorCode::kCorrupt, "at offset 1048576");
  lies = HonestFile();
  lies.tensors[1].dims = {1000};
  ExpectError(lies, ErrorCode::kCorrupt, "claims 4000 bytes");
  const std::string whole = HonestFile().Write();
  for (std::size_t size = 0; size < whole.size() - 31; ++size) {  // within the last padding
    const std::string cut = whole.substr(0, size);
    EXPECT_FALSE(Read(cut).ok()) << size;
  }
}

TEST(GgufLie, AMetadataArrayOfAnotherTypeIsAnError) {
  GgufLies lies = HonestFile();
  lies.pairs.push_back(GgufLies::Array("scores", 0, 4, "abcd"));
  lies.pairs.push_back(GgufLies::U32("one", 1));
  const std::string bytes = lies.Write();
  const Result<GgufFile> file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const GgufFields& fields = file->fields();
  EXPECT_THAT(fields.Reals("scores").error().message,
              HasSubstr("scores is an array of u8, expected an array of f32"));
  EXPECT_THAT(fields.Reals("one").error().message, HasSubstr("one is u32, expected an array"));
  EXPECT_THAT(fields.Texts("numbers").error().message, HasSubstr("expected an array of texts"));
  EXPECT_THAT(fields.Integers("words").error().message, HasSubstr("expected an array of integers"));
  EXPECT_THAT(fields.Integers("reals").error().message, HasSubstr("expected an array of integers"));
  EXPECT_THAT(fields.Text("answer").error().message, HasSubstr("expected a text"));
  EXPECT_THAT(fields.Integer("words", 0, 1).error().message, HasSubstr("a single value"));
  EXPECT_THAT(fields.Bool("answer").error().message, HasSubstr("expected a bool"));
  EXPECT_THAT(fields.Integer("yes", 0, 1).error().message, HasSubstr("expected an integer"));
  EXPECT_THAT(fields.Real("answer").error().message, HasSubstr("expected a real number"));
}

TEST(GgufLie, UnboundedCountsAreRefusedBeforeAnythingIsMadeRoomFor) {
  GgufLies lies = HonestFile();
  lies.tensor_count = ~std::uint64_t{0};
  ExpectError(lies, ErrorCode::kCorrupt, "claims 18446744073709551615 tensors");
  lies = HonestFile();
  lies.pair_count = std::uint64_t{1} << 40;
  ExpectError(lies, ErrorCode::kCorrupt, "claims 1099511627776 metadata pairs");
  lies = HonestFile();
  lies.pairs.push_back(GgufLies::Array("a", 8, std::uint64_t{1} << 32, ""));
  ExpectError(lies, ErrorCode::kCorrupt, "claims 4294967296 values of an array");
  lies = HonestFile();
  lies.pairs[0].key = std::string(70'000, 'k');
  ExpectError(lies, ErrorCode::kCorrupt, "a key at offset");
  lies = HonestFile();
  lies.tensors[0].name = std::string(300, 'n');
  ExpectError(lies, ErrorCode::kCorrupt, "a tensor's name at offset");
  lies = HonestFile();
  std::string nested;
  for (int depth = 0; depth < 1000; ++depth) {
    nested += GgufLies::Bytes<std::uint32_t>(9) + GgufLies::Bytes<std::uint64_t>(1);
  }
  lies.pairs.push_back({"deep", 9, nested});
  ExpectError(lies, ErrorCode::kUnsupported, "an array of arrays");
}

TEST(GgufLie, AnAlignmentThatIsNoPowerOfTwoOrTooLargeIsAnError) {
  for (const auto& [alignment, message] :
       {std::pair<std::uint32_t, const char*>{0, "general.alignment is 0"},
        {3, "no power of two"},
        {0x80000000, "general.alignment is 2147483648"}}) {
    GgufLies lies = HonestFile();
    lies.pairs.push_back(GgufLies::U32("general.alignment", alignment));
    ExpectError(lies, ErrorCode::kInvalid, message);
  }
  GgufLies lies = HonestFile();
  lies.alignment = 64;
  lies.pairs.push_back(GgufLies::U32("general.alignment", 64));
  const std::string bytes = lies.Write();
  const Result<GgufFile> file = Read(bytes);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(AsText(file->Find("vector")->bytes), std::string(12, 'y'));
  lies.tensors[1].offset = 96;
  ExpectError(lies, ErrorCode::kCorrupt, "no multiple of the alignment, 64");
}

TEST(GgufLie, NamesThatStandTwiceAreAnError) {
  GgufLies lies = HonestFile();
  lies.pairs.push_back(GgufLies::U32("answer", 43));
  ExpectError(lies, ErrorCode::kCorrupt, "the key \"answer\" stands twice");
  lies = HonestFile();
  lies.tensors[1].name = "matrix";
  ExpectError(lies, ErrorCode::kCorrupt, "tensor \"matrix\" stands twice");
}

TEST(GgufLie, TensorsThatLieOverEachOtherAreAnError) {
  GgufLies lies = HonestFile();
  lies.tensors[1].offset = 32;
  ExpectError(lies, ErrorCode::kCorrupt, "tensor \"vector\" lies over tensor \"matrix\"");
}

TEST(GgufLie, TypesRanksAndShapesThatCannotBeAreErrors) {
  GgufLies lies = HonestFile();
  lies.tensors[0].type = 4;
  ExpectError(lies, ErrorCode::kUnsupported, "tensors of type 4 cannot be read");
  lies = HonestFile();
  lies.tensors[0].dims = {33, 2};
  ExpectError(lies, ErrorCode::kCorrupt, "rows of 33 numbers are no whole blocks of 32");
  lies = HonestFile();
  lies.tensors[0].dims = {32, 0};
  ExpectError(lies, ErrorCode::kCorrupt, "dimension 1 is 0");
  lies = HonestFile();
  lies.tensors[0].rank = 5;
  ExpectError(lies, ErrorCode::kCorrupt, "it has 5 dimensions");
  lies = HonestFile();
  lies.pairs[1].type = 13;
  ExpectError(lies, ErrorCode::kCorrupt, "\"answer\" has a value of the unknown type 13");
}

TEST(GgufLie, FilesOfOtherKindsAreNamed) {
  GgufLies lies = HonestFile();
  lies.magic = "GGML";
  ExpectError(lies, ErrorCode::kCorrupt, "is this a GGUF file?");
  lies = HonestFile();
  lies.version = 1;
  ExpectError(lies, ErrorCode::kUnsupported, "version 1; versions 2 and 3 can be read");
  lies.version = 0x03000000;
  ExpectError(lies, ErrorCode::kUnsupported, "big-endian");
  EXPECT_FALSE(Read("").ok());
}

// ---- Shards

class Shards : public testing::Test {
 protected:
  // Shard `index` of `count`, with one tensor.
  static GgufLies Shard(std::uint16_t index, std::uint16_t count, const std::string& tensor) {
    GgufLies file;
    file.pairs = {{"split.no", 2, GgufLies::Bytes(index)},
                  {"split.count", 2, GgufLies::Bytes(count)},
                  {"split.tensors.count", 5, GgufLies::Bytes<std::int32_t>(count)}};
    file.tensors = {{tensor, {4}, 0, std::string(16, static_cast<char>('a' + index))}};
    return file;
  }
  void Write(const std::string& name, const GgufLies& file) {
    std::ofstream(directory_ / name, std::ios::binary) << file.Write();
  }
  void ExpectShardError(const std::string& message) {
    const Result<GgufFile> file = GgufFile::Open(directory_ / "m-00001-of-00003.gguf");
    ASSERT_FALSE(file.ok());
    EXPECT_THAT(file.error().message, HasSubstr(message));
  }
  void SetUp() override {
    Write("m-00001-of-00003.gguf", Shard(0, 3, "a"));
    Write("m-00002-of-00003.gguf", Shard(1, 3, "b"));
    Write("m-00003-of-00003.gguf", Shard(2, 3, "c"));
  }
  TempDirectory directory_;
};

TEST_F(Shards, AreOneFileWhenTheFirstIsOpened) {
  const Result<GgufFile> file = GgufFile::Open(directory_ / "m-00001-of-00003.gguf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(AsText(file->Find("a")->bytes), std::string(16, 'a'));
  EXPECT_EQ(AsText(file->Find("b")->bytes), std::string(16, 'b'));
  EXPECT_EQ(AsText(file->Find("c")->bytes), std::string(16, 'c'));
}

TEST_F(Shards, ThatAreMissingRepeatedOrOfAnotherOrderAreNamed) {
  Write("m-00002-of-00003.gguf", Shard(1, 3, "a"));
  ExpectShardError("\"a\" stands in another shard too");
  Write("m-00002-of-00003.gguf", Shard(2, 3, "b"));
  ExpectShardError("m-00002-of-00003.gguf is shard 3 of 3, expected shard 2");
  std::filesystem::remove(directory_ / "m-00002-of-00003.gguf");
  ExpectShardError("m-00002-of-00003.gguf");
  GgufLies first = Shard(0, 3, "a");
  first.pairs[2].value = GgufLies::Bytes<std::int32_t>(4);
  Write("m-00001-of-00003.gguf", first);
  Write("m-00002-of-00003.gguf", Shard(1, 3, "b"));
  ExpectShardError("split.tensors.count is 4, and the 3 shards have 3 tensors");
  Write("m-00001-of-00003.gguf", Shard(1, 3, "a"));
  ExpectShardError("is shard 2 of 3, expected shard 1: name the first");
  Write("m-00001-of-00003.gguf", Shard(0, 4, "a"));
  ExpectShardError("its name must end in -00001-of-00004.gguf");
}

}  // namespace
}  // namespace ashlar
