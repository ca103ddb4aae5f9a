// A BitplaneTile is kLanes outputs of a matrix while their codes, scales and factors are chosen.
//
// Every prefix of planes keeps its own error, and a weight's code is chosen for all of them at
// once: the sum over prefixes of kPrefixGrowth^planes times each one's error is made small. Greater
// growth serves many planes, less serves few: the first planes bound what the later ones reach.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "ashlar/calibrate/quantize/bitplane_search.h"
#include "ashlar/calibrate/quantize/input_metric.h"

namespace ashlar {

class BitplaneTile {
 public:
  // Outputs [first_row, first_row + lanes()) of values [rows, columns], with `levels` levels.
  BitplaneTile(const InputMetric& metric, const float* values, std::int64_t rows,
               std::int64_t first_row, int levels);

  int lanes() const { return lanes_; }

  // The steps, in the order in which they are called. A scale per group of 32 inputs, and factors,
  // by plain rounding and the metric's diagonal.
  void ChooseScales();
  // Each input's codes, in the metric's order, each making good the errors of those before.
  void Round();
  // Each factor the best one for the codes there are: of the prefixes that codes are chosen by,
  // which is all that a choice needs, or of all levels. (Round met the errors of its prefixes, and
  // has their fits already.)
  enum class Which : std::uint8_t { kPrefixes, kLevels };
  void FitFactors(Which which);
  // Each input's codes again, given all others (coordinate descent). Requires the metric's moments.
  void Descend();

  // What is stored of an output: [columns], [columns / 32], [levels].
  void GetOutput(int lane, std::span<std::uint8_t> codes, std::span<std::uint8_t> scales,
                 std::span<float> factors) const;
  // e H e^T of a lane, after FitFactors of all levels, with factors as f16 holds them.
  double ErrorOf(int level, int lane) const;

 private:
  struct Fit {  // of a level's lanes: sums of d * products, seen through the metric
    std::array<double, kLanes> value_code;  // the codes' values with factor 1
    std::array<double, kLanes> code_code;
    bool current = false;  // of the codes that there are
  };

  std::size_t At(std::int64_t k) const { return static_cast<std::size_t>(k) * kLanes; }
  // The level of a prefix, or -1 when there are not so many.
  int LevelOf(int prefix) const;
  // The parts of ChooseCodes that all inputs share.
  CodeTargets Wanted() const;
  void MeasureAt(std::int64_t k);
  void ChooseAt(std::int64_t k, const float* corrections, CodeTargets& wanted);
  // [columns][width], of which errors are what the metric measures, as it sees them at inputs
  // [begin, end).
  void See(const float* values, int width, std::int64_t begin, std::int64_t end, float* seen) const;
  void SeeWeights();
  void FitByErrors(const std::array<double, kPrefixLanes>& error_error,
                   const std::array<double, kPrefixLanes>& value_error);
  float FactorOf(int level, int lane) const;

  const InputMetric& metric_;
  const std::int64_t columns_;
  const int levels_;
  int lanes_;
  Lanes base_;                        // an output's largest magnitude
  std::vector<float> weights_;        // [columns][kLanes], in the metric's order as all below
  std::vector<float> units_;          // [columns][kLanes] base * scale
  std::vector<std::uint8_t> codes_;   // [columns][kLanes]
  std::vector<std::uint8_t> scales_;  // [columns / 32][kLanes], in the matrix's order
  std::vector<float> errors_;         // [columns][kPrefixes][kLanes]
  std::vector<Lanes> factors_;        // [levels], in units of base
  std::vector<float> seen_weights_;   // [columns][kLanes], through the metric; empty before a fit
  std::vector<Fit> fits_;             // [levels]
  std::array<double, kLanes> squares_{};  // w H w^T
};

}  // namespace ashlar
