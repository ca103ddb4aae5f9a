// The parameters that everything that generates shares, and the Generation that they ask for.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/server/api/answer.h"
#include "ashlar/server/api/parameters.h"
#include "ashlar/server/service/service.h"

namespace ashlar {

class Constraints;

extern const ParameterPart kModelParameter;
extern const ParameterPart kCountParameter;  // n
extern const ParameterPart kSamplingParameters;
extern const ParameterPart kStreamParameters;

// What a request is read against, besides its body.
struct RequestSetting {
  std::shared_ptr<const NetworkCard> network;
  std::int64_t max_positions = 4096;  // of a sequence of it on this server, and for this tenant
  std::int64_t room = std::numeric_limits<std::int64_t>::max();  // of those, that can be had now
  std::uint64_t seed = 0;                                        // for a request that names none
  std::string id;                                                // of letters, digits, '_' and '-'
  std::int64_t created = 0;                                      // seconds since 1970
  std::int64_t arrived_micros = 0;                               // by SteadyClock
  std::string tenant;
  std::string cache_scope;
  bool any_precision = false;  // of cached prefixes
  int priority = 0;
  Constraints* constraints = nullptr;  // null: no answer can be held to a form
};

// What a request for something of a network comes to: generations to run, and what turns them into
// the answer. Event i of the answer is of generation i.
struct Work {
  std::vector<Generation> generations;
  std::unique_ptr<ApiAnswer> answer;
  bool stream = false;
};

AnswerHead HeadOf(const RequestSetting& setting, std::string_view id_prefix);

// A Generation with all but its prompt and its length. Errors name the parameter.
Result<Generation> ReadGeneration(const Parameters& parameters, const RequestSetting& setting);

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;
};
Result<StreamOptions> ReadStreamOptions(const Parameters& parameters);

// Sets max_tokens: as asked for, or else `otherwise`, or what the context leaves when that is
// nothing, and no more than there is room for now. A prompt that leaves no room for an answer, or
// an answer that was asked for and has no room, is kExhausted with the numbers: nothing is cut
// silently. `prompt` and `length` are the parameters to blame.
Status FitContext(Generation& generation, const RequestSetting& setting,
                  std::optional<std::int64_t> asked, std::optional<std::int64_t> otherwise,
                  std::string_view prompt, std::string_view length);

// A string or an array of strings, as `stop` and others are.
Result<std::vector<std::string>> ReadStrings(const JsonCursor& value, std::size_t most);
// Token ids of the network: from 0 to below its vocabulary.
Result<std::vector<std::int32_t>> ReadTokens(const JsonCursor& value, const NetworkCard& network);

inline constexpr std::int64_t kMostContinuations = 128;
inline constexpr std::int64_t kMostTopLogprobs = 20;
inline constexpr std::size_t kMostStopStrings = 16;

}  // namespace ashlar
