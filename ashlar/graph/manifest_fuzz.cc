// Any bytes are a manifest or a named error; a manifest that parses is its own canonical form, and
// what is valid stays valid when it is written and read again.
#include <string_view>

#include "ashlar/graph/network.h"
#include "ashlar/graph/testing_kinds.h"

namespace ashlar {
namespace {

template <class T>
void CheckFixpoint(const Result<T>& parsed, std::string_view text) {
  if (parsed.ok()) {
    CHECK(parsed->CanonicalManifest() == text);
  } else {
    CHECK(!parsed.error().message.empty());
  }
}

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const ashlar::Kinds kinds = ashlar::testing::ToyKinds();
  const auto block = ashlar::ParseBlock(text, kinds);
  ashlar::CheckFixpoint(block, text);
  ashlar::CheckFixpoint(ashlar::ParseOverlay(text), text);
  const auto network = ashlar::ParseNetwork(text);
  ashlar::CheckFixpoint(network, text);
  if (network.ok()) {
    // Its blocks are missing: an error that names a node, whatever the graph is.
    CHECK(!ashlar::Validate(*network).ok());
    CHECK(ashlar::NodeNames(*network).size() == network->nodes.size());
  }
  return 0;
}
