// Counts every allocation of this test binary, to see that a forward makes none. Sanitizers bring
// allocators of their own, which are left alone.
#include <atomic>
#include <cstdlib>
#include <new>

#include "ashlar/kinds/internal/examples.h"
#include "ashlar/kinds/rope_tables.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {
std::atomic<std::int64_t> allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) {
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

namespace ashlar {
namespace {

TEST(Forward, AllocatesNothing) {
  for (const testing::Example& example : testing::Examples()) {
    for (const testing::Encoding& encoding :
         {testing::Encoding("f32"), {"q8"}, {"bitplane", 0, "q8"}}) {
      for (const std::int64_t rows : {1, 40}) {
        SCOPED_TRACE(fmt::format("{} {}, {} rows", example.name, encoding.name(), rows));
        testing::TestBlock block(*example.kind, example.attributes, encoding, 1);
        const Interface interface = example.kind->interface(block.attributes());
        const testing::TestPages pages(interface);
        std::mt19937 random(1);
        testing::TestBatch batch = testing::RandomInput(interface, rows, random);
        batch.Add(rows, 0, pages.get());
        const auto bound = block.Bind(testing::SupportedIsas().back());
        ThreadPool pool(2);
        Arena counting;
        bound->Forward({.rows = rows}, nullptr, nullptr, {&pool, &counting});
        testing::AlignedBytes scratch(counting.peak());
        Arena arena(scratch.span());
        std::vector<float> y(rows * interface.width_out);

        const std::int64_t before = allocations;
        bound->Forward(batch.View(), batch.x.data(), y.data(), {&pool, &arena});
        EXPECT_EQ(allocations, before);
      }
    }
  }
}

// (Frequencies of the dynamic scaling are others at each position.)
TEST(RopeTable, AllocatesNothingWhenItReachesFurther) {
  RopeTable table(
      {.dims = 16, .scaling = RopeScaling::kDynamic, .factor = 4, .original_positions = 100}, 300);
  const std::int64_t before = allocations;
  table.Reach(50);
  table.Reach(300);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace ashlar

#endif
