// NFC, NFD, NFKC, NFKD: the normalization forms of Unicode (annex 15).
#include <algorithm>
#include <array>
#include <vector>

#include <utf8proc.h>

#include "ashlar/text/internal/utf8.h"
#include "ashlar/text/normalizers/normalizer.h"

namespace ashlar::internal {
namespace {

int CombiningClass(utf8proc_int32_t code) {
  return utf8proc_get_property(code)->combining_class;
}

// Brings each run of combining marks into the order of their classes. utf8proc has this too, in
// time quadratic in the run; a text of a million marks must not hang.
void OrderMarks(std::vector<utf8proc_int32_t>& codes) {
  const auto is_starter = [](utf8proc_int32_t code) { return CombiningClass(code) == 0; };
  auto begin = codes.begin();
  while (true) {
    begin = std::find_if_not(begin, codes.end(), is_starter);
    if (begin == codes.end()) {
      return;
    }
    const auto end = std::find_if(begin, codes.end(), is_starter);
    std::stable_sort(begin, end, [](utf8proc_int32_t a, utf8proc_int32_t b) {
      return CombiningClass(a) < CombiningClass(b);
    });
    begin = end;
  }
}

class UnicodeForm final : public Normalizer {
 public:
  UnicodeForm(bool compatible, bool composed) : compatible_(compatible), composed_(composed) {}

  Status Apply(std::string& text, std::size_t max_bytes) const override {
    if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) {
      return {};  // ASCII is in every form already
    }
    const auto options =
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible_ ? UTF8PROC_COMPAT : 0));
    std::vector<utf8proc_int32_t> codes;
    codes.reserve(text.size());
    std::array<utf8proc_int32_t, 32> parts;  // the longest decomposition has 18
    for (std::string_view rest = text; !rest.empty();) {
      const Utf8Char c = FirstChar(rest);
      rest.remove_prefix(c.size);
      int last_boundary_class = 0;
      const utf8proc_ssize_t count =
          utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c.code), parts.data(), parts.size(),
                                  options, &last_boundary_class);
      CHECK(count >= 0 && static_cast<std::size_t>(count) <= parts.size());
      codes.insert(codes.end(), parts.begin(), parts.begin() + count);
    }
    OrderMarks(codes);
    if (composed_) {
      const utf8proc_ssize_t size = utf8proc_normalize_utf32(
          codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
          static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
      CHECK(size >= 0);
      codes.resize(static_cast<std::size_t>(size));
    }
    text.clear();
    for (const utf8proc_int32_t code : codes) {
      AppendUtf8(static_cast<char32_t>(code), text);
    }
    return CheckStageSize(text.size(), max_bytes);
  }

 private:
  bool compatible_;
  bool composed_;
};

NormalizerResult ParseForm(const JsonCursor& json, bool compatible, bool composed) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return std::make_unique<UnicodeForm>(compatible, composed);
}

}  // namespace

std::unique_ptr<const Normalizer> MakeNfd() {
  return std::make_unique<UnicodeForm>(/*compatible=*/false, /*composed=*/false);
}

NormalizerResult ParseNfc(const JsonCursor& json) {
  return ParseForm(json, false, true);
}
NormalizerResult ParseNfd(const JsonCursor& json) {
  return ParseForm(json, false, false);
}
NormalizerResult ParseNfkc(const JsonCursor& json) {
  return ParseForm(json, true, true);
}
NormalizerResult ParseNfkd(const JsonCursor& json) {
  return ParseForm(json, true, false);
}

}  // namespace ashlar::internal
