// What tests find out about the things that the code claims to read. Where $ASHLAR_EVIDENCE names a
// file, each finding is a line at its end; scripts/compatibility.sh makes docs/compatibility.md of
// them.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace ashlar {

inline void AppendEvidence(const std::string& line) {
  const char* const path = std::getenv("ASHLAR_EVIDENCE");
  if (path == nullptr) {
    return;
  }
  // One write at the end of the file, so that tests may run side by side.
  std::FILE* const file = std::fopen(path, "a");
  if (file != nullptr) {
    std::fwrite(line.data(), 1, line.size(), file);
    std::fclose(file);
  }
}

// A row of the page: a claim of one of its tables, what it was measured against, the figure, and
// whether that is what was promised.
struct Evidence {
  std::string_view table;
  std::string_view claim;
  std::string against;
  std::string measured;
  bool holds;
};

inline void Record(const Evidence& found) {
  AppendEvidence(fmt::format("found\t{}\t{}\t{}\t{}\t{}\n", found.table, found.claim, found.against,
                             found.measured, found.holds ? 1 : 0));
}

// That a table has a row for this; `reason` says why nothing is measured, where nothing is.
inline void RecordClaim(std::string_view table, std::string_view claim, std::string_view reason) {
  AppendEvidence(fmt::format("claim\t{}\t{}\t{}\n", table, claim, reason));
}

// "128 of 128": of texts, lines or cases, those that came out as the reference has them.
struct Tally {
  int exact = 0;
  int total = 0;

  bool Count(bool equal) {
    exact += equal ? 1 : 0;
    ++total;
    return equal;
  }
  std::string text(std::string_view what) const {
    return fmt::format("{} of {} {} exact", exact, total, what);
  }
  bool all() const { return exact == total && total > 0; }
};

}  // namespace ashlar
