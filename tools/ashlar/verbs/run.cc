#include <algorithm>
#include <optional>

#include "ashlar/base/output_file.h"
#include "ashlar/runtime/session.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kRunOptions[] = {
    {.name = "NET",
     .kind = OptionKind::kValues,
     .value = "NAME",
     .required = true,
     .doc = "one network, or several side by side"},
    {.name = "-p,--prompt", .value = "TEXT", .required = true, .doc = "the text to go on from"},
    {.name = "-n,--max-tokens",
     .value = "N",
     .doc = "new tokens at most (default 128, or what the context leaves)"},
    {.name = "--context",
     .value = "N",
     .doc = "tokens of the prompt and the answer together; there the answer ends (default: all "
            "that the network was made for)"},
    {.name = "--stop",
     .kind = OptionKind::kValues,
     .value = "TEXT",
     .doc = "end before this text appears; may be given several times"},
    {.name = "--session",
     .value = "FILE",
     .doc = "go on from a session that was saved: its tokens come before the prompt, and are not "
            "computed again"},
    {.name = "--save-session",
     .value = "FILE",
     .doc = "save what was computed, for --session of a later run"},
    {.name = "--ignore-eos", .kind = OptionKind::kFlag, .doc = "go on after the end-of-text token"},
    {.name = "--logprobs", .value = "N", .doc = "with --json: log-probabilities of the N best"},
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

Json LogprobsJson(const Generation& generation, const Tokenizer& tokenizer) {
  Json list = Json::Array();
  const auto entry = [&](std::int32_t token, float logprob) {
    const std::int32_t ids[] = {token};
    return Json::Of({{"id", token},
                     {"token", tokenizer.Decode(ids, {.skip_special_tokens = false})},
                     {"logprob", static_cast<double>(logprob)}});
  };
  for (const SampledToken& token : generation.tokens) {
    Json best = Json::Array();
    for (const TokenLogprob& other : token.top) {
      best.Append(entry(other.token, other.logprob));
    }
    Json item = entry(token.token, token.logprob);
    item.Set("top_logprobs", std::move(best));
    list.Append(std::move(item));
  }
  return list;
}

Json ToJson(const HostedNetwork& network, const Generation& generation, bool logprobs) {
  Json ids = Json::Array();
  for (const std::int32_t id : generation.token_ids) {
    ids.Append(id);
  }
  const std::int64_t completion = generation.generated_tokens;
  Json json = Json::Of({{"network", network.name},
                        {"text", generation.text},
                        {"token_ids", std::move(ids)},
                        {"finish_reason", FinishName(generation)},
                        {"usage", Json::Of({{"prompt_tokens", generation.prompt_tokens},
                                            {"completion_tokens", completion},
                                            {"total_tokens", generation.prompt_tokens + completion},
                                            {"cached_tokens", generation.cached_tokens}})},
                        {"seconds", generation.seconds}});
  if (logprobs) {
    json.Set("logprobs", LogprobsJson(generation, *network.tokenizer));
  }
  return json;
}

Result<std::int64_t> ReadMaxTokens(const Options& options) {
  constexpr std::int64_t kDefault = 128;
  if (!options.Has("max-tokens")) {
    return kDefault;
  }
  return options.Integer("max-tokens", 0, kMaxContext);
}

// A prompt, and how many tokens may follow it.
struct Prompt {
  std::vector<std::int32_t> ids;
  std::int64_t max_tokens;
};

// What the user asked for, for one network, after the tokens of a session. An answer ends where the
// context does: quietly when that was asked for, or when nobody said how long it should be, and
// else refused beforehand.
Result<Prompt> EncodePrompt(const HostedNetwork& network, const Options& options,
                            std::span<const std::int32_t> before) {
  ASHLAR_TRY(const std::optional<std::int64_t> asked, ReadContext(options));
  ASHLAR_TRY(const std::int64_t context, network.Context(asked));
  ASHLAR_TRY(const std::int64_t max_tokens, ReadMaxTokens(options));
  ASHLAR_TRY(const Tokenizer* tokenizer, network.RequireTokenizer());
  std::vector<std::int32_t> prompt(before.begin(), before.end());
  ASHLAR_TRY(const std::vector<std::int32_t> text,
             before.empty()
                 ? tokenizer->Encode(options.Text("prompt"))
                 : tokenizer->Encode(options.Text("prompt"), {.add_special_tokens = false}));
  prompt.insert(prompt.end(), text.begin(), text.end());
  if (prompt.empty() && network.network.metadata.bos_token) {
    prompt.push_back(static_cast<std::int32_t>(*network.network.metadata.bos_token));
  }
  const std::int64_t room = context - static_cast<std::int64_t>(prompt.size());
  if (room < std::min<std::int64_t>(max_tokens, 1)) {
    return Invalid("the prompt has {} tokens, which is too long for a context of {}{}",
                   prompt.size(), context,
                   asked ? "" : fmt::format(", all that \"{}\" was made for", network.name));
  }
  if (max_tokens > room && options.Has("max-tokens") && !asked) {
    return Invalid(
        "the prompt has {} tokens and --max-tokens is {}, but \"{}\" has a context of {}",
        prompt.size(), max_tokens, network.name, context);
  }
  return Prompt{std::move(prompt), std::min(max_tokens, room)};
}

Status RunRun(Session& session) {
  const Options& options = session.options;
  const auto names = options.Texts("NET");
  ASHLAR_TRY(ReadMaxTokens(options));
  ASHLAR_TRY(ReadContext(options));
  if (std::ranges::find(options.Texts("stop"), "") != options.Texts("stop").end()) {
    return Invalid("--stop: the text is empty, and would end every answer before it begins");
  }
  ASHLAR_TRY(SamplingOptions sampling, ReadSampling(options));
  if (options.Has("logprobs")) {
    if (!session.json) {
      return Invalid("--logprobs needs --json");
    }
    ASHLAR_TRY(const std::int64_t count, options.Integer("logprobs", 0, 1000));
    sampling.top_logprobs = static_cast<int>(count);
  }
  std::optional<ashlar::Session> session_before;
  if (options.Has("session") || options.Has("save-session")) {
    if (names.size() != 1) {
      return Invalid("a session is of one network, and {} are named", names.size());
    }
    if (options.Has("session")) {
      ASHLAR_TRY(session_before, ReadSessionFile(options.Text("session")));
    }
    if (options.Has("save-session")) {
      ASHLAR_TRY(OutputFile::CheckTarget(options.Text("save-session")));
    }
  }
  // The plan is made for what this prompt needs, and not for the longest one that there could be.
  std::vector<Prompt> prompts;
  const auto encode = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    std::int64_t longest = 1;
    for (const HostedNetwork& network : networks) {
      ASHLAR_TRY(Prompt prompt, EncodePrompt(network, options,
                                             session_before ? session_before->tokens
                                                            : std::vector<std::int32_t>()));
      longest = std::max(longest, std::ssize(prompt.ids) + prompt.max_tokens);
      prompts.push_back(std::move(prompt));
    }
    return longest;
  };
  ASHLAR_TRY(Host host, Host::Open(session, names,
                                   {.measure_positions = encode,
                                    .max_sequences = static_cast<std::int64_t>(names.size())}));

  if (session_before) {
    const Result<std::int64_t> restored =
        host.engine().RestoreSession(host.networks().front().id, *session_before, 0);
    if (!restored.ok()) {
      return restored.error().In(options.Text("session"));
    }
    session_before->slots.clear();
  }

  const bool stream = names.size() == 1 && !session.json;
  std::string prompt_to_show;
  std::vector<GenerationRequest> requests;
  for (const HostedNetwork& network : host.networks()) {
    Prompt& prompt = prompts[requests.size()];
    requests.push_back({.network = &network,
                        .prompt = std::move(prompt.ids),
                        .max_tokens = prompt.max_tokens,
                        .sampling = sampling,
                        .stop = {options.Texts("stop").begin(), options.Texts("stop").end()},
                        .ignore_eos = options.Flag("ignore-eos")});
  }
  if (stream) {
    // The prompt goes before the first text: by then nothing is refused any more.
    prompt_to_show = session.terminal.Styled(Style::kDim, options.Text("prompt"));
    requests[0].on_text = [&](std::string_view text) {
      session.terminal.Print(std::exchange(prompt_to_show, ""));
      session.terminal.Print(text);
    };
  }
  ASHLAR_TRY(const std::vector<Generation> generations, Generate(host.engine(), requests));

  if (options.Has("save-session")) {
    std::vector<std::int32_t> tokens = requests[0].prompt;
    tokens.insert(tokens.end(), generations[0].token_ids.begin(), generations[0].token_ids.end());
    const Result<ashlar::Session> saved =
        host.engine().SaveSession(requests[0].network->id, tokens, 0);
    if (!saved.ok()) {
      return saved.error().In("--save-session");
    }
    ASHLAR_TRY(WriteSessionFile(options.Text("save-session"), *saved));
  }

  if (session.json) {
    Json list = Json::Array();
    for (std::size_t i = 0; i < generations.size(); ++i) {
      list.Append(ToJson(*requests[i].network, generations[i], sampling.top_logprobs >= 0));
    }
    session.terminal.PrintJson(list.array()->size() == 1 ? list.array()->front() : list);
  } else if (stream) {
    session.terminal.PrintLine(prompt_to_show);
  } else {
    for (std::size_t i = 0; i < generations.size(); ++i) {
      session.terminal.PrintLine(session.terminal.Styled(Style::kBold, requests[i].network->name));
      session.terminal.PrintLine(session.terminal.Styled(Style::kDim, options.Text("prompt")) +
                                 generations[i].text + "\n");
    }
  }
  return {};
}

}  // namespace

constinit const Verb kRun{
    .name = "run",
    .summary = "generate text from one network, or from several side by side",
    .details =
        "Deterministic: the same prompt, options and seed give the same text, whatever the "
        "threads and whatever runs beside it. With --json, finish_reason is \"stop\" (an "
        "end-of-text "
        "token or a --stop) or \"length\" (--max-tokens or the context), and token_ids are those "
        "whose text is wholly shown; usage counts all that were generated.",
    .examples =
        "  ashlar run base -p 'Once upon a time' --max-tokens 64\n"
        "  ashlar run base short -p 'def main():' --temperature 0.8 --seed 7",
    .options = kRunOptions,
    .run = RunRun,
};

}  // namespace ashlar::cli
