// Steady-state decoding allocates nothing. Counts every call of operator new in this process; where
// a sanitizer has replaced that operator, there is no such test.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ASHLAR_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ASHLAR_SANITIZED
#endif
#endif
#ifndef ASHLAR_SANITIZED
#include <atomic>
#include <cstdlib>
#include <new>

#include <gtest/gtest.h>

#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/testing_networks.h"

namespace {
std::atomic<std::uint64_t> allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) {
    return memory;
  }
  std::abort();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const auto align = static_cast<std::size_t>(alignment);
  if (void* const memory = std::aligned_alloc(align, (size + align - 1) / align * align)) {
    return memory;
  }
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace ashlar {
namespace {

TEST(Allocation, SteadyStateDecodingAllocatesNothing) {
  const auto store = NewMemoryStore();
  const Network base = testing_networks::RandomLlama(*store, {});
  const Network tuned = testing_networks::WithUpperLayersOf(
      base, 2, testing_networks::RandomLlama(*store, {.codec = "q8", .seed = 2}));
  Engine engine(*store, {.threads = 2,
                         .max_positions = 256,
                         .max_rows = 64,
                         .max_logit_rows = 16,
                         .max_sequences = 4});
  const NetworkId networks[] = {*engine.Load(base), *engine.Load(tuned)};
  for (std::int32_t i = 0; i < 4; ++i) {
    // Two greedy ones; and two that use all that a sampler has, on each network.
    SamplingOptions sampling{.temperature = 0};
    if (i >= 2) {
      sampling = {.temperature = 0.8f,
                  .top_k = 50,
                  .top_p = 0.9f,
                  .min_p = 0.01f,
                  .typical_p = 0.95f,
                  .repetition_penalty = 1.1f,
                  .presence_penalty = 0.1f,
                  .frequency_penalty = 0.1f,
                  .seed = 3};
    }
    ASSERT_TRUE(engine
                    .Submit({.network = networks[i % 2],
                             .prompt = {i, 5, 7, 9},
                             .max_tokens = 200,
                             .sampling = sampling})
                    .ok());
  }
  for (int step = 0; step < 20; ++step) {
    ASSERT_TRUE(engine.Step().ok());
  }
  const std::uint64_t before = allocations;
  std::uint64_t tokens = 0;
  for (int step = 0; step < 50; ++step) {  // three pages are filled, published and begun
    const auto deliveries = engine.Step();
    tokens += deliveries->size();
  }
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(tokens, 200u);
}

}  // namespace
}  // namespace ashlar
#endif  // ASHLAR_SANITIZED
