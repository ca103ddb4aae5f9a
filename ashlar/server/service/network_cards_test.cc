#include "ashlar/server/service/network_cards.h"

#include <utility>

#include <gtest/gtest.h>

#include "ashlar/graph/catalog.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/server/service/testing_service.h"
#include "ashlar/store/testing_passing_store.h"

namespace ashlar {
namespace {

// A store that may say once what it held before.
class StaleStore final : public PassingStore {
 public:
  using PassingStore::PassingStore;
  Result<Tags> ReadTags() const override {
    return before_.empty() ? PassingStore::ReadTags() : std::exchange(before_, {});
  }
  void SayOnce(Tags before) { before_ = std::move(before); }

 private:
  mutable Tags before_;
};

class NetworkCardsTest : public ::testing::Test {
 protected:
  void Tag(const Network& network) {
    Catalog catalog(*store_, AllKinds());
    const auto lease = *store_->BeginWriting();
    CHECK(catalog.Save(network, "net", Json::Array()).ok());
  }

  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  const Network one_ = testing_service::SpellingNetwork(*store_, {.seed = 1});
  const Network other_ = testing_service::SpellingNetwork(*store_, {.seed = 2});
};

TEST_F(NetworkCardsTest, TheCardsOfANameAreNumberedAsItMoves) {
  NetworkCards cards(*store_);
  Tag(one_);
  const auto first = *cards.Find("net");
  EXPECT_EQ(*cards.Find("net"), first);
  cards.SetKvFormat("net", KvFormat::kQ8);
  const auto narrow = *cards.Find("net");
  EXPECT_GT(narrow->number, first->number);
  Tag(other_);
  const auto moved = *cards.Find("net");
  EXPECT_GT(moved->number, narrow->number);
  Tag(one_);
  const auto back = *cards.Find("net");
  EXPECT_EQ(back->digest, first->digest);
  EXPECT_GT(back->number, moved->number);
  EXPECT_EQ(*cards.Find("net"), back);
  EXPECT_EQ(back->tokenizer, first->tokenizer);
}

TEST_F(NetworkCardsTest, WhoHasSeenATagBeforeItMovedMakesNoNewerCardOfIt) {
  StaleStore stale(*store_);
  NetworkCards cards(stale);
  Tag(one_);
  const Tags before = *store_->ReadTags();
  ASSERT_TRUE(cards.Find("net").ok());
  Tag(other_);
  const auto moved = *cards.Find("net");
  stale.SayOnce(before);
  EXPECT_EQ(*cards.Find("net"), moved);
}

}  // namespace
}  // namespace ashlar
