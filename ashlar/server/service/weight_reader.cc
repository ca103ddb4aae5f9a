#include "ashlar/server/service/weight_reader.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "ashlar/base/byte_reader.h"

namespace ashlar::internal {
namespace {

constexpr std::uint64_t kPieceBytes = 1 << 20;

// Keeps to a rate: after each piece it sleeps until that piece may have been read.
class ReadingPace {
 public:
  explicit ReadingPace(std::uint64_t bytes_per_second) : bytes_per_second_(bytes_per_second) {}
  void Took(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_per_second_ != 0) {
      const std::chrono::duration<double> until(static_cast<double>(bytes_) /
                                                static_cast<double>(bytes_per_second_));
      std::this_thread::sleep_until(
          begin_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(until));
    }
  }

 private:
  const std::uint64_t bytes_per_second_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::uint64_t bytes_ = 0;
};

// Each piece is mapped for itself, so that no more than one is this process's.
Status ReadPiece(const Level& piece, const BlobStore& store) {
  ASHLAR_TRY(const Blob blob, store.Get(piece.blob));
  const BlobGuard guard(piece.blob, blob);
  ASHLAR_TRY(const std::span<const std::byte> bytes,
             CheckedRange(blob.bytes(), piece.offset, piece.length,
                          "a level in blob " + piece.blob.ToString()));
  constexpr std::size_t kMemoryPage = 4096;
  for (std::size_t at = 0; at < bytes.size(); at += kMemoryPage) {
    [[maybe_unused]] const volatile std::byte touched = bytes[at];
  }
  [[maybe_unused]] const volatile std::byte last = bytes.back();
  return guard.CheckIntact();
}

Status VerifyBlob(const Digest& digest, const BlobStore& store) {
  ASHLAR_TRY(const Blob blob, store.Get(digest));
  return Verify(digest, blob);
}

}  // namespace

Status ReadParts(std::span<const Level> parts, const BlobStore& store, const ReadOptions& options) {
  ReadingPace pace(options.bytes_per_second);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (options.verify && (i == 0 || parts[i].blob != parts[i - 1].blob)) {
      ASHLAR_TRY(VerifyBlob(parts[i].blob, store));
    }
    const std::uint64_t end = parts[i].offset + parts[i].length;
    for (std::uint64_t at = parts[i].offset; at < end; at += kPieceBytes) {
      if (options.stop != nullptr && *options.stop) {
        return Conflict("the reading was ended");
      }
      const std::uint64_t length = std::min(kPieceBytes, end - at);
      ASHLAR_TRY(ReadPiece({parts[i].blob, at, length}, store));
      pace.Took(length);
    }
  }
  return {};
}

}  // namespace ashlar::internal
