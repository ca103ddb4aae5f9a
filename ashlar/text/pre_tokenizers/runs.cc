// Whitespace, UnicodeScripts, FixedLength: pieces that are runs of characters of one kind, or so
// many characters. What is in no run goes.
#include "ashlar/text/pre_tokenizers/pre_tokenizer.h"

namespace ashlar::internal {
namespace {

// The matches of a pattern become the pieces.
class Runs final : public PreTokenizer {
 public:
  explicit Runs(Pattern run) : run_(std::move(run)) {}

  Status Apply(Pieces& pieces) const override {
    return SplitPieces(run_, SplitBehavior::kRemoved, /*invert=*/true, pieces);
  }

 private:
  Pattern run_;
};

// The scripts of Unicode but Han, Hiragana and Katakana, which count as one.
constexpr std::string_view kScripts[] = {
    "Latin",
    "Common",
    "Cyrillic",
    "Greek",
    "Arabic",
    "Hangul",
    "Devanagari",
    "Hebrew",
    "Thai",
    "Inherited",
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Armenian",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bengali",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cypro_Minoan",
    "Deseret",
    "Dives_Akuru",
    "Dogra",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Georgian",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Gujarati",
    "Gunjala_Gondi",
    "Gurmukhi",
    "Hanifi_Rohingya",
    "Hanunoo",
    "Hatran",
    "Imperial_Aramaic",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kannada",
    "Kayah_Li",
    "Kharoshthi",
    "Khitan_Small_Script",
    "Khmer",
    "Khojki",
    "Khudawadi",
    "Lao",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Makasar",
    "Malayalam",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Masaram_Gondi",
    "Medefaidrin",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Modi",
    "Mongolian",
    "Mro",
    "Multani",
    "Myanmar",
    "Nabataean",
    "Nandinagari",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Nushu",
    "Nyiakeng_Puachue_Hmong",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_Sogdian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Old_Uyghur",
    "Oriya",
    "Osage",
    "Osmanya",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Phags_Pa",
    "Phoenician",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sinhala",
    "Sogdian",
    "Sora_Sompeng",
    "Soyombo",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tamil",
    "Tangsa",
    "Tangut",
    "Telugu",
    "Thaana",
    "Tibetan",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Warang_Citi",
    "Yezidi",
    "Yi",
    "Zanabazar_Square",
};

// A run of each script. Spaces and what has no script continue any run and begin none.
std::string RunsOfScripts() {
  std::string runs;
  const auto add = [&](std::string_view members, std::string_view except) {
    runs += fmt::format(R"({0}(?:{2}[{1}])(?:{2}[{1}]|[ \p{{Unknown}}])*)", runs.empty() ? "" : "|",
                        members, except);
  };
  // The mark of a long vowel, of no script by itself, counts as theirs.
  add(R"(\p{Han}\p{Hiragana}\p{Katakana}\x{30FC})", "");
  for (const std::string_view script : kScripts) {
    add(fmt::format(R"(\p{{{}}})", script), script == "Common" ? R"((?![ \x{30FC}]))" : "");
  }
  return runs + R"(|(?![ \p{Unknown}])[\s\S])";  // scripts newer than this list, one by one
}

PreTokenizerResult MakeRuns(std::string_view pattern) {
  ASHLAR_TRY(Pattern run, Pattern::Regex(pattern));
  return std::make_unique<Runs>(std::move(run));
}

}  // namespace

PreTokenizerResult ParseWhitespace(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  // Of words by Unicode technical standard 18, which has more than the \w of other patterns here.
  constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D})";
  return MakeRuns(fmt::format(R"([{0}]+|[^{0}\s]+)", kWord));
}

PreTokenizerResult ParseUnicodeScripts(const JsonCursor& json) {
  ASHLAR_TRY(json.AllowOnly({"type"}));
  return MakeRuns(RunsOfScripts());
}

PreTokenizerResult ParseFixedLength(const JsonCursor& json) {
  constexpr std::int64_t kMaxLength = 65535;  // of a repetition in a pattern
  ASHLAR_TRY(json.AllowOnly({"type", "length"}));
  ASHLAR_TRY(const std::int64_t length, json.IntegerOr("length", 1, kMaxLength, 5));
  return MakeRuns(fmt::format(R"([\s\S]{{1,{}}})", length));
}

}  // namespace ashlar::internal
