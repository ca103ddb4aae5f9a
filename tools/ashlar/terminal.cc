#include "tools/ashlar/terminal.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

#include "ashlar/base/clock.h"
#include "ashlar/plan/plan.h"

namespace ashlar::cli {
namespace {

constexpr std::int64_t kProgressEveryMicros = 100'000;
constexpr std::int64_t kLineEveryMicros = 10'000'000;  // of a log

// "12.3 MB"; of what is no bytes "12.3 M".
std::string Amount(std::uint64_t count, std::string_view unit) {
  std::string text = FormatBytes(count);
  return unit == Terminal::kBytes ? text : text.substr(0, text.find_last_not_of(" B") + 1);
}

// Columns that text takes on a terminal: code points, which is right for the text in our tables.
std::size_t DisplayWidth(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

const char* EscapeOf(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kBad:
      return "\x1b[31m";
  }
  CHECK(false);
}

}  // namespace

Terminal::Terminal()
    : out_is_terminal_(::isatty(STDOUT_FILENO) == 1),
      err_is_terminal_(::isatty(STDERR_FILENO) == 1) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colour_ = out_is_terminal_ && (no_colour == nullptr || *no_colour == '\0') &&
            (term == nullptr || std::string_view(term) != "dumb");
}

void Terminal::Print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  output_ok_ = std::fflush(stdout) == 0 && written && output_ok_;
}

void Terminal::PrintLine(std::string_view text) {
  Print(std::string(text) + "\n");
}

void Terminal::PrintJson(const Json& value) {
  PrintLine(out_is_terminal_ ? WriteJsonPretty(value) : WriteJson(value));
}

void Terminal::PrintTable(std::span<const Column> columns,
                          std::span<const std::vector<std::string>> rows) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t width = DisplayWidth(columns[i].title);
    for (const auto& row : rows) {
      width = std::max(width, DisplayWidth(row[i]));
    }
    widths.push_back(width);
  }
  const auto line = [&](const auto& cell, Style style) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string_view value = cell(i);
      const std::string padding(widths[i] - DisplayWidth(value), ' ');
      const bool last = i + 1 == columns.size();
      text += columns[i].align == Align::kRight ? padding + Styled(style, value)
                                                : Styled(style, value) + (last ? "" : padding);
      text += last ? "\n" : "  ";
    }
    return text;
  };
  std::string text = line([&](std::size_t i) { return columns[i].title; }, Style::kBold);
  for (const auto& row : rows) {
    text += line([&](std::size_t i) { return std::string_view(row[i]); }, Style::kPlain);
  }
  Print(text);
}

void Terminal::Note(std::string_view text) {
  EndProgress();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

std::string Terminal::Styled(Style style, std::string_view text) const {
  if (!colour_ || style == Style::kPlain || text.empty()) {
    return std::string(text);
  }
  return fmt::format("{}{}\x1b[0m", EscapeOf(style), text);
}

void Terminal::Progress(std::string_view what, std::uint64_t done, std::uint64_t total,
                        std::string_view unit) {
  if (!err_is_terminal_ && !logs_progress_) {
    return;
  }
  const std::int64_t now = SteadyClock().NowMicros();
  if (progress_started_us_ == 0) {
    progress_started_us_ = now;
    progress_shown_us_ = err_is_terminal_ ? 0 : now;
  }
  const std::int64_t every = err_is_terminal_ ? kProgressEveryMicros : kLineEveryMicros;
  if (now - progress_shown_us_ < every && (done < total || !err_is_terminal_)) {
    return;
  }
  progress_shown_us_ = now;
  const double seconds = static_cast<double>(now - progress_started_us_) * 1e-6;
  std::string text = fmt::format("{}  {} of {}", what, Amount(done, unit), Amount(total, unit));
  text += unit == kBytes ? "" : fmt::format(" {}", unit);
  if (seconds > 0.5 && done > 0) {
    const double rate = static_cast<double>(done) / seconds;
    text += fmt::format("  {}/s  {:.0f} s left", Amount(static_cast<std::uint64_t>(rate), unit),
                        static_cast<double>(total - done) / rate);
  }
  if (err_is_terminal_) {
    std::fprintf(stderr, "\r\x1b[K%s", text.c_str());
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::fflush(stderr);
}

void Terminal::EndProgress() {
  if (progress_started_us_ != 0 && err_is_terminal_) {
    std::fprintf(stderr, "\r\x1b[K");
    std::fflush(stderr);
  }
  progress_started_us_ = 0;
}

int Terminal::width() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return 80;
}

}  // namespace ashlar::cli
