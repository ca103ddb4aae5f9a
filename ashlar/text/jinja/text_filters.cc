#include <algorithm>

#include "ashlar/base/ascii.h"
#include "ashlar/text/jinja/filters.h"
#include "ashlar/text/jinja/format.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

// The string that the value prints as.
Result<std::string> Printed(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  return Str(call.self());
}

template <std::string (*kMap)(std::string_view)>
Result<Value> MapText(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  return call.machine().Make(kMap(text));
}

// Each word's first letter large; words are parted by blanks and opening brackets.
std::string Title(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    constexpr std::string_view kParting = "- \t\n\r\f\v({[<";
    const std::size_t end = std::min(text.find_first_of(kParting), text.size());
    out += Capitalized(text.substr(0, end));
    const std::size_t next = std::min(text.find_first_not_of(kParting, end), text.size());
    out += text.substr(end, next - end);
    text.remove_prefix(next);
  }
  return out;
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string Same(std::string_view text) {
  return std::string(text);
}

Result<Value> Trim(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  std::optional<std::string> set;
  if (call[0] != nullptr && !call[0]->is_none()) {
    ASHLAR_TRY(set, call.StringOr(0, ""));
  }
  return call.machine().Make(std::string(Strip(text, set, true, true)));
}

Result<Value> Replace(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t count, call.IntegerOr(2, -1));
  std::optional<std::string> replaced =
      Replaced(text, Str(*call[0]), Str(*call[1]), count, call.machine().room());
  return replaced ? call.machine().Make(*std::move(replaced)) : TooLong(call);
}

Result<Value> Indent(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  std::string indention(4, ' ');
  if (call[0] != nullptr && call[0]->string() != nullptr) {
    indention = *call[0]->string();
  } else {
    ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 4));
    indention.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(width, 0, 1000)), ' ');
  }
  const bool first = call.FlagOr(1, false);
  const bool blank = call.FlagOr(2, false);
  const std::string ended = text + "\n";
  std::string out;
  for (const std::string_view line : SplitLines(ended, /*keep_ends=*/false)) {
    const bool is_first = line.data() == ended.data();
    if (!is_first) {
      out += '\n';
    }
    if (is_first ? first : (blank || !line.empty())) {
      out += indention;
    }
    out += line;
    if (out.size() > call.machine().room()) {
      return TooLong(call);
    }
  }
  return call.machine().Make(std::move(out));
}

Result<Value> Format(const Call& call) {
  ASHLAR_TRY(const std::string_view format, call.Text());
  if (!call.arguments().named.empty()) {
    return call.Wrong("values by name are not known here");
  }
  ASHLAR_TRY(std::string text, FormatPercent(call.machine(), format, call.arguments().positional));
  return Value(std::move(text));
}

Result<Value> Truncate(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t length, call.IntegerOr(0, 255));
  ASHLAR_TRY(const std::string end, call.StringOr(2, "..."));
  ASHLAR_TRY(const std::int64_t leeway, call.IntegerOr(3, 5));
  const std::vector<std::string_view> characters = Characters(text);
  const auto size = static_cast<std::int64_t>(characters.size());
  if (size <= length || size - length <= leeway) {
    return call.machine().Make(text);
  }
  const std::int64_t room = length - CountCharacters(end);
  if (room < 0) {
    return call.Wrong("\"length\" {} is shorter than \"end\"", length);
  }
  std::size_t bytes = 0;
  for (std::int64_t i = 0; i < room; ++i) {
    bytes += characters[static_cast<std::size_t>(i)].size();
  }
  std::string_view kept = std::string_view(text).substr(0, bytes);
  if (!call.FlagOr(1, false)) {
    kept = kept.substr(0, std::min(kept.rfind(' '), kept.size()));
  }
  return call.machine().Make(std::string(kept) + end);
}

Result<Value> Center(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  ASHLAR_TRY(const std::int64_t width, call.IntegerOr(0, 80));
  const std::int64_t missing = std::clamp<std::int64_t>(width - CountCharacters(text), 0, 1 << 16);
  const auto left = static_cast<std::size_t>(missing / 2 + (missing & width & 1));
  return call.machine().Make(std::string(left, ' ') + text +
                             std::string(static_cast<std::size_t>(missing) - left, ' '));
}

Result<Value> WordCount(const Call& call) {
  ASHLAR_TRY(const std::string text, Printed(call));
  return Value(static_cast<std::int64_t>(Split(text, {}, -1).size()));
}

// For a URL's path, where "/" stands for itself; or for its query, where a blank is "+".
enum class UrlPart : std::uint8_t { kPath, kQuery };
std::string UrlQuoted(std::string_view text, UrlPart part) {
  const bool path = part == UrlPart::kPath;
  std::string out;
  for (const char c : text) {
    const bool plain = IsAsciiLetterOrDigit(c) ||
                       std::string_view("_.-~").find(c) != std::string_view::npos ||
                       (c == '/' && path);
    out += plain               ? std::string(1, c)
           : c == ' ' && !path ? "+"
                               : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// A text for a path; of a dict, or of pairs, the query: "a=1&b=2".
Result<Value> UrlEncode(const Call& call) {
  const Value& self = call.self();
  ASHLAR_TRY(call.machine().Walk(self));
  if (self.list() == nullptr && self.dict() == nullptr) {
    return call.machine().Make(UrlQuoted(Str(self), UrlPart::kPath));
  }
  std::vector<std::pair<Value, Value>> pairs;
  if (const Dict* dict = self.dict()) {
    pairs = dict->items;
  } else {
    for (const Value& item : self.list()->items) {
      const Result<std::vector<Value>> pair = Iterate(item);
      if (!pair.ok() || pair->size() != 2) {
        return call.Wrong("the items of a list must be pairs");
      }
      pairs.emplace_back((*pair)[0], (*pair)[1]);
    }
  }
  std::string out;
  for (const auto& [key, value] : pairs) {
    out += fmt::format("{}{}={}", out.empty() ? "" : "&", UrlQuoted(Str(key), UrlPart::kQuery),
                       UrlQuoted(Str(value), UrlPart::kQuery));
  }
  return call.machine().Make(std::move(out));
}

Result<Value> ToJsonFilter(const Call& call) {
  ASHLAR_TRY(call.machine().Walk(call.self()));
  JsonStyle style{.ensure_ascii = call.FlagOr(0, false),
                  .sort_keys = call.FlagOr(3, false),
                  .most_bytes = call.machine().room()};
  if (const Value* indent = call[1]; indent != nullptr && !indent->is_none()) {
    if (indent->string() != nullptr) {
      style.indent = *indent->string();
    } else {
      ASHLAR_TRY(const std::int64_t width, call.IntegerOr(1, 0));
      if (width > static_cast<std::int64_t>(style.most_bytes)) {
        return TooLong(call);
      }
      style.indent = std::string(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), ' ');
    }
  }
  if (const Value* separators = call[2]; separators != nullptr && !separators->is_none()) {
    const Result<std::vector<Value>> pair = Iterate(*separators);
    if (!pair.ok() || pair->size() != 2 || (*pair)[0].string() == nullptr ||
        (*pair)[1].string() == nullptr) {
      return call.Wrong("\"separators\" must be two strings");
    }
    style.separators = {*(*pair)[0].string(), *(*pair)[1].string()};
  }
  Result<std::string> text = ToJson(call.self(), style);
  if (!text.ok()) {
    return text.error().In(call.name());
  }
  return call.machine().Make(*std::move(text));
}

constexpr Function kTextFilters[] = {
    {"capitalize", MapText<Capitalized>},
    {"center", Center, 0, {"width"}},
    {"e", MapText<Escape>},
    {"escape", MapText<Escape>},
    {"forceescape", MapText<Escape>},
    {"format", Format, Function::kAny},
    {"indent", Indent, 0, {"width", "first", "blank"}},
    {"lower", MapText<Lower>},
    {"replace", Replace, 2, {"old", "new", "count"}},
    {"safe", MapText<Same>},
    {"string", MapText<Same>},
    {"title", MapText<Title>},
    {"tojson", ToJsonFilter, 0, {"ensure_ascii", "indent", "separators", "sort_keys"}},
    {"trim", Trim, 0, {"chars"}},
    {"truncate", Truncate, 0, {"length", "killwords", "end", "leeway"}},
    {"upper", MapText<Upper>},
    {"urlencode", UrlEncode},
    {"wordcount", WordCount},
};

}  // namespace

std::span<const Function> TextFilters() {
  return kTextFilters;
}

}  // namespace ashlar::jinja
