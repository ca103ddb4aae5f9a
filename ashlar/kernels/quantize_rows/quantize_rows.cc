#include "ashlar/kernels/quantize_rows/quantize_rows.h"

#include "ashlar/kernels/quantize_rows/quantize_rows_forms.h"

namespace ashlar {
namespace {

constexpr QuantizeRowsForm kForms[] = {
    {Isa::kReference, "reference", QuantizeRowsReference},
};

}  // namespace

std::span<const QuantizeRowsForm> QuantizeRowsForms() {
  return kForms;
}

}  // namespace ashlar
