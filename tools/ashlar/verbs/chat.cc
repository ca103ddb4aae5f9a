#include <ctime>
#include <iostream>

#include "ashlar/text/chat_style.h"
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
    kWeightsOption,
    kKvOption,
    kVerifyOption,
};

Result<ChatStyle> StyleOf(const Host& host, const HostedNetwork& network,
                          const Tokenizer& tokenizer) {
  const auto read = [&](std::string_view file) { return host.ReadFile(network, file); };
  const Metadata& metadata = network.network.metadata;
  ASHLAR_TRY(const ChatFiles files,
             ReadChatFiles(read, tokenizer, metadata.bos_token, metadata.eos_tokens));
  Result<ChatStyle> style = ChooseChatStyle(files, tokenizer);
  return style.ok() ? std::move(style) : style.error().In(network.name);
}

Json Message(std::string_view role, std::string_view content) {
  return Json::Of({{"role", role}, {"content", content}});
}

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
  ASHLAR_TRY(const ChatStyle style, StyleOf(host, network, *tokenizer));
  const bool interactive = session.terminal.interactive() && !session.json;
  if (interactive) {
    session.terminal.Note(
        fmt::format("{}: {}; context of {} tokens. /clear forgets, /exit or Ctrl-D ends.",
                    network.name, style.name, host.max_positions()));
  } else if (!style.own) {
    session.terminal.Note(fmt::format("{}: {}", network.name, style.name));
  }

  Json::Array opening;
  if (options.Has("system")) {
    opening.push_back(Message("system", options.Text("system")));
  }
  Json::Array messages = opening;
  const std::time_t began = std::time(nullptr);  // one date for the whole conversation
  std::tm now = {};
  ::localtime_r(&began, &now);
  Json turns = Json::Array();
  for (std::string line;;) {
    if (interactive) {
      session.terminal.Print(session.terminal.Styled(Style::kBold, "> "));
    }
    if (!std::getline(std::cin, line) || line == "/exit") {
      break;
    }
    if (line == "/clear") {
      messages = opening;
      continue;
    }
    if (line.empty()) {
      continue;
    }
    messages.push_back(Message("user", line));
    ASHLAR_TRY(
        std::vector<std::int32_t> prompt,
        style.format.Encode(
            *tokenizer, Json::Of({{"messages", messages}, {"add_generation_prompt", true}}), now));
    const auto room = host.max_positions() - static_cast<std::int64_t>(prompt.size());
    if (room < 1) {
      const Error full = Exhausted(
          "not sent: the conversation would have {} tokens, and the context is {} (--context); "
          "/clear begins anew",
          prompt.size(), host.max_positions());
      session.terminal.Note(full.message);
      turns.Append(Json::Of({{"user", line}, {"error", ErrorJson(full)}}));
      messages.pop_back();
      continue;
    }
    GenerationRequest request{.network = &network,
                              .prompt = std::move(prompt),
                              .max_tokens = std::min(max_tokens, room),
                              .sampling = sampling,
                              .stop = style.stop_strings,
                              .stop_tokens = style.stop_tokens};
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
    messages.push_back(Message("assistant", answer.text));
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
        "before is not computed again. Turns are written by the network's chat template; without "
        "one, as ChatML or a plain transcript. /clear forgets the history, /exit ends.",
    .examples = "  ashlar chat base --temperature 0.7",
    .options = kChatOptions,
    .run = RunChat,
};

}  // namespace ashlar::cli
