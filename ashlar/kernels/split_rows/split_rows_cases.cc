#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/split_rows/split_rows.h"

namespace ashlar {
namespace {

// What a linear layer with bf16 weights pays before its products on AMX.
std::function<void()> PrepareSplitRows(SplitRowsFn fn, std::int64_t rows, std::int64_t columns) {
  const SplitShape shape = ShapeOfSplit(rows, columns);
  const auto x = MakeRandom(rows * columns);
  const auto pairs = MakeAligned<std::uint32_t>(shape.pair_count);
  return [=] {
    fn(x.get(), columns, rows, columns, 0, shape.tiles,
       {pairs.get(), shape.blocks, shape.tile_rows, 0});
  };
}

}  // namespace

std::vector<KernelCase> SplitRowsCases() {
  std::vector<KernelCase> cases;
  for (const std::int64_t rows : {1, 128}) {
    for (const std::int64_t columns : {2048, 8192}) {
      for (const SplitRowsForm& form : SplitRowsForms()) {
        cases.push_back({.kernel = "split_rows",
                         .size = std::to_string(rows) + "x" + std::to_string(columns),
                         .isa = form.isa,
                         .bytes = 10.0 * static_cast<double>(rows * columns),
                         .prepare = [fn = form.fn, rows, columns] {
                           return PrepareSplitRows(fn, rows, columns);
                         }});
      }
    }
  }
  return cases;
}

}  // namespace ashlar
