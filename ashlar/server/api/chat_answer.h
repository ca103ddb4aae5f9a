// The answer of /v1/chat/completions, and of tools called in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ashlar/server/api/answer.h"
#include "ashlar/server/api/tool_parser.h"

namespace ashlar {

struct ChatAnswerOptions {
  AnswerHead head;
  std::shared_ptr<const NetworkCard> network;
  bool stream = false;
  bool include_usage = false;
  bool logprobs = false;
  const ToolSyntax* tools = nullptr;  // null: an answer is text and nothing else
  Json offered;                       // the tools, as templates read them
  bool parallel_tool_calls = true;
  CallsMayCome calls_may_come = CallsMayCome::kAnywhere;
  std::string forced;      // how every answer begins, said by the prompt already
  std::uint64_t seed = 0;  // of the ids of calls
};

// An id of nine letters and digits, which every template takes back.
std::string ToolCallId(std::uint64_t seed, int choice, int call);

class ChatAnswer final : public ApiAnswer {
 public:
  ChatAnswer(ChatAnswerOptions options, int choices);

  std::string Take(int index, const GenerationEvent& event) override;
  std::string End() override;
  Json Whole() override;

 private:
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;
  };
  struct Choice {
    std::optional<ToolParser> parser;
    std::vector<ToolNews> news;  // of what is forced
    bool begun = false;
    std::string text;
    std::vector<Call> calls;
    Json::Array logprobs;
    std::string finish;
  };
  std::string Chunk(int choice, Json delta, Json logprobs, Json finish) const;
  Json Head(std::string_view object) const;
  // What `news` add to the choice, as the delta of a chunk.
  Json TakeNews(int index, const ToolNews& news);

  ChatAnswerOptions options_;
  std::vector<Choice> choices_;
  UsageCount usage_;
  PlanTrail plans_;
};

}  // namespace ashlar
