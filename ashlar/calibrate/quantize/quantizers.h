// The quantizers, one per residual codec; quantize.cc has their list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ashlar/calibrate/quantize/quantize.h"

namespace ashlar::internal {

// As Quantize. The errors are there, as zeros, to be added to.
void QuantizeBitplane(const float* values, std::int64_t rows, std::int64_t columns,
                      const InputStatistics& statistics, std::span<std::byte* const> out,
                      ThreadPool& threads, Quantized& quantized);
void QuantizeBitstack(const float* values, std::int64_t rows, std::int64_t columns,
                      const InputStatistics& statistics, std::span<std::byte* const> out,
                      ThreadPool& threads, Quantized& quantized);

}  // namespace ashlar::internal
