#include "ashlar/text/internal/utf8.h"

#include <cstdint>

#include "ashlar/base/check.h"

namespace ashlar::internal {
namespace {

enum class SequenceKind { kWhole, kIllFormed, kIncomplete };

struct Sequence {
  SequenceKind kind;
  std::size_t size;  // bytes of the character, or of the maximal part to replace
};

std::uint8_t ByteAt(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

// The sequence at the front of `bytes` (not empty), by table 3-7 of the Unicode standard.
Sequence FirstSequence(std::string_view bytes) {
  const std::uint8_t lead = ByteAt(bytes, 0);
  if (lead < 0x80) {
    return {SequenceKind::kWhole, 1};
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return {SequenceKind::kIllFormed, 1};
  }
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  for (std::size_t i = 1; i < size; ++i) {
    if (i == bytes.size()) {
      return {SequenceKind::kIncomplete, i};
    }
    // The second byte's range is narrower after four leads: no overlong forms, no surrogates,
    // nothing above U+10FFFF.
    const bool second = i == 1;
    const std::uint8_t low = second && lead == 0xE0 ? 0xA0 : second && lead == 0xF0 ? 0x90 : 0x80;
    const std::uint8_t high = second && lead == 0xED ? 0x9F : second && lead == 0xF4 ? 0x8F : 0xBF;
    if (ByteAt(bytes, i) < low || ByteAt(bytes, i) > high) {
      return {SequenceKind::kIllFormed, i};
    }
  }
  return {SequenceKind::kWhole, size};
}

}  // namespace

Utf8Char FirstChar(std::string_view text) {
  const std::uint8_t lead = ByteAt(text, 0);
  if (lead < 0x80) {
    return {lead, 1};
  }
  const std::size_t size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  DCHECK(text.size() >= size);
  char32_t code = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    code = (code << 6) | (ByteAt(text, i) & 0x3Fu);
  }
  return {code, size};
}

Utf8Char LastChar(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while ((ByteAt(text, begin) & 0xC0) == 0x80) {
    --begin;
  }
  return FirstChar(text.substr(begin));
}

void AppendUtf8(char32_t code, std::string& text) {
  if (code < 0x80) {
    text.push_back(static_cast<char>(code));
    return;
  }
  const int continuation_bytes = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const char32_t marker = continuation_bytes == 1 ? 0xC0 : continuation_bytes == 2 ? 0xE0 : 0xF0;
  text.push_back(static_cast<char>(marker | (code >> (6 * continuation_bytes))));
  for (int i = continuation_bytes - 1; i >= 0; --i) {
    text.push_back(static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F)));
  }
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Sequence sequence = FirstSequence(bytes);
    if (sequence.kind != SequenceKind::kWhole) {
      return false;
    }
    bytes.remove_prefix(sequence.size);
  }
  return true;
}

void Utf8Repair::Append(std::string_view bytes, std::string& out) {
  std::string joined;
  if (!pending_.empty()) {
    joined = pending_;
    joined += bytes;
    pending_.clear();
    bytes = joined;
  }
  while (!bytes.empty()) {
    const Sequence sequence = FirstSequence(bytes);
    switch (sequence.kind) {
      case SequenceKind::kWhole:
        out += bytes.substr(0, sequence.size);
        break;
      case SequenceKind::kIllFormed:
        out += kReplacementCharacter;
        break;
      case SequenceKind::kIncomplete:
        pending_ = bytes;
        return;
    }
    bytes.remove_prefix(sequence.size);
  }
}

void Utf8Repair::Finish(std::string& out) {
  if (!pending_.empty()) {
    out += kReplacementCharacter;
    pending_.clear();
  }
}

std::string RepairUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  Utf8Repair repair;
  repair.Append(bytes, out);
  repair.Finish(out);
  return out;
}

}  // namespace ashlar::internal
