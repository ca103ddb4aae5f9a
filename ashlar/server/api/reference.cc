#include "ashlar/server/api/reference.h"

#include <algorithm>
#include <cmath>

#include "ashlar/server/api/endpoint.h"

namespace ashlar {
namespace {

constexpr std::string_view kIntroduction =
    R"(# The HTTP API

Written by `ashlar serve --reference` from the tables that requests are checked against.

- Requests are JSON; so are answers, but for streams and `/metrics`. A parameter that is not listed
  here is refused by name, and so is a value out of its range: nothing is passed over. `null` is the
  same as not given.
- An error is `{"error": {"message", "type", "param", "code"}}`, where `param` is the part of the
  request to mend (`messages[2].role`). 400: the request is wrong. 401: no key, or a wrong one. 403:
  the key does not allow it, or, without keys, a web page asked that may not. 404: there is no such
  thing. 409: it is in use. 413: the body is too large. 415: a body under `/admin` is not said to be
  `application/json`. 429: too much at once; `Retry-After` says when to come again. 503: the server
  shuts down, or a network cannot be loaded. 504: the request's `timeout` passed. In mid-stream an
  error is an event of that form, before `[DONE]`; of `/v1/responses` it is `response.failed`.
- Schemas, grammars and regular expressions are read up to the limits of the
  [README of ashlar/grammar](../ashlar/grammar/README.md), the tools of a request together; what takes
  more is refused with 400, and the limit.
- Streams are server-sent events, `data: {...}`, the last of which is `data: [DONE]`
  (`/v1/responses` has named events, and ends with `response.completed`, `response.incomplete` or
  `response.failed`). A client that goes away ends its generation.
- Keys: `Authorization: Bearer KEY`. `X-Request-Id` is taken over, or made, and comes back.
)";

constexpr std::pair<Access, std::string_view> kAccessNotes[] = {
    {Access::kOpen, "Needs no key."},
    {Access::kClient, ""},
    {Access::kAdmin, "Needs an administrator's key."},
};

std::string NumberText(double number) {
  return EcmaScriptNumber(number);
}

std::string TypeText(const Parameter& parameter) {
  std::string text = TypeNames(parameter.types);
  const bool least = std::isfinite(parameter.min);
  const bool most = std::isfinite(parameter.max);
  if (least && most) {
    text += fmt::format(", {} to {}", NumberText(parameter.min), NumberText(parameter.max));
  } else if (least) {
    text += fmt::format(", at least {}", NumberText(parameter.min));
  }
  if (!parameter.values.empty()) {
    text += ": ";
    for (const std::string_view value : SplitValues(parameter.values)) {
      text += fmt::format("{}`{}`", text.ends_with(": ") ? "" : ", ", value);
    }
  }
  if (!parameter.only.empty()) {
    text += fmt::format(": `{}` only", parameter.only);
  }
  return text;
}

std::string ParameterRows(const Endpoint& endpoint) {
  std::string text = "\n| parameter | type | default | |\n|---|---|---|---|\n";
  for (const ParameterPart* part : endpoint.parameters) {
    for (const Parameter& parameter : *part) {
      text += fmt::format("| `{}` | {} | {} | {} |\n", parameter.name, TypeText(parameter),
                          parameter.required ? "required" : parameter.otherwise, parameter.doc);
    }
  }
  return text;
}

}  // namespace

std::string ApiReference() {
  std::string text(kIntroduction);
  for (const Endpoint& endpoint : AllEndpoints()) {
    text += fmt::format("\n## {} {}\n\n{} Answers {}.", endpoint.method, endpoint.path,
                        endpoint.summary, endpoint.answer);
    const auto note = std::ranges::find(kAccessNotes, endpoint.access,
                                        &std::pair<Access, std::string_view>::first);
    text += note->second.empty() ? "\n" : fmt::format(" {}\n", note->second);
    if (!endpoint.parameters.empty()) {
      text += ParameterRows(endpoint);
    }
  }
  return text;
}

}  // namespace ashlar
