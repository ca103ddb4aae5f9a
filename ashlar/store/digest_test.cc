#include "ashlar/store/digest.h"

#include <unordered_set>

#include <gtest/gtest.h>

#include "ashlar/store/internal/testing.h"

namespace ashlar {
namespace {

using internal::CodeOf;
using internal::Must;

constexpr std::string_view kAbcHex =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

// FIPS 180-4's examples, and the empty message.
TEST(Digest, IsSha256) {
  EXPECT_EQ(Sha256("").Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256("abc").Hex(), kAbcHex);
  EXPECT_EQ(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").Hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256(std::string(1'000'000, 'a')).Hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, OfPiecesIsTheDigestOfTheWhole) {
  Hasher hasher;
  for (const std::string_view piece : {"a", "", "bc"}) {
    hasher.Update(AsBytes(piece));
  }
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
}

TEST(Digest, ReadsWhatItWrites) {
  const Digest digest = Sha256("abc");
  EXPECT_EQ(Must(Digest::Parse(digest.ToString())), digest);
  EXPECT_EQ(Must(Digest::ParseHex(digest.Hex())), digest);
  EXPECT_EQ(digest.Short(), kAbcHex.substr(0, 12));
}

TEST(Digest, RefusesEverythingThatIsNotExactlyADigest) {
  const std::string hex(kAbcHex);
  const std::string good = "sha256:" + hex;
  const std::string lies[] = {
      "",
      "sha256:",
      "sha256:../../x",
      "sha256:../../../../../../../../../../../../../../../../../../../etc/passwd",
      "sha256:" + std::string(61, '.') + "/../",
      hex,
      "SHA256:" + hex,
      "sha256:BA" + hex.substr(2),
      " " + good,
      good + " ",
      good + "\n",
      good + std::string(1, '\0'),
      good.substr(0, good.size() - 1),
      good + "0",
      "sha256:" + hex.substr(0, 63) + "g",
      "sha256::" + hex.substr(1),
  };
  for (const std::string& lie : lies) {
    EXPECT_EQ(CodeOf(Digest::Parse(lie)), ErrorCode::kInvalid) << lie;
  }
}

TEST(Digest, SaysThatAnotherAlgorithmIsNotSupported) {
  EXPECT_EQ(CodeOf(Digest::Parse("sha512:" + std::string(128, 'a'))), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(Digest::Parse("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4")),
            ErrorCode::kUnsupported);
}

TEST(Digest, OrdersAndHashesByItsBytes) {
  const Digest low = Must(Digest::ParseHex(std::string(64, '0')));
  const Digest high = Must(Digest::ParseHex("ff" + std::string(62, '0')));
  EXPECT_EQ(low, Digest());
  EXPECT_LT(low, high);
  EXPECT_EQ((std::unordered_set<Digest>{low, high, low}).size(), 2u);
}

}  // namespace
}  // namespace ashlar
