#include "ashlar/kernels/kernel_cases.h"

#include <algorithm>
#include <array>
#include <random>

#include "ashlar/kernels/peak/peak.h"

namespace ashlar {

std::vector<KernelCase> ActivationCases();
std::vector<KernelCase> AddScaledCases();
std::vector<KernelCase> AttentionCases();
std::vector<KernelCase> DeltaRuleCases();
std::vector<KernelCase> LayerNormCases();
std::vector<KernelCase> LinearCases();
std::vector<KernelCase> QuantizeRowsCases();
std::vector<KernelCase> RmsNormCases();
std::vector<KernelCase> RopeCases();
std::vector<KernelCase> SelectiveScanCases();
std::vector<KernelCase> SoftmaxCases();
std::vector<KernelCase> SplitRowsCases();

namespace {

// In the order of `ashlar bench kernels`.
constexpr std::vector<KernelCase> (*kAll[])() = {
    LinearCases,  QuantizeRowsCases, SplitRowsCases,     AttentionCases,
    RmsNormCases, LayerNormCases,    RopeCases,          AddScaledCases,
    SoftmaxCases, ActivationCases,   SelectiveScanCases, DeltaRuleCases,
};

}  // namespace

std::vector<KernelCase> AllKernelCases() {
  std::vector<KernelCase> all;
  for (const auto cases : kAll) {
    std::ranges::copy_if(cases(), std::back_inserter(all),
                         [](const KernelCase& each) { return Supported(each.isa); });
  }
  return all;
}

double SecondsPerCall(const KernelCase& kernel_case, double seconds) {
  constexpr int kBatches = 7;
  const std::function<void()> call = kernel_case.prepare();
  const auto time = [&](std::int64_t calls) {
    const double start = ThreadSeconds();
    for (std::int64_t i = 0; i < calls; ++i) {
      call();
    }
    return (ThreadSeconds() - start) / static_cast<double>(calls);
  };
  // The warm-up: as many calls as a batch has, doubled until they are enough.
  const double batch_seconds = seconds / kBatches;
  std::int64_t calls = 1;
  for (double each = time(1); each * static_cast<double>(calls) < batch_seconds;) {
    calls *= 2;
    each = time(calls);
  }
  std::array<double, kBatches> batches = {};
  for (double& batch : batches) {
    batch = time(calls);
  }
  std::ranges::nth_element(batches, batches.begin() + kBatches / 2);
  return batches[kBatches / 2];
}

std::shared_ptr<float[]> MakeRandom(std::int64_t count) {
  const std::shared_ptr<float[]> floats = MakeAligned<float>(count);
  std::minstd_rand engine(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::generate_n(floats.get(), count, [&] { return uniform(engine); });
  return floats;
}

}  // namespace ashlar
