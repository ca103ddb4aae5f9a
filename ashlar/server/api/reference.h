// The reference of the API, written from the table of endpoints: docs/api.md.
#pragma once

#include <string>

namespace ashlar {

// Markdown.
std::string ApiReference();

}  // namespace ashlar
