// A Terminal is where a verb writes for people: plain text on standard output, progress and notes
// on standard error; colours and progress only where a terminal is attached.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/json.h"

namespace ashlar::cli {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kBad };
enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
  std::string_view title;
  Align align = Align::kLeft;
};

class Terminal {
 public:
  // Looks at what standard output and standard error are, and at NO_COLOR and TERM.
  Terminal();

  void Print(std::string_view text);  // standard output, as it is
  void PrintLine(std::string_view text);
  void PrintJson(const Json& value);  // one document, indented on a terminal
  void PrintTable(std::span<const Column> columns, std::span<const std::vector<std::string>> rows);
  void Note(std::string_view text);  // standard error, a line
  std::string Styled(Style style, std::string_view text) const;

  // "importing  12.3 MB of 59.0 MB  240 MB/s  2 s left", over itself; where standard error is no
  // terminal nothing, or after LogProgress a line every ten seconds. In another unit: "12.3 k of
  // 65.5 k tokens".
  static constexpr std::string_view kBytes = "B";
  void Progress(std::string_view what, std::uint64_t done, std::uint64_t total,
                std::string_view unit = kBytes);
  void EndProgress();
  void LogProgress() { logs_progress_ = true; }

  // Whether all that was printed reached standard output (false on a full disk).
  bool output_ok() const { return output_ok_; }
  bool interactive() const { return out_is_terminal_; }
  int width() const;  // columns; 80 when unknown

 private:
  bool output_ok_ = true;
  bool out_is_terminal_;
  bool err_is_terminal_;
  bool colour_;
  bool logs_progress_ = false;
  std::int64_t progress_started_us_ = 0;
  std::int64_t progress_shown_us_ = 0;
};

}  // namespace ashlar::cli
