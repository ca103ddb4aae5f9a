// What llama.cpp does otherwise than a network, though a file of some architecture could say it.
#pragma once

#include <string>
#include <vector>

#include "ashlar/formats/internal/decoder_facts.h"
#include "ashlar/formats/internal/gguf_families.h"

namespace ashlar::internal {

// What a network that does not say counts as trained for.
inline constexpr std::int64_t kDefaultContext = 4096;

// The window of an attention. 0: every position, also where the kind has no window.
std::int64_t WindowOf(const Attributes& attention);
// The same facts without windows that no text within the context is cut by.
DecoderFacts WithoutIdleWindows(DecoderFacts facts);

// kUnsupported names what llama.cpp would do otherwise. When the network came in as one of the
// family (`usual`), it is a remark instead, unless the file would be another architecture's.
Status CheckGgufLimits(const DecoderFacts& facts, const GgufFamily& family, std::string_view usual,
                       std::vector<std::string>& remarks);

}  // namespace ashlar::internal
