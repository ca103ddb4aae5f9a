#include "ashlar/formats/internal/gguf_chat_templates.h"

#include <gtest/gtest.h>

#include "ashlar/base/json.h"
#include "ashlar/base/test_time.h"

namespace ashlar::internal {
namespace {

// A network that was pulled has as many as its files say. Each name is looked for among all: one by
// one, that took these many 35 times as long as to read them.
TEST(GgufChatTemplates, TakeTimeInProportionToTheirNumber) {
  constexpr int kTemplates = 60'000;
  Json::Array list;
  for (int i = 0; i < kTemplates; ++i) {
    list.push_back(Json::Of({{"name", fmt::format("{}", i)}, {"template", ""}}));
  }
  list.push_back(Json::Of({{"name", "0"}, {"template", "another"}}));
  const std::string config = WriteJson(Json::Of({{"chat_template", std::move(list)}}));
  const auto store = NewMemoryStore();
  ASSERT_TRUE(store->Put(AsBytes(config)).ok());
  Network network;
  network.files.emplace("tokenizer_config.json", FileReference{Sha256(config), config.size()});
  GgufMetadata metadata;
  std::vector<std::string> remarks;
  const double begin = CpuSeconds();
  ASSERT_TRUE(ParseJson(config).ok());
  const double parsed = CpuSeconds();
  ASSERT_TRUE(AddChatTemplates(network, *store, metadata, remarks).ok());
  EXPECT_LT(CpuSeconds() - parsed, 10 * (parsed - begin));
  EXPECT_EQ(metadata.size(), kTemplates + 1u) << "with the list of their names";
  EXPECT_EQ(remarks.size(), 2u) << "of the name that two have, and that there is no default";
}

}  // namespace
}  // namespace ashlar::internal
