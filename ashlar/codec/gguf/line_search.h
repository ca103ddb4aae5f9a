// The line through a group of numbers: codes 0, 1, ..., `most` stand for scale x code + offset, and
// the sum of squared errors is near the least that there is.
//
// For given codes the line is their regression; for a given line the codes are rounded. The search
// begins from several spreads of the numbers over the codes: a little less than all of them, where
// the steps are coarser, to a little more, where the ends are cut.
#pragma once

namespace ashlar::internal {

struct CodeLine {
  float scale = 0;  // not below 0
  float offset = 0;
};

enum class Offsets { kAny, kNotAboveZero };

// The code nearest to x.
int CodeOnLine(const CodeLine& line, float x, int most);

// Of 32 finite numbers.
inline constexpr int kLineInputs = 32;
CodeLine SearchLine(const float* x, int most, Offsets offsets);
// The sum of squared errors of each number's nearest code.
float LineError(const float* x, int most, const CodeLine& line);

// The same for codes on both sides of 0, from `least` to -least - 1, and no offset: the scale may
// be negative. Of 16 finite numbers.
inline constexpr int kScaleInputs = 16;
int CodeOfScale(float scale, float x, int least);
float SearchScale(const float* x, int least);
float ScaleError(const float* x, int least, float scale);

}  // namespace ashlar::internal
