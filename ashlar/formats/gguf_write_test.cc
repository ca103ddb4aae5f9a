#include "ashlar/formats/gguf_write.h"

#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

GgufTensor Numbers(std::string name, std::vector<std::int64_t> shape, std::vector<float> values) {
  return {.name = std::move(name),
          .shape = std::move(shape),
          .type = &AllGgufTensorTypes().front(),
          .write = [values = std::move(values)](const GgufSink& sink) -> Status {
            const auto bytes = std::as_bytes(std::span(values));
            ASHLAR_TRY(sink(bytes.first(4)));
            return sink(bytes.subspan(4));
          }};
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) {
    hex += fmt::format("{:02x}", static_cast<std::uint8_t>(byte));
  }
  return hex;
}

// The worked example of docs/formats/gguf.md.
TEST(GgufWrite, WritesTheBytesOfItsSpecification) {
  const TempDirectory directory;
  GgufContent content;
  content.metadata = {{"a", std::uint32_t{7}}, {"b", std::vector<std::string>{"x", "yz"}}};
  content.tensors.push_back(Numbers("t", {2, 3}, {1, 2, 3, 4, 5, 6}));
  content.tensors.push_back(Numbers("v", {1}, {-2}));
  const auto size = WriteGguf(directory / "file", content);
  ASSERT_TRUE(size.ok()) << size.error().message;
  const std::string bytes = *ReadTextFile(directory / "file");
  EXPECT_EQ(*size, bytes.size());
  EXPECT_EQ(Hex(bytes.substr(0, 0x55)),
            "47475546"
            "03000000"
            "0200000000000000"
            "0200000000000000"  // two tensors, two pairs
            "0100000000000000"
            "61"
            "04000000"
            "07000000"  // a: u32
            "0100000000000000"
            "62"
            "09000000"
            "08000000"  // b: array of string
            "0200000000000000"
            "0100000000000000"
            "78"
            "0200000000000000"
            "797a");
  EXPECT_EQ(Hex(bytes.substr(0x55, 0x4a)),
            "0100000000000000"
            "74"
            "02000000"
            "0300000000000000"  // t, innermost first: 3, 2
            "0200000000000000"
            "00000000"
            "0000000000000000"
            "0100000000000000"
            "76"
            "01000000"
            "0100000000000000"
            "00000000"
            "2000000000000000");
  ASSERT_EQ(bytes.size(), 0xa0u + 32 + 32);
  EXPECT_EQ(Hex(bytes.substr(0xa0, 32)),
            "0000803f"
            "00000040"
            "00004040"
            "00008040"
            "0000a040"
            "0000c040"
            "0000000000000000");
  EXPECT_EQ(Hex(bytes.substr(0xc0, 8)),
            "000000c0"
            "00000000");
}

TEST(GgufWrite, ThatFailsLeavesNothing) {
  const TempDirectory directory;
  GgufContent content;
  content.tensors.push_back(Numbers("t", {2}, {1, 2}));
  content.tensors.push_back(Numbers("u", {2}, {1, 2}));
  content.tensors.back().write = [](const GgufSink&) -> Status { return Corrupt("damaged"); };
  const auto size = WriteGguf(directory / "file", content);
  ASSERT_FALSE(size.ok());
  EXPECT_EQ(size.error().message, "damaged");
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(GgufWrite, TellsHowFarItIs) {
  const TempDirectory directory;
  GgufContent content;
  content.tensors.push_back(Numbers("t", {3}, {1, 2, 3}));
  content.tensors.push_back(Numbers("u", {2}, {1, 2}));
  std::vector<std::uint64_t> seen;
  const auto size =
      WriteGguf(directory / "file", content, [&](std::uint64_t done, std::uint64_t total) {
        EXPECT_EQ(total, 20u);
        seen.push_back(done);
      });
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{4, 12, 16, 20}));
}

}  // namespace
}  // namespace ashlar
