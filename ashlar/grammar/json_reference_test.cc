#include "ashlar/grammar/json_reference.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"

namespace ashlar {
namespace {

TEST(JsonReference, NamesAPlaceByEscapedSteps) {
  Json root = *ParseJson(R"({"a/b": {"~1": [10, 11]}, "~0": 2, "%": 3, "": 4})");
  for (int i = 0; i < 100; ++i) {  // few and many members are found alike
    struct Case {
      Json reference;
      std::string_view found;  // empty: nothing
    };
    const Case cases[] = {
        {"#/a~1b/~01/1", "11"},
        {"#/a%2Fb/%7e01/0", "10"},
        {"#/a%2fb/%7E01/0", "10"},
        {"#/~00", "2"},
        {"#/%25", "3"},
        {"#/%\x12\x15", ""},  // no digits
        {"#/", "4"},
        {"#/a~1b/~01/2", ""},
        {"#/a~1b/~01/01", ""},
        {"#/a~1b/~01/", ""},
        {"#/a~1b/~01/+1", ""},
        {"#/~0", ""},
        {"#/a~1b/x/y", ""},
        {"a", ""},
        {"", ""},
        {3, ""},
    };
    JsonPlaces places(root);
    for (const Case& each : cases) {
      const Json* const found = places.Referred(each.reference);
      EXPECT_EQ(found != nullptr ? WriteJson(*found) : "", each.found) << WriteJson(each.reference);
    }
    const Json whole = "#";
    EXPECT_EQ(places.Referred(whole), &root);
    EXPECT_EQ(places.Member(root, "~0"), root.Find("~0"));
    EXPECT_EQ(places.Member(root, "none"), nullptr);
    root.Set(fmt::format("more {}", i), i);
  }
}

TEST(JsonReference, APointerOfMegabytesIsReadOnceInTimeLinearInItsSize) {
  std::string reference = "#/";
  std::string name;
  for (int i = 0; i < (1 << 20); ++i) {
    reference += "~1";
    name += '/';
  }
  const Json root = Json::Of({{name, 1}});
  const Json written = reference;
  JsonPlaces places(root);
  const double begin = CpuSeconds();
  EXPECT_EQ(places.Referred(written), root.Find(name));
  const double once = CpuSeconds() - begin;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(places.Referred(written), root.Find(name));
  }
  EXPECT_LT(CpuSeconds() - begin, 100 * once);
}

TEST(JsonReference, ALargeObjectIsGoneThroughOnce) {
  Json root = Json::Object();
  for (int i = 0; i < 60'000; ++i) {
    root.object()->emplace_back(fmt::format("name {}", i), i);
  }
  JsonPlaces places(root);
  const double begin = CpuSeconds();
  EXPECT_EQ(places.Member(root, "name 0"), &root.object()->front().second);
  const double once = CpuSeconds() - begin;
  for (const auto& [name, value] : *root.object()) {
    ASSERT_EQ(places.Member(root, name), &value);
  }
  EXPECT_LT(CpuSeconds() - begin, 100 * once);
}

}  // namespace
}  // namespace ashlar
