#include "ashlar/grammar/internal/schema_strings.h"

#include <algorithm>

#include "ashlar/grammar/internal/regex.h"
#include "ashlar/grammar/internal/schema_numbers.h"

namespace ashlar::grammar {
namespace {

struct Format {
  std::string_view name;
  std::string regex;  // of the whole text
};

// Each is a part of what the format allows (RFC 3339, 4122, 5321, 1123, 2673, 4291, 3986; ISO 8601
// for durations): no leap seconds, no quoted local parts, only URIs with an authority.
const std::vector<Format>& Formats() {
  static const std::vector<Format> formats = [] {
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
    // Labels of 62, so that four have no more than the 253 characters that names of hosts may have;
    // and of 46, so that an address has no more than 254.
    const std::string label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,60}[A-Za-z0-9])?";
    const std::string short_label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,44}[A-Za-z0-9])?";
    const std::string hostname = label + "(?:\\." + label + "){0,3}";
    const std::string byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    const std::string ipv4 = byte + "(?:\\." + byte + "){3}";
    const std::string word = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,15}";
    const std::string path = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
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
    return std::vector<Format>{
        {"date", date},
        {"time", time},
        {"date-time", date + "T" + time},
        {"duration", "P(?:" + days + "(?:" + times + ")?|" + times + "|[0-9]{1,9}W)"},
        {"email",
         word + "(?:\\." + word + "){0,3}@" + short_label + "(?:\\." + short_label + "){1,3}"},
        {"hostname", hostname},
        {"ipv4", ipv4},
        {"ipv6", ipv6},
        {"uri", "[a-z][a-z0-9+.-]{0,15}://" + hostname + "(?::[0-9]{1,5})?(?:/" + path +
                    "*)*(?:\\?(?:" + path + "|[/?])*)?(?:#(?:" + path + "|[/?])*)?"},
        {"uuid", "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"},
    };
  }();
  return formats;
}

}  // namespace

Result<CharDfa> StringConditions::Together(AutomatonWork& work) const {
  ASHLAR_TRY(CharDfa all, CharDfa::OfLength(min, max));
  for (const CharNfa& pattern : patterns) {
    ASHLAR_TRY(const CharDfa one, CharDfa::Of(pattern, work));
    ASHLAR_TRY(all, Both(all, one, work));
  }
  return all;
}

Result<CharNfa> ReadPattern(const SchemaSource& source, const Json& place,
                            std::string_view pattern) {
  const auto nfa = ReadRegex(pattern);
  if (!nfa.ok()) {
    return nfa.error().In("schema at " + source.PointerTo(place));
  }
  return nfa->Plain(/*anywhere=*/true);
}

Result<StringConditions> StringConditionsOf(const SchemaSource& source, const Facts& facts,
                                            bool without_formats, AutomatonWork& work) {
  StringConditions conditions;
  ASHLAR_TRY(const auto min, source.Count(facts, "minLength", /*least=*/false));
  ASHLAR_TRY(const auto max, source.Count(facts, "maxLength", /*least=*/true));
  conditions.min = min.value_or(0);
  conditions.max = max.value_or(kUnbounded);
  ASHLAR_TRY(const auto patterns, source.Find(facts, "pattern", kString));
  for (const Json* pattern : patterns) {
    ASHLAR_TRY(CharNfa nfa, ReadPattern(source, *pattern, *pattern->string()));
    conditions.patterns.push_back(std::move(nfa));
  }
  ASHLAR_TRY(const auto formats, source.Find(facts, "format", kString));
  for (const Json* name : formats) {
    const auto known = std::ranges::find(Formats(), *name->string(), &Format::name);
    if (known == Formats().end()) {
      if (IsNumberFormat(*name->string())) {  // says nothing of strings
        continue;
      }
      return UnknownFormat(source, *name);
    }
    if (!without_formats) {
      const auto nfa = ReadRegex(known->regex);
      CHECK(nfa.ok());
      conditions.patterns.push_back(*nfa);
    }
  }
  // Lengths that a pattern has anyway say nothing; to count them takes many states.
  const bool counted = conditions.min > 0 || conditions.max != kUnbounded;
  if (counted && std::ranges::any_of(conditions.patterns, [&](const CharNfa& pattern) {
        return LengthsAreWithin(pattern, conditions.min, conditions.max, work);
      })) {
    conditions.min = 0;
    conditions.max = kUnbounded;
  }
  return conditions;
}

bool IsStringFormat(std::string_view name) {
  return std::ranges::find(Formats(), name, &Format::name) != Formats().end();
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
