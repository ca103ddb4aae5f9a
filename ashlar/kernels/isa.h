// The instruction sets that kernels have forms for.
#pragma once

#include <span>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar {

// In order of preference, slowest first. Each has those before it, but for AVX-VNNI, which AVX-512
// processors before Sapphire Rapids lack: a kernel with a form for it has one for AVX-512.
enum class Isa : std::uint8_t {
  kReference,  // plain loops: the specification that the other forms are tested against
  kAvx2,       // AVX2, FMA, F16C
  kAvxVnni,    // these, and AVX-VNNI's products of bytes: Alder Lake, Zen 5 and later
  kAvx512,     // AVX-512 F, BW, DQ, VL and VNNI: Cascade Lake, Zen 4 and later
  kAmx,  // these, and AMX's tiles, their products of bytes and of bf16: Sapphire Rapids and later
};

std::string_view IsaName(Isa isa);  // "reference", "avx2", "avxvnni", ...
std::span<const Isa> AllIsas();
// Whether this processor (and operating system) can run it. (Linux gives a process its AMX state
// when it asks: the first call asks.)
bool Supported(Isa isa);

// The fastest supported one; or the one that `forced` names (the value of ASHLAR_ISA; empty: not
// forced). kInvalid for an unknown name, kUnsupported when this processor cannot run it.
Result<Isa> ChooseIsa(std::string_view forced);

}  // namespace ashlar
