// What tests of a service begin with: three small networks that spell, two of which share blocks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "ashlar/base/test_time.h"
#include "ashlar/server/service/testing_service.h"

namespace ashlar::testing_service {

class ServiceFixture : public ::testing::Test {
 protected:
  static ServiceOptions Options() {
    return {.engine = {.max_positions = 256,
                       .max_rows = 64,
                       .max_logit_rows = 16,
                       .max_sequences = 4,
                       .page_bytes = 4 << 20},
            .max_waiting = 100};
  }
  std::shared_ptr<const NetworkCard> Card(std::string name, Network network) {
    return *MakeNetworkCard(std::move(name), std::move(network), *store_);
  }
  std::unique_ptr<Service> Started(const ServiceOptions& options = Options()) {
    return *Service::Start(*store_, options, {.before_step = [this] { brake_.Pass(); }});
  }
  static Generation Ask(const std::shared_ptr<const NetworkCard>& card, std::string_view prompt,
                        std::int64_t max_tokens) {
    return {.network = card,
            .prompt = Spelled(prompt),
            .max_tokens = max_tokens,
            .sampling = {.temperature = 0}};
  }
  static Heard Answer(Service& service, Generation generation) {
    Ear ear;
    const auto submitted = service.Submit(std::move(generation), ear.listener());
    CHECK(submitted.ok());
    return ear.Wait();
  }
  static Residency ResidencyOf(const Service& service, std::string_view name) {
    for (const NetworkStatus& network : service.status().networks) {
      if (network.name == name) {
        return network.residency;
      }
    }
    return Residency::kAbsent;
  }

  // The status is of the moment between two steps: what an event says may be news to it.
  static bool Becomes(const Service& service, std::string_view name, Residency residency) {
    return Eventually([&] { return ResidencyOf(service, name) == residency; });
  }

  Brake brake_;  // of those that Started starts
  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Network base_network_ = SpellingNetwork(*store_, {});
  Network tuned_network_ =
      testing_networks::WithUpperLayersOf(base_network_, 2, SpellingNetwork(*store_, {.seed = 2}));
  std::shared_ptr<const NetworkCard> base_ = Card("base", base_network_);
  std::shared_ptr<const NetworkCard> tuned_ = Card("tuned", tuned_network_);
  std::shared_ptr<const NetworkCard> other_ = Card("other", SpellingNetwork(*store_, {.seed = 3}));
};

}  // namespace ashlar::testing_service
