// A Problem is an error as a client of the API is told of it.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "ashlar/base/result.h"
#include "ashlar/server/http/http.h"

namespace ashlar {

struct Problem {
  int status = 500;
  std::string message;
  std::string param;  // the member of the request that is wrong: "messages[2].role"; may be empty
  std::string code;   // for programs: "context_length_exceeded"
  double retry_after_seconds = 0;  // 0: trying again would not help

  HttpResponse Response() const;
  Json Body() const;
};

// To whom the server takes in no more.
Problem ShuttingDown();

// An error of a request begins with the JSON path of what is wrong, "$.prompt: ...", which becomes
// `param`. Then the codes mean: kNotFound a thing that the request names (404), kExhausted that it
// is longer than can be taken (400); kConflict: come again later (429).
Problem ProblemOf(const Error& error);

// 500, as ErrorResponse has it.
Problem ProblemOf(const std::exception& exception);

}  // namespace ashlar
