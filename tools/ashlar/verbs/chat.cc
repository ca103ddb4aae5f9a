#include <iostream>

#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

// The memory for a conversation's state is planned before it begins, and grows with its context:
// so the networks that were made for a hundred thousand tokens get them when they are asked for.
constexpr std::int64_t kDefaultContext = 4096;

constexpr OptionSpec kChatOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "a network"},
    {.name = "--system", .value = "TEXT", .doc = "said before the first turn"},
    {.name = "-n,--max-tokens", .value = "N", .otherwise = "256", .doc = "new tokens per turn"},
    {.name = "--context",
     .value = "N",
     .doc = "tokens that the conversation may grow to (default 4096, or less where the network was "
            "made for less)"},
    kTemperatureOption,
    kTopKOption,
    kTopPOption,
    kMinPOption,
    kTypicalPOption,
    kRepetitionOption,
    kPresenceOption,
    kFrequencyOption,
    kLogitBiasOption,
    kSeedOption,
    kThreadsOption,
    kMemoryOption,
    kKvOption,
    kVerifyOption,
};

// How turns are written. ChatML where the vocabulary has its marks, else a plain transcript.
struct TurnStyle {
  bool chatml;

  std::string Turn(std::string_view role, std::string_view text) const {
    return chatml ? fmt::format("<|im_start|>{}\n{}<|im_end|>\n", role, text)
                  : fmt::format("{}: {}\n", role, text);
  }
  std::string Opening(std::string_view role) const {
    return chatml ? fmt::format("<|im_start|>{}\n", role) : fmt::format("{}:", role);
  }
  std::vector<std::string> Stops() const {
    return chatml ? std::vector<std::string>{} : std::vector<std::string>{"\nuser:"};
  }
};

// What is written so far, as ids: turns are encoded one by one, so that what was said never
// changes its tokens, and each turn finds the pages of those before it.
class History {
 public:
  History(const Tokenizer& tokenizer, TurnStyle style) : tokenizer_(tokenizer), style_(style) {}

  // `marks` are ours and may be special tokens; what the user typed may not forge them.
  Status Add(std::string_view role, const std::string& text) {
    if (!style_.chatml) {
      return AddText(style_.Turn(role, text), /*marks=*/false);
    }
    ASHLAR_TRY(AddText(fmt::format("<|im_start|>{}\n", role), /*marks=*/true));
    ASHLAR_TRY(AddText(text, /*marks=*/false));
    return AddText("<|im_end|>\n", /*marks=*/true);
  }
  Status Open(std::string_view role) { return AddText(style_.Opening(role), style_.chatml); }
  void AddIds(std::span<const std::int32_t> ids) {
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }
  Status Close() { return AddText(style_.chatml ? "<|im_end|>\n" : "\n", style_.chatml); }

  Status AddText(const std::string& text, bool marks) {
    ASHLAR_TRY(
        const std::vector<std::int32_t> ids,
        tokenizer_.Encode(text, {.add_special_tokens = false, .parse_special_tokens = marks}));
    AddIds(ids);
    return {};
  }

  const std::vector<std::int32_t>& ids() const { return ids_; }
  void Clear() { ids_.clear(); }
  void Truncate(std::size_t size) { ids_.resize(size); }

 private:
  const Tokenizer& tokenizer_;
  TurnStyle style_;
  std::vector<std::int32_t> ids_;
};

Status RunChat(Session& session) {
  const Options& options = session.options;
  ASHLAR_TRY(const std::int64_t max_tokens, options.Integer("max-tokens", 1, 1 << 20));
  ASHLAR_TRY(const SamplingOptions sampling, ReadSampling(options));
  ASHLAR_TRY(const std::optional<std::int64_t> asked, ReadContext(options));
  const auto context = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    ASHLAR_TRY(const std::int64_t most, networks.front().Context(asked));
    return asked ? most : std::min(most, kDefaultContext);
  };
  ASHLAR_TRY(Host host, Host::Open(session, options.Texts("NET"), {.measure_positions = context}));
  const HostedNetwork& network = host.networks().front();
  ASHLAR_TRY(const Tokenizer* tokenizer, network.RequireTokenizer());
  const auto mark_end = tokenizer->TokenId("<|im_end|>");
  const TurnStyle style{.chatml = tokenizer->TokenId("<|im_start|>") && mark_end};
  const bool interactive = session.terminal.interactive() && !session.json;
  if (interactive) {
    session.terminal.Note(
        fmt::format("{}: {} turns, context of {} tokens. /clear forgets, /exit or Ctrl-D ends.",
                    network.name, style.chatml ? "ChatML" : "plain", host.max_positions()));
  }

  History history(*tokenizer, style);
  const auto begin = [&]() -> Status {
    history.Clear();
    return options.Has("system") ? history.Add("system", options.Text("system")) : Status();
  };
  ASHLAR_TRY(begin());
  Json turns = Json::Array();
  for (std::string line;;) {
    if (interactive) {
      session.terminal.Print(session.terminal.Styled(Style::kBold, "> "));
    }
    if (!std::getline(std::cin, line) || line == "/exit") {
      break;
    }
    if (line == "/clear") {
      ASHLAR_TRY(begin());
      continue;
    }
    if (line.empty()) {
      continue;
    }
    const std::size_t before = history.ids().size();
    ASHLAR_TRY(history.Add("user", line));
    ASHLAR_TRY(history.Open("assistant"));
    const auto room = host.max_positions() - static_cast<std::int64_t>(history.ids().size());
    if (room < 1) {
      const Error full = Exhausted(
          "not sent: the conversation would have {} tokens, and the context is {} (--context); "
          "/clear begins anew",
          history.ids().size(), host.max_positions());
      session.terminal.Note(full.message);
      turns.Append(Json::Of({{"user", line}, {"error", ErrorJson(full)}}));
      history.Truncate(before);
      continue;
    }
    GenerationRequest request{.network = &network,
                              .prompt = history.ids(),
                              .max_tokens = std::min(max_tokens, room),
                              .sampling = sampling,
                              .stop = style.Stops()};
    if (style.chatml) {
      request.stop_tokens.push_back(*mark_end);
    }
    if (!session.json) {
      request.on_text = [&](std::string_view text) { session.terminal.Print(text); };
    }
    ASHLAR_TRY(const std::vector<Generation> answers, Generate(host.engine(), {&request, 1}));
    const Generation& answer = answers.front();
    if (session.json) {
      turns.Append(Json::Of(
          {{"user", line}, {"assistant", answer.text}, {"finish_reason", FinishName(answer)}}));
    } else {
      session.terminal.PrintLine("");
      if (max_tokens > room && FinishName(answer) == "length") {
        session.terminal.Note(fmt::format("cut short: the context of {} tokens is full (--context)",
                                          host.max_positions()));
      }
    }
    if (answer.stopped_by_string) {  // its last tokens are the stop string's
      ASHLAR_TRY(history.AddText(answer.text, /*marks=*/false));
    } else {
      history.AddIds(answer.token_ids);
    }
    ASHLAR_TRY(history.Close());
  }
  if (session.json) {
    session.terminal.PrintJson(turns);
  } else if (interactive) {
    session.terminal.PrintLine("");
  }
  return {};
}

}  // namespace

constinit const Verb kChat{
    .name = "chat",
    .summary = "talk with a network",
    .details =
        "Reads turns from standard input, a line each, and keeps the history; what was said "
        "before is not computed again. /clear forgets it, /exit ends.",
    .examples = "  ashlar chat base --temperature 0.7",
    .options = kChatOptions,
    .run = RunChat,
};

}  // namespace ashlar::cli
