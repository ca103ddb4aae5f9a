// A KernelCase is one size of one form of a kernel, as data: `ashlar bench kernels` times them. All
// run on one thread.
//
// To add a kernel's: x_cases.cc in its folder, with a function that is declared and listed in
// kernel_cases.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "ashlar/kernels/isa.h"

namespace ashlar {

// Whose peak the operations of a case are held against; kNone: they are not counted.
enum class Arithmetic : std::uint8_t { kNone, kF32, kInt8 };

struct KernelCase {
  std::string kernel;  // "linear/q4.1"
  std::string size;    // "4 rows 2048x8192"
  Isa isa;             // of the form; one that this processor can run
  // Of a call. Of linear and attention the bytes are those of the weights, or the keys and values,
  // beside which rows are few; of other kernels those of all operands, read or written. A product
  // and its sum are 2 operations.
  double bytes = 0;
  double operations = 0;
  Arithmetic arithmetic = Arithmetic::kNone;
  bool cold = false;  // the bytes come from memory; else from wherever the last call left them
  // Makes the operands, and the call to time, which holds them.
  std::function<std::function<void()>()> prepare;
};

// Every kernel's, in every form that this processor can run.
std::vector<KernelCase> AllKernelCases();

// The processor time of a call, at the median of several batches of calls that take `seconds` in
// all, after one that is not counted.
double SecondsPerCall(const KernelCase& kernel_case, double seconds);

// ---- Operands, at a 64-byte boundary as in the runtime

template <class T>
std::shared_ptr<T[]> MakeAligned(std::int64_t count) {
  return {new (std::align_val_t{64}) T[static_cast<std::size_t>(count)],
          [](T* p) { ::operator delete[](p, std::align_val_t{64}); }};
}
// From -1 to 1, the same for the same count.
std::shared_ptr<float[]> MakeRandom(std::int64_t count);

// So many bytes that no cache holds them.
inline constexpr std::int64_t kColdBytes = std::int64_t{512} << 20;

}  // namespace ashlar
