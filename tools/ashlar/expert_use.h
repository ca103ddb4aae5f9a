// `eval experts`: how mixtures of experts use their experts on a text.
#pragma once

#include "tools/ashlar/verb.h"

namespace ashlar::cli {

// Prints, for each mixture of the network NET, how many tokens of the windows of --text it sent to
// each expert, and how many of its experts a token shares with the token before it on average.
// kInvalid when the network has no mixture.
Status CountExperts(Session& session);

}  // namespace ashlar::cli
