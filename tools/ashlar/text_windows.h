// What `eval` reads networks with: prompts side by side, and a text file cut into windows.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tools/ashlar/host.h"

namespace ashlar::cli {

struct Documents {
  std::vector<std::int32_t> ids;
  std::string first;  // the token that each begins with, as the tokenizer writes it
};

// The ids of a text's documents, which stand between lines of <|endoftext|>, each after the id of
// that token; of the network's DocumentToken where the tokenizer has none. Newlines at a document's
// ends are not read. kInvalid when there is neither.
Result<Documents> EncodeDocuments(const Tokenizer& tokenizer, const Metadata& network,
                                  std::string_view text);

// Prompts to be read for their logits.
struct Reading {
  std::size_t prompts;
  std::size_t at_once;  // side by side; 1: their logits come in order
  std::function<Result<std::vector<std::int32_t>>(std::size_t i)> prompt;
  // Row r of `logits` [rows, width] belongs to position first + r of prompt i.
  std::function<Status(std::size_t i, std::int64_t first, std::span<const float> logits)> take;
  std::function<void(std::uint64_t tokens)> progress;
};

Status ReadPrompts(Engine& engine, NetworkId network, const Reading& reading);

// The documents of --text, as EncodeDocuments has them, put together and cut into windows of
// --window tokens, at most --windows of them; what the windows leave over is not read. Window j
// feeds tokens [j window, (j + 1) window), with no context carried over.
class TextWindows {
 public:
  // Opens the network NET for reading them. kInvalid without --text, or with less than one window
  // and a token. Notes the token that documents begin with, unless it is <|endoftext|>.
  // `weight_bytes` is in place of --weights.
  static Result<TextWindows> Open(const Session& session,
                                  std::optional<std::uint64_t> weight_bytes = {});

  Host& host() { return host_; }
  Engine& engine() { return host_.engine(); }
  const HostedNetwork& network() const { return host_.networks().front(); }
  std::int64_t count() const { return count_; }
  std::int64_t window() const { return window_; }
  std::int64_t tokens() const { return count_ * window_; }
  std::span<const std::int32_t> ids() const { return ids_; }

  // Reads all windows, two side by side; `take` as in Reading. Shows progress.
  Status Read(Session& session, const std::function<Status(std::size_t window, std::int64_t first,
                                                           std::span<const float> logits)>& take);

 private:
  TextWindows(Host host, std::vector<std::int32_t> ids, std::int64_t window, std::int64_t count)
      : host_(std::move(host)), ids_(std::move(ids)), window_(window), count_(count) {}

  Host host_;
  std::vector<std::int32_t> ids_;
  std::int64_t window_;
  std::int64_t count_;
};

}  // namespace ashlar::cli
