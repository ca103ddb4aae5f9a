#include "ashlar/server/api/completions.h"

#include <algorithm>

#include "ashlar/server/api/chat.h"
#include "ashlar/server/api/completion_answer.h"
#include "ashlar/server/api/fill_in_middle.h"

namespace ashlar {
namespace {

constexpr std::size_t kMostPrompts = 256;
constexpr std::size_t kMostContextFiles = 1024;
constexpr std::int64_t kDefaultTokens = 16;
constexpr std::int64_t kMostCompletionLogprobs = 20;

constexpr Parameter kCompletionRows[] = {
    {.name = "prompt",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "text, token ids, or an array of at most 256 of either"},
    {.name = "suffix",
     .types = json_type::kString,
     .doc = "what comes after the answer, where the network's vocabulary has marks for filling in "
            "the middle"},
    {.name = "max_tokens",
     .types = json_type::kInteger,
     .min = 0,
     .max = 1 << 24,
     .otherwise = "16",
     .doc = "of each answer; 0 only reads the prompt, with `echo`"},
    {.name = "echo",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "each answer begins with the prompt, with `logprobs` also those of its tokens"},
    {.name = "logprobs",
     .types = json_type::kInteger,
     .min = 0,
     .max = kMostCompletionLogprobs,
     .doc = "log-probabilities of the tokens, and of so many likeliest ones"},
    {.name = "best_of",
     .types = json_type::kInteger,
     .min = 1,
     .max = kMostContinuations,
     .otherwise = "n",
     .doc = "so many answers are made, and the `n` with the highest log-probability per token, "
            "the one that ended it among them, are given; not with `stream`"},
    {.name = "add_special_tokens",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "whether the tokenizer puts its tokens, such as a begin-of-text, around a prompt that "
            "is text"},
};

constexpr Parameter kInfillRows[] = {
    {.name = "input_prefix",
     .types = json_type::kString,
     .required = true,
     .doc = "what comes before"},
    {.name = "input_suffix",
     .types = json_type::kString,
     .required = true,
     .doc = "what comes after"},
    {.name = "input_extra",
     .types = json_type::kArray,
     .doc =
         "files that the middle may go by, `{filename, text}`, at most 1024, before all else; the "
         "name may be left out. 400 where the vocabulary has no mark that a file begins"},
    {.name = "prompt",
     .types = json_type::kString,
     .otherwise = "empty",
     .doc = "more of what comes before: where the middle begins already"},
    {.name = "max_tokens",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .otherwise = "128",
     .doc = "of each answer"},
    {.name = "n_predict",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .doc = "another name of `max_tokens`"},
};

// What `best_of`, `n`, `echo` and `logprobs` come to.
struct CompletionForm {
  int choices = 1;
  int continuations = 1;
  bool echo = false;
  bool logprobs = false;
};

Result<CompletionForm> ReadForm(const Parameters& parameters, const StreamOptions& stream,
                                Generation& generation) {
  CompletionForm form{.choices = generation.continuations};
  form.continuations = static_cast<int>(parameters.Integer("best_of", form.choices));
  const JsonCursor* const best_of = parameters.Find("best_of");
  if (form.continuations < form.choices) {
    return best_of->Invalid("is {}, and must be at least n, {}", form.continuations, form.choices);
  }
  if (form.continuations > form.choices && stream.stream) {
    return best_of->Invalid("the best of {} are known at the end only, so they cannot be streamed",
                            form.continuations);
  }
  generation.continuations = form.continuations;
  form.echo = parameters.Bool("echo", false);
  form.logprobs = parameters.Has("logprobs");
  if (form.logprobs || form.continuations > form.choices) {
    generation.sampling.top_logprobs = static_cast<int>(parameters.Integer("logprobs", 0));
  }
  if (form.logprobs && form.echo) {
    generation.prompt_logprobs = generation.sampling.top_logprobs;
  }
  return form;
}

Result<const MiddleMarks> RequireMiddleMarks(const NetworkCard& network, std::string_view path) {
  ASHLAR_TRY(const Tokenizer* tokenizer, RequireTokenizer(network));
  const std::optional<MiddleMarks> marks = FindMiddleMarks(*tokenizer);
  if (!marks) {
    return Unsupported(
        "{}: the vocabulary of \"{}\" has no marks for filling in the middle of a text", path,
        network.name);
  }
  return *marks;
}

Result<TextPrompt> ReadTextPrompt(const JsonCursor& value, const NetworkCard& network,
                                  bool add_special_tokens) {
  ASHLAR_TRY(const Tokenizer* tokenizer, RequireTokenizer(network));
  TextPrompt prompt;
  if (value.value().string() != nullptr) {
    Result<std::vector<std::int32_t>> tokens =
        tokenizer->Encode(*value.value().string(), {.add_special_tokens = add_special_tokens});
    if (!tokens.ok()) {
      return tokens.error().In(value.path());
    }
    prompt = {*std::move(tokens), *value.value().string()};
  } else {
    ASHLAR_TRY(prompt.tokens, ReadTokens(value, network));
    prompt.text = tokenizer->Decode(prompt.tokens, {.skip_special_tokens = false});
  }
  if (prompt.tokens.empty()) {
    return value.Invalid("has no tokens");
  }
  return prompt;
}

}  // namespace

constinit const ParameterPart kCompletionParameters = kCompletionRows;
constinit const ParameterPart kInfillParameters = kInfillRows;

Result<const Tokenizer*> RequireTokenizer(const NetworkCard& network) {
  Result<const Tokenizer*> tokenizer = network.RequireTokenizer();
  return tokenizer.ok() ? tokenizer : tokenizer.error().In("$.model");
}

Result<std::vector<TextPrompt>> ReadPrompts(const JsonCursor& value, const NetworkCard& network,
                                            std::size_t most, bool add_special_tokens) {
  std::vector<TextPrompt> prompts;
  const Json::Array* const array = value.value().array();
  const bool one = array == nullptr || (!array->empty() && array->front().integer() != nullptr);
  if (one) {
    ASHLAR_TRY(TextPrompt prompt, ReadTextPrompt(value, network, add_special_tokens));
    prompts.push_back(std::move(prompt));
    return prompts;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value.AsArray(most));
  if (elements.empty()) {
    return value.Invalid("is empty");
  }
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(TextPrompt prompt, ReadTextPrompt(element, network, add_special_tokens));
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Result<Work> ReadCompletion(const Parameters& parameters, const RequestSetting& setting) {
  const NetworkCard& network = *setting.network;
  ASHLAR_TRY(Generation generation, ReadGeneration(parameters, setting));
  generation.continuations = static_cast<int>(parameters.Integer("n", 1));
  ASHLAR_TRY(const StreamOptions stream, ReadStreamOptions(parameters));
  ASHLAR_TRY(const CompletionForm form, ReadForm(parameters, stream, generation));
  ASHLAR_TRY(std::vector<TextPrompt> prompts,
             ReadPrompts(*parameters.Find("prompt"), network, kMostPrompts,
                         parameters.Bool("add_special_tokens", true)));
  ASHLAR_TRY(const std::optional<GrammarSource> guide, ReadGuide(parameters));
  if (guide) {
    ASHLAR_TRY(Hold(setting, *guide, generation));
  }
  if (const JsonCursor* suffix = parameters.Find("suffix")) {
    ASHLAR_TRY(const MiddleMarks marks, RequireMiddleMarks(network, suffix->path()));
    for (TextPrompt& prompt : prompts) {
      ASHLAR_TRY(prompt.tokens,
                 MiddlePrompt(*network.tokenizer, marks, prompt.text, *suffix->value().string()));
    }
  }
  const std::int64_t tokens = parameters.Integer("max_tokens", kDefaultTokens);
  if (tokens == 0 && !form.echo) {
    return Invalid("$.max_tokens: 0 goes with \"echo\": true only");
  }
  CompletionAnswerOptions answer{.head = HeadOf(setting, "cmpl-"),
                                 .network = setting.network,
                                 .stream = stream.stream,
                                 .include_usage = stream.include_usage,
                                 .logprobs = form.logprobs,
                                 .choices = form.choices,
                                 .continuations = form.continuations,
                                 .echo_logprobs = generation.prompt_logprobs.has_value()};
  Work work{.stream = stream.stream};
  for (TextPrompt& prompt : prompts) {
    Generation each = generation;
    each.prompt = std::move(prompt.tokens);
    ASHLAR_TRY(FitContext(each, setting,
                          parameters.Has("max_tokens") ? std::optional(tokens) : std::nullopt,
                          kDefaultTokens, "prompt", "max_tokens"));
    answer.echoes.push_back(form.echo ? std::move(prompt.text) : std::string());
    work.generations.push_back(std::move(each));
  }
  work.answer = std::make_unique<CompletionAnswer>(std::move(answer));
  return work;
}

Result<std::vector<ContextFile>> ReadContextFiles(const Parameters& parameters,
                                                  const MiddleMarks& marks) {
  std::vector<ContextFile> files;
  const JsonCursor* const value = parameters.Find("input_extra");
  if (value == nullptr) {
    return files;
  }
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value->AsArray(kMostContextFiles));
  if (!elements.empty() && !marks.file) {
    return Unsupported("{}: the network's vocabulary has no mark that a file begins",
                       value->path());
  }
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(AllowMembers(element, {"filename", "text"}));
    ContextFile file;
    ASHLAR_TRY(file.name, element.StringOr("filename", "tmp"));
    ASHLAR_TRY(file.text, element.String("text"));
    files.push_back(std::move(file));
  }
  return files;
}

Result<Work> ReadInfill(const Parameters& parameters, const RequestSetting& setting) {
  const NetworkCard& network = *setting.network;
  constexpr std::int64_t kDefaultMiddle = 128;
  ASHLAR_TRY(Generation generation, ReadGeneration(parameters, setting));
  generation.continuations = static_cast<int>(parameters.Integer("n", 1));
  ASHLAR_TRY(const StreamOptions stream, ReadStreamOptions(parameters));
  ASHLAR_TRY(const MiddleMarks marks, RequireMiddleMarks(network, "$.model"));
  ASHLAR_TRY(const std::vector<ContextFile> context, ReadContextFiles(parameters, marks));
  ASHLAR_TRY(generation.prompt,
             MiddlePrompt(*network.tokenizer, marks,
                          parameters.String("input_prefix", "") + parameters.String("prompt", ""),
                          parameters.String("input_suffix", ""), context));
  const char* const length = parameters.Has("n_predict") ? "n_predict" : "max_tokens";
  const std::optional<std::int64_t> asked =
      parameters.Has(length) ? std::optional(parameters.Integer(length, 0)) : std::nullopt;
  ASHLAR_TRY(FitContext(generation, setting, asked, kDefaultMiddle, "input_prefix", length));
  Work work{.stream = stream.stream};
  work.answer = std::make_unique<CompletionAnswer>(
      CompletionAnswerOptions{.head = HeadOf(setting, "cmpl-"),
                              .network = setting.network,
                              .stream = stream.stream,
                              .include_usage = stream.include_usage,
                              .choices = generation.continuations,
                              .continuations = generation.continuations,
                              .echoes = {""}});
  work.generations.push_back(std::move(generation));
  return work;
}

}  // namespace ashlar
