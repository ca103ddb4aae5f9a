#include "ashlar/tensor/kv_format.h"

#include <gtest/gtest.h>

namespace ashlar {
namespace {

TEST(KvFormat, IsFoundByItsName) {
  for (const KvFormat format : KvFormats()) {
    EXPECT_EQ(*ParseKvFormat(KvFormatName(format)), format);
  }
}

TEST(KvFormat, ThatIsUnknownIsAnErrorThatListsTheKnownOnes) {
  for (const char* name : {"", "F16", "f16 ", "bf16", "q4"}) {
    const Result<KvFormat> format = ParseKvFormat(name);
    ASSERT_FALSE(format.ok()) << name;
    EXPECT_EQ(format.error().code, ErrorCode::kInvalid);
    EXPECT_NE(format.error().message.find("f32, f16 and q8"), std::string::npos);
  }
}

}  // namespace
}  // namespace ashlar
