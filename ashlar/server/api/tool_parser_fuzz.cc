// An answer of a network, cut at any places: read as calls of tools in each of the ways in which
// they are written. How it is cut changes nothing, and arguments that are whole in tags are JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/check.h"
#include "ashlar/server/api/tool_parser.h"

namespace ashlar {
namespace {

// What came out: names and texts, one after another, each with its kind.
std::vector<ToolNews> NewsOf(const ToolSyntax& syntax, std::string_view answer, std::size_t piece,
                             const Json& tools) {
  ToolParser parser(syntax, 3, &tools);
  std::vector<ToolNews> all;
  const auto take = [&](std::vector<ToolNews> news) {
    for (ToolNews& each : news) {
      const bool more =
          !all.empty() && each.kind != ToolNews::Kind::kCall && all.back().kind == each.kind;
      if (more) {
        all.back().text += each.text;
      } else {
        all.push_back(std::move(each));
      }
    }
  };
  for (std::size_t at = 0; at < answer.size(); at += piece) {
    take(parser.Push(answer.substr(at, piece)));
  }
  take(parser.Finish());
  return all;
}

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  static const Json tools = *ParseJson(R"([{"function": {"name": "f", "parameters": {"properties":
      {"a": {"type": "integer"}, "b": {"anyOf": [{"type": "array"}, {"type": "null"}]}}}}}])");
  if (size == 0) {
    return 0;
  }
  const std::string_view answer(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const ToolSyntax& syntax : AllToolSyntaxes()) {
    const std::vector<ToolNews> whole = NewsOf(syntax, answer, size, tools);
    CHECK(NewsOf(syntax, answer, 1 + data[0] % 16, tools) == whole);
    if (syntax.body != ToolBody::kTags || *ParseJson(WriteJson(Json(answer))) != Json(answer)) {
      continue;  // what is no UTF-8 comes out as something else
    }
    for (const ToolNews& news : whole) {  // of a call that was cut off, all but the last bracket
      CHECK(news.kind != ToolNews::Kind::kArguments || ParseJson(news.text).ok() ||
            ParseJson(news.text + "}").ok());
    }
  }
  return 0;
}
