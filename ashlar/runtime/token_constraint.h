// A TokenConstraint says, token by token, what the output of one sequence may be: a grammar, a
// schema, a list of choices. The sampler never draws a token that it forbids.
#pragma once

#include <cstdint>
#include <span>

#include "ashlar/base/result.h"

namespace ashlar {

// Confined to the thread that steps the engine.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Bit t % 64 of word t / 64: whether token t may come next; tokens past the last word may not.
  // The network's end tokens are among them just where the output may end. At least one bit is set
  // unless finished(). Valid until the next call. An error fails the request.
  virtual Result<std::span<const std::uint64_t>> Allowed() = 0;
  // Takes a token that Allowed() allowed, and that does not end the output.
  virtual Status Accept(std::int32_t token) = 0;
  // Whether the output is complete and nothing can be added: the request ends here, also where the
  // network has no end token.
  virtual bool finished() const = 0;
};

}  // namespace ashlar
