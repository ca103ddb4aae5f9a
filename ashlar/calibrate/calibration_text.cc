#include "ashlar/calibrate/calibration_text.h"

#include <algorithm>
#include <map>
#include <random>

#include "ashlar/base/check.h"
#include "ashlar/plan/plan.h"
#include "ashlar/runtime/engine.h"

namespace ashlar {
namespace {

// Sequences that are written side by side: each step reads every weight once for all of them.
constexpr std::int64_t kSequencesAtOnce = 32;

std::int32_t FirstToken(const Network& network, std::int64_t limit, std::uint64_t seed) {
  std::int64_t token = DocumentToken(network.metadata).value_or(-1);
  if (token < 0 || token >= limit) {
    std::mt19937_64 random(seed);
    token = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
  }
  return static_cast<std::int32_t>(token);
}

// Ids that the network both reads and writes, and its tokenizer knows.
std::int64_t TokenLimit(const Network& network) {
  const int last = static_cast<int>(network.nodes.size()) - 1;
  const Interface head = network.BlockOf(last).kind->interface(EffectiveAttributes(network, last));
  return network.vocabulary > 0 ? std::min(network.vocabulary, head.width_out) : head.width_out;
}

}  // namespace

CalibrationText CutIntoSequences(std::vector<std::int32_t> tokens, std::int64_t length) {
  CalibrationText text{.tokens = std::move(tokens)};
  for (auto left = static_cast<std::int64_t>(text.tokens.size()); left > 0;
       left -= text.lengths.back()) {
    text.lengths.push_back(std::min(left, length));
  }
  return text;
}

Result<CalibrationText> TakeEvenly(std::span<const std::int32_t> text, std::int64_t count,
                                   std::int64_t length) {
  const auto size = static_cast<std::int64_t>(text.size());
  if (size < kLeastCalibrationTokens) {
    return Invalid("the text has {} tokens; calibration needs {} at least", size,
                   kLeastCalibrationTokens);
  }
  if (size <= count) {
    return CutIntoSequences({text.begin(), text.end()}, length);
  }
  std::vector<std::int32_t> taken;
  const std::int64_t sequences = (count + length - 1) / length;
  for (std::int64_t i = 0; i < sequences; ++i) {
    const std::int64_t take = std::min(length, count - i * length);
    const std::int64_t from = sequences == 1 ? 0 : i * (size - length) / (sequences - 1);
    const auto first = text.begin() + std::min(from, size - take);
    taken.insert(taken.end(), first, first + take);
  }
  return CutIntoSequences(std::move(taken), length);
}

FittingAndJudging SplitText(const CalibrationText& text, std::int64_t rows) {
  CHECK(rows > 0 && rows <= std::ssize(text.tokens) / kTokensPerJudge);
  constexpr std::int64_t kMostAtOnce = 256;
  const std::int64_t most = std::clamp<std::int64_t>(text.lengths.front() / 2, 1, kMostAtOnce);
  const auto sequences = std::ssize(text.lengths);
  // The last one may be too short to take anything from.
  const std::int64_t whole =
      sequences - (sequences > 1 && text.lengths.back() < text.lengths.front() ? 1 : 0);
  const std::int64_t pieces = (rows + most - 1) / most;
  FittingAndJudging split;
  const auto add = [](CalibrationText& to, std::span<const std::int32_t> tokens) {
    to.tokens.insert(to.tokens.end(), tokens.begin(), tokens.end());
    to.lengths.push_back(std::ssize(tokens));
  };
  std::span<const std::int32_t> rest = text.tokens;
  std::int64_t piece = 0;
  for (std::int64_t i = 0; i < sequences; ++i) {
    const auto length = static_cast<std::size_t>(text.lengths[static_cast<std::size_t>(i)]);
    std::size_t fitting = length;
    if (piece < pieces && i == (2 * piece + 1) * whole / (2 * pieces)) {
      const std::int64_t taken = rows * (piece + 1) / pieces - rows * piece / pieces;
      fitting = length - std::min(static_cast<std::size_t>(taken), length - 1);
      add(split.judging, rest.subspan(fitting, length - fitting));
      ++piece;
    }
    add(split.fitting, rest.first(fitting));
    rest = rest.subspan(length);
  }
  return split;
}

std::optional<std::int64_t> DocumentToken(const Metadata& facts) {
  if (facts.bos_token || facts.eos_tokens.empty()) {
    return facts.bos_token;
  }
  return facts.eos_tokens.front();
}

Result<CalibrationText> WriteOwnText(const BlobStore& store, const Network& network,
                                     const OwnTextOptions& options) {
  CalibrationText text = CutIntoSequences(
      std::vector<std::int32_t>(static_cast<std::size_t>(options.tokens)), options.length);
  const auto sequences = static_cast<std::int64_t>(text.lengths.size());
  const std::int64_t at_once = std::min(sequences, kSequencesAtOnce);
  const EngineOptions engine_options = {
      .threads = options.threads,
      .isa = options.isa,
      .max_positions = options.length,
      .max_rows = at_once,
      .max_logit_rows = at_once,
      .max_sequences = at_once,
      .page_bytes = SequencePageBytes(network, options.length, KvFormat::kF32) *
                        static_cast<std::uint64_t>(at_once) +
                    (std::uint64_t{1} << 20),
      .prefix_cache = false,
      .prefault = false,
      .prefault_workspace = false};
  ASHLAR_TRY(engine_options.Check());
  Engine engine(store, engine_options);
  ASHLAR_TRY(const NetworkId id, engine.Load(network));
  const std::int64_t limit = TokenLimit(network);

  std::map<RequestId, std::int32_t*> next;  // where the next token of each goes
  std::int32_t* first = text.tokens.data();
  std::uint64_t done = 0;
  for (std::int64_t i = 0; i < sequences; ++i) {
    const std::uint64_t seed = options.seed * 0x9e3779b97f4a7c15u + static_cast<std::uint64_t>(i);
    *first = FirstToken(network, limit, seed);
    const std::int64_t length = text.lengths[static_cast<std::size_t>(i)];
    if (length > 1) {
      SamplingOptions sampling{.temperature = 1, .seed = seed};
      ASHLAR_TRY(
          const RequestId request,
          engine.Submit(
              {.network = id, .prompt = {*first}, .max_tokens = length - 1, .sampling = sampling}));
      next.emplace(request, first + 1);
    }
    first += length;
    ++done;
  }
  while (!engine.idle()) {
    ASHLAR_TRY(const std::span<const Delivery> deliveries, engine.Step());
    for (const Delivery& delivery : deliveries) {
      if (delivery.error) {
        return *delivery.error;
      }
      if (delivery.token) {
        *next.at(delivery.request)++ = delivery.token->token;
        ++done;
      }
    }
    if (options.progress) {
      options.progress(done, static_cast<std::uint64_t>(options.tokens));
    }
  }
  CHECK_EQ(done, static_cast<std::uint64_t>(options.tokens));
  return text;
}

}  // namespace ashlar
