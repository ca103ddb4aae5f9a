#include "ashlar/kinds/internal/row_norm.h"

#include "ashlar/base/check.h"
#include "ashlar/kernels/form.h"

namespace ashlar::internal {

RowNorm::RowNorm(const NormSettings& settings, std::string_view name, const BoundTensors& tensors,
                 Isa isa)
    : type_(settings.type),
      eps_(static_cast<float>(settings.eps)),
      parts_(settings.parts),
      rms_(FindForm(RmsNormForms(), isa).fn),
      layer_(FindForm(LayerNormForms(), isa).fn) {
  if (none()) {
    return;
  }
  weight_ = CopyVector(TensorNamed(tensors, TensorName(name, "weight")));
  for (float& weight : weight_) {
    weight += static_cast<float>(settings.offset);
  }
  if (settings.bias) {
    bias_ = CopyVector(TensorNamed(tensors, TensorName(name, "bias")));
  }
}

RowNorm RowNorm::Part(std::int64_t first, std::int64_t width) const {
  CHECK_EQ(parts_, 1);
  RowNorm part = *this;
  for (std::vector<float>* values : {&part.weight_, &part.bias_}) {
    if (!values->empty()) {
      *values = {values->begin() + first, values->begin() + first + width};
    }
  }
  return part;
}

void RowNorm::Apply(const float* x, float* y) const {
  CHECK_EQ(width() % parts_, 0);
  const std::int64_t size = width() / parts_;
  for (std::int64_t at = 0; at < width(); at += size) {
    switch (type_) {
      case NormType::kNone:
        CHECK(false);
      case NormType::kRms:
        rms_(x + at, weight_.data() + at, y + at, size, eps_);
        break;
      case NormType::kLayer:
        layer_(x + at, weight_.data() + at, bias_.empty() ? nullptr : bias_.data() + at, y + at,
               size, eps_);
        break;
    }
  }
}

}  // namespace ashlar::internal
