// An AccessLog has a line of JSON for each request that was answered: who asked what for how much,
// and how long it took. Never a prompt, an answer, a key or a query string.
//
// A line is written whole, by one write at the file's end, so that several processes may share a
// file. Rotation is somebody else's work (logrotate): rename the file, then Reopen. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "ashlar/base/file.h"

namespace ashlar {

struct AccessRecord {
  std::chrono::system_clock::time_point time;  // when the request was there
  std::string request_id;
  std::string tenant;
  std::string peer;
  std::string method;
  std::string path;
  int status = 200;
  std::string model;                               // "": none
  std::optional<std::int64_t> prompt_tokens = {};  // none: a request without tokens
  std::optional<std::int64_t> cached_tokens = {};
  std::optional<std::int64_t> completion_tokens = {};
  std::string finish_reason = {};
  std::string exception = {};  // the name of its type: what a library threw
  std::optional<double> queue_seconds = {};
  std::optional<double> first_token_seconds = {};
  double total_seconds = 0;
};

// The line, with its end. What is not there is left out.
std::string AccessLine(const AccessRecord& record);

class AccessLog {
 public:
  // Appends to `path`; "-" is standard output, "" no log at all.
  static Result<std::unique_ptr<AccessLog>> Open(const Path& path,
                                                 FileSystem& files = RealFileSystem());

  // A line that cannot be written is counted and forgotten: requests do not wait for a full disk.
  // The next one tries to open the file anew.
  void Write(const AccessRecord& record);
  Status Reopen();  // on SIGHUP
  std::uint64_t lost_lines() const;

 private:
  AccessLog(Path path, FileSystem& files) : path_(std::move(path)), files_(&files) {}
  Status WriteLocked(std::string_view line);

  const Path path_;
  FileSystem* const files_;
  mutable std::mutex mutex_;
  std::unique_ptr<WritableFile> file_;  // null: to be opened
  std::uint64_t lost_lines_ = 0;
};

}  // namespace ashlar
