#include <cmath>

#include "ashlar/base/byte_reader.h"
#include "ashlar/formats/safetensors.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";

constexpr OptionSpec kOptions[] = {
    {.name = "WHAT", .value = "ppl|logits", .required = true, .doc = "what to evaluate"},
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "--text",
     .value = "FILE",
     .doc = "ppl: documents separated by lines of <|endoftext|>"},
    {.name = "--window", .value = "N", .otherwise = "1024", .doc = "ppl: tokens in a window"},
    {.name = "--windows", .value = "N", .otherwise = "64", .doc = "ppl: windows at most"},
    {.name = "--ids", .value = "FILE", .doc = "logits: safetensors with input_ids int32 [b, n]"},
    {.name = "--out", .value = "FILE", .doc = "logits: safetensors with logits f32 [b, n, v]"},
    kThreadsOption,
    kMemoryOption,
    kVerifyOption,
};

// Reads prompts through the engine, `at_once` side by side, and hands on their logits: row r of
// `logits` [rows, width] belongs to position first + r of prompt i.
using TakeLogits =
    std::function<void(std::size_t i, std::int64_t first, std::span<const float> logits)>;
Status ReadPrompts(Engine& engine, NetworkId network,
                   std::span<const std::vector<std::int32_t>> prompts, const TakeLogits& take,
                   const std::function<void(std::uint64_t tokens)>& progress) {
  std::map<RequestId, std::size_t> prompt_of;
  std::size_t next = 0;
  std::uint64_t tokens = 0;
  while (next < prompts.size() || !engine.idle()) {
    if (next < prompts.size() && prompt_of.size() < 2) {
      ASHLAR_TRY(const RequestId id, engine.Submit({.network = network,
                                                    .prompt = prompts[next],
                                                    .max_tokens = 0,
                                                    .prompt_logits = true}));
      prompt_of.emplace(id, next++);
      continue;
    }
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    for (const Delivery& delivery : deliveries) {
      const std::size_t i = prompt_of.at(delivery.request);
      if (!delivery.logits.empty()) {
        take(i, delivery.logits_first_position, delivery.logits);
      }
      if (delivery.finish != FinishReason::kNone) {
        tokens += prompts[i].size();
        prompt_of.erase(delivery.request);
        progress(tokens);
      }
    }
  }
  return {};
}

// -ln softmax(logits)[target], in doubles.
double NegativeLogLikelihood(std::span<const float> logits, std::int32_t target) {
  float largest = logits[0];
  for (const float logit : logits) {
    largest = std::max(largest, logit);
  }
  double sum = 0;
  for (const float logit : logits) {
    sum += std::exp(static_cast<double>(logit - largest));
  }
  return std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(target)] - largest);
}

// The documents' ids, each after one end-of-text id, put together.
Result<std::vector<std::int32_t>> EncodeDocuments(const Tokenizer& tokenizer,
                                                  std::string_view text) {
  const std::optional<std::int32_t> separator = tokenizer.TokenId(kSeparator);
  if (!separator) {
    return Invalid("the tokenizer has no token {}, which begins each document", kSeparator);
  }
  std::vector<std::int32_t> ids;
  const auto add = [&](std::string_view document) -> Status {
    while (document.starts_with('\n')) document.remove_prefix(1);
    while (document.ends_with('\n')) document.remove_suffix(1);
    if (document.empty()) {
      return {};
    }
    ids.push_back(*separator);
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
  return ids;
}

Status Perplexity(Session& session) {
  const Options& options = session.options;
  if (!options.Has("text")) {
    return Invalid("eval ppl needs --text FILE");
  }
  ASHLAR_TRY(const std::int64_t window, options.Integer("window", 2, 1 << 20));
  ASHLAR_TRY(const std::int64_t max_windows, options.Integer("windows", 1, 1 << 20));
  ASHLAR_TRY(const std::string text, ReadTextFile(options.Text("text")));
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.max_positions = window,
                                    .max_sequences = 2,
                                    .max_rows = 512,
                                    .max_logit_rows = 512,
                                    .prefix_cache = false}));
  const HostedNetwork& network = host.networks().front();
  ASHLAR_TRY(const Tokenizer* tokenizer, network.RequireTokenizer());
  ASHLAR_TRY(const std::vector<std::int32_t> ids, EncodeDocuments(*tokenizer, text));
  const auto size = static_cast<std::int64_t>(ids.size());
  const std::int64_t windows = std::min(max_windows, (size - 1) / window);
  if (windows < 1) {
    return Invalid("{} has {} tokens; one window needs {}", options.Text("text"), size, window + 1);
  }
  std::vector<std::vector<std::int32_t>> prompts;
  for (std::int64_t j = 0; j < windows; ++j) {
    prompts.emplace_back(ids.begin() + j * window, ids.begin() + (j + 1) * window);
  }
  const auto width = static_cast<std::size_t>(network.logits);
  // Per window, summed in order, so that the figure does not depend on who finished first.
  std::vector<double> loss(prompts.size(), 0);
  ASHLAR_TRY(ReadPrompts(
      host.engine(), network.id, prompts,
      [&](std::size_t i, std::int64_t first, std::span<const float> logits) {
        for (std::size_t row = 0; row * width < logits.size(); ++row) {
          const std::size_t target =
              i * static_cast<std::size_t>(window) + static_cast<std::size_t>(first) + row + 1;
          loss[i] += NegativeLogLikelihood(logits.subspan(row * width, width), ids[target]);
        }
      },
      [&](std::uint64_t tokens) {
        session.terminal.Progress("evaluating", tokens,
                                  static_cast<std::uint64_t>(windows * window));
      }));
  session.terminal.EndProgress();
  double sum = 0;
  for (const double part : loss) {
    sum += part;
  }
  const std::int64_t tokens = windows * window;
  const double perplexity = std::exp(sum / static_cast<double>(tokens));
  if (session.json) {
    session.terminal.PrintJson(
        Json::Of({{"network", network.name}, {"tokens", tokens}, {"perplexity", perplexity}}));
  } else {
    session.terminal.PrintLine(
        fmt::format("{}: perplexity {:.4f} over {} tokens ({} windows of {})", network.name,
                    perplexity, tokens, windows, window));
  }
  return {};
}

// input_ids, checked to be a matrix of ids that the network has.
Result<std::vector<std::vector<std::int32_t>>> ReadIds(const SafetensorsFile& file,
                                                       const std::string& path,
                                                       std::int64_t vocabulary) {
  const SafetensorsEntry* entry = file.Find("input_ids");
  if (entry == nullptr) {
    return Invalid("{} has no tensor \"input_ids\"", path);
  }
  if (entry->dtype != "I32" || entry->shape.size() != 2 || entry->bytes.empty()) {
    return Invalid("{}: input_ids must be int32 [batch, sequence], found {} [{}]", path,
                   entry->dtype, fmt::join(entry->shape, ", "));
  }
  ByteReader reader(entry->bytes);
  std::vector<std::vector<std::int32_t>> prompts(static_cast<std::size_t>(entry->shape[0]));
  for (auto& prompt : prompts) {
    for (std::int64_t i = 0; i < entry->shape[1]; ++i) {
      ASHLAR_TRY(const std::int32_t id, reader.Read<std::int32_t>("input_ids"));
      if (id < 0 || id >= vocabulary) {
        return Invalid("{}: input_ids has {}; the network's ids are 0 to {}", path, id,
                       vocabulary - 1);
      }
      prompt.push_back(id);
    }
  }
  return prompts;
}

Status Logits(Session& session) {
  const Options& options = session.options;
  if (!options.Has("ids") || !options.Has("out")) {
    return Invalid("eval logits needs --ids FILE and --out FILE");
  }
  const auto opened = SafetensorsFile::Open(options.Text("ids"));
  if (!opened.ok()) {
    return BlameFile(opened.error());
  }
  const SafetensorsFile& file = *opened;
  const SafetensorsEntry* shape = file.Find("input_ids");
  const std::int64_t length =
      shape != nullptr && shape->shape.size() == 2 ? std::max<std::int64_t>(shape->shape[1], 1) : 1;
  ASHLAR_TRY(Host host,
             Host::Open(session, options.Texts("NET"),
                        {.max_positions = length, .max_sequences = 2, .prefix_cache = false}));
  const HostedNetwork& network = host.networks().front();
  const auto ids = ReadIds(file, options.Text("ids"), network.logits);
  if (!ids.ok()) {
    return BlameFile(ids.error());
  }
  const std::vector<std::vector<std::int32_t>>& prompts = *ids;
  const auto width = static_cast<std::size_t>(network.logits);
  const std::size_t per_prompt = prompts.front().size() * width;
  std::vector<float> all(prompts.size() * per_prompt);
  ASHLAR_TRY(ReadPrompts(
      host.engine(), network.id, prompts,
      [&](std::size_t i, std::int64_t first, std::span<const float> logits) {
        std::ranges::copy(
            logits, all.begin() + static_cast<std::ptrdiff_t>(
                                      i * per_prompt + static_cast<std::size_t>(first) * width));
      },
      [](std::uint64_t) {}));
  const SafetensorsTensor out[] = {
      {.name = "logits",
       .dtype = "F32",
       .shape = {static_cast<std::int64_t>(prompts.size()),
                 static_cast<std::int64_t>(prompts.front().size()), network.logits},
       .bytes = std::as_bytes(std::span(all))}};
  ASHLAR_TRY(WriteSafetensors(options.Text("out"), out));
  const std::string shape_text = fmt::format("[{}]", fmt::join(out[0].shape, ", "));
  if (session.json) {
    Json dims = Json::Array();
    for (const std::int64_t dim : out[0].shape) {
      dims.Append(dim);
    }
    session.terminal.PrintJson(Json::Of(
        {{"network", network.name}, {"out", options.Text("out")}, {"shape", std::move(dims)}}));
  } else {
    session.terminal.PrintLine(fmt::format("{}: logits {}", options.Text("out"), shape_text));
  }
  return {};
}

Status Run(Session& session) {
  const std::string& what = session.options.Text("WHAT");
  if (what == "ppl") {
    if (session.options.Has("ids") || session.options.Has("out")) {
      return Invalid("--ids and --out are for eval logits");
    }
    return Perplexity(session);
  }
  if (what == "logits") {
    if (session.options.Has("text")) {
      return Invalid("--text is for eval ppl");
    }
    return Logits(session);
  }
  return Invalid("expected ppl or logits, found \"{}\"", what);
}

}  // namespace

constinit const Verb kEval{
    .name = "eval",
    .summary = "measure a network: perplexity on a text, or its logits",
    .details =
        "ppl: newlines at the ends of each document are stripped, one <|endoftext|> id goes before "
        "it, and all are put together; window j feeds tokens [jN, jN + N) and predicts the tokens "
        "one later, with no context carried over.",
    .examples =
        "  ashlar eval ppl base --text prose.txt\n"
        "  ashlar eval logits base --ids in.safetensors --out out.safetensors",
    .options = kOptions,
    .run = Run,
};

}  // namespace ashlar::cli
