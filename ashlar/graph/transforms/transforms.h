// The transforms there are: declared here, listed in all_transforms.cc, one file each.
#pragma once

#include "ashlar/graph/transform.h"

namespace ashlar {

extern const Transform kDrop;
extern const Transform kKeep;
extern const Transform kRepeat;
extern const Transform kShare;
extern const Transform kSwap;
extern const Transform kStack;
extern const Transform kSlice;
extern const Transform kRewire;
extern const Transform kEncode;

// What `encode` takes: FindEncodingCodec, or a residual codec, whose levels it makes without
// statistics.
Result<const Codec*> FindCodecToEncodeIn(std::string_view name);

}  // namespace ashlar
