#include "ashlar/kernels/isa.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ashlar {
namespace {

constexpr Isa kAll[] = {Isa::kReference, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512, Isa::kAmx};

// F16C, which not every compiler's __builtin_cpu_supports knows.
bool HasF16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// The same of AVX-VNNI. (Its registers are AVX2's, which the operating system was asked about.)
bool HasAvxVnni() {
  constexpr unsigned kAvxVnni = 1u << 4;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kAvxVnni) != 0;
}

// A tile's 8 KB are more than a thread's saved state used to be, so Linux (5.16 and later) wants a
// process to ask for them; threads to come inherit the permission. A kernel that does not know the
// request refuses it.
bool HasAmx() {
  constexpr unsigned kBF16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr unsigned kAll = kBF16 | kTile | kInt8;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAll) == kAll &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return "reference";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
  }
  CHECK(false);
}

std::span<const Isa> AllIsas() {
  return kAll;
}

// (The built-in also asks the operating system whether it saves the wide registers.)
bool Supported(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return true;
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
    case Isa::kAvxVnni:
      return Supported(Isa::kAvx2) && HasAvxVnni();
    case Isa::kAvx512:
      return Supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
    case Isa::kAmx: {
      static const bool has_amx = Supported(Isa::kAvx512) && HasAmx();
      return has_amx;
    }
  }
  CHECK(false);
}

Result<Isa> ChooseIsa(std::string_view forced) {
  Isa fastest = Isa::kReference;
  std::string known;
  for (const Isa isa : kAll) {
    if (IsaName(isa) == forced) {
      if (!Supported(isa)) {
        return Unsupported("this processor cannot run the instruction set \"{}\"", forced);
      }
      return isa;
    }
    if (Supported(isa)) {
      fastest = isa;
    }
    known += known.empty() ? "" : ", ";
    known += IsaName(isa);
  }
  if (!forced.empty()) {
    return Invalid("unknown instruction set \"{}\"; the known ones are {}", forced, known);
  }
  return fastest;
}

}  // namespace ashlar
