#include <cmath>

#include <fmt/ranges.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/checked.h"
#include "ashlar/base/output_file.h"
#include "ashlar/formats/safetensors.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr std::string_view kSeparator = "<|endoftext|>";

constexpr OptionSpec kEvalOptions[] = {
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
    kKvOption,
    kVerifyOption,
};

// Prompts to be read for their logits.
struct Reading {
  std::size_t prompts;
  std::size_t at_once;  // side by side; 1: their logits come in order
  std::function<Result<std::vector<std::int32_t>>(std::size_t i)> prompt;
  // Row r of `logits` [rows, width] belongs to position first + r of prompt i.
  std::function<Status(std::size_t i, std::int64_t first, std::span<const float> logits)> take;
  std::function<void(std::uint64_t tokens)> progress;
};

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
  // Encoded before the plan is made, which counts what the ids take with the program itself.
  std::vector<std::int32_t> ids;
  const auto encode = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    ASHLAR_TRY(const std::string text, ReadTextFile(options.Text("text")));
    ASHLAR_TRY(const Tokenizer* tokenizer, networks.front().RequireTokenizer());
    ASHLAR_TRY(ids, EncodeDocuments(*tokenizer, text));
    return window;
  };
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.measure_positions = encode,
                                    .max_sequences = 2,
                                    .max_rows = 512,
                                    .max_logit_rows = 512,
                                    .prefix_cache = false}));
  const HostedNetwork& network = host.networks().front();
  const auto size = static_cast<std::int64_t>(ids.size());
  const std::int64_t windows = std::min(max_windows, (size - 1) / window);
  if (windows < 1) {
    return Invalid("{} has {} tokens; one window needs {}", options.Text("text"), size, window + 1);
  }
  const auto width = static_cast<std::size_t>(network.logits);
  // Per window, summed in order, so that the figure does not depend on who finished first.
  std::vector<double> loss(static_cast<std::size_t>(windows), 0);
  ASHLAR_TRY(ReadPrompts(
      host.engine(), network.id,
      {.prompts = loss.size(),
       .at_once = 2,
       .prompt = [&](std::size_t i) -> Result<std::vector<std::int32_t>> {
         const auto first = ids.begin() + static_cast<std::ptrdiff_t>(i) * window;
         return std::vector<std::int32_t>(first, first + window);
       },
       .take = [&](std::size_t i, std::int64_t first, std::span<const float> logits) -> Status {
         for (std::size_t row = 0; row * width < logits.size(); ++row) {
           const std::size_t target =
               i * static_cast<std::size_t>(window) + static_cast<std::size_t>(first) + row + 1;
           loss[i] += NegativeLogLikelihood(logits.subspan(row * width, width), ids[target]);
         }
         return {};
       },
       .progress =
           [&](std::uint64_t tokens) {
             session.terminal.Progress("evaluating", tokens,
                                       static_cast<std::uint64_t>(windows * window));
           }}));
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

// The input_ids of a safetensors file, [batch, length]: read a row at a time, so that the file need
// not be in memory.
class IdMatrix {
 public:
  static Result<IdMatrix> Open(const std::string& path) {
    ASHLAR_TRY(SafetensorsFile file, SafetensorsFile::Open(path));
    const SafetensorsEntry* entry = file.Find("input_ids");
    if (entry == nullptr) {
      return Invalid("{} has no tensor \"input_ids\"", path);
    }
    if (entry->dtype != "I32" || entry->shape.size() != 2 || entry->bytes.empty()) {
      return Invalid("{}: input_ids must be int32 [batch, sequence], found {} [{}]", path,
                     entry->dtype, fmt::join(entry->shape, ", "));
    }
    return IdMatrix(path, std::move(file));
  }

  std::int64_t batch() const { return ids().shape[0]; }
  std::int64_t length() const { return ids().shape[1]; }

  Result<std::vector<std::int32_t>> Row(std::size_t i) const {
    const std::size_t bytes = static_cast<std::size_t>(length()) * sizeof(std::int32_t);
    const std::span<const std::byte> row = ids().bytes.subspan(i * bytes, bytes);
    ByteReader reader(row);
    std::vector<std::int32_t> prompt(static_cast<std::size_t>(length()));
    for (std::int32_t& id : prompt) {
      ASHLAR_TRY(id, reader.Read<std::int32_t>("input_ids"));
    }
    ASHLAR_TRY(file_.CheckIntact());
    DropResidentPages(row);
    return prompt;
  }
  // kInvalid when an id is not one of a network with so many.
  Status Check(std::int64_t vocabulary) const {
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch()); ++i) {
      ASHLAR_TRY(const std::vector<std::int32_t> row, Row(i));
      for (const std::int32_t id : row) {
        if (id < 0 || id >= vocabulary) {
          return Invalid("{}: input_ids has {}; the network's ids are 0 to {}", path_, id,
                         vocabulary - 1);
        }
      }
    }
    return {};
  }

 private:
  IdMatrix(std::string path, SafetensorsFile file)
      : path_(std::move(path)), file_(std::move(file)) {}
  const SafetensorsEntry& ids() const { return *file_.Find("input_ids"); }

  std::string path_;
  SafetensorsFile file_;
};

Status Logits(Session& session) {
  const Options& options = session.options;
  if (!options.Has("ids") || !options.Has("out")) {
    return Invalid("eval logits needs --ids FILE and --out FILE");
  }
  if (const Status target = OutputFile::CheckTarget(options.Text("out")); !target.ok()) {
    return target.error().In("--out");
  }
  const auto opened = IdMatrix::Open(options.Text("ids"));
  if (!opened.ok()) {
    return BlameFile(opened.error());
  }
  const IdMatrix& ids = *opened;
  // One prompt at a time: its logits come in the order of the file, and go there at once, so that
  // --memory bounds what this takes, however long the file becomes.
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"),
                                   {.max_positions = ids.length(), .prefix_cache = false}));
  const HostedNetwork& network = host.networks().front();
  if (const Status checked = ids.Check(network.logits); !checked.ok()) {
    return BlameFile(checked.error());
  }
  const std::vector<std::int64_t> shape = {ids.batch(), ids.length(), network.logits};
  const auto count = CheckedMul<std::uint64_t>(
      static_cast<std::uint64_t>(ids.batch() * ids.length()) * sizeof(float),
      static_cast<std::uint64_t>(network.logits));
  if (!count) {
    return Invalid("logits of shape [{}] are more than a file can hold", fmt::join(shape, ", "));
  }
  const SafetensorsWriter::Layout layout[] = {
      {.name = "logits", .dtype = "F32", .shape = shape, .bytes = *count}};
  ASHLAR_TRY(SafetensorsWriter writer, SafetensorsWriter::Create(options.Text("out"), layout));
  ASHLAR_TRY(ReadPrompts(
      host.engine(), network.id,
      {.prompts = static_cast<std::size_t>(ids.batch()),
       .at_once = 1,
       .prompt = [&](std::size_t i) { return ids.Row(i); },
       .take = [&](std::size_t, std::int64_t,
                   std::span<const float> logits) { return writer.Write(std::as_bytes(logits)); },
       .progress =
           [&](std::uint64_t tokens) {
             session.terminal.Progress("evaluating", tokens,
                                       static_cast<std::uint64_t>(ids.batch() * ids.length()));
           }}));
  ASHLAR_TRY(writer.Commit());
  session.terminal.EndProgress();
  const std::string shape_text = fmt::format("[{}]", fmt::join(shape, ", "));
  if (session.json) {
    Json dims = Json::Array();
    for (const std::int64_t dim : shape) {
      dims.Append(dim);
    }
    session.terminal.PrintJson(Json::Of(
        {{"network", network.name}, {"out", options.Text("out")}, {"shape", std::move(dims)}}));
  } else {
    session.terminal.PrintLine(fmt::format("{}: logits {}", options.Text("out"), shape_text));
  }
  return {};
}

Status RunEval(Session& session) {
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
    if (session.options.Typed("window") || session.options.Typed("windows")) {
      return Invalid("--window and --windows are for eval ppl");
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
    .options = kEvalOptions,
    .run = RunEval,
};

}  // namespace ashlar::cli
