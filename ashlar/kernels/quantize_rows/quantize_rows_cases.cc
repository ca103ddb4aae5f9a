#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"

namespace ashlar {
namespace {

// What a linear layer with integer weights pays before its products.
std::function<void()> PrepareQuantizeRows(QuantizeRowsFn fn, std::int64_t rows,
                                          std::int64_t columns) {
  const QuantizedShape shape = ShapeOfQuantized(rows, columns);
  const auto x = MakeRandom(rows * columns);
  const auto q = MakeAligned<std::int8_t>(shape.q_count);
  const auto scale = MakeAligned<float>(shape.scale_count);
  const auto sum = MakeAligned<std::int32_t>(shape.scale_count);
  return [=] {
    fn(x.get(), columns, rows, columns,
       {q.get(), scale.get(), sum.get(), shape.stride_groups, shape.stride_rows});
  };
}

}  // namespace

std::vector<KernelCase> QuantizeRowsCases() {
  std::vector<KernelCase> cases;
  for (const std::int64_t rows : {1, 128}) {
    for (const std::int64_t columns : {2048, 8192}) {
      for (const QuantizeRowsForm& form : QuantizeRowsForms()) {
        cases.push_back({.kernel = "quantize_rows",
                         .size = std::to_string(rows) + "x" + std::to_string(columns),
                         .isa = form.isa,
                         .bytes = 5.0 * static_cast<double>(rows * columns),
                         .prepare = [fn = form.fn, rows, columns] {
                           return PrepareQuantizeRows(fn, rows, columns);
                         }});
      }
    }
  }
  return cases;
}

}  // namespace ashlar
