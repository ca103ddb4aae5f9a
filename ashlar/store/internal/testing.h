// What the store's tests share: a directory that goes away, and short words for common acts.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

#include "ashlar/base/byte_reader.h"
#include "ashlar/store/blob_store.h"
#include "ashlar/store/housekeeping.h"
#include "ashlar/store/oci.h"

namespace ashlar::internal {

class TemporaryDirectory {
 public:
  TemporaryDirectory() : TemporaryDirectory(DefaultParent()) {}
  explicit TemporaryDirectory(const Path& parent) {
    std::string name = (parent / "ashlar-store-XXXXXX").string();
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const Path& path() const { return path_; }

 private:
  // In memory where the system has such a place: no test here needs a disk to be slow.
  static Path DefaultParent() {
    const Path in_memory = "/dev/shm";
    return access(in_memory.c_str(), W_OK) == 0 ? in_memory
                                                : std::filesystem::temp_directory_path();
  }

  Path path_;
};

// The value, or a failed CHECK with the error: for what must succeed for the test to go on.
template <class T>
T Must(Result<T> result) {
  if (!result.ok()) {
    CheckFailed("testing.h", __LINE__, result.error().message);
  }
  return *std::move(result);
}
inline void Must(const Status& status) {
  if (!status.ok()) {
    CheckFailed("testing.h", __LINE__, status.error().message);
  }
}

// "" or the error: ASSERT_EQ(Failure(status), "").
template <class T>
std::string Failure(const Result<T>& result) {
  return result.ok() ? "" : result.error().message;
}
template <class T>
std::optional<ErrorCode> CodeOf(const Result<T>& result) {
  return result.ok() ? std::nullopt : std::optional(result.error().code);
}

inline std::string ReadAll(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void WriteAll(const Path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  CHECK(file.flush().good());
}
inline void FlipBit(const Path& path, std::size_t bit) {
  std::string bytes = ReadAll(path);
  CHECK_LT(bit / 8, bytes.size());
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  WriteAll(path, bytes);
}

inline std::string TextOf(const BlobStore& store, const Digest& digest) {
  return std::string(AsText(Must(store.Get(digest)).bytes()));
}

inline Descriptor PutText(BlobStore& store, std::string_view text,
                          std::string_view media_type = "application/octet-stream") {
  return {.media_type = std::string(media_type),
          .digest = Must(store.Put(AsBytes(text))),
          .size = text.size()};
}
// An image manifest over `layers`, each stored as a blob.
inline Descriptor PutManifest(BlobStore& store, const std::vector<std::string>& layers) {
  OciManifest manifest{.artifact_type = "application/vnd.test.block",
                       .config = PutText(store, kOciEmptyBlob, kOciEmpty)};
  for (const std::string& layer : layers) {
    manifest.layers.push_back(PutText(store, layer));
  }
  return PutText(store, WriteOciManifest(manifest), kOciManifest);
}
inline Descriptor PutIndex(BlobStore& store, std::vector<Descriptor> manifests) {
  return PutText(store, WriteOciIndex({.manifests = std::move(manifests)}), kOciIndex);
}

// What one root reaches.
inline Reach ReachOf(const BlobStore& store, const Descriptor& root) {
  return Must(ReachFrom(store, {&root, 1})).front();
}

inline Status SetTag(BlobStore& store, const std::string& name, const Descriptor& descriptor) {
  return store.UpdateTags([&](Tags& tags) -> Status {
    tags[name] = descriptor;
    return {};
  });
}
inline Status RemoveTag(BlobStore& store, const std::string& name) {
  return store.UpdateTags([&](Tags& tags) -> Status {
    if (tags.erase(name) == 0) {
      return NotFound("no tag {}", name);
    }
    return {};
  });
}

// The seed of a random test: printed, so that a failure can be had again with ASHLAR_SEED.
inline std::uint64_t Seed() {
  const char* given = std::getenv("ASHLAR_SEED");
  const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device()();
  std::printf("ASHLAR_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace ashlar::internal
