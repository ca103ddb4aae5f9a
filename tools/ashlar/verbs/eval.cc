#include <algorithm>
#include <cmath>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/checked.h"
#include "ashlar/base/join.h"
#include "ashlar/base/output_file.h"
#include "ashlar/formats/safetensors.h"
#include "tools/ashlar/expert_use.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/text_windows.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kEvalOptions[] = {
    {.name = "WHAT", .value = "ppl|logits|experts", .required = true, .doc = "what to evaluate"},
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "--text",
     .value = "FILE",
     .doc = "ppl, experts: documents separated by lines of <|endoftext|>"},
    {.name = "--window",
     .value = "N",
     .otherwise = "1024",
     .doc = "ppl, experts: tokens in a window"},
    {.name = "--windows", .value = "N", .otherwise = "64", .doc = "ppl, experts: windows at most"},
    {.name = "--ids", .value = "FILE", .doc = "logits: safetensors with input_ids int32 [b, n]"},
    {.name = "--out", .value = "FILE", .doc = "logits: safetensors with logits f32 [b, n, v]"},
    kThreadsOption,
    kMemoryOption,
    {.name = "--weights",
     .value = "BYTES[,...]",
     .doc = "the weights alone stay below this (10M); ppl: below each of these, one after another"},
    kKvOption,
    kVerifyOption,
};

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

Result<double> MeasurePerplexity(Session& session, TextWindows& text) {
  const auto width = static_cast<std::size_t>(text.network().logits);
  // Per window, summed in order, so that the figure does not depend on who finished first.
  std::vector<double> loss(static_cast<std::size_t>(text.count()), 0);
  ASHLAR_TRY(text.Read(
      session, [&](std::size_t i, std::int64_t first, std::span<const float> logits) -> Status {
        for (std::size_t row = 0; row * width < logits.size(); ++row) {
          const std::size_t target = i * static_cast<std::size_t>(text.window()) +
                                     static_cast<std::size_t>(first) + row + 1;
          loss[i] += NegativeLogLikelihood(logits.subspan(row * width, width), text.ids()[target]);
        }
        return {};
      }));
  double sum = 0;
  for (const double part : loss) {
    sum += part;
  }
  return std::exp(sum / static_cast<double>(text.tokens()));
}

// The budgets of --weights; none when it was not typed.
Result<std::vector<std::uint64_t>> WeightBudgets(const Options& options) {
  std::vector<std::uint64_t> budgets;
  std::string_view rest = options.Text("weights");
  while (options.Has("weights")) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const Result<std::uint64_t> bytes = ParseBytes(item);
    if (!bytes.ok()) {
      return bytes.error().In("--weights");
    }
    budgets.push_back(*bytes);
    if (item.size() == rest.size()) {
      break;
    }
    rest.remove_prefix(item.size() + 1);
  }
  return budgets;
}

Status Perplexity(Session& session) {
  const std::string& name = session.options.Text("NET");
  ASHLAR_TRY(const std::vector<std::uint64_t> budgets, WeightBudgets(session.options));
  ASHLAR_TRY(TextWindows text,
             TextWindows::Open(session, budgets.empty() ? std::optional<std::uint64_t>()
                                                        : *std::ranges::max_element(budgets)));
  const auto line = [&](std::string_view subject, double perplexity) {
    return fmt::format("{}: perplexity {:.4f} over {} tokens ({} windows of {})", subject,
                       perplexity, text.tokens(), text.count(), text.window());
  };
  if (budgets.empty()) {
    ASHLAR_TRY(const double perplexity, MeasurePerplexity(session, text));
    if (session.json) {
      session.terminal.PrintJson(
          Json::Of({{"network", name}, {"tokens", text.tokens()}, {"perplexity", perplexity}}));
    } else {
      session.terminal.PrintLine(line(name, perplexity));
    }
    return {};
  }
  std::vector<StackCut> cuts;  // all of them before any is measured: one may be too small
  for (const std::uint64_t budget : budgets) {
    ASHLAR_TRY(cuts.emplace_back(), text.host().Cut(budget));
  }
  Json list = Json::Array();
  for (StackCut& cut : cuts) {
    const std::uint64_t bytes = cut.bytes;
    ASHLAR_TRY(text.host().Resize(std::move(cut)));
    ASHLAR_TRY(const double perplexity, MeasurePerplexity(session, text));
    if (session.json) {
      list.Append(Json::Of(
          {{"weights_bytes", bytes}, {"tokens", text.tokens()}, {"perplexity", perplexity}}));
    } else {
      session.terminal.PrintLine(
          line(fmt::format("{} in {} of weights", name, FormatBytes(bytes)), perplexity));
    }
  }
  if (session.json) {
    session.terminal.PrintJson(list);
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
                     entry->dtype, Join(entry->shape, ", "));
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
    return Invalid("logits of shape [{}] are more than a file can hold", Join(shape, ", "));
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
                                       static_cast<std::uint64_t>(ids.batch() * ids.length()),
                                       "tokens");
           }}));
  ASHLAR_TRY(writer.Commit());
  session.terminal.EndProgress();
  const std::string shape_text = fmt::format("[{}]", Join(shape, ", "));
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

// What can be evaluated, and the options that are for some of it only.
struct Evaluation {
  std::string_view what;
  Status (*run)(Session& session);
  std::span<const std::string_view> own;  // options
};
constexpr std::string_view kOfText[] = {"text", "window", "windows"};
constexpr std::string_view kOfIds[] = {"ids", "out"};
constexpr Evaluation kEvaluations[] = {
    {"ppl", Perplexity, kOfText},
    {"logits", Logits, kOfIds},
    {"experts", CountExperts, kOfText},
};

Status RunEval(Session& session) {
  const std::string& what = session.options.Text("WHAT");
  const auto* const found = std::ranges::find(kEvaluations, what, &Evaluation::what);
  if (found == std::end(kEvaluations)) {
    return Invalid("expected ppl, logits or experts, found \"{}\"", what);
  }
  for (const Evaluation& other : kEvaluations) {
    for (const std::string_view option : other.own) {
      if (session.options.Typed(option) &&
          std::ranges::find(found->own, option) == found->own.end()) {
        return Invalid("--{} is for eval {}", option, other.what);
      }
    }
  }
  return found->run(session);
}

}  // namespace

constinit const Verb kEval{
    .name = "eval",
    .summary = "measure a network: perplexity on a text, its logits, or how it uses its experts",
    .details =
        "ppl: newlines at the ends of each document are stripped, one <|endoftext|> id goes before "
        "it (where the tokenizer has none, the network's token that begins a text; without that, "
        "the first that ends one), and all are put together; window j feeds tokens [jN, jN + N) "
        "and predicts the tokens "
        "one later, with no context carried over. With --weights it is measured at each of its "
        "budgets, and --json gives an array of {weights_bytes, tokens, perplexity}, where "
        "weights_bytes is what was resident. experts: how often the "
        "mixtures of experts send a token of those windows to each of their experts, and how many "
        "of its experts a token shares with the one before it.",
    .examples =
        "  ashlar eval ppl base --text prose.txt\n"
        "  ashlar eval ppl small --text prose.txt --weights 10M,15M,20M --json\n"
        "  ashlar eval logits base --ids in.safetensors --out out.safetensors\n"
        "  ashlar eval experts mixture --text prose.txt",
    .options = kEvalOptions,
    .run = RunEval,
};

}  // namespace ashlar::cli
