// A CharSet is a set of characters (Unicode scalar values: surrogates are none), kept as sorted
// ranges that neither overlap nor touch. So equal sets are equal values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::grammar {

struct CharRange {
  char32_t first;
  char32_t last;  // inclusive
  friend auto operator<=>(const CharRange&, const CharRange&) = default;
};

class CharSet {
 public:
  static constexpr char32_t kLargest = 0x10FFFF;

  CharSet() = default;
  // In any order; surrogates in them are left out.
  CharSet(std::initializer_list<CharRange> ranges) : CharSet(std::span(ranges)) {}
  explicit CharSet(std::span<const CharRange> ranges);

  static CharSet All() { return {{0, kLargest}}; }
  static CharSet Of(char32_t code) { return {{code, code}}; }

  bool empty() const { return ranges_.empty(); }
  std::span<const CharRange> ranges() const& { return ranges_; }
  void ranges() const&& = delete;  // of a set that is gone by then
  bool Contains(char32_t code) const;

  CharSet Complement() const;
  friend CharSet operator|(const CharSet& a, const CharSet& b);
  friend CharSet operator&(const CharSet& a, const CharSet& b);
  friend CharSet operator-(const CharSet& a, const CharSet& b) { return a & b.Complement(); }
  friend auto operator<=>(const CharSet&, const CharSet&) = default;

 private:
  std::vector<CharRange> ranges_;
};

struct ByteRange {
  std::uint8_t first;
  std::uint8_t last;  // inclusive
  friend auto operator<=>(const ByteRange&, const ByteRange&) = default;
};

// One to four ranges, one after another: every choice of a byte from each is the UTF-8 form of a
// character.
struct ByteSequence {
  std::array<ByteRange, 4> ranges;
  int size;
};

// The UTF-8 forms of the characters of `set`, each in one sequence, in ascending order.
std::vector<ByteSequence> Utf8Sequences(const CharSet& set);

// The character at `at`, which moves past it; nothing, and `at` stays, where the bytes are not
// UTF-8. Requires: at < text.size().
std::optional<char32_t> NextChar(std::string_view text, std::size_t& at);

void AppendChar(char32_t code, std::string& text);

}  // namespace ashlar::grammar
