#include "ashlar/base/result.h"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

namespace ashlar {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) {
    return Invalid("{} is odd", number);
  }
  return number / 2;
}

Status RequireEven(int number) {
  ASHLAR_TRY(Half(number));
  return {};
}

Result<int> Quarter(int number) {
  ASHLAR_TRY(RequireEven(number));
  ASHLAR_TRY(const int half, Half(number));
  ASHLAR_TRY(int quarter, Half(half));
  return quarter;
}

TEST(Result, IsCopiedMovedAndAssignedWithWhatItHolds) {
  Result<std::string> value = std::string(100, 'v');
  Result<std::string> error = Corrupt("{}", std::string(100, 'e'));
  Result<std::string> copy = value;
  copy = error;
  EXPECT_EQ(copy.error().message, error.error().message);
  copy = value;
  EXPECT_EQ(*copy, *value);
  const Result<std::string>& same = copy;
  copy = same;
  EXPECT_EQ(*copy, *value);
  const Result<std::string> taken = std::move(copy);
  EXPECT_EQ(*taken, *value);
  EXPECT_TRUE(copy.ok()) << "what is moved from keeps its alternative";  // NOLINT: moved from
  static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_constructible_v<Result<std::string>>);
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> four = Half(8);
  ASSERT_TRUE(four.ok());
  EXPECT_TRUE(static_cast<bool>(four));
  EXPECT_EQ(*four, 4);
  const Result<int> none = Half(7);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(none.error().message, "7 is odd");
}

TEST(Result, TryGoesOnWithTheValueOrReturnsTheError) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(7).error().message, "7 is odd");
  EXPECT_EQ(Quarter(6).error().message, "3 is odd");
}

TEST(Result, TryMovesValuesThatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  const auto use = [&]() -> Result<int> {
    ASHLAR_TRY(const std::unique_ptr<int> five, make());
    return *five;
  };
  EXPECT_EQ(*use(), 5);
}

struct Base {
  virtual ~Base() = default;
  virtual int number() const { return 1; }
};
struct Derived final : Base {
  int number() const override { return 2; }
};

TEST(Result, TakesWhatConvertsToItsValue) {
  const Result<std::unique_ptr<Base>> pointer = std::make_unique<Derived>();
  EXPECT_EQ((*pointer)->number(), 2);
  const Result<std::string> text = "text";
  EXPECT_EQ(*text, "text");
  const Result<std::optional<std::string>> maybe = std::nullopt;
  EXPECT_FALSE(*maybe);
  static_assert(!std::convertible_to<std::string, Result<int>>);
}

TEST(Result, ContextStandsBeforeTheMessageAndKeepsTheCode) {
  const Error error = Corrupt("bad byte {}", 3).In("blob a1");
  EXPECT_EQ(error.message, "blob a1: bad byte 3");
  EXPECT_EQ(error.code, ErrorCode::kCorrupt);
}

TEST(Result, EveryCodeHasANameOfItsOwn) {
  EXPECT_STREQ(ErrorCodeName(Invalid("").code), "invalid");
  EXPECT_STREQ(ErrorCodeName(Unsupported("").code), "unsupported");
  EXPECT_STREQ(ErrorCodeName(NotFound("").code), "not_found");
  EXPECT_STREQ(ErrorCodeName(Corrupt("").code), "corrupt");
  EXPECT_STREQ(ErrorCodeName(Exhausted("").code), "exhausted");
  EXPECT_STREQ(ErrorCodeName(Conflict("").code), "conflict");
  EXPECT_STREQ(ErrorCodeName(IoError("").code), "io");
}

TEST(Result, ErrnoTextIsWhatTheSystemSays) {
  EXPECT_EQ(ErrnoText(ENOENT), "No such file or directory");
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorAbortsWithItsMessage) {
  const Result<int> none = Half(7);
  EXPECT_DEATH((void)*none, "7 is odd");
}

TEST(ResultDeathTest, ReadingTheErrorOfAValueAborts) {
  const Result<int> four = Half(8);
  EXPECT_DEATH((void)four.error(), "CHECK failed");
  const Status fine;
  EXPECT_DEATH((void)fine.error(), "CHECK failed");
}

TEST(CheckDeathTest, AFailedCheckPrintsBothValuesAndWhere) {
  const int three = 3;
  EXPECT_DEATH(CHECK_EQ(three, 4), "result_test.cc:[0-9]+: CHECK failed: three == 4 \\(3 and 4\\)");
  EXPECT_DEATH(CHECK(three > 5), "CHECK failed: three > 5");
  CHECK_LE(three, 3);
  CHECK_NE(three, 4);
}

}  // namespace
}  // namespace ashlar
