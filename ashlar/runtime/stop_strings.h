// StopStrings watches streamed text for the first of some strings, and holds back the end of the
// text while that may still become one of them.
//
//   StopStrings stop({"\n\n", "User:"});
//   ... Print(stop.Push(piece)); if (stop.stopped()) break; ...   Print(stop.Finish());
//
// Bytes, not characters: a stop string is found wherever its bytes are. Confined.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ashlar {

class StopStrings {
 public:
  // Empty strings would stop everything, and are ignored.
  explicit StopStrings(std::vector<std::string> strings);

  // Takes the next piece and returns the text that may be shown now: all of it but an end that may
  // become a stop string. Once one of them is complete, returns what stands before it, and nothing
  // from then on. Which one stops (the first to be complete; the longest of those that end
  // together) does not depend on how the text is cut.
  std::string Push(std::string_view piece);
  // No more text comes: returns what was held back (nothing when stopped).
  std::string Finish();

  bool stopped() const { return stopped_; }
  // Which one it was; empty until then.
  const std::string& stopped_by() const { return stopped_by_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;
  bool stopped_ = false;
  std::string stopped_by_;
};

}  // namespace ashlar
