// A template and its variables as JSON, separated by a zero byte; or, behind a byte 1, choices that
// a template is made of out of tables. It is refused with a short error, or it renders within its
// limits, to well-formed text, the same every time.
#include <cstddef>
#include <cstdint>

#include "ashlar/text/internal/fuzz_choices.h"
#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/parser.h"
#include "ashlar/text/jinja/render.h"

namespace ashlar::internal {
namespace {

// A "$" and a letter stand for a row of the table of that letter. The first row of each ends.
constexpr std::string_view kStatements[] = {
    "t",
    "{{ $E }}",
    "{{- $E -}}\n ",
    "$S$S",
    "{% if $E %}$S{% elif $E %}$S{% else %}$S{% endif %}",
    "{% for m in $E %}$S{% endfor %}",
    "{% for k, v in $E %}$S{% else %}$S{% endfor %}",
    "{% for m in $E if $E recursive %}{{ loop.index }}{{ loop($E) }}{% endfor %}",
    "{% for m in $E %}{% if $E %}{% break %}{% endif %}{% continue %}{% endfor %}",
    "{% set x = $E %}$S",
    "{% set x %}$S{% endset %}",
    "{% set ns = namespace(n=$E) %}$S{% set ns.n = $E %}{{ ns.n }}",
    "{% macro f(a, b=$E) %}$S{{ a }}{% endmacro %}{{ f($E) }}{{ f($E, b=$E) }}",
    "{% macro g() %}{{ caller() }}{% endmacro %}{% call g() %}$S{% endcall %}",
    "{% filter $F %}$S{% endfilter %}",
    "{% raw %}{{ x }}{% endraw %}{# $E #}",
    "{% generation %}$S{% endgeneration %}",
    "{% set j = joiner($E) %}{{ j() }}{{ j() }}",
    "{% set c = cycler($E, $E) %}{{ c.next() }}{{ c.current }}{{ c.reset() }}",
    "{{ raise_exception($E) }}",
};
constexpr std::string_view kExpressions[] = {
    "x",
    "messages",
    "'{:aΩΩΩΩ}'.format(1)",
    "m.content",
    "m['role']",
    "loop.index0",
    "'a\\n{é}'",
    "''",
    "0",
    "-1",
    "9223372036854775807",
    "2.5e3",
    "none",
    "true",
    "[]",
    "{}",
    "nowhere",
    "[$E, $E]",
    "($E, $E)",
    "{'a': $E, $E: 1}",
    "($E $O $E)",
    "(not $E)",
    "(-$E)",
    "($E if $E else $E)",
    "($E is $I)",
    "($E is not divisibleby $E)",
    "($E | $F)",
    "($E | $F($E))",
    "($E | map(attribute=$E) | list)",
    "($E | selectattr('role', 'equalto', $E) | list)",
    "$E[$E]",
    "$E[$E:$E]",
    "$E[::$E]",
    "$E.$M()",
    "$E.$M($E)",
    "$E.$M($E, $E)",
    "$G($E)",
    "$G($E, $E, $E)",
    "'{:>9} {0} {x!r} {:,.2f}'.format($E, x=$E)",
    "('%5d %s %.3f' % ($E, $E, $E))",
};
constexpr std::string_view kOperators[] = {"+",  "-",  "*", "/",  "//",  "%",  "**", "~",
                                           "==", "!=", "<", ">=", "and", "or", "in", "not in"};
constexpr std::string_view kTests[] = {"defined", "none",    "string",   "mapping",   "sequence",
                                       "number",  "odd",     "iterable", "undefined", "lower",
                                       "boolean", "integer", "callable"};
constexpr std::string_view kFilters[] = {
    "length", "tojson",   "trim",   "upper", "join", "list",  "first",     "last",
    "int",    "float",    "string", "sort",  "sum",  "batch", "groupby",   "unique",
    "slice",  "truncate", "indent", "items", "abs",  "round", "dictsort",  "reverse",
    "escape", "default",  "center", "title", "max",  "min",   "wordcount", "replace"};
constexpr std::string_view kMethods[] = {
    "get",    "items", "keys", "split", "strip",      "replace", "upper", "startswith", "count",
    "format", "find",  "join", "title", "splitlines", "index",   "zfill", "ljust"};
constexpr std::string_view kFunctions[] = {"range", "dict", "namespace", "strftime_now"};

std::string MadeOf(FuzzChoices& choices, char what, int depth) {
  const auto row = [&]() -> std::string_view {
    switch (what) {
      case 'S':
        return depth > 0 ? choices.Of(kStatements) : kStatements[0];
      case 'E':
        return depth > 0 ? choices.Of(kExpressions) : kExpressions[0];
      case 'O':
        return choices.Of(kOperators);
      case 'I':
        return choices.Of(kTests);
      case 'F':
        return choices.Of(kFilters);
      case 'M':
        return choices.Of(kMethods);
      default:
        return choices.Of(kFunctions);
    }
  };
  std::string_view form = row();
  std::string out;
  for (std::size_t at = form.find('$'); at != form.npos; at = form.find('$')) {
    out += form.substr(0, at);
    out += MadeOf(choices, form[at + 1], depth - 1);
    form.remove_prefix(at + 2);
  }
  return out.append(form);
}

constexpr std::string_view kVariables =
    R"({"x": 3, "messages": [{"role": "user", "content": "hé"}, {"role": "tool", "content": null}]})";

}  // namespace
}  // namespace ashlar::internal

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = std::min(input.find('\0'), input.size());
  const bool chosen = input.starts_with('\1');
  internal::FuzzChoices choices(input.substr(chosen ? 1 : 0));
  const std::string made = chosen ? internal::MadeOf(choices, 'S', 7) : "";
  const std::string_view source = chosen ? std::string_view(made) : input.substr(0, cut);
  Result<Json> variables =
      ParseJson(chosen ? internal::kVariables : input.substr(std::min(cut + 1, input.size())));
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
