#include "ashlar/store/internal/tag_index.h"

#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar::internal {
namespace {

const Descriptor kOne{.media_type = "a/b", .digest = Sha256("one"), .size = 3};
const Descriptor kTwo{.media_type = "a/b", .digest = Sha256("two"), .size = 3};

// What other tools may have written: entries without a name, with a name that is no tag of ours,
// of another digest algorithm, and members that we do not know, here and there.
const std::string kForeign = R"({
  "schemaVersion": 2,
  "vendor": {"keep": ["me", 1.5]},
  "manifests": [
    {"mediaType": "a/b", "digest": ")" +
                             Sha256("one").ToString() +
                             R"(", "size": 3,
     "platform": {"os": "linux"},
     "annotations": {"org.opencontainers.image.ref.name": "lab", "vendor": "kept"}},
    {"mediaType": "a/b", "digest": ")" +
                             Sha256("two").ToString() +
                             R"(", "size": 3},
    {"mediaType": "a/b", "digest": ")" +
                             Sha256("two").ToString() +
                             R"(", "size": 3,
     "annotations": {"org.opencontainers.image.ref.name": "not a name@ours"}},
    {"mediaType": "a/b", "digest": "sha512:abcd", "size": 3,
     "annotations": {"org.opencontainers.image.ref.name": "long"}}
  ]
})";

TEST(TagIndex, ReadsTagsAndLeavesTheNameOutOfTheirAnnotations) {
  const TagIndex index = Must(TagIndex::Parse(kForeign));
  Descriptor lab = kOne;
  lab.annotations = {{"vendor", "kept"}};
  EXPECT_EQ(index.tags(), (Tags{{"lab", lab}}));
}

TEST(TagIndex, EveryEntryThatWeCanReadIsARoot) {
  std::vector<std::string> labels;
  for (const Root& root : Must(TagIndex::Parse(kForeign)).roots()) {
    labels.push_back(root.Label());
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"lab", "(untagged " + Sha256("two").Short() + ")",
                                              "not a name@ours"}));
}

TEST(TagIndex, AChangeOfOneTagKeepsEverythingElseAsItStood) {
  TagIndex index = Must(TagIndex::Parse(kForeign));
  Tags tags = index.tags();
  tags["new"] = kTwo;
  Must(index.Replace(tags));
  const Json before = Must(ParseJson(kForeign));
  const Json after = Must(ParseJson(index.ToText()));
  EXPECT_EQ(*after.Find("vendor"), *before.Find("vendor"));
  const Json::Array& old_entries = *before.Find("manifests")->array();
  const Json::Array& new_entries = *after.Find("manifests")->array();
  ASSERT_EQ(new_entries.size(), old_entries.size() + 1);
  for (std::size_t i = 0; i < old_entries.size(); ++i) {
    EXPECT_EQ(new_entries[i], old_entries[i]) << i;
  }
}

TEST(TagIndex, RemovingAllTagsKeepsForeignEntries) {
  TagIndex index = Must(TagIndex::Parse(kForeign));
  Must(index.Replace({}));
  EXPECT_TRUE(index.tags().empty());
  EXPECT_EQ(index.roots().size(), 2u);
  EXPECT_NE(index.ToText().find("sha512:abcd"), std::string::npos);
}

TEST(TagIndex, ReadsWhatItWrites) {
  TagIndex index = TagIndex::Empty();
  Descriptor two = kTwo;
  two.artifact_type = "application/vnd.test";
  two.annotations = {{"k", "v"}};
  const Tags tags = {{"one", kOne}, {"two", two}};
  Must(index.Replace(tags));
  EXPECT_EQ(Must(TagIndex::Parse(index.ToText())).tags(), tags);
}

TEST(TagIndex, ANameOfAnEntryThatWeCannotReadIsTaken) {
  TagIndex index = Must(TagIndex::Parse(kForeign));
  EXPECT_EQ(CodeOf(index.Replace({{"long", kOne}})), ErrorCode::kConflict);
}

TEST(TagIndex, TheNameIsNoAnnotationOfTheTag) {
  Descriptor one = kOne;
  one.annotations = {{"org.opencontainers.image.ref.name", "other"}};
  EXPECT_EQ(CodeOf(TagIndex::Empty().Replace({{"x", one}})), ErrorCode::kInvalid);
}

struct Lie {
  const char* name;
  std::string text;
  const char* message;  // a part of it
};
void PrintTo(const Lie& lie, std::ostream* out) {
  *out << lie.name;
}

class HostileIndex : public testing::TestWithParam<Lie> {};

TEST_P(HostileIndex, GivesItsError) {
  const auto index = TagIndex::Parse(GetParam().text);
  ASSERT_FALSE(index.ok());
  EXPECT_NE(Failure(index).find(GetParam().message), std::string::npos) << Failure(index);
}

std::string IndexWith(const std::string& entries) {
  return R"({"schemaVersion":2,"manifests":[)" + entries + "]}";
}
std::string Named(const std::string& name) {
  return R"({"mediaType":"a/b","digest":")" + Sha256("one").ToString() +
         R"(","size":3,"annotations":{"org.opencontainers.image.ref.name":")" + name + R"("}})";
}

INSTANTIATE_TEST_SUITE_P(
    , HostileIndex,
    testing::Values(
        Lie{"empty", "", "JSON"}, Lie{"cut_short", IndexWith("").substr(0, 20), ""},
        Lie{"no_manifests", R"({"schemaVersion":2})", "manifests"},
        Lie{"manifests_is_text", R"({"schemaVersion":2,"manifests":"x"})", "$.manifests"},
        Lie{"version_3", R"({"schemaVersion":3,"manifests":[]})", "not 3"},
        Lie{"entry_is_null", IndexWith("null"), "$.manifests[0]"},
        Lie{"entry_without_digest", IndexWith(R"({"mediaType":"a/b","size":3})"), "digest"},
        Lie{"digest_climbs_out",
            IndexWith(R"({"mediaType":"a/b","digest":"sha256:../../x","size":3})"),
            "$.manifests[0].digest"},
        Lie{"one_name_twice", IndexWith(Named("x") + "," + Named("x")), "two entries"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ashlar::internal
