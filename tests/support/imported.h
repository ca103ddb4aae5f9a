// Networks imported from model directories and run in this process.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/formats/hugging_face.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/graph/derive.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/runtime/engine.h"

namespace ashlar::testing {

// A store in memory with what was imported into it.
class Library {
 public:
  BlobStore& store() { return *store_; }
  Catalog& catalog() { return catalog_; }

  Network Import(const Path& directory, const std::string& name) {
    const auto report = ImportHuggingFace(directory, name, catalog_);
    EXPECT_TRUE(report.ok()) << report.error().message;
    return *catalog_.Load(name);
  }
  // `transform` with these arguments, applied to a network that is here.
  Network Derive(const std::string& base, const std::string& name, std::string_view transform,
                 const Arguments& arguments) {
    const TransformStep step{*FindTransform(transform), arguments};
    const auto derived = ashlar::Derive(catalog_, name, base, {&step, 1});
    EXPECT_TRUE(derived.ok()) << derived.error().message;
    return derived->network;
  }

 private:
  std::unique_ptr<BlobStore> store_ = NewMemoryStore();
  Catalog catalog_{*store_, AllKinds()};
};

inline std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : AllIsas()) {
    if (Supported(isa)) {
      isas.push_back(isa);
    }
  }
  return isas;
}
inline Isa BestIsa() {
  return SupportedIsas().back();
}

// The logits of every position of `ids`: [ids.size(), vocabulary].
inline std::vector<float> LogitsOf(Engine& engine, NetworkId network,
                                   const std::vector<std::int32_t>& ids) {
  const auto request =
      engine.Submit({.network = network, .prompt = ids, .max_tokens = 0, .prompt_logits = true});
  EXPECT_TRUE(request.ok()) << request.error().message;
  std::vector<float> logits;
  while (!engine.idle()) {
    const auto deliveries = engine.Step();
    EXPECT_TRUE(deliveries.ok()) << deliveries.error().message;
    for (const Delivery& delivery : *deliveries) {
      logits.insert(logits.end(), delivery.logits.begin(), delivery.logits.end());
    }
  }
  return logits;
}

// The numbers of a tensor in a safetensors file. Requires: the file has it, as T's.
template <class T>
std::vector<T> NumbersOf(const SafetensorsFile& file, std::string_view name) {
  const SafetensorsEntry* entry = file.Find(name);
  CHECK(entry != nullptr);
  std::vector<T> numbers(entry->bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), entry->bytes.data(), entry->bytes.size());
  return numbers;
}

inline double LargestDifference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = difference <= largest ? largest : difference;  // a NaN is the largest of all
  }
  return largest;
}

}  // namespace ashlar::testing
