#include "ashlar/formats/safetensors.h"

#include <cstring>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;

// A file with this header before `data`.
std::string FileOf(const std::string& header, std::string_view data) {
  const std::uint64_t length = header.size();
  std::string file(AsText(std::as_bytes(std::span(&length, 1))));
  return file + header + std::string(data);
}

const std::string kHeader = R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                            R"("none":{"dtype":"F16","shape":[0,5],"data_offsets":[8,8]},)"
                            R"("scalar":{"dtype":"I64","shape":[],"data_offsets":[8,16]},)"
                            R"("__metadata__":{"format":"pt"}})";
const std::string kHonest = FileOf(kHeader, "0123456789abcdef");

Result<SafetensorsFile> Parse(const std::string& bytes) {
  return SafetensorsFile::Parse(AsBytes(bytes), "file");
}
std::string ErrorOf(const std::string& bytes) {
  const auto file = Parse(bytes);
  return file.ok() ? "no error" : file.error().message;
}

TEST(Safetensors, AreReadInTheOrderOfTheirBytes) {
  const auto file = Parse(kHonest);
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file->entries().size(), 3u);
  EXPECT_EQ(file->entries()[0].name, "a");
  EXPECT_EQ(file->entries()[0].shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(AsText(file->entries()[0].bytes), "01234567");
  EXPECT_EQ(file->Find("none")->bytes.size(), 0u);
  EXPECT_EQ(file->Find("scalar")->dtype, "I64");
  EXPECT_TRUE(file->Find("scalar")->shape.empty());
  EXPECT_EQ(AsText(file->Find("scalar")->bytes), "89abcdef");
  EXPECT_EQ(file->Find("b"), nullptr);
  EXPECT_EQ(file->metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
}

TEST(Safetensors, WithoutTensorsAreAFileToo) {
  EXPECT_TRUE(Parse(FileOf("{}", "")).ok());
}

TEST(Safetensors, CutAnywhereAreRefused) {
  for (std::size_t length = 0; length < kHonest.size(); ++length) {
    EXPECT_FALSE(Parse(kHonest.substr(0, length)).ok()) << length;
  }
  EXPECT_THAT(ErrorOf(kHonest + "x"), HasSubstr("1 bytes after the last tensor"));
}

TEST(Safetensors, WithBytesChangedNeverLeadOutsideTheFile) {
  std::mt19937_64 random(TestSeed());
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = kHonest;
    for (int change = 0; change < 3; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto file = Parse(bytes);
    if (!file.ok()) {
      continue;
    }
    for (const SafetensorsEntry& entry : file->entries()) {
      ASSERT_GE(entry.bytes.data(), AsBytes(bytes).data() + 8);
      ASSERT_LE(entry.bytes.data() + entry.bytes.size(), AsBytes(bytes).data() + bytes.size());
    }
  }
}

TEST(Safetensors, RefuseTwoReadingsOfTheSameBytes) {
  const auto with_b = [](const char* offsets) {
    return FileOf(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)") +
                      R"("b":{"dtype":"U8","shape":[4],"data_offsets":)" + offsets + "}}",
                  "01234567");
  };
  EXPECT_TRUE(Parse(with_b("[4,8]")).ok());
  EXPECT_THAT(ErrorOf(with_b("[3,7]")), HasSubstr("tensor \"b\" at offset 3 overlaps"));
  EXPECT_THAT(ErrorOf(with_b("[0,4]")), HasSubstr("overlaps"));
  EXPECT_THAT(
      ErrorOf(FileOf(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", "01234567")),
      HasSubstr("4 bytes before tensor \"a\" belong to no tensor"));
}

TEST(Safetensors, NameWhatIsWrongAndWhere) {
  const auto entry = [](const char* fields) {
    return ErrorOf(FileOf(std::string("{\"a\":{") + fields + "}}", "01234567"));
  };
  EXPECT_THAT(entry(R"("dtype":"F4","shape":[2],"data_offsets":[0,8])"),
              HasSubstr("file.a: unknown dtype \"F4\""));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8],"scale":1)"),
              HasSubstr("scale"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[2])"), HasSubstr("data_offsets"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"),
              HasSubstr("[0, 8) is 8 bytes, but 3 numbers of F32 take 12"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), HasSubstr("shape[0]"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"),
              HasSubstr("lies outside the 8 bytes of data"));
}

TEST(Safetensors, WrittenAreReadBackAndAligned) {
  TempDirectory directory;
  const std::vector<float> numbers = {1, 2, 3, 4, 5, 6};
  const std::string odd = "odd";
  const SafetensorsTensor tensors[] = {
      {.name = "z", .dtype = "U8", .shape = {3}, .bytes = AsBytes(odd)},
      {.name = "a", .dtype = "F32", .shape = {2, 3}, .bytes = std::as_bytes(std::span(numbers))},
  };
  const Path path = directory / "x.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors, {{"by", "a test"}}).ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(file->entries()[0].name, "z");  // in the order given
  EXPECT_EQ(AsText(file->Find("z")->bytes), odd);
  EXPECT_TRUE(std::ranges::equal(file->Find("a")->bytes, std::as_bytes(std::span(numbers))));
  EXPECT_EQ(file->metadata().at("by"), "a test");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(file->entries()[0].bytes.data()) % 8, 0u);
}

TEST(Safetensors, WrittenInPiecesAppearWhenTheyAreWhole) {
  TempDirectory directory;
  const Path path = directory / "x.safetensors";
  const SafetensorsWriter::Layout layout[] = {
      {.name = "a", .dtype = "U8", .shape = {3}, .bytes = 3},
      {.name = "b", .dtype = "U8", .shape = {2, 2}, .bytes = 4}};
  {
    auto abandoned = SafetensorsWriter::Create(path, layout);
    ASSERT_TRUE(abandoned.ok() && abandoned->Write(AsBytes("half")).ok());
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  auto writer = SafetensorsWriter::Create(path, layout);
  ASSERT_TRUE(writer.ok());
  for (const char* piece : {"01", "234", "", "56"}) {  // across the tensors' borders
    ASSERT_TRUE(writer->Write(AsBytes(piece)).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(writer->Commit().ok());
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_EQ(AsText(file->Find("a")->bytes), "012");
  EXPECT_EQ(AsText(file->Find("b")->bytes), "3456");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(Safetensors, ThatCannotBeWrittenLeaveNothing) {
  TempDirectory directory;
  EXPECT_FALSE(WriteSafetensors(directory / "missing/x", {}).ok());
  std::filesystem::create_directory(directory / "taken");
  EXPECT_FALSE(WriteSafetensors(directory / "taken", {}).ok());
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    EXPECT_EQ(entry.path().filename(), "taken");
  }
}

}  // namespace
}  // namespace ashlar
