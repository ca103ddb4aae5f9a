// The one file that knows Beast, whose parser checks the grammar and takes chunks apart. What it
// lets pass and a proxy may read in another way is refused here: lines that are folded or end in a
// bare LF, two lengths even when they agree, transfer codings besides "chunked".
#include "ashlar/server/http/internal/request_reader.h"

#include <algorithm>
#include <limits>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "ashlar/base/ascii.h"

namespace ashlar::internal {
namespace {

namespace beast_http = boost::beast::http;
using BeastError = boost::beast::error_code;
using BeastText = boost::beast::string_view;

std::string_view View(BeastText text) {
  return {text.data(), text.size()};
}

HttpResponse Malformed(std::string_view what) {
  return ErrorResponse(400, fmt::format("the request is malformed: {}", what), "bad_request");
}

// Fields whose second appearance would leave open which of the two counts.
constexpr beast_http::field kSingleFields[] = {
    beast_http::field::host, beast_http::field::content_length,
    beast_http::field::transfer_encoding, beast_http::field::authorization,
    beast_http::field::expect};

// "%41" -> "A". Nothing when a '%' is not followed by two digits, or stands for NUL.
std::optional<std::string> PercentDecode(std::string_view text) {
  const auto digit = [](char c) {
    const std::string_view digits = "0123456789abcdef";
    return digits.find(AsciiLower(c));
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) {
      return std::nullopt;
    }
    const std::size_t high = digit(text[i + 1]);
    const std::size_t low = digit(text[i + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos || high + low == 0) {
      return std::nullopt;
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

bool IsGoodId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::ranges::all_of(id, [](char c) {
    return IsAsciiLetterOrDigit(c) || std::string_view("._:-").find(c) != std::string_view::npos;
  });
}

}  // namespace

class RequestReader::Parser final : public beast_http::basic_parser<true> {
 public:
  explicit Parser(std::size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {
    // Both limits are ours, which say more.
    header_limit(std::numeric_limits<std::uint32_t>::max());
    body_limit(boost::none);
    eager(true);
  }

  // What is wrong besides what `error` says; has_refusal() tells whether there is anything.
  bool has_refusal() const { return refusal_.has_value(); }
  HttpResponse TakeRefusal() { return *std::move(refusal_); }
  HttpRequest Head() const {
    const HttpRequest& request = received_.request;
    return {.method = request.method, .path = request.path, .id = request.id};
  }
  std::size_t body_bytes() const { return received_.request.body.size(); }
  bool waits_for_continue = false;

  ReceivedRequest Take() {
    received_.keep_alive = keep_alive();
    return std::move(received_);
  }

 private:
  void Refuse(HttpResponse refusal, BeastError& error) {
    refusal_ = std::move(refusal);
    error = beast_http::error::bad_field;
  }

  void on_request_impl(beast_http::verb, BeastText method, BeastText target, int version,
                       BeastError& error) override {
    HttpRequest& request = received_.request;
    request.method = View(method);
    received_.http_1_0 = version == 10;
    std::string_view place = View(target);
    for (const std::string_view scheme : {"http://", "https://"}) {  // the absolute form
      if (place.size() > scheme.size() &&
          EqualsIgnoringCase(place.substr(0, scheme.size()), scheme)) {
        place.remove_prefix(std::min(place.find_first_of("/?", scheme.size()), place.size()));
        if (!place.starts_with('/')) {
          return Refuse(Malformed("a target in absolute form needs a path"), error);
        }
        break;
      }
    }
    const bool star = place == "*" && request.method == "OPTIONS";
    if (!star && !place.starts_with('/')) {
      return Refuse(Malformed(fmt::format("the target {} does not begin with '/'",
                                          QuoteForError(View(target)))),
                    error);
    }
    if (!std::ranges::all_of(place, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; })) {
      return Refuse(Malformed("the target has characters that must be percent-encoded"), error);
    }
    const std::size_t mark = std::min(place.find('?'), place.size());
    std::optional<std::string> path = PercentDecode(place.substr(0, mark));
    if (!path) {
      return Refuse(Malformed("the target has a '%' that is not followed by two digits"), error);
    }
    request.path = *std::move(path);
    request.query = place.substr(std::min(mark + 1, place.size()));
  }

  void on_field_impl(beast_http::field field, BeastText name, BeastText value,
                     BeastError& error) override {
    if (is_header_done_) {
      return;  // a trailer: nothing that is known is sent in those
    }
    HttpHeaders& headers = received_.request.headers;
    if (std::ranges::find(kSingleFields, field) != std::end(kSingleFields) &&
        headers.Find(View(name)) != nullptr) {
      return Refuse(Malformed(fmt::format("{} is given twice", View(name))), error);
    }
    headers.push_back({std::string(View(name)), std::string(View(value))});
  }

  void on_header_impl(BeastError& error) override {
    is_header_done_ = true;
    HttpRequest& request = received_.request;
    const auto value_of = [&](std::string_view name) -> std::optional<std::string_view> {
      const std::string* value = request.headers.Find(name);
      return value == nullptr ? std::nullopt : std::optional<std::string_view>(*value);
    };
    if (!received_.http_1_0 && !value_of("Host")) {
      return Refuse(Malformed("there is no Host"), error);
    }
    if (const auto coding = value_of("Transfer-Encoding"); coding) {
      if (received_.http_1_0) {
        return Refuse(Malformed("HTTP/1.0 has no Transfer-Encoding"), error);
      }
      if (!EqualsIgnoringCase(*coding, "chunked")) {
        return Refuse(
            ErrorResponse(501,
                          fmt::format("Transfer-Encoding {} is not supported; known: chunked",
                                      QuoteForError(*coding)),
                          "unsupported_transfer_encoding"),
            error);
      }
    }
    if (const auto length = value_of("Content-Length");
        length && !std::ranges::all_of(*length, [](char c) { return c >= '0' && c <= '9'; })) {
      return Refuse(Malformed("Content-Length is no number"), error);
    }
    if (const auto coding = value_of("Content-Encoding");
        coding && !EqualsIgnoringCase(*coding, "identity")) {
      return Refuse(ErrorResponse(415,
                                  fmt::format("Content-Encoding {} is not supported; send the body "
                                              "as it is",
                                              QuoteForError(*coding)),
                                  "unsupported_content_encoding"),
                    error);
    }
    if (content_length() && *content_length() > max_body_bytes_) {
      return RefuseBody(error);
    }
    if (const auto expect = value_of("Expect"); expect) {
      if (!EqualsIgnoringCase(*expect, "100-continue")) {
        return Refuse(ErrorResponse(417, "Expect: only 100-continue can be", "bad_expectation"),
                      error);
      }
      waits_for_continue = !received_.http_1_0;
    }
    if (const auto id = value_of("X-Request-Id"); id && IsGoodId(*id)) {
      request.id = *id;
    }
  }

  void RefuseBody(BeastError& error) {
    Refuse(ErrorResponse(413,
                         fmt::format("the body is larger than {} bytes, which is this server's "
                                     "limit",
                                     max_body_bytes_),
                         "body_too_large"),
           error);
  }

  void on_chunk_header_impl(std::uint64_t size, BeastText, BeastError& error) override {
    if (size > max_body_bytes_ - received_.request.body.size()) {
      RefuseBody(error);
    }
  }

  std::size_t on_body_impl(BeastText bytes, BeastError&) override {
    received_.request.body.append(View(bytes));
    return bytes.size();
  }
  std::size_t on_chunk_body_impl(std::uint64_t, BeastText bytes, BeastError& error) override {
    return on_body_impl(bytes, error);
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  void on_finish_impl(BeastError&) override {}
  void on_response_impl(int, BeastText, int, BeastError&) override {}

  const std::size_t max_body_bytes_;
  ReceivedRequest received_;
  std::optional<HttpResponse> refusal_;
  bool is_header_done_ = false;
};

RequestReader::RequestReader(std::size_t max_header_bytes, std::size_t max_body_bytes)
    : max_header_bytes_(max_header_bytes), max_body_bytes_(max_body_bytes) {}

RequestReader::~RequestReader() = default;

std::size_t RequestReader::body_bytes() const {
  return parser_ == nullptr ? 0 : parser_->body_bytes();
}

HttpRequest RequestReader::Head() const {
  return parser_ == nullptr ? refused_head_ : parser_->Head();
}

bool RequestReader::TakeContinue() {
  return stage_ == RequestStage::kBody && parser_->body_bytes() == 0 && buffer_.empty() &&
         std::exchange(parser_->waits_for_continue, false);
}

RequestStage RequestReader::Refuse(HttpResponse refusal) {
  refusal_ = std::move(refusal);
  refused_head_ = Head();
  buffer_.clear();
  parser_.reset();
  return stage_ = RequestStage::kRefused;
}

// Whether buffer_ holds a whole header. Refuses what Beast would let pass, and what could not
// become a header any more.
bool RequestReader::FindHeaderEnd() {
  if (scanned_ == 0) {
    // An empty line or two before a request are an old client's mistake (RFC 9112, 2.2).
    while (buffer_.starts_with("\r\n")) {
      buffer_.erase(0, 2);
    }
    if (buffer_.empty() || buffer_ == "\r") {
      return false;
    }
    stage_ = RequestStage::kHeader;
    if (const char first = buffer_.front(); first <= ' ' || first >= '\x7f') {
      Refuse(Malformed("it does not begin with a method (is this TLS?)"));
      return false;
    }
  }
  for (; scanned_ + 1 < buffer_.size(); ++scanned_) {
    const char now = buffer_[scanned_];
    const char next = buffer_[scanned_ + 1];
    if (now == '\0' || (now == '\r') != (next == '\n')) {
      Refuse(Malformed(now == '\0' ? "a NUL in the header" : "a line must end in CR LF"));
      return false;
    }
    if (now == '\n' && (next == ' ' || next == '\t')) {
      Refuse(Malformed("a header line is folded"));
      return false;
    }
    if (now == '\n' && next == '\r') {
      if (scanned_ + 2 == buffer_.size()) {
        break;  // the next byte decides; look again then
      }
      if (buffer_[scanned_ + 2] == '\n' && scanned_ + 3 <= max_header_bytes_) {
        return true;
      }
    }
  }
  if (scanned_ >= max_header_bytes_) {
    Refuse(ErrorResponse(431,
                         fmt::format("the header is larger than {} bytes, which is this server's "
                                     "limit",
                                     max_header_bytes_),
                         "header_too_large"));
  }
  return false;
}

// Gives the parser the first `bytes` of buffer_, of which it may leave some. False: refused.
bool RequestReader::Feed(std::size_t bytes) {
  BeastError error;
  buffer_.erase(0, parser_->put({buffer_.data(), bytes}, error));
  if (parser_->has_refusal()) {
    Refuse(parser_->TakeRefusal());
  } else if (error == beast_http::error::bad_version) {
    Refuse(ErrorResponse(505, "expected HTTP/1.1 or HTTP/1.0", "bad_version"));
  } else if (error && error != beast_http::error::need_more) {
    Refuse(Malformed(error.message()));
  } else if (!parser_->is_header_done()) {
    Refuse(Malformed("its first line is cut short"));  // headers are given whole
  }
  return stage_ != RequestStage::kRefused;
}

RequestStage RequestReader::Advance() {
  if (stage_ == RequestStage::kWhole || stage_ == RequestStage::kRefused) {
    return stage_;
  }
  if (stage_ != RequestStage::kBody) {
    if (!FindHeaderEnd()) {
      return stage_;
    }
    parser_ = std::make_unique<Parser>(max_body_bytes_);
    if (!Feed(scanned_ + 3)) {
      return stage_;
    }
    stage_ = RequestStage::kBody;
  }
  // Beast's parser, given the last chunk and then one byte more, asserts that there are two.
  const bool awaits_fifth = buffer_.size() == 4 && buffer_.starts_with("0\r\n");
  if (!parser_->is_done() && !buffer_.empty() && !(parser_->chunked() && awaits_fifth) &&
      !Feed(buffer_.size())) {
    return stage_;
  }
  if (parser_->is_done()) {
    scanned_ = 0;
    return stage_ = RequestStage::kWhole;
  }
  if (buffer_.size() > max_header_bytes_) {  // of a chunk, or trailers
    return Refuse(ErrorResponse(431, "the trailer is too large", "header_too_large"));
  }
  return stage_;
}

ReceivedRequest RequestReader::Take() {
  CHECK(stage_ == RequestStage::kWhole);
  ReceivedRequest received = parser_->Take();
  parser_.reset();
  stage_ = RequestStage::kIdle;
  return received;
}

}  // namespace ashlar::internal
