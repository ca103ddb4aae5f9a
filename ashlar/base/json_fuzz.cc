// Any text: the parser answers, and what it accepts has a canonical form that is a fixpoint.
#include <cstddef>
#include <cstdint>

#include "ashlar/base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const Result<Json> value = ParseJson({reinterpret_cast<const char*>(data), size});
  if (!value.ok()) {
    CHECK(value.error().code == ErrorCode::kInvalid);
    CHECK_LT(value.error().message.size(), 1000u);
    CHECK(ParseJson(WriteJson(value.error().message)).ok());
    return 0;
  }
  const std::string canonical = CanonicalJson(*value);
  const Result<Json> again = ParseJson(canonical);
  CHECK(again.ok());
  CHECK_EQ(CanonicalJson(*again), canonical);

  // Written plainly nothing is lost: a whole real comes back as an integer, and then stays one.
  const Result<Json> plain = ParseJson(WriteJson(*value));
  CHECK(plain.ok());
  CHECK_EQ(CanonicalJson(*plain), canonical);
  const Result<Json> pretty = ParseJson(WriteJsonPretty(*plain));
  CHECK(pretty.ok() && *pretty == *plain);
  return 0;
}
