// The check that every store makes before it changes its tags.
#pragma once

#include "ashlar/store/blob_store.h"

namespace ashlar::internal {

// Whether each tag of `after` that `before` lacks has a good name and names a blob that is in
// `store`, of that size. kInvalid or kNotFound otherwise.
Status CheckNewTags(const BlobStore& store, const Tags& before, const Tags& after);

}  // namespace ashlar::internal
