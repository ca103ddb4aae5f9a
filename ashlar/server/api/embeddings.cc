#include "ashlar/server/api/embeddings.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "ashlar/server/api/completions.h"

namespace ashlar {
namespace {

constexpr std::size_t kMostInputs = 2048;

constexpr Parameter kEmbeddingRows[] = {
    {.name = "input",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "text, token ids, or an array of at most 2048 of either"},
    {.name = "encoding_format",
     .types = json_type::kString,
     .values = "float|base64",
     .otherwise = "float",
     .doc = "base64: of little-endian f32"},
    {.name = "dimensions",
     .types = json_type::kInteger,
     .min = 1,
     .max = 1 << 24,
     .otherwise = "the network's width",
     .doc = "the first so many numbers only"},
    {.name = "pooling",
     .types = json_type::kString,
     .values = "mean|last|cls",
     .otherwise = "mean",
     .doc = "of what the network's head would read: its mean over the tokens, or that of the last "
            "or the first token"},
    {.name = "normalize",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "to length 1, after `dimensions`"},
    {.name = "user", .types = json_type::kString, .doc = "taken, and not used"},
};

constexpr Parameter kRerankRows[] = {
    {.name = "query", .types = json_type::kString, .required = true, .doc = "what is looked for"},
    {.name = "documents",
     .types = json_type::kArray,
     .required = true,
     .doc = "texts, or objects with a member `text`; at most 2048"},
    {.name = "top_n",
     .types = json_type::kInteger,
     .min = 1,
     .max = kMostInputs,
     .otherwise = "all",
     .doc = "only so many of the best documents"},
    {.name = "return_documents",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "whether the answer repeats the texts"},
    {.name = "method",
     .types = json_type::kString,
     .values = "embedding|likelihood",
     .otherwise = "embedding",
     .doc = "embedding: the cosine of the two texts' embeddings; likelihood: the mean "
            "log-probability of the query's tokens after the document"},
};

constexpr Parameter kScoreRows[] = {
    {.name = "text_1",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "a text, or as many as `text_2` has"},
    {.name = "text_2",
     .types = json_type::kString | json_type::kArray,
     .required = true,
     .doc = "a text or several; each is scored against its `text_1`"},
    {.name = "method",
     .types = json_type::kString,
     .values = "embedding|likelihood",
     .otherwise = "embedding",
     .doc = "embedding: the cosine of the two texts' embeddings; likelihood: the mean "
            "log-probability of text_2's tokens after text_1"},
};

// A reading of tokens: nothing is generated.
Result<Generation> MakeReading(std::vector<std::int32_t> tokens, const RequestSetting& setting,
                               std::string_view path) {
  const std::int64_t context = setting.network->Context(setting.max_positions);
  if (std::ssize(tokens) > context) {
    return Exhausted("{}: has {} tokens, and the context of \"{}\" is {} on this server", path,
                     tokens.size(), setting.network->name, context);
  }
  // Set one by one: GCC 12 takes the members of a braced Generation for uninitialised here.
  Generation reading;
  reading.network = setting.network;
  reading.prompt = std::move(tokens);
  reading.max_tokens = 0;
  reading.tenant = setting.tenant;
  reading.priority = setting.priority;
  reading.cache_scope = setting.cache_scope;
  reading.any_precision = setting.any_precision;
  return reading;
}

// What becomes of what the service gives for a text.
struct VectorForm {
  std::int64_t dimensions = 0;  // so many of the first numbers are kept
  bool normalize = true;
};

std::vector<float> Embed(const GenerationEvent& event, const VectorForm& form) {
  std::vector<float> vector = event.embedding;
  vector.resize(static_cast<std::size_t>(form.dimensions));
  if (form.normalize) {
    Normalize(vector);
  }
  return vector;
}

class EmbeddingAnswer final : public ApiAnswer {
 public:
  EmbeddingAnswer(std::string model, VectorForm form, bool base64, std::size_t inputs)
      : model_(std::move(model)), form_(form), base64_(base64), vectors_(inputs) {}

  std::string Take(int index, const GenerationEvent& event) override {
    usage_.Take(index, event);
    if (!event.embedding.empty()) {
      vectors_[static_cast<std::size_t>(index)] = Embed(event, form_);
    }
    return {};
  }
  std::string End() override { return {}; }
  Json Whole() override {
    Json::Array data;
    for (std::size_t i = 0; i < vectors_.size(); ++i) {
      data.push_back(
          Json::Of({{"object", "embedding"}, {"index", i}, {"embedding", Written(vectors_[i])}}));
    }
    return Json::Of({{"object", "list"},
                     {"data", std::move(data)},
                     {"model", model_},
                     {"usage", Json::Of({{"prompt_tokens", usage_.prompt_tokens()},
                                         {"total_tokens", usage_.prompt_tokens()}})}});
  }

 private:
  Json Written(const std::vector<float>& vector) const {
    if (base64_) {
      return Base64(std::as_bytes(std::span(vector)));
    }
    Json::Array numbers;
    numbers.reserve(vector.size());
    for (const float number : vector) {
      numbers.push_back(static_cast<double>(number));
    }
    return numbers;
  }

  std::string model_;
  VectorForm form_;
  bool base64_;
  std::vector<std::vector<float>> vectors_;
  UsageCount usage_;
};

// ---- Scores of pairs of texts

struct Pair {
  int first = 0;                  // generations: of the first text, or of both one after the other
  int second = 0;                 // of the second text; the same as `first` when both are in one
  std::int64_t first_tokens = 0;  // in that one, of the first text
};

// Embeds each text, or reads each second text after its first, as `method` says.
class ScoreAnswer final : public ApiAnswer {
 public:
  using Form = std::function<Json(const std::vector<double>& scores, const UsageCount& usage)>;

  ScoreAnswer(std::vector<Pair> pairs, VectorForm vectors, std::size_t generations, Form form)
      : pairs_(std::move(pairs)),
        vector_form_(vectors),
        vectors_(generations),
        logprobs_(generations),
        form_(std::move(form)) {}

  std::string Take(int index, const GenerationEvent& event) override {
    usage_.Take(index, event);
    const auto which = static_cast<std::size_t>(index);
    if (!event.embedding.empty()) {
      vectors_[which] = Embed(event, vector_form_);
    }
    if (!event.prompt_logprobs.empty()) {
      logprobs_[which] = event.prompt_logprobs;
    }
    return {};
  }
  std::string End() override { return {}; }
  Json Whole() override {
    std::vector<double> scores;
    for (const Pair& pair : pairs_) {
      scores.push_back(pair.first == pair.second ? Likelihood(pair) : Cosine(pair));
    }
    return form_(scores, usage_);
  }

 private:
  double Cosine(const Pair& pair) const {
    const std::vector<float>& a = vectors_[static_cast<std::size_t>(pair.first)];
    const std::vector<float>& b = vectors_[static_cast<std::size_t>(pair.second)];
    double sum = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    }
    return sum;
  }
  double Likelihood(const Pair& pair) const {
    const std::vector<PromptLogprob>& all = logprobs_[static_cast<std::size_t>(pair.first)];
    double sum = 0;
    std::int64_t count = 0;
    for (std::size_t i = static_cast<std::size_t>(pair.first_tokens); i < all.size(); ++i) {
      sum += all[i].logprob ? LogprobNumber(*all[i].logprob) : 0;
      count += all[i].logprob ? 1 : 0;
    }
    return count == 0 ? kUnlikelyLogprob : sum / static_cast<double>(count);
  }

  std::vector<Pair> pairs_;
  VectorForm vector_form_;
  std::vector<std::vector<float>> vectors_;
  std::vector<std::vector<PromptLogprob>> logprobs_;
  Form form_;
  UsageCount usage_;
};

struct NamedText {
  std::string text;
  std::string path;
};

// The generations that score pairs of texts take.
class PairReader {
 public:
  PairReader(const Parameters& parameters, const RequestSetting& setting)
      : setting_(setting), by_likelihood_(parameters.String("method", "") == "likelihood") {}

  Status Add(const NamedText& first, const NamedText& second) {
    Pair pair;
    if (by_likelihood_) {
      ASHLAR_TRY(std::vector<std::int32_t> tokens, Tokens(first, true));
      pair.first_tokens = std::ssize(tokens);
      ASHLAR_TRY(const std::vector<std::int32_t> more, Tokens(second, false));
      tokens.insert(tokens.end(), more.begin(), more.end());
      ASHLAR_TRY(pair.first, AddReading(std::move(tokens), second.path));
      pair.second = pair.first;
      generations_.back().prompt_logprobs = 0;
    } else {
      ASHLAR_TRY(pair.first, Embedded(first));
      ASHLAR_TRY(pair.second, Embedded(second));
    }
    pairs_.push_back(pair);
    return {};
  }

  Work Finish(ScoreAnswer::Form form) {
    Work work;
    work.answer = std::make_unique<ScoreAnswer>(
        std::move(pairs_), VectorForm{.dimensions = setting_.network->hidden_width},
        generations_.size(), std::move(form));
    work.generations = std::move(generations_);
    return work;
  }

 private:
  Result<std::vector<std::int32_t>> Tokens(const NamedText& text, bool add_special_tokens) const {
    ASHLAR_TRY(const Tokenizer* tokenizer, RequireTokenizer(*setting_.network));
    Result<std::vector<std::int32_t>> tokens =
        tokenizer->Encode(text.text, {.add_special_tokens = add_special_tokens});
    if (!tokens.ok()) {
      return tokens.error().In(text.path);
    }
    if (tokens->empty()) {
      return Invalid("{}: has no tokens", text.path);
    }
    return tokens;
  }
  Result<int> AddReading(std::vector<std::int32_t> tokens, const std::string& path) {
    ASHLAR_TRY(Generation reading, MakeReading(std::move(tokens), setting_, path));
    generations_.push_back(std::move(reading));
    return static_cast<int>(generations_.size()) - 1;
  }
  // Each place of a request is embedded once.
  Result<int> Embedded(const NamedText& text) {
    const auto known = embedded_.find(text.path);
    if (known != embedded_.end()) {
      return known->second;
    }
    ASHLAR_TRY(std::vector<std::int32_t> tokens, Tokens(text, true));
    ASHLAR_TRY(const int index, AddReading(std::move(tokens), text.path));
    generations_.back().embedding = Pooling::kMean;
    embedded_.emplace(text.path, index);
    return index;
  }

  const RequestSetting& setting_;
  bool by_likelihood_;
  std::map<std::string, int> embedded_;
  std::vector<Generation> generations_;
  std::vector<Pair> pairs_;
};

Result<std::vector<NamedText>> ReadDocuments(const JsonCursor& value) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value.AsArray(kMostInputs));
  if (elements.empty()) {
    return value.Invalid("is empty");
  }
  std::vector<NamedText> documents;
  for (const JsonCursor& element : elements) {
    if (element.value().object() != nullptr) {
      ASHLAR_TRY(AllowMembers(element, {"text"}));
    }
    ASHLAR_TRY(std::string text,
               element.value().object() != nullptr ? element.String("text") : element.AsString());
    documents.push_back({std::move(text), element.path()});
  }
  return documents;
}

Result<std::vector<NamedText>> ReadScoredTexts(const JsonCursor& value) {
  if (value.value().string() != nullptr) {
    return std::vector<NamedText>{{*value.value().string(), value.path()}};
  }
  return ReadDocuments(value);
}

Json RankedResults(const std::vector<double>& scores, const std::vector<NamedText>& documents,
                   std::size_t most, bool with_documents) {
  std::vector<std::size_t> order(scores.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return scores[i]; });
  order.resize(std::min(most, order.size()));
  Json::Array results;
  for (const std::size_t i : order) {
    Json result = Json::Of({{"index", i}, {"relevance_score", scores[i]}});
    if (with_documents) {
      result.Set("document", Json::Of({{"text", documents[i].text}}));
    }
    results.push_back(std::move(result));
  }
  return results;
}

Json UsageOfReading(const UsageCount& usage) {
  return Json::Of(
      {{"prompt_tokens", usage.prompt_tokens()}, {"total_tokens", usage.prompt_tokens()}});
}

}  // namespace

constinit const ParameterPart kEmbeddingParameters = kEmbeddingRows;
constinit const ParameterPart kRerankParameters = kRerankRows;
constinit const ParameterPart kScoreParameters = kScoreRows;

void Normalize(std::vector<float>& vector) {
  double squares = 0;
  for (const float number : vector) {
    squares += static_cast<double>(number) * static_cast<double>(number);
  }
  if (squares > 0) {
    for (float& number : vector) {
      number = static_cast<float>(static_cast<double>(number) / std::sqrt(squares));
    }
  }
}

std::string Base64(std::span<const std::byte> bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      word = word << 8 | (j < count ? static_cast<std::uint32_t>(bytes[i + j]) : 0);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kLetters[word >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

Result<Work> ReadEmbeddings(const Parameters& parameters, const RequestSetting& setting) {
  const NetworkCard& network = *setting.network;
  constexpr std::pair<std::string_view, Pooling> kPoolings[] = {
      {"mean", Pooling::kMean}, {"last", Pooling::kLast}, {"cls", Pooling::kCls}};
  const VectorForm form{.dimensions = parameters.Integer("dimensions", network.hidden_width),
                        .normalize = parameters.Bool("normalize", true)};
  Pooling pooling = Pooling::kMean;
  for (const auto& [name, value] : kPoolings) {
    pooling = parameters.String("pooling", "mean") == name ? value : pooling;
  }
  if (form.dimensions > network.hidden_width) {
    return parameters.Find("dimensions")
        ->Invalid("is {}, and embeddings of \"{}\" have {}", form.dimensions, network.name,
                  network.hidden_width);
  }
  const JsonCursor& input = *parameters.Find("input");
  ASHLAR_TRY(std::vector<TextPrompt> inputs, ReadPrompts(input, network, kMostInputs));
  Work work;
  work.answer = std::make_unique<EmbeddingAnswer>(
      network.name, form, parameters.String("encoding_format", "float") == "base64", inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string path =
        inputs.size() == 1 ? input.path() : fmt::format("{}[{}]", input.path(), i);
    ASHLAR_TRY(Generation reading, MakeReading(std::move(inputs[i].tokens), setting, path));
    reading.embedding = pooling;
    work.generations.push_back(std::move(reading));
  }
  return work;
}

Result<Work> ReadRerank(const Parameters& parameters, const RequestSetting& setting) {
  const JsonCursor& query = *parameters.Find("query");
  ASHLAR_TRY(std::vector<NamedText> documents, ReadDocuments(*parameters.Find("documents")));
  PairReader reader(parameters, setting);
  for (const NamedText& document : documents) {
    ASHLAR_TRY(reader.Add(document, {*query.value().string(), query.path()}));
  }
  const auto most = static_cast<std::size_t>(parameters.Integer("top_n", kMostInputs));
  const bool with_documents = parameters.Bool("return_documents", false);
  const AnswerHead head = HeadOf(setting, "rerank-");
  return reader.Finish([=, documents = std::move(documents)](const std::vector<double>& scores,
                                                             const UsageCount& usage) {
    return Json::Of({{"id", head.id},
                     {"object", "list"},
                     {"model", head.model},
                     {"results", RankedResults(scores, documents, most, with_documents)},
                     {"usage", UsageOfReading(usage)}});
  });
}

Result<Work> ReadScore(const Parameters& parameters, const RequestSetting& setting) {
  ASHLAR_TRY(const std::vector<NamedText> firsts, ReadScoredTexts(*parameters.Find("text_1")));
  ASHLAR_TRY(const std::vector<NamedText> seconds, ReadScoredTexts(*parameters.Find("text_2")));
  if (firsts.size() != 1 && firsts.size() != seconds.size()) {
    return Invalid("$.text_1: has {} texts, and text_2 has {}: expected one, or as many",
                   firsts.size(), seconds.size());
  }
  PairReader reader(parameters, setting);
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    ASHLAR_TRY(reader.Add(firsts[firsts.size() == 1 ? 0 : i], seconds[i]));
  }
  const AnswerHead head = HeadOf(setting, "score-");
  return reader.Finish([=](const std::vector<double>& scores, const UsageCount& usage) {
    Json::Array data;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      data.push_back(Json::Of({{"index", i}, {"object", "score"}, {"score", scores[i]}}));
    }
    return Json::Of({{"id", head.id},
                     {"object", "list"},
                     {"created", head.created},
                     {"model", head.model},
                     {"data", std::move(data)},
                     {"usage", UsageOfReading(usage)}});
  });
}

}  // namespace ashlar
