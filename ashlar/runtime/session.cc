#include "ashlar/runtime/session.h"

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/checked.h"
#include "ashlar/base/output_file.h"
#include "ashlar/kernels/attention/attention_args.h"

namespace ashlar {
namespace {

constexpr std::string_view kMagic = "ASHLSESS";
constexpr std::uint32_t kVersion = 1;
// What no session has more of: bounds for what a reader makes room for.
constexpr std::uint64_t kMostTokens = 1 << 24;
constexpr std::uint32_t kMostSlots = 1 << 16;
constexpr std::uint32_t kMostText = 256;

template <class T>
void AppendNumber(std::vector<std::byte>& out, T value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void AppendBytes(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void AppendText(std::vector<std::byte>& out, std::string_view text) {
  AppendNumber(out, static_cast<std::uint32_t>(text.size()));
  AppendBytes(out, AsBytes(text));
}

Result<std::uint64_t> ReadCount(ByteReader& reader, std::string_view what, std::uint64_t most) {
  ASHLAR_TRY(const std::uint64_t count, reader.Read<std::uint64_t>(what));
  if (count > most) {
    return Corrupt("{} is {}, and can be at most {}", what, count, most);
  }
  return count;
}

Result<std::string> ReadShortText(ByteReader& reader, std::string_view what) {
  ASHLAR_TRY(const std::uint32_t length, reader.Read<std::uint32_t>(what));
  if (length > kMostText) {
    return Corrupt("{} has {} bytes, and can have at most {}", what, length, kMostText);
  }
  ASHLAR_TRY(const std::string_view text, reader.ReadText(length, what));
  return std::string(text);
}

Result<Digest> ReadDigest(ByteReader& reader, std::string_view what) {
  ASHLAR_TRY(const std::span<const std::byte> bytes, reader.ReadBytes(Digest::kBytes, what));
  std::array<std::uint8_t, Digest::kBytes> digest;
  std::memcpy(digest.data(), bytes.data(), digest.size());
  return Digest(digest);
}

Result<SessionSlot> ReadSlot(ByteReader& reader, std::uint64_t tokens) {
  SessionSlot slot;
  ASHLAR_TRY(slot.key, ReadDigest(reader, "the key of a slot"));
  ASHLAR_TRY(const std::uint64_t positions,
             ReadCount(reader, "the positions of a page", kMostTokens));
  ASHLAR_TRY(slot.page_bytes, reader.Read<std::uint64_t>("the bytes of a page"));
  ASHLAR_TRY(const std::uint64_t pages, ReadCount(reader, "the pages of a slot", tokens));
  if (positions == 0 || positions % kPageLength != 0) {
    return Corrupt("a page stands for {} positions, which is no multiple of {}", positions,
                   kPageLength);
  }
  if (pages * positions > tokens) {  // both at most kMostTokens
    return Corrupt("{} pages of {} positions stand for more than the {} tokens", pages, positions,
                   tokens);
  }
  if (slot.page_bytes == 0) {
    return Corrupt("the pages of a slot are empty");
  }
  if (pages > 0 && slot.page_bytes > reader.remaining() / pages) {
    return Corrupt("{} pages of {} bytes do not fit the {} that are left", pages, slot.page_bytes,
                   reader.remaining());
  }
  slot.page_positions = static_cast<std::int64_t>(positions);
  ASHLAR_TRY(const std::span<const std::byte> bytes,
             reader.ReadBytes(pages * slot.page_bytes, "the pages of a slot"));
  slot.pages.assign(bytes.begin(), bytes.end());
  return slot;
}

}  // namespace

std::vector<std::byte> EncodeSession(const Session& session) {
  std::vector<std::byte> out;
  std::size_t pages = 0;
  for (const SessionSlot& slot : session.slots) {
    pages += slot.pages.size();
  }
  out.reserve(pages + (session.tokens.size() + session.slots.size()) * 64 + 1024);
  AppendBytes(out, AsBytes(kMagic));
  AppendNumber(out, kVersion);
  AppendText(out, session.form.kv_format);
  AppendText(out, session.form.kernel_form);
  AppendNumber(out, static_cast<std::uint64_t>(session.tokens.size()));
  AppendBytes(out, std::as_bytes(std::span(session.tokens)));
  AppendNumber(out, static_cast<std::uint32_t>(session.slots.size()));
  for (const SessionSlot& slot : session.slots) {
    AppendBytes(out, std::as_bytes(std::span(slot.key.bytes())));
    AppendNumber(out, static_cast<std::uint64_t>(slot.page_positions));
    AppendNumber(out, slot.page_bytes);
    AppendNumber(out, static_cast<std::uint64_t>(slot.page_count()));
    AppendBytes(out, slot.pages);
  }
  const Digest digest = Sha256(out);
  AppendBytes(out, std::as_bytes(std::span(digest.bytes())));
  return out;
}

Result<Session> DecodeSession(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  ASHLAR_TRY(const std::string_view magic, reader.ReadText(kMagic.size(), "the mark"));
  if (magic != kMagic) {
    return Corrupt("it does not begin with \"{}\": it is no session", kMagic);
  }
  ASHLAR_TRY(const std::uint32_t version, reader.Read<std::uint32_t>("the version"));
  if (version != kVersion) {
    return Unsupported("it is a session of version {}, and this program reads version {}", version,
                       kVersion);
  }
  if (reader.remaining() < Digest::kBytes) {
    return Corrupt("it ends after {} bytes", bytes.size());
  }
  const std::span<const std::byte> hashed = bytes.first(bytes.size() - Digest::kBytes);
  ByteReader end(bytes.last(Digest::kBytes));
  ASHLAR_TRY(const Digest digest, ReadDigest(end, "the digest"));
  if (Sha256(hashed) != digest) {
    return Corrupt("its bytes are not those that were saved: the digest differs");
  }
  reader = ByteReader(hashed);
  ASHLAR_TRY(reader.ReadBytes(kMagic.size() + sizeof(kVersion), "the mark"));
  Session session;
  ASHLAR_TRY(session.form.kv_format, ReadShortText(reader, "the KV format"));
  ASHLAR_TRY(session.form.kernel_form, ReadShortText(reader, "the kernels' form"));
  ASHLAR_TRY(const std::uint64_t tokens, ReadCount(reader, "the number of tokens", kMostTokens));
  ASHLAR_TRY(const std::span<const std::byte> ids,
             reader.ReadBytes(tokens * sizeof(std::int32_t), "the tokens"));
  session.tokens.resize(tokens);
  if (tokens > 0) {
    std::memcpy(session.tokens.data(), ids.data(), ids.size());
  }
  ASHLAR_TRY(const std::uint32_t slots, reader.Read<std::uint32_t>("the number of slots"));
  if (slots > kMostSlots) {
    return Corrupt("the number of slots is {}, and can be at most {}", slots, kMostSlots);
  }
  for (std::uint32_t i = 0; i < slots; ++i) {
    ASHLAR_TRY(SessionSlot slot, ReadSlot(reader, tokens));
    session.slots.push_back(std::move(slot));
  }
  if (reader.remaining() != 0) {
    return Corrupt("{} bytes follow the last page", reader.remaining());
  }
  return session;
}

Status WriteSessionFile(const Path& path, const Session& session) {
  ASHLAR_TRY(OutputFile file, OutputFile::Create(path, Readers::kOwner));
  ASHLAR_TRY(file.Write(EncodeSession(session)));
  return file.Commit();
}

Result<Session> ReadSessionFile(const Path& path) {
  ASHLAR_TRY(const MappedFile file, RealFileSystem().Map(path));
  Result<Session> session = DecodeSession(file.bytes());
  if (!session.ok()) {
    return session.error().In(path.string());
  }
  return session;
}

}  // namespace ashlar
