// TQ1_0 and TQ2_0: numbers of -1, 0 and 1 with one scale for 256 inputs. Decoded by rows.
#include "ashlar/codec/gguf/block_bytes.h"
#include "ashlar/codec/gguf/block_codec.h"
#include "ashlar/codec/gguf/gguf.h"

namespace ashlar {
namespace {

using internal::F16;
using internal::U8;

// A byte b holds five digits to the base 3 as a fraction of 256: digit k is the whole part of
// 3 * frac(b 3^k / 256). Runs of `bytes` bytes hold digit 0 of each, then digit 1 of each, ...
float* WriteDigits(const std::byte* packed, int bytes, int digits, float scale, float* values) {
  int power = 1;
  for (int k = 0; k < digits; ++k, power *= 3) {
    for (int i = 0; i < bytes; ++i) {
      const int fraction = U8(packed, i) * power & 255;
      *values++ = scale * static_cast<float>((fraction * 3 >> 8) - 1);
    }
  }
  return values;
}

// 32 bytes and 16 bytes of five digits, 4 bytes of four, d.
void DecodeTq1(const std::byte* block, float* values) {
  const float scale = F16(block, 52);
  values = WriteDigits(block, 32, 5, scale, values);
  values = WriteDigits(block + 32, 16, 5, scale, values);
  WriteDigits(block + 48, 4, 4, scale, values);
}

// 64 bytes of four codes of 2 bits (inputs i, i + 32, i + 64 and i + 96 of each 128), d.
void DecodeTq2(const std::byte* block, float* values) {
  const float scale = F16(block, 64);
  for (int i = 0; i < 256; ++i) {
    const int code = U8(block, i / 128 * 32 + i % 32) >> (2 * (i / 32 % 4)) & 3;
    values[i] = scale * static_cast<float>(code - 1);
  }
}

}  // namespace

constexpr BlockType kTq1Blocks{.columns = 256,
                               .bytes = 54,
                               .rows = 1,
                               .fields = {{2, 27}},
                               .scales = {52, -1},
                               .decode = DecodeTq1};
constexpr BlockType kTq2Blocks{.columns = 256,
                               .bytes = 66,
                               .rows = 1,
                               .fields = {{2, 33}},
                               .scales = {64, -1},
                               .decode = DecodeTq2};

constinit const Codec kTq1 = internal::MakeBlockCodec<kTq1Blocks>("tq1_0.1");
constinit const Codec kTq2 = internal::MakeBlockCodec<kTq2Blocks>("tq2_0.1");

}  // namespace ashlar
