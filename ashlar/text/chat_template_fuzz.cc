// A template and its variables as JSON, separated by a zero byte. The template is refused with a
// short error, or it renders within its limits, to well-formed text, the same every time.
#include <cstddef>
#include <cstdint>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/parser.h"
#include "ashlar/text/jinja/render.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const std::string_view source = input.substr(0, cut);
  Result<Json> variables = ParseJson(input.substr(std::min(cut + 1, input.size())));
  if (!internal::IsUtf8(source)) {
    return 0;
  }
  const Result<jinja::Body> body = jinja::Parse(source);
  if (!body.ok()) {
    CHECK_LT(body.error().message.size(), 500u);
    return 0;
  }
  const Json given = variables.ok() && variables->object() != nullptr ? *variables : Json::Of({});
  const jinja::Limits limits = {.steps = 5'000, .bytes = 1 << 18, .output_bytes = 1 << 16};
  const Result<std::string> text = jinja::Render(*body, given, {}, limits);
  const Result<std::string> again = jinja::Render(*body, given, {}, limits);
  CHECK_EQ(text.ok(), again.ok());
  if (text.ok()) {
    CHECK(internal::IsUtf8(*text));
    CHECK(*text == *again);
    CHECK_LE(text->size(), std::size_t{1} << 16);
  }
  return 0;
}
