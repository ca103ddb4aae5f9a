#include "ashlar/server/api/responses_answer.h"

#include <limits>
#include <utility>

#include "ashlar/server/api/chat_answer.h"
#include "ashlar/server/http/event_stream.h"

namespace ashlar {
namespace {

Json TextPart(std::string_view text) {
  return Json::Of({{"type", "output_text"},
                   {"text", text},
                   {"annotations", Json::Array()},
                   {"logprobs", Json::Array()}});
}

}  // namespace

ResponsesAnswer::ResponsesAnswer(ResponsesAnswerOptions options) : options_(std::move(options)) {
  if (options_.tools != nullptr) {
    parser_.emplace(*options_.tools,
                    options_.parallel_tool_calls ? std::numeric_limits<int>::max() : 1,
                    &options_.offered, options_.calls_may_come);
    forced_news_ = parser_->Push(options_.forced);
  }
}

Json ResponsesAnswer::ItemJson(const Item& item, std::string_view status) const {
  if (item.is_call) {
    return Json::Of({{"id", item.id},
                     {"type", "function_call"},
                     {"status", status},
                     {"call_id", item.call_id},
                     {"name", item.name},
                     {"arguments", item.text}});
  }
  const bool empty = status == "in_progress" && item.text.empty();
  return Json::Of({{"id", item.id},
                   {"type", "message"},
                   {"status", status},
                   {"role", "assistant"},
                   {"content", empty ? Json::Array() : Json::Array{TextPart(item.text)}}});
}

std::string_view ResponsesAnswer::FinalStatus() const {
  return end_ == GenerationEnd::kLength ? "incomplete" : "completed";
}

Json ResponsesAnswer::Response(std::string_view status) const {
  Json response = Json::Of({{"id", options_.head.id},
                            {"object", "response"},
                            {"created_at", options_.head.created},
                            {"status", status},
                            {"error", nullptr},
                            {"incomplete_details", nullptr},
                            {"model", options_.head.model}});
  if (status == "incomplete") {
    response.Set("incomplete_details", Json::Of({{"reason", "max_output_tokens"}}));
  }
  response.Set("system_fingerprint", plans_.FingerprintOf(options_.head));
  Json::Array output;
  Json usage;
  if (status != "in_progress") {
    plans_.TellOf(0, 0, response);
    for (const Item& item : items_) {
      const bool cut = &item == &items_.back() && (item_open_ || status == "incomplete");
      output.push_back(ItemJson(item, cut ? "incomplete" : "completed"));
    }
    usage = usage_.ForResponses();
  }
  response.Set("output", std::move(output));
  for (const auto& [name, value] : *options_.request.object()) {
    response.Set(name, value);
  }
  response.Set("previous_response_id", nullptr);
  response.Set("usage", std::move(usage));
  return response;
}

std::string ResponsesAnswer::Event(std::string_view type, Json members) {
  Json event = Json::Of({{"type", type}, {"sequence_number", sequence_++}});
  for (auto& [name, value] : *members.object()) {
    event.Set(name, std::move(value));
  }
  return DataEvent(event, type);
}

std::string ResponsesAnswer::ItemEvent(std::string_view type, Json members) {
  Json all = Json::Of({{"item_id", items_.back().id}, {"output_index", items_.size() - 1}});
  for (auto& [name, value] : *members.object()) {
    all.Set(name, std::move(value));
  }
  return Event(type, std::move(all));
}

std::string ResponsesAnswer::BeginItem(bool is_call, std::string_view name) {
  const auto number = static_cast<int>(items_.size());
  Item item{.is_call = is_call,
            .id = fmt::format("{}_{}_{}", is_call ? "fc" : "msg", options_.head.id, number)};
  if (is_call) {
    item.call_id = ToolCallId(options_.seed, 0, number);
    item.name = name;
  }
  items_.push_back(std::move(item));
  item_open_ = true;
  std::string out =
      Event("response.output_item.added",
            Json::Of({{"output_index", number}, {"item", ItemJson(items_.back(), "in_progress")}}));
  if (!is_call) {
    out += ItemEvent("response.content_part.added",
                     Json::Of({{"content_index", 0}, {"part", TextPart("")}}));
  }
  return out;
}

std::string ResponsesAnswer::EndItem() {
  if (!std::exchange(item_open_, false)) {
    return {};
  }
  const Item& item = items_.back();
  std::string out;
  if (item.is_call) {
    out += ItemEvent("response.function_call_arguments.done",
                     Json::Of({{"name", item.name}, {"arguments", item.text}}));
  } else {
    out += ItemEvent(
        "response.output_text.done",
        Json::Of({{"content_index", 0}, {"text", item.text}, {"logprobs", Json::Array()}}));
    out += ItemEvent("response.content_part.done",
                     Json::Of({{"content_index", 0}, {"part", TextPart(item.text)}}));
  }
  const std::string_view status = end_ == GenerationEnd::kNone ? "completed" : FinalStatus();
  return out + Event("response.output_item.done", Json::Of({{"output_index", items_.size() - 1},
                                                            {"item", ItemJson(item, status)}}));
}

std::string ResponsesAnswer::TakeNews(const ToolNews& news) {
  std::string out;
  if (news.kind == ToolNews::Kind::kCall) {
    out = EndItem();
    return out += BeginItem(true, news.text);
  }
  const bool is_call = news.kind == ToolNews::Kind::kArguments;
  if (!item_open_ || items_.back().is_call != is_call) {
    out = EndItem();
    out += BeginItem(is_call, "");
  }
  items_.back().text += news.text;
  if (is_call) {
    return out +
           ItemEvent("response.function_call_arguments.delta", Json::Of({{"delta", news.text}}));
  }
  return out +
         ItemEvent(
             "response.output_text.delta",
             Json::Of({{"content_index", 0}, {"delta", news.text}, {"logprobs", Json::Array()}}));
}

std::string ResponsesAnswer::Take(int index, const GenerationEvent& event) {
  usage_.Take(index, event);
  plans_.Take(index, event);
  std::string out;
  if (!std::exchange(begun_, true)) {
    for (const char* type : {"response.created", "response.in_progress"}) {
      out += Event(type, Json::Of({{"response", Response("in_progress")}}));
    }
  }
  std::vector<ToolNews> news = std::exchange(forced_news_, {});
  if (parser_) {
    for (ToolNews& more : parser_->Push(event.text)) {
      news.push_back(std::move(more));
    }
  } else if (!event.text.empty()) {
    news.push_back({ToolNews::Kind::kText, event.text});
  }
  end_ = event.end;
  if (end_ != GenerationEnd::kNone && parser_) {
    for (ToolNews& last : parser_->Finish()) {
      news.push_back(std::move(last));
    }
  }
  for (const ToolNews& each : news) {
    out += TakeNews(each);
  }
  if (end_ != GenerationEnd::kNone) {
    if (items_.empty()) {
      out += BeginItem(false, "");
    }
    out += EndItem();
  }
  return options_.stream ? out : std::string();
}

std::string ResponsesAnswer::End() {
  return Event(fmt::format("response.{}", FinalStatus()),
               Json::Of({{"response", Response(FinalStatus())}}));
}

std::string ResponsesAnswer::Fail(const Problem& problem) {
  Json response = Response("failed");
  response.Set("error", Json::Of({{"code", problem.status == 429   ? "rate_limit_exceeded"
                                           : problem.status >= 500 ? "server_error"
                                                                   : problem.code},
                                  {"message", problem.message}}));
  return Event("response.failed", Json::Of({{"response", std::move(response)}}));
}

Json ResponsesAnswer::Whole() {
  return Response(FinalStatus());
}

}  // namespace ashlar
