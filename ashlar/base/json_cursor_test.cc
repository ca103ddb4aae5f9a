#include "ashlar/base/json_cursor.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

class JsonCursorTest : public testing::Test {
 protected:
  const Json value_ = *ParseJson(R"({
    "flag": true, "count": 7, "rate": 0.5, "name": "x", "nothing": null,
    "nodes": [{"block": "a"}, {"block": 3}],
    "weights": {"model.layers.0": 1}
  })");
  const JsonCursor root_{value_};
};

// The message of the error that `result` must be.
template <class T>
std::string ErrorOf(const Result<T>& result) {
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInvalid);
  return result.error().message;
}

TEST_F(JsonCursorTest, ReadsEachType) {
  EXPECT_EQ(*root_.Bool("flag"), true);
  EXPECT_EQ(*root_.Integer("count", 0, 10), 7);
  EXPECT_EQ(*root_.Real("rate"), 0.5);
  EXPECT_EQ(*root_.Real("count"), 7.0);
  EXPECT_EQ(*root_.String("name"), "x");
  EXPECT_TRUE(root_.At("nothing")->is_null());
  EXPECT_EQ(root_.At("nodes")->AsArray()->size(), 2u);
}

TEST_F(JsonCursorTest, AnErrorSaysWhereAndWhatWasFound) {
  const auto nodes = root_.At("nodes")->AsArray();
  EXPECT_EQ(*(*nodes)[0].String("block"), "a");
  EXPECT_EQ(ErrorOf((*nodes)[1].String("block")),
            "$.nodes[1].block: expected a string, found integer");
  EXPECT_EQ(ErrorOf(root_.Bool("count")), "$.count: expected a boolean, found integer");
  EXPECT_EQ(ErrorOf(root_.Integer("rate", 0, 1)), "$.rate: expected an integer, found real");
  EXPECT_EQ(ErrorOf(root_.Real("name")), "$.name: expected a number, found string");
  EXPECT_EQ(ErrorOf(root_.At("name")->AsArray()), "$.name: expected an array, found string");
  EXPECT_EQ(ErrorOf(root_.At("nodes")->AsObject()), "$.nodes: expected an object, found array");
  EXPECT_EQ(ErrorOf(root_.String("nothing")), "$.nothing: expected a string, found null");
  EXPECT_EQ(root_.At("name")->Invalid("{} is no kind", "x").message, "$.name: x is no kind");
}

TEST_F(JsonCursorTest, OddKeysAreQuotedInPaths) {
  const auto weights = root_.At("weights")->AsObject();
  EXPECT_EQ((*weights)[0].first, "model.layers.0");
  EXPECT_EQ((*weights)[0].second.path(), R"($.weights["model.layers.0"])");
  const Json hostile = Json::Of({{"a\n" + std::string(1000, 'x'), 1}});
  EXPECT_LT((*JsonCursor(hostile).AsObject())[0].second.path().size(), 100u);
}

TEST_F(JsonCursorTest, PathsBeginWithTheGivenName) {
  EXPECT_EQ(ErrorOf(JsonCursor(value_, "config.json").String("flag")),
            "config.json.flag: expected a string, found boolean");
}

TEST_F(JsonCursorTest, AMissingMemberIsNamed) {
  EXPECT_EQ(ErrorOf(root_.At("width")), "$: has no member \"width\"");
  EXPECT_EQ(ErrorOf(root_.Integer("width", 0, 1)), "$: has no member \"width\"");
  EXPECT_FALSE(*root_.Find("width"));
  EXPECT_FALSE(*root_.Find("nothing"));
  EXPECT_TRUE(*root_.Find("flag"));
}

TEST_F(JsonCursorTest, WhatIsNoObjectHasNoMembers) {
  const JsonCursor name = *root_.At("name");
  EXPECT_EQ(ErrorOf(name.At("a")), "$.name: expected an object, found string");
  EXPECT_EQ(ErrorOf(name.Find("a")), "$.name: expected an object, found string");
  EXPECT_EQ(ErrorOf(name.IntegerOr("a", 0, 1, 0)), "$.name: expected an object, found string");
  EXPECT_EQ(ErrorOf(name.AllowOnly({"a"})), "$.name: expected an object, found string");
}

TEST_F(JsonCursorTest, IntegersAreHeldToTheirRange) {
  EXPECT_EQ(*root_.Integer("count", 7, 7), 7);
  EXPECT_EQ(ErrorOf(root_.Integer("count", 8, 9)),
            "$.count: expected an integer from 8 to 9, found 7");
  EXPECT_FALSE(root_.Integer("count", 0, 6).ok());
}

TEST_F(JsonCursorTest, RealsAreFinite) {
  const Json infinite = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ErrorOf(JsonCursor(infinite).AsReal()), "$: expected a finite number, found inf");
}

TEST_F(JsonCursorTest, SizesAreHeldToTheirLimit) {
  EXPECT_TRUE(root_.At("nodes")->AsArray(2).ok());
  EXPECT_EQ(ErrorOf(root_.At("nodes")->AsArray(1)),
            "$.nodes: expected at most 1 elements, found 2");
  EXPECT_EQ(ErrorOf(root_.AsObject(3)), "$: expected at most 3 members, found 7");
}

TEST_F(JsonCursorTest, DefaultsStandForAbsentAndNullButNotForWrongTypes) {
  EXPECT_EQ(*root_.BoolOr("absent", true), true);
  EXPECT_EQ(*root_.IntegerOr("nothing", 0, 9, 5), 5);
  EXPECT_EQ(*root_.RealOr("absent", 1.5), 1.5);
  EXPECT_EQ(*root_.StringOr("nothing", "y"), "y");
  EXPECT_EQ(*root_.BoolOr("flag", false), true);
  EXPECT_EQ(*root_.IntegerOr("count", 0, 9, 5), 7);
  EXPECT_EQ(*root_.RealOr("rate", 1.5), 0.5);
  EXPECT_EQ(*root_.StringOr("name", "y"), "x");
  EXPECT_FALSE(root_.BoolOr("name", true).ok());
  EXPECT_FALSE(root_.IntegerOr("count", 8, 9, 8).ok());
  EXPECT_FALSE(root_.RealOr("name", 1).ok());
  EXPECT_FALSE(root_.StringOr("count", "y").ok());
}

TEST_F(JsonCursorTest, AllowOnlyNamesTheUnknownMember) {
  const JsonCursor node = (*root_.At("nodes")->AsArray())[0];
  EXPECT_TRUE(node.AllowOnly({"block", "other"}).ok());
  EXPECT_EQ(ErrorOf(node.AllowOnly({"other"})), "$.nodes[0]: has an unknown member \"block\"");
}

}  // namespace
}  // namespace ashlar
