// The language of this module's tests: a catalog in memory, networks of toy kinds, and transforms
// as people type them. Tests only.
#pragma once

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ashlar/graph/catalog.h"
#include "ashlar/graph/testing_network.h"
#include "ashlar/graph/transform.h"

namespace ashlar::testing {

template <class T>
T Must(Result<T> result) {
  if (!result.ok()) {
    ADD_FAILURE() << result.error().message;
    std::abort();
  }
  return *std::move(result);
}
inline void Must(const Status& status) {
  ASSERT_TRUE(status.ok()) << status.error().message;
}

// The error's message, or "ok".
template <class T>
std::string MessageOf(const Result<T>& result) {
  return result.ok() ? "ok" : result.error().message;
}

inline std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

class GraphTest : public ::testing::Test {
 protected:
  // Applies "drop --layers 3 then slice --channels 75%".
  Result<Network> Try(const Network& base, const std::string& steps) {
    ASHLAR_TRY(const std::vector<TransformStep> parsed, ParseTransformSteps(Words(steps)));
    Network network = base;
    for (const TransformStep& step : parsed) {
      const TransformContext context = {
          .catalog = catalog_,
          .remark = [this](std::string_view remark) { remarks_.emplace_back(remark); }};
      ASHLAR_TRY(network, Apply(*step.transform, network, step.arguments, context));
    }
    return network;
  }
  Network Derived(const Network& base, const std::string& steps) { return Must(Try(base, steps)); }
  std::string ErrorOf(const Network& base, const std::string& steps) {
    return MessageOf(Try(base, steps));
  }
  void Save(const Network& network, std::string_view name) {
    Must(catalog_.Save(network, name, Provenance(Json::Array{})));
  }

  const std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  const Kinds kinds_ = ToyKinds();
  Catalog catalog_{*store_, kinds_};
  std::vector<std::string> remarks_;
};

}  // namespace ashlar::testing
