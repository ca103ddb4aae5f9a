// A ToolParser parts an answer, as it comes, into text and calls of tools.
//
// Nothing of an answer is lost: what looked like a call and was none is text. How the answer is cut
// into pieces does not change what comes out, put together. Confined.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/server/api/call_scanner.h"
#include "ashlar/server/api/tool_syntax.h"

namespace ashlar {

struct ToolNews {
  enum class Kind : std::uint8_t {
    kText,
    kCall,       // a new call; `text` is its name
    kArguments,  // more of the arguments of the last call: JSON, as the network wrote it
  };
  Kind kind = Kind::kText;
  std::string text;

  friend bool operator==(const ToolNews&, const ToolNews&) = default;
};

// Where calls may come in an answer.
enum class CallsMayCome : std::uint8_t {
  kAnywhere,
  kFirst,  // in an answer that begins with text there are none, whatever it says
};

class ToolParser {
 public:
  // Gives out at most `most_calls` calls; what follows them is dropped. `tools`, as templates read
  // them, must outlive it; null: nothing is known of them.
  ToolParser(const ToolSyntax& syntax, int most_calls, const Json* tools = nullptr,
             CallsMayCome calls_may_come = CallsMayCome::kAnywhere);

  std::vector<ToolNews> Push(std::string_view piece);
  std::vector<ToolNews> Finish();

  int calls() const { return calls_; }

 private:
  enum class State : std::uint8_t {
    kFirst,
    kText,
    kTextAlone,
    kBody,
    kName,
    kObject,
    kArguments,
    kAfter
  };

  // One step on what is pending; false when it takes more text to go on.
  bool Advance();
  bool AdvanceFirst();
  bool AdvanceText();
  bool AdvanceBody();
  bool AdvanceName();
  bool AdvanceObject();
  bool AdvanceArguments();
  bool AdvanceAfter();
  void Open(std::size_t opener_bytes);
  void Announce(std::string name);
  void GiveUp();  // the body is no call
  void Emit(ToolNews::Kind kind, std::string_view text);
  // Takes one character of the body.
  char TakeChar();
  // Skips white space of the body; false when nothing else is pending.
  bool SkipSpace();

  const ToolSyntax& syntax_;
  int most_calls_;
  const Json* tools_;
  std::unique_ptr<ArgumentTypes> types_;  // of the tools, from the first call in tags on
  int calls_ = 0;
  State state_ = State::kText;
  bool at_start_ = true;    // nothing but white space so far
  bool announced_ = false;  // the call that is read now
  std::string pending_;     // text that is not looked at yet, from `at_` on
  std::size_t at_ = 0;
  std::string raw_;  // of the body, while it may still be no call
  std::unique_ptr<CallScanner> scanner_;
  JsonExtent extent_;
  std::vector<ToolNews> news_;
};

}  // namespace ashlar
