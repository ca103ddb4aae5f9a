// A ChatTemplate turns messages into the text that a network was trained on, as the template that
// its makers published says: the part of Jinja that such templates use, in the setting that
// Hugging Face gives them (trim_blocks, lstrip_blocks, loop controls, tojson, raise_exception,
// strftime_now).
//
// A template is a program that came with a file. It can read what it is given and nothing else, and
// its steps, its memory and its output are bounded.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>

#include "ashlar/base/json.h"

namespace ashlar {

// Immutable, thread-safe, movable.
class ChatTemplate {
 public:
  // kInvalid, naming the line, for what is no template; kUnsupported for what this version does not
  // have.
  static Result<ChatTemplate> Parse(std::string_view source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `variables`: an object whose members are names of the template: messages, tools,
  // add_generation_prompt, bos_token... `now` is what strftime_now writes. The result is
  // well-formed UTF-8. Errors name the line: kInvalid where the template fails, or refuses these
  // messages; kExhausted where it takes too much.
  Result<std::string> Render(const Json& variables, const std::tm& now) const;

 private:
  struct Parsed;
  explicit ChatTemplate(std::unique_ptr<const Parsed> parsed);
  std::unique_ptr<const Parsed> parsed_;
};

}  // namespace ashlar
