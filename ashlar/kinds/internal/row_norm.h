// A RowNorm is a bound norm: rms, layer, or none. Immutable.
#pragma once

#include <string_view>
#include <vector>

#include "ashlar/kernels/layer_norm/layer_norm.h"
#include "ashlar/kernels/rms_norm/rms_norm.h"
#include "ashlar/kinds/internal/bound_tensors.h"
#include "ashlar/kinds/internal/norm_attributes.h"

namespace ashlar::internal {

class RowNorm {
 public:
  RowNorm() = default;  // none
  // Reads the tensors that AppendNormTensors declares under `name`, and adds the offset to the
  // weight.
  RowNorm(const NormSettings& settings, std::string_view name, const BoundTensors& tensors,
          Isa isa);
  // The same norm over a part of its row: [first, first + width) of weight and bias. Requires: the
  // settings had one part.
  RowNorm Part(std::int64_t first, std::int64_t width) const;

  bool none() const { return type_ == NormType::kNone; }
  std::int64_t width() const { return static_cast<std::int64_t>(weight_.size()); }
  // x, y: [width()]; y may be x. Each of the settings' parts by itself. Requires: !none().
  void Apply(const float* x, float* y) const;

 private:
  NormType type_ = NormType::kNone;
  float eps_ = 0;
  std::int64_t parts_ = 1;
  std::vector<float> weight_;
  std::vector<float> bias_;  // empty: none
  RmsNormFn rms_ = nullptr;
  LayerNormFn layer_ = nullptr;
};

}  // namespace ashlar::internal
