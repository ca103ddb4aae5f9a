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

std::vector<Level> PartsOf(std::span<const Network* const> networks, const Precision& precision) {
  std::vector<Level> parts;
  for (const Network* const network : networks) {
    for (const auto& [digest, block] : network->blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        std::ranges::move(ResidentParts(tensor, precision), std::back_inserter(parts));
      }
    }
  }
  std::ranges::sort(parts);
  std::vector<Level> apart;  // what overlaps or touches is one part
  for (const Level& part : parts) {
    if (part.length == 0) {
      continue;
    }
    if (!apart.empty() && apart.back().blob == part.blob &&
        part.offset <= apart.back().offset + apart.back().length) {
      Level& before = apart.back();
      before.length =
          std::max(before.offset + before.length, part.offset + part.length) - before.offset;
    } else {
      apart.push_back(part);
    }
  }
  return apart;
}

std::vector<Level> PartsBeyond(std::span<const Level> parts, std::span<const Level> others) {
  std::vector<Level> beyond;
  auto other = others.begin();
  for (const Level& part : parts) {
    std::uint64_t at = part.offset;
    const std::uint64_t end = part.offset + part.length;
    while (other != others.end() &&
           (other->blob < part.blob ||
            (other->blob == part.blob && other->offset + other->length <= at))) {
      ++other;
    }
    for (auto cut = other; cut != others.end() && cut->blob == part.blob && cut->offset < end;
         ++cut) {
      if (cut->offset > at) {
        beyond.push_back({part.blob, at, cut->offset - at});
      }
      at = std::max(at, cut->offset + cut->length);
    }
    if (at < end) {
      beyond.push_back({part.blob, at, end - at});
    }
  }
  return beyond;
}

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
