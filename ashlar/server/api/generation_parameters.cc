#include "ashlar/server/api/generation_parameters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ashlar {
namespace {

constexpr double kLeastShare = 1e-6;

constexpr Parameter kModelRows[] = {
    {.name = "model",
     .types = json_type::kString,
     .otherwise = "the store's only network",
     .doc = "a network of the store, as `GET /v1/models` lists them"},
};

constexpr Parameter kCountRows[] = {
    {.name = "n",
     .types = json_type::kInteger,
     .min = 1,
     .max = kMostContinuations,
     .otherwise = "1",
     .doc = "so many answers; they share the prompt's work, and answer i draws with seed + i"},
};

constexpr Parameter kSamplingRows[] = {
    {.name = "temperature",
     .types = json_type::kNumber,
     .min = 0,
     .max = 100,
     .otherwise = "1",
     .doc = "0: always the likeliest token"},
    {.name = "top_p",
     .types = json_type::kNumber,
     .min = 0,
     .max = 1,
     .otherwise = "1",
     .doc = "draw from the smallest set of tokens of this probability"},
    {.name = "top_k",
     .types = json_type::kInteger,
     .min = -1,
     .max = 1 << 24,
     .otherwise = "0",
     .doc = "draw from the k likeliest tokens; 0 and -1: from all"},
    {.name = "min_p",
     .types = json_type::kNumber,
     .min = 0,
     .max = 1,
     .otherwise = "0",
     .doc = "leave out tokens below this share of the likeliest one's probability"},
    {.name = "typical_p",
     .types = json_type::kNumber,
     .min = kLeastShare,
     .max = 1,
     .otherwise = "1",
     .doc = "locally typical sampling (Meister 2023)"},
    {.name = "repetition_penalty",
     .types = json_type::kNumber,
     .min = 0.01,
     .max = 100,
     .otherwise = "1",
     .doc = "divides the positive and multiplies the negative logits of tokens seen so far"},
    {.name = "presence_penalty",
     .types = json_type::kNumber,
     .min = -2,
     .max = 2,
     .otherwise = "0",
     .doc = "subtracted once from the logit of a token that the answer has"},
    {.name = "frequency_penalty",
     .types = json_type::kNumber,
     .min = -2,
     .max = 2,
     .otherwise = "0",
     .doc = "subtracted for each time that the answer has the token"},
    {.name = "logit_bias",
     .types = json_type::kObject,
     .doc = "token id, as a string, to what is added to its logit, from -100 to 100"},
    {.name = "seed",
     .types = json_type::kInteger,
     .otherwise = "a random one",
     .doc = "the same request with the same seed gives the same answer to the bit, whatever runs "
            "beside it"},
    {.name = "stop",
     .types = json_type::kString | json_type::kArray,
     .doc = "strings, at most 16, that end the answer and are not part of it; also one that has a "
            "form to keep, which is cut short then"},
    {.name = "stop_token_ids",
     .types = json_type::kArray,
     .doc = "token ids that end the answer, besides the network's own"},
    {.name = "ignore_eos",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "go on past the network's own end tokens"},
    {.name = "min_tokens",
     .types = json_type::kInteger,
     .min = 0,
     .max = 1 << 24,
     .otherwise = "0",
     .doc = "so many come before an end token or one of `stop` may end the answer; not where the "
            "answer has a form"},
    {.name = "bad_words",
     .types = json_type::kArray,
     .doc = "texts, at most 1024, whose tokens do not follow one another in the answer, with or "
            "without a space before; they may still be spelled with other tokens"},
    {.name = "allowed_token_ids",
     .types = json_type::kArray,
     .doc = "the answer is made of these tokens only; one that ends it is among them, or it has "
            "all its tokens"},
    {.name = "skip_special_tokens",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether special tokens are left out of the text"},
    {.name = "cache_salt",
     .types = json_type::kString,
     .doc = "cached prompts are reused only among requests of one tenant with the same salt"},
    {.name = "timeout",
     .types = json_type::kNumber,
     .min = 0.001,
     .max = 86'400,
     .otherwise = "none",
     .doc = "seconds from the request to the end of the answer; then it ends with an error"},
    {.name = "user", .types = json_type::kString, .doc = "taken, and not used"},
    {.name = "safety_identifier", .types = json_type::kString, .doc = "taken, and not used"},
    {.name = "prompt_cache_key",
     .types = json_type::kString,
     .doc = "taken, and not used: prompts that begin alike are found in the cache as they are"},
};

constexpr Parameter kStreamRows[] = {
    {.name = "stream",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "answer as server-sent events, the last of which is `data: [DONE]`"},
    {.name = "stream_options",
     .types = json_type::kObject,
     .doc =
         "with `stream` only: `include_usage` asks for a last chunk with `usage` and no choices; "
         "`include_obfuscation` is taken, and nothing is obfuscated"},
};

Status ReadLogitBias(const JsonCursor& value, const NetworkCard& network,
                     std::map<std::int32_t, float>& biases) {
  constexpr double kMostBias = 100;
  ASHLAR_TRY(const auto members, value.AsObject(static_cast<std::size_t>(network.logits)));
  for (const auto& [name, member] : members) {
    std::int32_t token = -1;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data(), end, token);
    if (read.ec != std::errc() || read.ptr != end || token < 0 || token >= network.logits) {
      return member.Invalid("expected a token id from 0 to {} as the key", network.logits - 1);
    }
    ASHLAR_TRY(const double bias, member.AsReal());
    if (std::abs(bias) > kMostBias) {
      return member.Invalid("expected a number from {} to {}, found {}", -kMostBias, kMostBias,
                            bias);
    }
    biases[token] = static_cast<float>(bias);
  }
  return {};
}

// The tokens of `word`, in the ways in which a text may have it.
Status AddBadWord(const JsonCursor& word, Generation& generation) {
  ASHLAR_TRY(const std::string text, word.AsString());
  for (const std::string_view before : {"", " "}) {
    Result<std::vector<std::int32_t>> tokens = generation.network->tokenizer->Encode(
        std::string(before) + text, {.add_special_tokens = false});
    if (!tokens.ok()) {
      return tokens.error().In(word.path());
    }
    if (text.empty() || tokens->empty()) {
      return word.Invalid("has no tokens");
    }
    if (std::ranges::find(generation.bad_words, *tokens) == generation.bad_words.end()) {
      generation.bad_words.push_back(*std::move(tokens));
    }
  }
  return {};
}

Status ReadTokenLimits(const Parameters& parameters, Generation& generation) {
  constexpr std::size_t kMostBadWords = 1024;
  generation.min_tokens = parameters.Integer("min_tokens", 0);
  if (const JsonCursor* words = parameters.Find("bad_words")) {
    const Result<const Tokenizer*> tokenizer = generation.network->RequireTokenizer();
    if (!tokenizer.ok()) {
      return tokenizer.error().In(words->path());
    }
    ASHLAR_TRY(const std::vector<JsonCursor> elements, words->AsArray(kMostBadWords));
    for (const JsonCursor& element : elements) {
      ASHLAR_TRY(AddBadWord(element, generation));
    }
  }
  if (const JsonCursor* allowed = parameters.Find("allowed_token_ids")) {
    ASHLAR_TRY(generation.allowed_tokens, ReadTokens(*allowed, *generation.network));
    if (generation.allowed_tokens.empty()) {
      return allowed->Invalid("is empty: no answer could be made");
    }
  }
  return {};
}

SamplingOptions ReadSamplingNumbers(const Parameters& parameters) {
  SamplingOptions sampling;
  constexpr std::pair<std::string_view, float SamplingOptions::*> kNumbers[] = {
      {"temperature", &SamplingOptions::temperature},
      {"top_p", &SamplingOptions::top_p},
      {"min_p", &SamplingOptions::min_p},
      {"typical_p", &SamplingOptions::typical_p},
      {"repetition_penalty", &SamplingOptions::repetition_penalty},
      {"presence_penalty", &SamplingOptions::presence_penalty},
      {"frequency_penalty", &SamplingOptions::frequency_penalty},
  };
  for (const auto& [name, member] : kNumbers) {
    sampling.*member = static_cast<float>(parameters.Number(name, sampling.*member));
  }
  // Clients say 0 where they mean: the likeliest token only.
  sampling.top_p = std::max(sampling.top_p, static_cast<float>(kLeastShare));
  sampling.top_k =
      static_cast<std::int32_t>(std::max<std::int64_t>(0, parameters.Integer("top_k", 0)));
  return sampling;
}

}  // namespace

constinit const ParameterPart kModelParameter = kModelRows;
constinit const ParameterPart kCountParameter = kCountRows;
constinit const ParameterPart kSamplingParameters = kSamplingRows;
constinit const ParameterPart kStreamParameters = kStreamRows;

AnswerHead HeadOf(const RequestSetting& setting, std::string_view id_prefix) {
  constexpr std::size_t kFingerprintLetters = 12;
  const std::string digest = setting.network->digest.ToString();
  return {.id = std::string(id_prefix) + setting.id,
          .created = setting.created,
          .model = setting.network->name,
          .fingerprint = "fp_" + digest.substr(digest.find(':') + 1, kFingerprintLetters)};
}

Result<std::vector<std::string>> ReadStrings(const JsonCursor& value, std::size_t most) {
  std::vector<std::string> strings;
  if (value.value().string() != nullptr) {
    strings.push_back(*value.value().string());
    return strings;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value.AsArray(most));
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(std::string text, element.AsString());
    strings.push_back(std::move(text));
  }
  return strings;
}

Result<std::vector<std::int32_t>> ReadTokens(const JsonCursor& value, const NetworkCard& network) {
  const std::int64_t vocabulary = network.token_limit;
  std::vector<std::int32_t> tokens;
  // Not by cursors: a prompt may have a million ids, and only a wrong one needs its path.
  const Json::Array* const array = value.value().array();
  if (array == nullptr) {
    return value.Invalid("expected an array of token ids, found {}", value.value().type_name());
  }
  tokens.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::int64_t* const id = (*array)[i].integer();
    if (id == nullptr || *id < 0 || *id >= vocabulary) {
      return Invalid("{}[{}]: expected a token id from 0 to {}, found {}", value.path(), i,
                     vocabulary - 1, QuoteForError(WriteJson((*array)[i])));
    }
    tokens.push_back(static_cast<std::int32_t>(*id));
  }
  return tokens;
}

Result<Generation> ReadGeneration(const Parameters& parameters, const RequestSetting& setting) {
  Generation generation{.network = setting.network,
                        .tenant = setting.tenant,
                        .priority = setting.priority,
                        .cache_scope = setting.cache_scope,
                        .any_precision = setting.any_precision};
  generation.sampling = ReadSamplingNumbers(parameters);
  generation.sampling.seed = static_cast<std::uint64_t>(
      parameters.Integer("seed", static_cast<std::int64_t>(setting.seed)));
  if (const JsonCursor* bias = parameters.Find("logit_bias")) {
    ASHLAR_TRY(ReadLogitBias(*bias, *setting.network, generation.sampling.logit_bias));
  }
  if (const JsonCursor* stop = parameters.Find("stop")) {
    ASHLAR_TRY(generation.stop, ReadStrings(*stop, kMostStopStrings));
    if (std::ranges::find(generation.stop, "") != generation.stop.end()) {
      return stop->Invalid("an empty string would end every answer");
    }
  }
  if (const JsonCursor* stop = parameters.Find("stop_token_ids")) {
    ASHLAR_TRY(generation.stop_tokens, ReadTokens(*stop, *setting.network));
  }
  generation.ignore_eos = parameters.Bool("ignore_eos", false);
  ASHLAR_TRY(ReadTokenLimits(parameters, generation));
  generation.keep_special_tokens = !parameters.Bool("skip_special_tokens", true);
  if (parameters.Has("cache_salt")) {
    // A zero byte: no scope of the server has one, so no salt makes one scope into another.
    generation.cache_scope += '\0' + parameters.String("cache_salt", "");
  }
  if (parameters.Has("timeout")) {
    generation.deadline_micros =
        setting.arrived_micros + static_cast<std::int64_t>(parameters.Number("timeout", 0) * 1e6);
  }
  return generation;
}

Result<StreamOptions> ReadStreamOptions(const Parameters& parameters) {
  StreamOptions options{.stream = parameters.Bool("stream", false)};
  if (const JsonCursor* value = parameters.Find("stream_options")) {
    if (!options.stream) {
      return value->Invalid("goes with \"stream\": true only");
    }
    ASHLAR_TRY(AllowMembers(*value, {"include_usage", "include_obfuscation"}));
    ASHLAR_TRY([[maybe_unused]] const bool taken, value->BoolOr("include_obfuscation", false));
    ASHLAR_TRY(options.include_usage, value->BoolOr("include_usage", false));
  }
  return options;
}

Status FitContext(Generation& generation, const RequestSetting& setting,
                  std::optional<std::int64_t> asked, std::optional<std::int64_t> otherwise,
                  std::string_view prompt, std::string_view length) {
  const std::int64_t context = setting.network->Context(setting.max_positions);
  const auto used = static_cast<std::int64_t>(generation.prompt.size());
  const std::int64_t least = asked.value_or(1) == 0 ? 0 : 1;
  if (used + least > context) {
    return Exhausted(
        "$.{}: has {} tokens, and the context of \"{}\" is {} on this server, which must hold the "
        "answer too",
        prompt, used, setting.network->name, context);
  }
  if (asked && used + *asked > context) {
    return Exhausted(
        "$.{}: asks for {} tokens after a prompt of {}, and the context of \"{}\" is {} on this "
        "server: at most {} are left",
        length, *asked, used, setting.network->name, context, context - used);
  }
  const std::int64_t left = std::max(least, std::min(context, setting.room) - used);
  generation.max_tokens = asked.value_or(std::min(otherwise.value_or(left), left));
  if (generation.min_tokens > generation.max_tokens) {
    return Invalid("$.min_tokens: is {}, and the answer has at most {} tokens",
                   generation.min_tokens, generation.max_tokens);
  }
  return {};
}

}  // namespace ashlar
