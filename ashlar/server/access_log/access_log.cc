#include "ashlar/server/access_log/access_log.h"

#include <cmath>
#include <cstdio>
#include <ctime>

#include "ashlar/base/json.h"

namespace ashlar {
namespace {

// RFC 3339 in UTC, to the millisecond.
std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = millis / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     millis % 1000);
}

// To the microsecond: more digits say nothing.
double Rounded(double seconds) {
  return static_cast<double>(std::llround(seconds * 1e6)) / 1e6;
}

}  // namespace

std::string AccessLine(const AccessRecord& record) {
  Json line = Json::Of({{"time", TimeText(record.time)},
                        {"request_id", record.request_id},
                        {"tenant", record.tenant},
                        {"peer", record.peer},
                        {"method", record.method},
                        {"path", record.path},
                        {"status", record.status}});
  const auto set_text = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) {
      line.Set(name, text);
    }
  };
  const auto set_tokens = [&](std::string_view name, std::optional<std::int64_t> tokens) {
    if (tokens) {
      line.Set(name, *tokens);
    }
  };
  const auto set_seconds = [&](std::string_view name, std::optional<double> seconds) {
    if (seconds) {
      line.Set(name, Rounded(*seconds));
    }
  };
  set_text("model", record.model);
  set_tokens("prompt_tokens", record.prompt_tokens);
  set_tokens("cached_tokens", record.cached_tokens);
  set_tokens("completion_tokens", record.completion_tokens);
  set_text("finish_reason", record.finish_reason);
  set_text("exception", record.exception);
  set_seconds("queue_seconds", record.queue_seconds);
  set_seconds("first_token_seconds", record.first_token_seconds);
  set_seconds("total_seconds", record.total_seconds);
  return WriteJson(line) + "\n";
}

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const Path& path, FileSystem& files) {
  std::unique_ptr<AccessLog> log(new AccessLog(path, files));
  ASHLAR_TRY(log->Reopen());
  return log;
}

Status AccessLog::Reopen() {
  const std::lock_guard lock(mutex_);
  file_.reset();
  if (!path_.empty() && path_ != "-") {
    ASHLAR_TRY(file_, files_->Append(path_));
  }
  return {};
}

Status AccessLog::WriteLocked(std::string_view line) {
  if (path_ == "-") {
    const bool written =
        std::fwrite(line.data(), 1, line.size(), stdout) == line.size() && std::fflush(stdout) == 0;
    return written ? Status() : Status(IoError("cannot write to standard output"));
  }
  if (file_ == nullptr) {
    ASHLAR_TRY(file_, files_->Append(path_));
  }
  return file_->Write(std::as_bytes(std::span(line)));
}

void AccessLog::Write(const AccessRecord& record) {
  if (path_.empty()) {
    return;
  }
  const std::string line = AccessLine(record);
  const std::lock_guard lock(mutex_);
  if (!WriteLocked(line).ok()) {
    file_.reset();  // a file that has failed once fails for ever
    ++lost_lines_;
  }
}

std::uint64_t AccessLog::lost_lines() const {
  const std::lock_guard lock(mutex_);
  return lost_lines_;
}

}  // namespace ashlar
