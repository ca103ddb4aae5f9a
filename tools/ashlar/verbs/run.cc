#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr std::int64_t kMaxNewTokens = 1 << 24;

constexpr OptionSpec kOptions[] = {
    {.name = "NET",
     .kind = OptionKind::kValues,
     .value = "NAME",
     .required = true,
     .doc = "one network, or several side by side"},
    {.name = "-p,--prompt", .value = "TEXT", .required = true, .doc = "the text to go on from"},
    {.name = "-n,--max-tokens", .value = "N", .otherwise = "128", .doc = "new tokens at most"},
    {.name = "--stop",
     .kind = OptionKind::kValues,
     .value = "TEXT",
     .doc = "end before this text appears"},
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
  const auto completion = static_cast<std::int64_t>(generation.token_ids.size());
  Json json =
      Json::Of({{"network", network.name},
                {"text", generation.text},
                {"token_ids", std::move(ids)},
                {"finish_reason", FinishName(generation)},
                {"usage", Json::Of({{"prompt_tokens", generation.prompt_tokens},
                                    {"completion_tokens", completion},
                                    {"total_tokens", generation.prompt_tokens + completion}})},
                {"seconds", generation.seconds}});
  if (logprobs) {
    json.Set("logprobs", LogprobsJson(generation, *network.tokenizer));
  }
  return json;
}

// The prompt's ids, checked to leave room for `max_tokens` within the network's context.
Result<std::vector<std::int32_t>> EncodePrompt(const HostedNetwork& network,
                                               const std::string& text, std::int64_t max_tokens) {
  ASHLAR_TRY(const Tokenizer* tokenizer, network.RequireTokenizer());
  ASHLAR_TRY(std::vector<std::int32_t> prompt, tokenizer->Encode(text));
  if (prompt.empty() && network.network.metadata.bos_token) {
    prompt.push_back(static_cast<std::int32_t>(*network.network.metadata.bos_token));
  }
  if (max_tokens > network.context() - static_cast<std::int64_t>(prompt.size())) {
    return Invalid(
        "the prompt has {} tokens and --max-tokens is {}, but \"{}\" has a context of {}",
        prompt.size(), max_tokens, network.name, network.context());
  }
  return prompt;
}

Status Run(Session& session) {
  const Options& options = session.options;
  const auto names = options.Texts("NET");
  ASHLAR_TRY(const std::int64_t max_tokens, options.Integer("max-tokens", 0, kMaxNewTokens));
  ASHLAR_TRY(SamplingOptions sampling, ReadSampling(options));
  if (options.Has("logprobs")) {
    if (!session.json) {
      return Invalid("--logprobs needs --json");
    }
    ASHLAR_TRY(const std::int64_t count, options.Integer("logprobs", 0, 1000));
    sampling.top_logprobs = static_cast<int>(count);
  }
  // The plan is made for what this prompt needs, and not for the longest one that there could be.
  std::vector<std::vector<std::int32_t>> prompts;
  const auto encode = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    std::int64_t longest = 1;
    for (const HostedNetwork& network : networks) {
      ASHLAR_TRY(std::vector<std::int32_t> prompt,
                 EncodePrompt(network, options.Text("prompt"), max_tokens));
      longest = std::max(longest, static_cast<std::int64_t>(prompt.size()) + max_tokens);
      prompts.push_back(std::move(prompt));
    }
    return longest;
  };
  ASHLAR_TRY(Host host, Host::Open(session, names,
                                   {.measure_positions = encode,
                                    .max_sequences = static_cast<std::int64_t>(names.size())}));

  const bool stream = names.size() == 1 && !session.json;
  std::string prompt_to_show;
  std::vector<GenerationRequest> requests;
  for (const HostedNetwork& network : host.networks()) {
    requests.push_back({.network = &network,
                        .prompt = std::move(prompts[requests.size()]),
                        .max_tokens = max_tokens,
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
        "threads and whatever runs beside it.",
    .examples =
        "  ashlar run base -p 'Once upon a time' --max-tokens 64\n"
        "  ashlar run base short -p 'def main():' --temperature 0.8 --seed 7",
    .options = kOptions,
    .run = Run,
};

}  // namespace ashlar::cli
