#include "ashlar/formats/checkpoint.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
 protected:
  // A safetensors file whose tensors of one byte hold the first letters of their names.
  void Shard(const std::string& name, const std::vector<std::string>& tensors) {
    std::vector<SafetensorsTensor> list;
    for (const std::string& tensor : tensors) {
      list.push_back({.name = tensor,
                      .dtype = "U8",
                      .shape = {1},
                      .bytes = AsBytes(std::string_view(tensor).substr(0, 1))});
    }
    ASSERT_TRUE(WriteSafetensors(directory_ / name, list).ok());
  }
  void Index(const std::string& weight_map) {
    std::ofstream(directory_ / "model.safetensors.index.json")
        << "{\"metadata\": {\"total_size\": 3}, \"weight_map\": " << weight_map << "}";
  }
  Result<Checkpoint> Open() { return Checkpoint::Open(directory_.path()); }
  std::string ErrorOf() {
    const auto checkpoint = Open();
    return checkpoint.ok() ? "no error" : checkpoint.error().message;
  }

  TempDirectory directory_;
};

TEST_F(CheckpointTest, IsASingleFile) {
  Shard("model.safetensors", {"b", "a"});
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b"));
  EXPECT_EQ(AsText(checkpoint->Find("b")->bytes), "b");
  EXPECT_EQ(checkpoint->Find("c"), nullptr);
}

TEST_F(CheckpointTest, IsTheShardsThatTheIndexNames) {
  Shard("one.safetensors", {"a", "c"});
  Shard("two.safetensors", {"b"});
  Shard("unrelated.safetensors", {"a"});
  Index(R"({"a": "one.safetensors", "b": "two.safetensors", "c": "one.safetensors"})");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a", "b", "c"));
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(AsText(checkpoint->Find(name)->bytes), name);
  }
}

TEST_F(CheckpointTest, IsTheSingleFileWhereAnIndexLiesBesideIt) {
  Shard("model.safetensors", {"a"});
  Shard("one.safetensors", {"b"});
  Index(R"({"b": "one.safetensors"})");
  const auto checkpoint = Open();
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_THAT(checkpoint->Names(), ElementsAre("a"));
}

TEST_F(CheckpointTest, StaysReadableWhenItIsMoved) {
  Shard("model.safetensors", {"a"});
  Checkpoint moved = *Open();
  const Checkpoint again = std::move(moved);
  EXPECT_EQ(AsText(again.Find("a")->bytes), "a");
}

TEST_F(CheckpointTest, NeedsWeights) {
  const auto checkpoint = Open();
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(checkpoint.error().message, HasSubstr("neither model.safetensors nor"));
}

TEST_F(CheckpointTest, RefusesAnIndexThatTheShardsContradict) {
  Shard("one.safetensors", {"a"});
  Shard("two.safetensors", {"b"});
  Index(R"({"a": "one.safetensors", "b": "one.safetensors"})");
  EXPECT_THAT(ErrorOf(), HasSubstr("tensor \"b\" should be in one.safetensors, but is not"));
  Index(R"({"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"})");
  EXPECT_THAT(ErrorOf(), HasSubstr("tensor \"c\" should be in two.safetensors, but is not"));
  Shard("two.safetensors", {"b", "d"});
  Index(R"({"a": "one.safetensors", "b": "two.safetensors"})");
  EXPECT_THAT(ErrorOf(),
              HasSubstr("tensor \"d\" is in two.safetensors, but the index says nothing"));
  Shard("two.safetensors", {"b", "a"});
  EXPECT_THAT(ErrorOf(), HasSubstr("tensor \"a\" stands in another shard too"));
  Index(R"({"a": "one.safetensors", "b": "three.safetensors"})");
  EXPECT_THAT(ErrorOf(), HasSubstr("three.safetensors"));
}

TEST_F(CheckpointTest, RefusesAnIndexThatLeadsOutOfTheFolder) {
  Shard("one.safetensors", {"a"});
  for (const char* name :
       {"../model.safetensors", "/etc/passwd", "sub/model.safetensors", "..", ".", ".hidden", ""}) {
    Index(fmt::format(R"({{"a": "{}"}})", name));
    EXPECT_THAT(ErrorOf(), HasSubstr("is not the plain name of a file")) << name;
  }
  Index("[]");
  EXPECT_THAT(ErrorOf(), HasSubstr("weight_map"));
  Index("{}");
  EXPECT_THAT(ErrorOf(), HasSubstr("it names no tensors"));
}

}  // namespace
}  // namespace ashlar
