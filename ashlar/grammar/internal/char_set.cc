#include "ashlar/grammar/internal/char_set.h"

#include <algorithm>
#include <iterator>

namespace ashlar::grammar {
namespace {

constexpr CharRange kSurrogates = {0xD800, 0xDFFF};

// The largest characters of one, two, three and four bytes.
constexpr char32_t kLastOfSize[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};

int EncodedSize(char32_t code) {
  return 1 + (code > kLastOfSize[0]) + (code > kLastOfSize[1]) + (code > kLastOfSize[2]);
}

std::array<std::uint8_t, 4> Encode(char32_t code) {
  static constexpr std::uint8_t kLead[] = {0x00, 0xC0, 0xE0, 0xF0};
  const int size = EncodedSize(code);
  std::array<std::uint8_t, 4> bytes = {};
  for (int i = size - 1; i > 0; --i, code >>= 6) {
    bytes[i] = static_cast<std::uint8_t>(0x80 | (code & 0x3F));
  }
  bytes[0] = static_cast<std::uint8_t>(kLead[size - 1] | code);
  return bytes;
}

// Splits [first, last] until the bytes of its ends, taken place by place, span just its characters:
// that is so when the ends have equal size and, below the first place in which they differ, one has
// all zeros and the other all ones.
void SplitToSequences(char32_t first, char32_t last, std::vector<ByteSequence>& out) {
  for (const char32_t end : kLastOfSize) {
    if (first <= end && end < last) {
      SplitToSequences(first, end, out);
      SplitToSequences(end + 1, last, out);
      return;
    }
  }
  const int size = EncodedSize(first);
  for (int place = 1; place < size; ++place) {
    const char32_t low = (char32_t{1} << (6 * place)) - 1;
    if ((first & ~low) != (last & ~low)) {
      const bool ragged_start = (first & low) != 0;
      if (ragged_start || (last & low) != low) {
        const char32_t middle = ragged_start ? first | low : (last & ~low) - 1;
        SplitToSequences(first, middle, out);
        SplitToSequences(middle + 1, last, out);
        return;
      }
    }
  }
  ByteSequence sequence = {.ranges = {}, .size = size};
  const auto low = Encode(first);
  const auto high = Encode(last);
  for (int i = 0; i < size; ++i) {
    sequence.ranges[i] = {low[i], high[i]};
  }
  out.push_back(sequence);
}

}  // namespace

CharSet::CharSet(std::span<const CharRange> ranges) {
  std::vector<CharRange> sorted;
  for (const CharRange& range : ranges) {
    const CharRange parts[] = {
        {range.first, std::min<char32_t>(range.last, kSurrogates.first - 1)},
        {std::max<char32_t>(range.first, kSurrogates.last + 1), std::min(range.last, kLargest)}};
    for (const CharRange& part : parts) {
      if (part.first <= part.last) {
        sorted.push_back(part);
      }
    }
  }
  std::ranges::sort(sorted);
  for (const CharRange& range : sorted) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

bool CharSet::Contains(char32_t code) const {
  const auto behind = std::ranges::upper_bound(ranges_, code, {}, &CharRange::first);
  return behind != ranges_.begin() && code <= std::prev(behind)->last;
}

CharSet CharSet::Complement() const {
  std::vector<CharRange> gaps;
  char32_t next = 0;
  for (const CharRange& range : ranges_) {
    if (next < range.first) {
      gaps.push_back({next, range.first - 1});
    }
    next = range.last + 1;
  }
  if (next <= kLargest) {
    gaps.push_back({next, kLargest});
  }
  return CharSet(gaps);
}

CharSet operator|(const CharSet& a, const CharSet& b) {
  std::vector<CharRange> both = a.ranges_;
  both.insert(both.end(), b.ranges_.begin(), b.ranges_.end());
  return CharSet(both);
}

CharSet operator&(const CharSet& a, const CharSet& b) {
  std::vector<CharRange> common;
  for (auto i = a.ranges_.begin(), j = b.ranges_.begin();
       i != a.ranges_.end() && j != b.ranges_.end();) {
    const CharRange both = {std::max(i->first, j->first), std::min(i->last, j->last)};
    if (both.first <= both.last) {
      common.push_back(both);
    }
    i->last < j->last ? ++i : ++j;
  }
  return CharSet(common);
}

std::vector<ByteSequence> Utf8Sequences(const CharSet& set) {
  std::vector<ByteSequence> sequences;
  for (const CharRange& range : set.ranges()) {
    SplitToSequences(range.first, range.last, sequences);
  }
  return sequences;
}

std::optional<char32_t> NextChar(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<std::uint8_t>(text[at]);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  const int size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || text.size() - at < static_cast<std::size_t>(size)) {
    return std::nullopt;
  }
  char32_t code = lead & (0x7F >> size);
  for (int i = 1; i < size; ++i) {
    const auto byte = static_cast<std::uint8_t>(text[at + i]);
    if ((byte & 0xC0) != 0x80) {
      return std::nullopt;
    }
    code = code << 6 | (byte & 0x3F);
  }
  const bool surrogate = kSurrogates.first <= code && code <= kSurrogates.last;
  if (code > CharSet::kLargest || EncodedSize(code) != size || surrogate) {
    return std::nullopt;
  }
  at += size;
  return code;
}

void AppendChar(char32_t code, std::string& text) {
  const auto bytes = Encode(code);
  text.append(reinterpret_cast<const char*>(bytes.data()), EncodedSize(code));
}

}  // namespace ashlar::grammar
