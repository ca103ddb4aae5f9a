// A Checkpoint is the tensors of a model directory, whether they lie in one safetensors file or in
// shards with an index.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/file.h"
#include "ashlar/formats/safetensors.h"

namespace ashlar {

class Checkpoint {
 public:
  // Opens model.safetensors, or every shard that model.safetensors.index.json names. kInvalid when
  // the index and the shards disagree (a tensor that its shard has not, one in two shards, a name
  // that is no plain file name); kNotFound when there are no weights.
  static Result<Checkpoint> Open(const Path& directory);

  // Null when there is none.
  const SafetensorsEntry* Find(std::string_view tensor) const;
  std::vector<std::string> Names() const;  // sorted
  // kConflict when a file was cut short since it was opened: see SafetensorsFile::CheckIntact.
  Status CheckIntact() const;

 private:
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, const SafetensorsEntry*, std::less<>> tensors_;
};

}  // namespace ashlar
