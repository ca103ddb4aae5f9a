#include "ashlar/server/api/tool_parser.h"

#include <algorithm>
#include <utility>

namespace ashlar {
namespace {

constexpr std::size_t kLongestToolName = 256;

// Where the end of `text` begins that may become `mark`, or else its size.
std::size_t HeldFrom(std::string_view text, std::string_view mark) {
  for (std::size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (mark.starts_with(text.substr(text.size() - size))) {
      return text.size() - size;
    }
  }
  return text.size();
}

}  // namespace

ToolParser::ToolParser(const ToolSyntax& syntax, int most_calls, const Json* tools,
                       CallsMayCome calls_may_come)
    : syntax_(syntax),
      most_calls_(most_calls),
      tools_(tools),
      state_(calls_may_come == CallsMayCome::kFirst ? State::kFirst : State::kText) {}

std::vector<ToolNews> ToolParser::Push(std::string_view piece) {
  pending_ += piece;
  while (Advance()) {
  }
  pending_.erase(0, std::exchange(at_, 0));
  return std::exchange(news_, {});
}

std::vector<ToolNews> ToolParser::Finish() {
  if (state_ == State::kFirst) {
    state_ = State::kText;
  }
  if (state_ != State::kText && state_ != State::kAfter && !announced_) {
    GiveUp();
  }
  if (state_ == State::kText && (calls_ == 0 || !std::ranges::all_of(pending_, IsCallSpace))) {
    Emit(ToolNews::Kind::kText, std::exchange(pending_, {}));
  }
  return std::exchange(news_, {});
}

bool ToolParser::Advance() {
  if (at_ == pending_.size()) {
    return false;
  }
  switch (state_) {
    case State::kFirst:
      return AdvanceFirst();
    case State::kText:
      return AdvanceText();
    case State::kTextAlone:
      Emit(ToolNews::Kind::kText, std::string_view(pending_).substr(at_));
      at_ = pending_.size();
      return false;
    case State::kBody:
      return AdvanceBody();
    case State::kName:
      return AdvanceName();
    case State::kObject:
      return AdvanceObject();
    case State::kArguments:
      return AdvanceArguments();
    case State::kAfter:
      return AdvanceAfter();
  }
  return false;
}

// Whether the answer begins with a call is seen when an opener would be whole.
bool ToolParser::AdvanceFirst() {
  const std::string_view text = std::string_view(pending_).substr(at_);
  const auto first = std::ranges::find_if_not(text, IsCallSpace);
  const std::string_view begun = text.substr(static_cast<std::size_t>(first - text.begin()));
  if (begun.size() < syntax_.opener.size() && syntax_.opener.starts_with(begun)) {
    return false;
  }
  state_ = begun.starts_with(syntax_.opener) ? State::kText : State::kTextAlone;
  return true;
}

// Text goes out but for its end, while that may belong to a call: white space before an opener is
// not part of the text.
bool ToolParser::AdvanceText() {
  const std::string_view text = std::string_view(pending_).substr(at_);
  if (at_start_ && syntax_.bare) {
    const auto first = std::ranges::find_if_not(text, IsCallSpace);
    if (first != text.end() && *first == '{') {
      at_ += static_cast<std::size_t>(first - text.begin());
      Open(0);
      return true;
    }
  }
  const std::size_t opener = text.find(syntax_.opener);
  std::size_t end = std::min(opener, HeldFrom(text, syntax_.opener));
  while (end > 0 && IsCallSpace(text[end - 1])) {
    --end;
  }
  if (end > 0) {
    at_start_ = false;
    Emit(ToolNews::Kind::kText, text.substr(0, end));
  }
  if (opener != std::string_view::npos) {
    at_ += opener;
    Open(syntax_.opener.size());
    return true;
  }
  at_ += end;
  return false;
}

void ToolParser::Open(std::size_t opener_bytes) {
  raw_ = pending_.substr(at_, opener_bytes);
  at_ += opener_bytes;
  at_start_ = false;
  announced_ = false;
  state_ = syntax_.body == ToolBody::kNamed ? State::kName : State::kBody;
  if (syntax_.body == ToolBody::kTags) {
    if (types_ == nullptr) {
      types_ = std::make_unique<ArgumentTypes>(tools_);
    }
    scanner_ = std::make_unique<TagScanner>(syntax_.tags, *types_);
  } else {
    scanner_ = std::make_unique<JsonCallScanner>();
  }
  extent_ = JsonExtent();
}

char ToolParser::TakeChar() {
  const char c = pending_[at_++];
  if (!announced_) {
    raw_ += c;
  }
  return c;
}

bool ToolParser::SkipSpace() {
  while (at_ < pending_.size() && IsCallSpace(pending_[at_])) {
    TakeChar();
  }
  return at_ < pending_.size();
}

// What stands before the first object of a body.
bool ToolParser::AdvanceBody() {
  if (!SkipSpace()) {
    return false;
  }
  if (syntax_.body == ToolBody::kList && pending_[at_] == '[') {
    TakeChar();
    if (!SkipSpace()) {
      return false;
    }
  }
  state_ = State::kObject;
  return true;
}

bool ToolParser::AdvanceObject() {
  while (at_ < pending_.size()) {
    if (!scanner_->Push(TakeChar())) {
      if (announced_) {  // what follows is text
        state_ = State::kAfter;
      } else {
        GiveUp();
      }
      return true;
    }
    if (!announced_ && scanner_->named()) {
      Announce(scanner_->name());
    }
    if (announced_) {
      Emit(ToolNews::Kind::kArguments, scanner_->TakeArguments());
    }
    if (scanner_->done()) {
      state_ = State::kAfter;
      return true;
    }
  }
  return false;
}

bool ToolParser::AdvanceName() {
  const std::size_t mark = pending_.find(syntax_.argument_mark, at_);
  if (mark == std::string::npos) {
    if (pending_.size() - at_ > kLongestToolName) {
      GiveUp();
      return true;
    }
    return false;
  }
  // What else stands before the mark, such as the call's id, is the network's own.
  const std::string_view text = std::string_view(pending_).substr(at_, mark - at_);
  const auto first = std::ranges::find_if_not(text, IsCallSpace);
  const auto last = std::find_if_not(first, text.end(), IsToolNameChar);
  if (first == last) {
    GiveUp();
    return true;
  }
  Announce(std::string(first, last));
  at_ = mark + syntax_.argument_mark.size();
  state_ = State::kArguments;
  return true;
}

bool ToolParser::AdvanceArguments() {
  while (at_ < pending_.size()) {
    const JsonExtent::At at = extent_.Push(pending_[at_]);
    if (at == JsonExtent::At::kPast || at == JsonExtent::At::kBad) {
      state_ = State::kAfter;
      return true;
    }
    Emit(ToolNews::Kind::kArguments, std::string_view(pending_).substr(at_++, 1));
    if (at == JsonExtent::At::kLast) {
      state_ = State::kAfter;
      return true;
    }
  }
  return false;
}

// After a call: its closer, the next one of a list, or text.
bool ToolParser::AdvanceAfter() {
  if (!SkipSpace()) {
    return false;
  }
  const std::string_view text = std::string_view(pending_).substr(at_);
  if (!syntax_.closer.empty()) {
    if (text.size() < syntax_.closer.size() && syntax_.closer.starts_with(text)) {
      return false;
    }
    at_ += text.starts_with(syntax_.closer) ? syntax_.closer.size() : 0;
    state_ = State::kText;
    return true;
  }
  const bool list = syntax_.body == ToolBody::kList;
  const char c = text.front();
  if ((list && c == ',') || (syntax_.bare && (c == ';' || c == ','))) {
    ++at_;
    Open(0);
  } else if (syntax_.bare && c == '{') {
    Open(0);
  } else {
    at_ += list && c == ']' ? 1 : 0;
    state_ = State::kText;
  }
  return true;
}

void ToolParser::Announce(std::string name) {
  announced_ = true;
  raw_.clear();
  ++calls_;
  if (calls_ <= most_calls_) {
    news_.push_back({ToolNews::Kind::kCall, std::move(name)});
  }
}

void ToolParser::GiveUp() {
  Emit(ToolNews::Kind::kText, std::exchange(raw_, {}));
  state_ = State::kText;
}

void ToolParser::Emit(ToolNews::Kind kind, std::string_view text) {
  if (text.empty() || calls_ > most_calls_ ||
      (calls_ == most_calls_ && kind == ToolNews::Kind::kText)) {
    return;
  }
  if (!news_.empty() && news_.back().kind == kind) {
    news_.back().text += text;
  } else {
    news_.push_back({kind, std::string(text)});
  }
}

}  // namespace ashlar
