// The forms of the linear kernels on raw f32, f16 and bf16 weights.
#pragma once

#include "ashlar/kernels/linear/linear.h"

namespace ashlar {

void LinearF32Reference(const LinearArgs& args) noexcept;
void LinearF16Reference(const LinearArgs& args) noexcept;
void LinearBF16Reference(const LinearArgs& args) noexcept;
namespace avx2 {
void LinearF32(const LinearArgs& args) noexcept;
void LinearF16(const LinearArgs& args) noexcept;
void LinearBF16(const LinearArgs& args) noexcept;
}  // namespace avx2
namespace avx512 {
void LinearF32(const LinearArgs& args) noexcept;
void LinearF16(const LinearArgs& args) noexcept;
void LinearBF16(const LinearArgs& args) noexcept;
}  // namespace avx512
namespace amx {
void LinearBF16(const LinearArgs& args) noexcept;
}

inline constexpr LinearForm kLinearF32Forms[] = {
    {Isa::kReference, "reference", LinearF32Reference},
    {Isa::kAvx2, "avx2", avx2::LinearF32},
    {Isa::kAvx512, "avx512", avx512::LinearF32},
};
inline constexpr LinearForm kLinearF16Forms[] = {
    {Isa::kReference, "reference", LinearF16Reference},
    {Isa::kAvx2, "avx2", avx2::LinearF16},
    {Isa::kAvx512, "avx512", avx512::LinearF16},
};
inline constexpr LinearForm kLinearBF16Forms[] = {
    {Isa::kReference, "reference", LinearBF16Reference},
    {Isa::kAvx2, "avx2", avx2::LinearBF16},
    {Isa::kAvx512, "avx512", avx512::LinearBF16},
    {Isa::kAmx, "amx", amx::LinearBF16, true},
};

}  // namespace ashlar
