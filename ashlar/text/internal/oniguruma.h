// The regular expressions in tokenizer files are Oniguruma's; ashlar runs them with PCRE2.
#pragma once

#include <string>
#include <string_view>

#include "ashlar/base/result.h"

namespace ashlar::internal {

// `pattern`, in Oniguruma's default syntax, as a PCRE2 pattern with the same meaning under the
// options of pattern.cc (UTF, UCP, MULTILINE). What the two spell alike and mean differently is
// translated: \s \w \b \h \v \uHHHH, names of scripts, {,n}. kUnsupported, naming the construct
// and its offset, for everything that has no translation here (groups' options other than "i",
// sets inside sets, intersections, POSIX classes, calls, \X \G \K ...); kInvalid for broken syntax.
//
// Differences that remain: case folding is one character to one ((?i:ss) does not match U+00DF),
// and properties are those of PCRE2's Unicode version.
Result<std::string> TranslateOniguruma(std::string_view pattern);

}  // namespace ashlar::internal
