// The rows of the list in all_architectures.cc, one family per file of this folder.
#pragma once

#include "ashlar/formats/architecture.h"

namespace ashlar {

extern const Architecture kLlama;
extern const Architecture kMistral;
extern const Architecture kQwen2;
extern const Architecture kQwen3;
extern const Architecture kGranite;
extern const Architecture kSeedOss;
extern const Architecture kErnie4_5;
extern const Architecture kHunyuanDense;
extern const Architecture kSmolLm3;
extern const Architecture kOlmo2;
extern const Architecture kExaone4;
extern const Architecture kGlm4;
extern const Architecture kCohere;
extern const Architecture kStarcoder2;
extern const Architecture kPhi3;
extern const Architecture kStableLmParallel;
extern const Architecture kStableLm;
extern const Architecture kGemma2;
extern const Architecture kGemma3;
extern const Architecture kGptNeoX;
extern const Architecture kPhi;
extern const Architecture kFalconTwoNorms;
extern const Architecture kFalconOneNorm;
extern const Architecture kFalconParallel;
extern const Architecture kFalconSequential;
extern const Architecture kGpt2;
extern const Architecture kMixtral;
extern const Architecture kQwen2Moe;
extern const Architecture kQwen3Moe;
extern const Architecture kOlmoe;
extern const Architecture kGptOss;
extern const Architecture kDeepSeekV2OfTheInput;
extern const Architecture kDeepSeekV2;
extern const Architecture kDeepSeekV2InGroupsOfTheInput;
extern const Architecture kDeepSeekV2InGroups;
extern const Architecture kDeepSeekV3OfTheInput;
extern const Architecture kDeepSeekV3;
extern const Architecture kMamba;
extern const Architecture kMamba2OfOneGroup;
extern const Architecture kMamba2;
extern const Architecture kQwen3Next;
extern const Architecture kRwkv;

}  // namespace ashlar
