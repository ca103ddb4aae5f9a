// An endpoint's number and a request's body: read against a small network, whatever it says.
#include <cstddef>
#include <cstdint>

#include "ashlar/server/api/endpoint.h"
#include "ashlar/server/api/problem.h"
#include "ashlar/server/api/testing_networks.h"

namespace ashlar {
namespace {

void CheckWork(Work work) {
  CHECK(!work.generations.empty());
  for (const Generation& generation : work.generations) {
    CHECK(!generation.prompt.empty());
    CHECK(generation.sampling.Check(generation.network->logits).ok());
  }
  // Each generation says something that looks like a call and ends.
  for (std::size_t i = 0; i < work.generations.size() && i < 4; ++i) {
    const Generation& generation = work.generations[i];
    for (int continuation = 0; continuation < generation.continuations; ++continuation) {
      GenerationEvent event{.continuation = continuation,
                            .text = "<tool_call>{\"name\": \"f\", \"arguments\": {",
                            .end = GenerationEnd::kStop};
      if (generation.embedding) {
        event.embedding.assign(static_cast<std::size_t>(generation.network->hidden_width), 0.5f);
      }
      if (generation.prompt_logprobs) {
        event.prompt_logprobs.assign(generation.prompt.size(), {.token = 65, .logprob = -1.0f});
      }
      work.answer->Take(static_cast<int>(i), event);
    }
  }
  if (work.generations.size() <= 4) {
    if (work.stream) {
      CHECK(!work.answer->End().empty());
    } else {
      CHECK(!work.answer->Whole().is_null());
    }
  }
}

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  static const auto card =
      testing_api::MakeCard({.chat_template = testing_api::kToolTemplate,
                             .further_tokens = {"<|im_start|>", "<|im_end|>", "<|fim_prefix|>",
                                                "<|fim_suffix|>", "<|fim_middle|>"}});
  if (size == 0) {
    return 0;
  }
  const Endpoint& endpoint = AllEndpoints()[data[0] % AllEndpoints().size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<Json> body = ParseJson(text);
  if (!body.ok() || endpoint.manage != nullptr) {
    return 0;
  }
  const RequestSetting setting{.network = card, .max_positions = 4096, .id = "id"};
  const Result<Parameters> parameters = Parameters::Read(JsonCursor(*body), endpoint.parameters);
  if (!parameters.ok()) {
    CHECK(ProblemOf(parameters.error()).status == 400);
  } else if (endpoint.reply != nullptr) {
    const Result<Json> reply = endpoint.reply(*parameters, setting);
    CHECK(reply.ok() || ProblemOf(reply.error()).status == 400);
  } else {
    Result<Work> work = endpoint.work(*parameters, setting);
    CHECK(work.ok() || ProblemOf(work.error()).status == 400);
    if (work.ok()) {
      CheckWork(*std::move(work));
    }
  }
  return 0;
}
