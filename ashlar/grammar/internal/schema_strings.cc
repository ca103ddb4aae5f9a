#include "ashlar/grammar/internal/schema_strings.h"

#include <algorithm>
#include <utility>

#include "ashlar/grammar/internal/regex.h"
#include "ashlar/grammar/internal/schema_numbers.h"

namespace ashlar::grammar {
struct StringFormat {
  std::string_view name;
  // Of the whole text. The first is the widest; the others are there for lengths that it may pass
  // by far: narrower, so that all their texts are short enough or can be counted.
  std::vector<std::string> regexes;
};

namespace {

// Each is a part of what the format allows (RFC 3339, 4122, 5321, 1123, 2673, 4291, 3986; ISO 8601
// for durations): no leap seconds, no quoted local parts, only URIs with an authority.
const std::vector<StringFormat>& Formats() {
  static const std::vector<StringFormat> formats = [] {
    const std::string leap_year =
        "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
    const std::string date =
        "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"
        "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
        "02-(?:0[1-9]|1[0-9]|2[0-8]))|" +
        leap_year + "-02-29)";
    const std::string hour_minute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    const std::string time =
        hour_minute + ":[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-]" + hour_minute + ")";
    // A label of a host's name, of at most so many characters.
    const auto label = [](int most) {
      return fmt::format("[A-Za-z0-9](?:[A-Za-z0-9-]{{0,{}}}[A-Za-z0-9])?", most - 2);
    };
    // Of at most so many labels.
    const auto host = [label](int labels, int most) {
      return fmt::format("{}(?:\\.{}){{0,{}}}", label(most), label(most), labels - 1);
    };
    const std::string byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    const std::string ipv4 = byte + "(?:\\." + byte + "){3}";
    const std::string word = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,15}";
    const auto email = [word, label](int words, int labels, int most) {
      return fmt::format("{}(?:\\.{}){{0,{}}}@{}(?:\\.{}){{1,{}}}", word, word, words - 1,
                         label(most), label(most), labels - 1);
    };
    // A character of what stands behind the host; escaped, it is three. And so many of them in the
    // path, the query and the fragment.
    const auto of_uri = [](const char* also) {
      return fmt::format("(?:[A-Za-z0-9._~!$&'()*+,;=:@/{}-]|%[0-9A-Fa-f]{{2}})", also);
    };
    const auto uri = [of_uri](const std::string& host, const char* in_path, const char* in_query,
                              const char* in_fragment) {
      return fmt::format(
          "[a-z][a-z0-9+.-]{{0,15}}://{}(?::[0-9]{{1,5}})?(?:/{}{})?(?:\\?{}{})?(?:#{}{})?", host,
          of_uri(""), in_path, of_uri("?"), in_query, of_uri("?"), in_fragment);
    };
    std::string ipv6 = "(?:H:){7}H|(?:H:){1,7}:|::(?:(?:H:){0,6}H)?";
    for (int before = 1; before <= 6; ++before) {  // groups on both sides of "::"
      ipv6 += fmt::format("|(?:H:){{1,{}}}(?::H){{1,{}}}", before, 7 - before);
    }
    for (std::size_t at = 0; (at = ipv6.find('H', at)) != std::string::npos;) {
      ipv6.replace(at, 1, "[0-9A-Fa-f]{1,4}");
      at += 16;
    }
    const std::string times =
        "T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|"
        "[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S)";
    const std::string days =
        "(?:[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?|"
        "[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}D)";
    return std::vector<StringFormat>{
        {"date", {date}},
        {"time", {time}},
        {"date-time", {date + "T" + time}},
        {"duration", {"P(?:" + days + "(?:" + times + ")?|" + times + "|[0-9]{1,9}W)"}},
        // Of up to 251 (an address has no more than 254) and 94 characters.
        {"email", {email(4, 4, 46), email(2, 3, 20)}},
        // Of up to 251 (a name has no more than 253) and 99.
        {"hostname", {host(4, 62), host(4, 24)}},
        {"ipv4", {ipv4}},
        {"ipv6", {ipv6}},
        // Of any length, up to 1870 and up to 981; and of hosts that are short, behind which it
        // takes few states to count.
        {"uri",
         {uri(host(4, 62), "*", "*", "*"), uri(host(4, 62), "{0,300}", "{0,150}", "{0,80}"),
          uri(host(4, 62), "{0,140}", "{0,60}", "{0,34}"), uri(host(3, 15), "*", "*", "*")}},
        {"uuid", {"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"}},
    };
  }();
  return formats;
}

}  // namespace

bool StringConditions::AllowLengthOf(std::string_view text) const {
  const auto length = std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
  return std::cmp_less_equal(min, length) && std::cmp_less_equal(length, max);
}

StringConditions StringConditions::WithoutLengths() const {
  StringConditions others = *this;
  others.min = 0;
  others.max = kUnbounded;
  return others;
}

std::string StringConditions::Key() const {
  std::string key = fmt::format("{} to {}", min, max);
  for (const Pattern& pattern : patterns) {
    key += fmt::format(" pattern {} {}", pattern.regex.size(), pattern.regex);
  }
  for (const StringFormat* format : formats) {
    key += fmt::format(" format {}", format->name);
  }
  return key;
}

Result<StringConditions::Automata> StringConditions::Read(const SchemaSource& source,
                                                          SourceWork& work) const {
  Automata automata = {.patterns = {}, .counted = {min, max}};
  for (const Pattern& pattern : patterns) {
    ASHLAR_TRY(CharNfa nfa, ReadPattern(source, *pattern.at, pattern.regex, work));
    automata.Add(std::move(nfa));
  }
  for (const StringFormat* format : formats) {
    ASHLAR_TRY(CharNfa nfa, ReadFormat(*format, automata.counted, work));
    automata.Add(std::move(nfa));
  }
  return automata;
}

// Lengths that all texts have anyway say nothing; to count them takes many states.
void StringConditions::Automata::Add(CharNfa pattern) {
  const CharLengths lengths = LengthsOf(pattern);
  counted.min = lengths.min >= counted.min ? 0 : counted.min;
  counted.max = lengths.max <= counted.max ? kUnbounded : counted.max;
  patterns.push_back(std::move(pattern));
}

// The widest of those that have texts of such lengths, and that take few states to count to
// `counted` as far as their own lengths do not say it.
Result<CharNfa> StringConditions::ReadFormat(const StringFormat& format, CharLengths counted,
                                             SourceWork& work) const {
  std::optional<CharNfa> widest;
  for (const std::string& regex : format.regexes) {
    const Result<CharNfa> nfa = ReadRegex(regex);
    CHECK(nfa.ok());
    ASHLAR_TRY(work.Take(SourceWork::kReadEdge * nfa->size()));
    const CharLengths lengths = LengthsOf(*nfa);
    if (widest && lengths.max < min) {
      break;
    }
    widest = *nfa;
    std::uint64_t states = nfa->states;
    if (lengths.max > counted.max) {
      states *= std::uint64_t{counted.max} + 2;
    } else if (lengths.min <
               counted.min) {  // of which nothing is counted any more once it is reached
      states += std::uint64_t{StatesWithin(*nfa, counted.min)} * counted.min;
    }
    if (states <= CharDfa::kMaxStates) {
      break;
    }
  }
  return *std::move(widest);
}

Result<CharDfa> StringConditions::Together(const Automata& automata, SourceWork& work) const {
  ASHLAR_TRY(CharDfa all, CharDfa::OfLength(automata.counted.min, automata.counted.max));
  for (const CharNfa& pattern : automata.patterns) {
    ASHLAR_TRY(const CharDfa one, CharDfa::Of(pattern, work));
    ASHLAR_TRY(all, Both(all, one, work));
  }
  return all;
}

Result<CharDfa> StringConditions::Together(const SchemaSource& source, SourceWork& work) const {
  ASHLAR_TRY(const Automata automata, Read(source, work));
  return Together(automata, work);
}

Result<CharNfa> StringConditions::Texts(const SchemaSource& source, SourceWork& work) const {
  ASHLAR_TRY(Automata automata, Read(source, work));
  if (automata.patterns.size() == 1 && !automata.are_counted()) {
    return std::move(automata.patterns[0]);
  }
  ASHLAR_TRY(const CharDfa together, Together(automata, work));
  return together.AsNfa();
}

Result<CharNfa> ReadPattern(const SchemaSource& source, const Json& place, std::string_view pattern,
                            SourceWork& work) {
  ASHLAR_TRY(work.Take(pattern.size()));
  const auto nfa = ReadRegex(pattern);
  if (!nfa.ok()) {
    // Whatever is exhausted gets the place of what is drawn.
    return nfa.error().code == ErrorCode::kExhausted
               ? nfa.error()
               : nfa.error().In("schema at " + source.PointerTo(place));
  }
  ASHLAR_TRY(work.Take(SourceWork::kReadEdge * nfa->size()));
  CharNfa plain = nfa->Plain(/*anywhere=*/true);
  ASHLAR_TRY(work.Take(SourceWork::kReadEdge * plain.size()));
  return plain;
}

Result<StringConditions> StringConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool without_formats) {
  StringConditions conditions;
  ASHLAR_TRY(const auto min, source.Count(facts, "minLength", /*least=*/false));
  ASHLAR_TRY(const auto max, source.Count(facts, "maxLength", /*least=*/true));
  conditions.min = min.value_or(0);
  conditions.max = max.value_or(kUnbounded);
  ASHLAR_TRY(const auto patterns, source.Find(facts, "pattern", kString));
  for (const Json* pattern : patterns) {
    conditions.patterns.push_back({*pattern->string(), pattern});
  }
  ASHLAR_TRY(const auto formats, source.Find(facts, "format", kString));
  for (const Json* name : formats) {
    const auto known = std::ranges::find(Formats(), *name->string(), &StringFormat::name);
    if (known == Formats().end()) {
      if (IsNumberFormat(*name->string())) {  // says nothing of strings
        continue;
      }
      return UnknownFormat(source, *name);
    }
    if (!without_formats) {
      conditions.formats.push_back(&*known);
    }
  }
  return conditions;
}

bool IsStringFormat(std::string_view name) {
  return std::ranges::find(Formats(), name, &StringFormat::name) != Formats().end();
}

Error UnknownFormat(const SchemaSource& source, const Json& name) {
  return source.UnsupportedAt(name, "the format {} is not supported",
                              QuoteForError(*name.string()));
}

CharNfa OneOfTexts(const std::vector<std::string>& texts) {
  CharNfa nfa{.states = 2, .start = 0, .end = 1, .edges = {}};
  for (const std::string& text : texts) {
    std::uint32_t from = nfa.start;
    for (std::size_t at = 0; at < text.size();) {
      const std::uint32_t to = nfa.states++;
      nfa.edges.push_back({.from = from,
                           .to = to,
                           .kind = CharNfa::Kind::kRead,
                           .set = CharSet::Of(NextChar(text, at).value())});
      from = to;
    }
    nfa.edges.push_back({.from = from, .to = nfa.end, .kind = CharNfa::Kind::kSkip, .set = {}});
  }
  return nfa;
}

}  // namespace ashlar::grammar
