#include "ashlar/kernels/peak/peak.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <numeric>
#include <thread>
#include <vector>

#include <emmintrin.h>

#include "ashlar/kernels/peak/peak_loops.h"

namespace ashlar {
namespace {

constexpr int kMeasurements = 5;
constexpr std::size_t kWords = std::size_t{256} << 17;  // 256 MB, for each thread

// The best rate of `work`, which returns how much it did.
template <class Work>
double BestRate(Work work) {
  double best = 0;
  for (int i = 0; i < kMeasurements; ++i) {
    const double start = ThreadSeconds();
    const auto done = static_cast<double>(work());
    best = std::max(best, done / (ThreadSeconds() - start));
  }
  return best;
}

double BestLoopRate(std::int64_t (*loop)(std::int64_t)) {
  constexpr std::int64_t kRounds = 4'000'000;  // some 10 ms
  return BestRate([&] { return loop(kRounds); });
}

// Four sums of 16 bytes: a line per step, several times what memory gives to one core.
std::uint64_t Sum(const std::uint64_t* begin, const std::uint64_t* end) {
  __m128i a = _mm_setzero_si128();
  __m128i b = a;
  __m128i c = a;
  __m128i d = a;
  for (; begin != end; begin += 8) {
    const auto* line = reinterpret_cast<const __m128i*>(begin);
    a = _mm_add_epi64(a, _mm_loadu_si128(line));
    b = _mm_add_epi64(b, _mm_loadu_si128(line + 1));
    c = _mm_add_epi64(c, _mm_loadu_si128(line + 2));
    d = _mm_add_epi64(d, _mm_loadu_si128(line + 3));
  }
  const __m128i sum = _mm_add_epi64(_mm_add_epi64(a, b), _mm_add_epi64(c, d));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(sum)) +
         static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum)));
}

}  // namespace

double ThreadSeconds() {
  std::timespec time = {};
  CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double PeakF32PerSecond(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return 0;
    case Isa::kAvx2:
      return BestLoopRate(avx2::PeakF32Loop);
    case Isa::kAvx512:
    case Isa::kAmx:
      return BestLoopRate(avx512::PeakF32Loop);
  }
  CHECK(false);
}

double PeakInt8PerSecond(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return 0;
    case Isa::kAvx2:
      return BestLoopRate(avx2::PeakInt8Loop);
    case Isa::kAvx512:
      return BestLoopRate(avx512::PeakInt8Loop);
    case Isa::kAmx:
      return BestLoopRate(amx::PeakInt8Loop);
  }
  CHECK(false);
}

double ReadBytesPerSecond(int threads) {
  const std::vector<std::uint64_t> buffer(kWords * static_cast<std::size_t>(threads), 1);
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::vector<std::jthread> readers;
  for (std::size_t t = 0; t < rates.size(); ++t) {
    readers.emplace_back([&buffer, &rate = rates[t], t] {
      const std::uint64_t* begin = buffer.data() + t * kWords;
      rate = BestRate([begin] {
        CHECK_EQ(Sum(begin, begin + kWords), kWords);
        return kWords * sizeof(std::uint64_t);
      });
    });
  }
  readers.clear();  // joins
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace ashlar
