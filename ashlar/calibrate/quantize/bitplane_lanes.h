// Loops over the lanes of a BitplaneTile: everything that is done to each of its outputs alike.
//
// They are compiled for several instruction sets, of which the processor takes its best. No sum
// crosses lanes and nothing is contracted, so that all give the same bits.
#pragma once

#include <array>
#include <cstdint>

namespace ashlar {

// Outputs that are quantized side by side: two bands.
inline constexpr int kLanes = 64;

// The prefixes whose error a code is chosen by: those of 2, 3, 4 and 5 planes and of all planes.
// The ones between lie on the way from 5 to all.
inline constexpr int kPrefixes = 5;
inline constexpr int kPrefixLanes = kPrefixes * kLanes;

using Lanes = std::array<float, kLanes>;

// Before a function, and before each of its loops over lanes, which says that the loop's arrays are
// apart: without that the compiler makes no loop of vectors of it.
#if defined(__clang__)
#define ASHLAR_LANE_CODE
#define ASHLAR_LANES
#else
#define ASHLAR_LANE_CODE [[gnu::target_clones("avx512f", "avx2", "default")]]
#define ASHLAR_LANES _Pragma("GCC ivdep")
#endif

// values = what the first `planes` bits of codes of 8 stand for, in units of `units`; [kLanes] all.
void ValuesOf(const std::uint8_t* codes, int planes, const float* units, float* values);
// sums += weight * a * b; [kLanes] all.
void AddProducts(double weight, const float* a, const float* b, double* sums);
// targets = (weights + corrections) / (factors * units); [kLanes] all.
void SetTargets(const float* weights, const float* corrections, const Lanes& factors,
                const float* units, Lanes& targets);
// errors = weights - factors * values; [kLanes] all.
void SetErrors(const float* weights, const Lanes& factors, const Lanes& values, float* errors);
// What it costs to round `weights` [kLanes] to codes of `planes` bits in units of 1 / inverse,
// where the squared error of a unit costs `weight`: added to `cost`.
void AddRoundingCost(float weight, const float* weights, const Lanes& inverse, int planes,
                     Lanes& cost);

// With seen = errors + corrections: error_error += weight * seen^2 and value_error += weight * seen
// * values; values [kLanes], all others [kPrefixLanes].
void AddSeenErrors(double weight, const float* errors, const float* corrections,
                   const float* values, double* error_error, double* value_error);

// to += share * from; [kPrefixLanes] both.
void AddShare(float share, const float* from, float* to);
// corrections = slopes * inverse - errors; [kPrefixLanes] all.
void TakeBack(const float* slopes, float inverse, const float* errors, float* corrections);
// change = now - change; [kPrefixLanes] both.
void ToChange(const float* now, float* change);

}  // namespace ashlar
