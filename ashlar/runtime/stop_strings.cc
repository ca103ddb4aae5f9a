#include "ashlar/runtime/stop_strings.h"

#include <algorithm>
#include <utility>

namespace ashlar {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  std::erase_if(strings_, [](const std::string& string) { return string.empty(); });
}

std::string StopStrings::Push(std::string_view piece) {
  if (stopped_) {
    return {};
  }
  held_ += piece;
  std::size_t begin = std::string::npos;
  std::size_t end = std::string::npos;
  for (const std::string& string : strings_) {
    const std::size_t at = held_.find(string);
    if (at != std::string::npos &&
        (at + string.size() < end || (at + string.size() == end && at < begin))) {
      begin = at;
      end = at + string.size();
    }
  }
  if (begin != std::string::npos) {
    stopped_ = true;
    stopped_by_ = held_.substr(begin, end - begin);
    return std::exchange(held_, {}).substr(0, begin);
  }
  std::size_t keep = 0;  // the longest end of the text that begins a stop string
  for (const std::string& string : strings_) {
    for (std::size_t n = std::min(held_.size(), string.size() - 1); n > keep; --n) {
      if (std::string_view(held_).ends_with(std::string_view(string).substr(0, n))) {
        keep = n;
      }
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, shown.size());
  return shown;
}

std::string StopStrings::Finish() {
  return std::exchange(held_, {});
}

}  // namespace ashlar
