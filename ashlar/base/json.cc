#include "ashlar/base/json.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "ashlar/base/json_syntax.h"

namespace ashlar {
namespace {

using Parser = nlohmann::json;

// Walks over the text and leaves behind where it is: nlohmann's callbacks do not say.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** last_read) : at_(at), last_read_(last_read) {}

  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *last_read_ = at_++;
    return *this;
  }
  friend bool operator==(const TrackedIterator& a, const TrackedIterator& b) {
    return a.at_ == b.at_;
  }

 private:
  const char* at_;
  const char** last_read_;
};

// Builds the Json from the events of nlohmann's parser. A callback that returns false stops the
// parser; error() then says why.
class Builder {
 public:
  using number_integer_t = Parser::number_integer_t;
  using number_unsigned_t = Parser::number_unsigned_t;
  using number_float_t = Parser::number_float_t;
  using string_t = Parser::string_t;
  using binary_t = Parser::binary_t;

  Builder(std::string_view text, const JsonLimits& limits)
      : text_(text), limits_(limits), last_read_(text.data()) {}

  const char** last_read() { return &last_read_; }

  Result<Json> Take() && {
    if (error_) {
      return *std::move(error_);
    }
    return std::move(root_);
  }

  bool null() { return Add(nullptr); }
  bool boolean(bool value) { return Add(value); }
  bool number_integer(number_integer_t value) { return Add(value); }
  bool number_unsigned(number_unsigned_t value) {
    return std::in_range<std::int64_t>(value) ? Add(value) : Add(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) { return Add(value); }
  bool string(string_t& value) { return Add(std::move(value)); }
  bool binary(binary_t&) { return true; }  // JSON text has none

  bool start_object(std::size_t) { return Open(Json::Object()); }
  bool key(string_t& key) {
    open_.back().key_ends.push_back(Offset());
    open_.back().value.object()->emplace_back(std::move(key), Json());
    return true;
  }
  bool end_object() { return CheckKeysDiffer() && Close(); }
  bool start_array(std::size_t) { return Open(Json::Array()); }
  bool end_array() { return Close(); }

  bool parse_error(std::size_t position, const std::string&, const Parser::exception& exception) {
    // `position` counts the bytes read, the offending one among them; past the end counts too.
    const std::uint64_t offset = position == 0 ? 0 : position - 1;
    constexpr int kNumberOverflow = 406;
    if (exception.id == kNumberOverflow) {
      return Fail(offset, "a number that overflows a double ends here");
    }
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while
    // parsing value - invalid literal; last read: '...'": the quote at its end may be as large as
    // the input, and need not be UTF-8.
    std::string_view reason = exception.what();
    reason = reason.substr(0, reason.find("; last read"));
    if (const auto place = reason.find(": "); place != std::string_view::npos) {
      reason.remove_prefix(place + 2);
    }
    return Fail(offset, reason);
  }

 private:
  struct Container {
    Json value;
    std::vector<std::uint64_t> key_ends;  // byte offset of each key's closing quote
  };

  std::uint64_t Offset() const { return static_cast<std::uint64_t>(last_read_ - text_.data()); }

  bool Fail(std::uint64_t offset, std::string_view reason) {
    std::string found = "the end";
    if (offset < text_.size()) {
      const auto byte = static_cast<unsigned char>(text_[offset]);
      const bool printable = byte >= 0x20 && byte < 0x7f;
      found = printable ? fmt::format("'{}'", text_[offset]) : fmt::format("0x{:02x}", byte);
    }
    error_ = Invalid("JSON at byte {} ({}): {}", offset, found, reason);
    return false;
  }

  bool CountValue() {
    return ++values_ <= limits_.max_values ||
           Fail(Offset(), fmt::format("more than {} values", limits_.max_values));
  }

  bool Add(Json value) {
    if (!CountValue()) {
      return false;
    }
    Place(std::move(value));
    return true;
  }

  bool Open(Json container) {
    if (std::cmp_greater_equal(open_.size(), limits_.max_depth)) {
      return Fail(Offset(), fmt::format("nested deeper than {} levels", limits_.max_depth));
    }
    if (!CountValue()) {
      return false;
    }
    open_.push_back({std::move(container), {}});
    return true;
  }

  bool Close() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    Place(std::move(value));
    return true;
  }

  void Place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Json::Object* object = open_.back().value.object()) {
      object->back().second = std::move(value);
    } else {
      open_.back().value.array()->push_back(std::move(value));
    }
  }

  // Once per object, by sorting: a vocabulary has hundreds of thousands of keys.
  bool CheckKeysDiffer() {
    const Container& container = open_.back();
    const Json::Object& members = *container.value.object();
    order_.resize(members.size());
    for (std::size_t i = 0; i < order_.size(); ++i) {
      order_[i] = i;
    }
    std::ranges::sort(order_, [&members](std::size_t a, std::size_t b) {
      const int order = members[a].first.compare(members[b].first);
      return order != 0 ? order < 0 : a < b;
    });
    const auto same = std::ranges::adjacent_find(
        order_, {}, [&members](std::size_t i) -> const std::string& { return members[i].first; });
    if (same == order_.end()) {
      return true;
    }
    const std::size_t second = *std::next(same);
    return Fail(container.key_ends[second],
                fmt::format("duplicate key {} ends here", QuoteForError(members[second].first)));
  }

  const std::string_view text_;
  const JsonLimits& limits_;
  const char* last_read_;
  std::vector<Container> open_;  // outermost first
  std::vector<std::size_t> order_;
  std::uint64_t values_ = 0;
  Json root_;
  std::optional<Error> error_;
};

}  // namespace

Result<Json> ParseJson(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Invalid("JSON of {} bytes, more than the {} allowed", text.size(), limits.max_bytes);
  }
  // nlohmann takes a NUL for the end of the text, and would not see what follows.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    return Invalid("JSON at byte {}: a NUL byte", nul);
  }
  Builder builder(text, limits);
  Parser::sax_parse(TrackedIterator(text.data(), builder.last_read()),
                    TrackedIterator(text.data() + text.size(), builder.last_read()), &builder);
  return std::move(builder).Take();
}

bool IsJsonText(std::string_view text) {
  // nlohmann takes a NUL for the end, and passes over a mark of the order of bytes.
  return text.find('\0') == std::string_view::npos && !text.starts_with("\xEF\xBB\xBF") &&
         Parser::accept(text.begin(), text.end());
}

}  // namespace ashlar
