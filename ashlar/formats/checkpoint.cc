#include "ashlar/formats/checkpoint.h"

#include <set>

#include "ashlar/base/json_cursor.h"

namespace ashlar {
namespace {

constexpr std::size_t kMaxShards = 10'000;
constexpr std::uint64_t kMaxIndexBytes = 32u << 20;

// tensor -> shard, as the index says.
Result<std::map<std::string, std::string>> ReadIndex(const Path& path) {
  ASHLAR_TRY(const std::string text, ReadTextFile(path, kMaxIndexBytes));
  const auto json = ParseJson(text);
  if (!json.ok()) {
    return json.error().In(path.string());
  }
  ASHLAR_TRY(const JsonCursor map, JsonCursor(*json, path.string()).At("weight_map"));
  ASHLAR_TRY(const auto members, map.AsObject());
  std::map<std::string, std::string> shard_of;
  for (const auto& [tensor, value] : members) {
    ASHLAR_TRY(const std::string shard, value.AsString());
    // Only a plain name beside the index: never a path that leads elsewhere.
    if (shard.empty() || shard.find('/') != std::string::npos || shard.starts_with('.')) {
      return value.Invalid("\"{}\" is not the plain name of a file in the same folder", shard);
    }
    shard_of.emplace(tensor, shard);
  }
  if (shard_of.empty()) {
    return map.Invalid("it names no tensors");
  }
  return shard_of;
}

}  // namespace

Result<Checkpoint> Checkpoint::Open(const Path& directory) {
  FileSystem& files = RealFileSystem();
  const Path index_path = directory / "model.safetensors.index.json";
  // The whole goes before its parts, as in the reference implementation: an index may lie beside it
  // that is left over.
  ASHLAR_TRY(const auto single, files.Stat(directory / "model.safetensors"));
  ASHLAR_TRY(const auto index_stat, files.Stat(index_path));
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shard_names;
  if (single) {
    shard_names.insert("model.safetensors");
  } else if (index_stat) {
    ASHLAR_TRY(shard_of, ReadIndex(index_path));
    for (const auto& [tensor, shard] : shard_of) {
      shard_names.insert(shard);
    }
    if (shard_names.size() > kMaxShards) {
      return Invalid("{} names {} shards; at most {} are allowed", index_path.string(),
                     shard_names.size(), kMaxShards);
    }
  } else {
    return NotFound("{} has neither model.safetensors nor model.safetensors.index.json",
                    directory.string());
  }

  Checkpoint checkpoint;
  checkpoint.shards_.reserve(shard_names.size());  // tensors_ points into the elements
  for (const std::string& name : shard_names) {
    ASHLAR_TRY(SafetensorsFile shard, SafetensorsFile::Open(directory / name));
    checkpoint.shards_.push_back(std::move(shard));
    for (const SafetensorsEntry& entry : checkpoint.shards_.back().entries()) {
      if (!checkpoint.tensors_.emplace(entry.name, &entry).second) {
        return Invalid("{}: tensor \"{}\" stands in another shard too", (directory / name).string(),
                       entry.name);
      }
      if (single) {
        continue;
      }
      const auto listed = shard_of.find(entry.name);
      if (listed == shard_of.end() || listed->second != name) {
        return Invalid("{}: tensor \"{}\" is in {}, but the index says {}", index_path.string(),
                       entry.name, name,
                       listed == shard_of.end() ? "nothing of it" : listed->second);
      }
    }
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (!checkpoint.tensors_.contains(tensor)) {
      return Invalid("{}: tensor \"{}\" should be in {}, but is not", index_path.string(), tensor,
                     shard);
    }
  }
  return checkpoint;
}

const SafetensorsEntry* Checkpoint::Find(std::string_view tensor) const {
  const auto found = tensors_.find(tensor);
  return found == tensors_.end() ? nullptr : found->second;
}

Status Checkpoint::CheckIntact() const {
  for (const SafetensorsFile& shard : shards_) {
    ASHLAR_TRY(shard.CheckIntact());
  }
  return {};
}

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, entry] : tensors_) {
    names.push_back(name);
  }
  return names;
}

}  // namespace ashlar
