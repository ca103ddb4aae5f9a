#include "ashlar/calibrate/blas.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <type_traits>

#include <dlfcn.h>

#include "ashlar/base/check.h"

namespace ashlar {
namespace {

constexpr const char* kLibrary = "libopenblas.so.0";

// As the library's headers declare them: C's interface to BLAS, and Fortran's to LAPACK.
constexpr int kRowMajor = 101;
constexpr int kNoTrans = 111;
constexpr int kTrans = 112;
constexpr int kLower = 122;
constexpr int kNonUnit = 131;
constexpr int kRight = 142;
using SgemmFunction = void (*)(int order, int trans_a, int trans_b, int m, int n, int k,
                               float alpha, const float* a, int lda, const float* b, int ldb,
                               float beta, float* c, int ldc);
using StrsmFunction = void (*)(int order, int side, int uplo, int trans, int diagonal, int m, int n,
                               float alpha, const float* a, int lda, float* b, int ldb);
using SpotrfFunction = void (*)(const char* uplo, const int* n, float* a, const int* lda,
                                int* info);
using SetThreadsFunction = void (*)(int threads);

struct Library {
  SgemmFunction sgemm = nullptr;
  StrsmFunction strsm = nullptr;
  SpotrfFunction spotrf = nullptr;
  std::string missing;  // empty: it is there
};

Library OpenLibrary() {
  // Without threads of its own: callers share out whole products, and one that is split among
  // threads rounds by their number.
  setenv("OPENBLAS_NUM_THREADS", "1", /*overwrite=*/0);
  Library library;
  void* const handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    library.missing = dlerror();
    return library;
  }
  const auto find = [&](const char* name, auto& function) {
    void* const found = dlsym(handle, name);
    if (found == nullptr) {
      library.missing = fmt::format("it has no {}", name);
    }
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(found);
  };
  SetThreadsFunction set_threads = nullptr;
  find("cblas_sgemm", library.sgemm);
  find("cblas_strsm", library.strsm);
  find("spotrf_", library.spotrf);
  find("openblas_set_num_threads", set_threads);
  if (library.missing.empty()) {
    set_threads(1);
  }
  return library;
}

const Library& Loaded() {
  static const Library library = OpenLibrary();
  return library;
}

}  // namespace

Status LoadBlas() {
  if (const std::string& missing = Loaded().missing; !missing.empty()) {
    return NotFound("calibration needs OpenBLAS, {} (Debian's package libopenblas0-pthread): {}",
                    kLibrary, missing);
  }
  return {};
}

void Multiply(std::int64_t m, std::int64_t n, std::int64_t k, ConstMatrix a, Transposed transposed,
              ConstMatrix b, MutableMatrix out, Accumulate accumulate) {
  const Library& library = Loaded();
  CHECK(library.missing.empty());
  library.sgemm(kRowMajor, transposed == Transposed::kYes ? kTrans : kNoTrans, kNoTrans,
                static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), 1.0f, a.data,
                static_cast<int>(a.stride), b.data, static_cast<int>(b.stride),
                accumulate == Accumulate::kYes ? 1.0f : 0.0f, out.data,
                static_cast<int>(out.stride));
}

bool Cholesky(std::int64_t n, float* a, ThreadPool& pool) {
  constexpr std::int64_t kBlock = 256;
  const Library& library = Loaded();
  CHECK(library.missing.empty());
  const int stride = static_cast<int>(n);
  const auto size_at = [&](std::int64_t at) { return static_cast<int>(std::min(kBlock, n - at)); };
  for (std::int64_t at = 0; at < n; at += kBlock) {
    float* const diagonal = a + at * n + at;
    const int size = size_at(at);
    int info = 0;
    library.spotrf("U", &size, diagonal, &stride, &info);  // lower by rows is upper by columns
    if (info != 0) {
      return false;
    }
    const std::int64_t next = at + size;
    const std::int64_t blocks = (n - next + kBlock - 1) / kBlock;
    // The rows below: a block of L times the diagonal's transpose is what is there.
    pool.ParallelFor(blocks, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t block = begin; block < end; ++block) {
        const std::int64_t row = next + block * kBlock;
        library.strsm(kRowMajor, kRight, kLower, kTrans, kNonUnit, size_at(row), size, 1.0f,
                      diagonal, stride, a + row * n + at, stride);
      }
    });
    // What they leave of the rest, in squares on and below the diagonal.
    pool.ParallelFor(blocks * (blocks + 1) / 2, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t index = begin; index < end; ++index) {
        std::int64_t i = 0;
        std::int64_t j = index;
        while (j > i) {
          j -= ++i;
        }
        const std::int64_t row = next + i * kBlock;
        const std::int64_t column = next + j * kBlock;
        library.sgemm(kRowMajor, kNoTrans, kTrans, size_at(row), size_at(column), size, -1.0f,
                      a + row * n + at, stride, a + column * n + at, stride, 1.0f,
                      a + row * n + column, stride);
      }
    });
  }
  return true;
}

}  // namespace ashlar
