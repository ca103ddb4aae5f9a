#include "tools/ashlar/text_windows.h"

#include <map>

#include "ashlar/calibrate/calibration_text.h"

namespace ashlar::cli {
namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";

}  // namespace

Result<Documents> EncodeDocuments(const Tokenizer& tokenizer, const Metadata& network,
                                  std::string_view text) {
  std::optional<std::int64_t> first = tokenizer.TokenId(kSeparator);
  if (!first) {
    first = DocumentToken(network);
  }
  if (!first) {
    return Invalid(
        "the tokenizer has no token {}, and the network no token that begins or ends a text: "
        "nothing can stand before each document",
        kSeparator);
  }
  std::vector<std::int32_t> ids;
  const auto add = [&](std::string_view document) -> Status {
    while (document.starts_with('\n')) document.remove_prefix(1);
    while (document.ends_with('\n')) document.remove_suffix(1);
    if (document.empty()) {
      return {};
    }
    ids.push_back(static_cast<std::int32_t>(*first));
    ASHLAR_TRY(const std::vector<std::int32_t> encoded,
               tokenizer.Encode(document, {.add_special_tokens = false}));
    ids.insert(ids.end(), encoded.begin(), encoded.end());
    return {};
  };
  std::size_t begin = 0;
  for (std::size_t line = 0; line < text.size();) {
    const std::size_t end = std::min(text.find('\n', line), text.size());
    if (text.substr(line, end - line) == kSeparator) {
      ASHLAR_TRY(add(text.substr(begin, line - begin)));
      begin = std::min(end + 1, text.size());
    }
    line = end + 1;
  }
  ASHLAR_TRY(add(text.substr(begin)));
  const auto id = static_cast<std::int32_t>(*first);
  return Documents{std::move(ids), std::string(tokenizer.TokenContent(id))};
}

Status ReadPrompts(Engine& engine, NetworkId network, const Reading& reading) {
  struct Read {
    std::size_t i;
    std::uint64_t tokens;
  };
  std::map<RequestId, Read> reads;
  std::size_t next = 0;
  std::uint64_t tokens = 0;
  while (next < reading.prompts || !engine.idle()) {
    if (next < reading.prompts && reads.size() < reading.at_once) {
      ASHLAR_TRY(std::vector<std::int32_t> prompt, reading.prompt(next));
      const std::uint64_t size = prompt.size();
      ASHLAR_TRY(const RequestId id, engine.Submit({.network = network,
                                                    .prompt = std::move(prompt),
                                                    .max_tokens = 0,
                                                    .prompt_logits = true}));
      reads.emplace(id, Read{next++, size});
      continue;
    }
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    for (const Delivery& delivery : deliveries) {
      if (delivery.error) {
        return *delivery.error;
      }
      const auto read = reads.find(delivery.request);
      if (!delivery.logits.empty()) {
        ASHLAR_TRY(reading.take(read->second.i, delivery.logits_first_position, delivery.logits));
      }
      if (delivery.finish != FinishReason::kNone) {
        tokens += read->second.tokens;
        reads.erase(read);
        reading.progress(tokens);
      }
    }
  }
  return {};
}

Result<TextWindows> TextWindows::Open(const Session& session,
                                      std::optional<std::uint64_t> weight_bytes) {
  const Options& options = session.options;
  if (!options.Has("text")) {
    return Invalid("eval {} needs --text FILE", options.Text("WHAT"));
  }
  ASHLAR_TRY(const std::int64_t window, options.Integer("window", 2, 1 << 20));
  ASHLAR_TRY(const std::int64_t max_windows, options.Integer("windows", 1, 1 << 20));
  // Encoded before the plan is made, which counts what the ids take with the program itself.
  std::vector<std::int32_t> ids;
  const auto encode = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    ASHLAR_TRY(const std::string text, ReadTextFile(options.Text("text")));
    ASHLAR_TRY(const Tokenizer* tokenizer, networks.front().RequireTokenizer());
    ASHLAR_TRY(Documents documents,
               EncodeDocuments(*tokenizer, networks.front().network.metadata, text));
    if (documents.first != kSeparator) {
      session.terminal.Note(
          fmt::format("The tokenizer has no token {}: each document begins with {}", kSeparator,
                      documents.first));
    }
    ids = std::move(documents.ids);
    return window;
  };
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.measure_positions = encode,
                                    .max_sequences = 2,
                                    .max_rows = 512,
                                    .max_logit_rows = 512,
                                    .prefix_cache = false,
                                    .weight_bytes = weight_bytes}));
  const auto size = static_cast<std::int64_t>(ids.size());
  const std::int64_t count = std::min(max_windows, (size - 1) / window);
  if (count < 1) {
    return Invalid("{} has {} tokens; one window needs {}", options.Text("text"), size, window + 1);
  }
  return TextWindows(std::move(host), std::move(ids), window, count);
}

Status TextWindows::Read(Session& session,
                         const std::function<Status(std::size_t window, std::int64_t first,
                                                    std::span<const float> logits)>& take) {
  ASHLAR_TRY(
      ReadPrompts(engine(), network().id,
                  {.prompts = static_cast<std::size_t>(count_),
                   .at_once = 2,
                   .prompt = [&](std::size_t i) -> Result<std::vector<std::int32_t>> {
                     const auto first = ids_.begin() + static_cast<std::ptrdiff_t>(i) * window_;
                     return std::vector<std::int32_t>(first, first + window_);
                   },
                   .take = take,
                   .progress =
                       [&](std::uint64_t done) {
                         session.terminal.Progress("evaluating", done,
                                                   static_cast<std::uint64_t>(tokens()), "tokens");
                       }}));
  session.terminal.EndProgress();
  return {};
}

}  // namespace ashlar::cli
