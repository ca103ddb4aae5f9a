// A ChildProcess runs a function in a process of its own, for tests of what processes do to each
// other and of what is left when one dies. It reports by lines, each of which the parent has for
// certain once Line returns, whatever happens to the child afterwards.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/base/check.h"

namespace ashlar::internal {

class ChildProcess {
 public:
  class Report {
   public:
    explicit Report(int fd) : fd_(fd) {}
    // `line` has no newline, and fits into a pipe's atomic write.
    void Line(const std::string& line) {
      const std::string text = line + "\n";
      CHECK_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }

   private:
    const int fd_;
  };

  // Requires: this process has one thread.
  explicit ChildProcess(const std::function<void(Report&)>& body) {
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    std::fflush(nullptr);
    pid_ = fork();
    CHECK_NE(pid_, -1);
    if (pid_ == 0) {
      close(ends[0]);
      Report report(ends[1]);
      body(report);
      _exit(0);
    }
    close(ends[1]);
    from_child_ = ends[0];
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() {
    if (pid_ != 0) {
      Kill();
      Wait();
    }
  }

  // kill -9.
  void Kill() { CHECK_EQ(kill(pid_, SIGKILL), 0); }

  // Waits until the child is gone, and gives all its lines; a last one says so when it died of
  // anything but our kill.
  std::vector<std::string> Wait() {
    std::vector<std::string> lines(1);
    char buffer[4096];
    for (ssize_t got; (got = read(from_child_, buffer, sizeof(buffer))) > 0;) {
      for (const char c : std::string_view(buffer, static_cast<std::size_t>(got))) {
        if (c == '\n') {
          lines.emplace_back();
        } else {
          lines.back() += c;
        }
      }
    }
    lines.pop_back();
    close(from_child_);
    int status = 0;
    CHECK_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = 0;
    const bool killed_by_us = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (status != 0 && !killed_by_us) {
      lines.push_back("died with status " + std::to_string(status));
    }
    return lines;
  }

 private:
  pid_t pid_ = 0;  // 0 once it is gone
  int from_child_ = -1;
};

}  // namespace ashlar::internal
