#include "ashlar/kernels/peak/peak.h"

#include <algorithm>
#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include "ashlar/kernels/peak/peak_loops.h"
#include "ashlar/kernels/peak/peak_read.h"

namespace ashlar {
namespace {

constexpr int kMeasurements = 5;
constexpr std::size_t kBytes = std::size_t{256} << 20;  // that each thread reads

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

std::uint64_t SumOfMemory(const std::byte* begin, std::int64_t bytes, std::int64_t ahead) {
  return internal::SumOfStreams(begin, bytes, ahead);
}

SumFn FastestSum() {
  return Supported(Isa::kAvx512) ? avx512::SumOfMemory
         : Supported(Isa::kAvx2) ? avx2::SumOfMemory
                                 : SumOfMemory;
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
    case Isa::kAvxVnni:
      return BestLoopRate(avx2::PeakF32Loop);
    case Isa::kAvx512:
      return BestLoopRate(avx512::PeakF32Loop);
    case Isa::kAmx:
      return BestLoopRate(amx::PeakF32Loop);
  }
  CHECK(false);
}

double PeakInt8PerSecond(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return 0;
    case Isa::kAvx2:
      return BestLoopRate(avx2::PeakInt8Loop);
    case Isa::kAvxVnni:
      return BestLoopRate(avxvnni::PeakInt8Loop);
    case Isa::kAvx512:
      return BestLoopRate(avx512::PeakInt8Loop);
    case Isa::kAmx:
      return BestLoopRate(amx::PeakInt8Loop);
  }
  CHECK(false);
}

// Huge pages, where the system has them for who asks, so that no time goes to finding pages.
double ReadBytesPerSecond(int threads) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  constexpr std::int64_t kAhead[] = {1024, 2048, 4096};  // which is best differs by machine
  constexpr std::size_t kRounds = kMeasurements * std::size(kAhead);
  const auto count = static_cast<std::size_t>(threads);
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  const std::unique_ptr<std::byte, Free> buffer(
      static_cast<std::byte*>(std::aligned_alloc(kHugePage, count * kBytes)));
  CHECK(buffer != nullptr);
  madvise(buffer.get(), count * kBytes, MADV_HUGEPAGE);
  const SumFn sum = FastestSum();
  std::vector<std::vector<double>> rates(kRounds, std::vector<double>(count));
  std::barrier start(threads);  // of a round: what is added up was read at the same time
  {
    std::vector<std::jthread> readers;
    for (std::size_t t = 0; t < count; ++t) {
      readers.emplace_back([&, t] {
        std::byte* begin = buffer.get() + t * kBytes;
        std::memset(begin, 1, kBytes);
        for (std::size_t round = 0; round < kRounds; ++round) {
          start.arrive_and_wait();
          const double before = ThreadSeconds();
          const std::uint64_t total =
              sum(begin, static_cast<std::int64_t>(kBytes), kAhead[round % std::size(kAhead)]);
          rates[round][t] = static_cast<double>(kBytes) / (ThreadSeconds() - before);
          CHECK_EQ(total, 0x0101010101010101u * (kBytes / 8));
        }
      });
    }
  }
  double best = 0;
  for (const std::vector<double>& round : rates) {
    best = std::max(best, std::accumulate(round.begin(), round.end(), 0.0));
  }
  return best;
}

}  // namespace ashlar
