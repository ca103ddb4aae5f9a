#include "ashlar/text/chat_template.h"

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/jinja/parser.h"
#include "ashlar/text/jinja/render.h"

namespace ashlar {

struct ChatTemplate::Parsed {
  jinja::Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  if (!internal::IsUtf8(source)) {
    return Invalid("the template is no UTF-8");
  }
  ASHLAR_TRY(jinja::Body body, jinja::Parse(source));
  return ChatTemplate(std::make_unique<const Parsed>(Parsed{std::move(body)}));
}

Result<std::string> ChatTemplate::Render(const Json& variables, const std::tm& now) const {
  return jinja::Render(parsed_->body, variables, now, {});
}

}  // namespace ashlar
