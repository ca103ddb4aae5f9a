// The answer of /v1/responses: a list of items, a message or calls of tools, or the events by which
// such a list grows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ashlar/server/api/answer.h"
#include "ashlar/server/api/tool_parser.h"

namespace ashlar {

struct ResponsesAnswerOptions {
  AnswerHead head;
  bool stream = false;
  const ToolSyntax* tools = nullptr;
  Json offered;  // the tools, as templates read them
  bool parallel_tool_calls = true;
  CallsMayCome calls_may_come = CallsMayCome::kAnywhere;
  std::string forced;      // how the answer begins, said by the prompt already
  std::uint64_t seed = 0;  // of the ids of calls
  Json request;            // the members of the request that the response repeats
};

class ResponsesAnswer final : public ApiAnswer {
 public:
  explicit ResponsesAnswer(ResponsesAnswerOptions options);

  std::string Take(int index, const GenerationEvent& event) override;
  std::string End() override;
  std::string Fail(const Problem& problem) override;
  Json Whole() override;

 private:
  struct Item {
    bool is_call = false;
    std::string id;
    std::string call_id;  // of a call, as its name
    std::string name;
    std::string text;  // or arguments
  };
  // The response as it is now; `status` is "in_progress", "completed", "incomplete" or
  // "failed".
  Json Response(std::string_view status) const;
  Json ItemJson(const Item& item, std::string_view status) const;
  std::string_view FinalStatus() const;
  std::string TakeNews(const ToolNews& news);
  std::string BeginItem(bool is_call, std::string_view name);
  std::string EndItem();
  // An event with its number, and with those members that say which item it is of.
  std::string Event(std::string_view type, Json members);
  std::string ItemEvent(std::string_view type, Json members);

  ResponsesAnswerOptions options_;
  std::optional<ToolParser> parser_;
  std::vector<ToolNews> forced_news_;
  std::vector<Item> items_;
  bool begun_ = false;
  bool item_open_ = false;
  std::int64_t sequence_ = 0;
  GenerationEnd end_ = GenerationEnd::kNone;
  UsageCount usage_;
  PlanTrail plans_;
};

}  // namespace ashlar
