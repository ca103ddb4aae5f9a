// Networks that see images as well as they read text: the part that reads text is a network of a
// family of its own, whose configuration is config.json's `text_config`.
//
// A new one whose text is as any other's is a line in seeing_network.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json_cursor.h"

namespace ashlar::internal {

// Beginnings of names of tensors that no text goes through.
inline constexpr std::string_view kSeeingPrefixes[] = {
    "vision_tower.",
    "multi_modal_projector.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
};

// The configuration of the part that reads text; nothing when `config` is of a network that only
// reads. kUnsupported names a field outside that is not known to be of seeing.
Result<std::optional<Json>> TextConfigOf(const JsonCursor& config);

// What a checkpoint may call a `tensor` of that part, as it was saved at first and later.
std::vector<std::string> NamesOfTextPart(std::string_view tensor);

}  // namespace ashlar::internal
