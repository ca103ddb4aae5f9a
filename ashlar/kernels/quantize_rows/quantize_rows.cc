#include "ashlar/kernels/quantize_rows/quantize_rows.h"

#include "ashlar/kernels/quantize_rows/quantize_rows_forms.h"

namespace ashlar {
namespace {

constexpr QuantizeRowsForm kForms[] = {
    {Isa::kReference, "reference", QuantizeRowsReference},
    {Isa::kAvx2, "avx2", avx2::QuantizeRows},
    {Isa::kAvx512, "avx512", avx512::QuantizeRows},
};

}  // namespace

std::span<const QuantizeRowsForm> QuantizeRowsForms() {
  return kForms;
}

}  // namespace ashlar
