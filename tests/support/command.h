// Runs the real command line as a process of its own, and tells what a person would have seen: its
// output, its exit code, how long it took and how much memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/base/check.h"
#include "ashlar/base/file.h"
#include "ashlar/base/sanitized.h"

namespace ashlar::testing {

struct CommandResult {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out;
  std::string err;
  std::uint64_t peak_bytes = 0;  // resident
  double seconds = 0;
  double cpu_seconds = 0;  // what it took itself, on a machine that may be busy
};

inline constexpr unsigned kLongestSeconds = 600;

// For gtest's messages.
inline void PrintTo(const CommandResult& result, std::ostream* os) {
  *os << "exit code " << result.exit_code << ", signal " << result.signal
      << "\nstdout: " << result.out << "\nstderr: " << result.err;
}

struct CommandOptions {
  std::string input;                     // standard input
  std::vector<std::string> environment;  // "NAME=value", besides this process's own
  std::int64_t kill_after_us = -1;       // SIGKILL, as loss of power would
};

namespace internal {

inline int MemoryFile(std::string_view content = {}) {
  const int file = ::memfd_create("command", MFD_CLOEXEC);
  CHECK(file >= 0);
  CHECK(::write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  CHECK(::lseek(file, 0, SEEK_SET) == 0);
  return file;
}

inline std::string TakeContent(int file) {
  std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
  CHECK(::pread(file, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  ::close(file);
  return text;
}

}  // namespace internal

// A process that runs until Wait.
class Command {
 public:
  explicit Command(std::vector<std::string> words, const CommandOptions& options = {})
      : options_(options),
        in_(internal::MemoryFile(options.input)),
        out_(internal::MemoryFile()),
        err_(internal::MemoryFile()),
        start_(std::chrono::steady_clock::now()) {
    std::vector<char*> argv;
    for (std::string& word : words) {
      argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    std::vector<char*> environment;
    for (std::string& variable : options_.environment) {
      environment.push_back(variable.data());
    }
    for (char** variable = environ; *variable != nullptr; ++variable) {
      environment.push_back(*variable);
    }
    environment.push_back(nullptr);
    // The peak that the kernel counts for a child begins with what its parent had; so have little.
    ::malloc_trim(0);
    process_ = ::fork();
    CHECK(process_ >= 0);
    if (process_ == 0) {  // only calls that are safe beside other threads
      ::dup2(in_, STDIN_FILENO);
      ::dup2(out_, STDOUT_FILENO);
      ::dup2(err_, STDERR_FILENO);
      ::alarm(kLongestSeconds);  // outlives execve: nothing that hangs hangs the tests
      ::execve(argv[0], argv.data(), environment.data());
      ::_exit(127);
    }
  }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command() { CHECK(process_ < 0); }  // Wait was called

  CommandResult Wait() {
    if (options_.kill_after_us >= 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(options_.kill_after_us));
      ::kill(process_, SIGKILL);
    }
    int status = 0;
    rusage usage{};
    CHECK(::wait4(process_, &status, 0, &usage) == process_);
    process_ = -1;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    ::close(in_);
    return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
            .out = internal::TakeContent(out_),
            .err = internal::TakeContent(err_),
            .peak_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
            .seconds = seconds.count(),
            .cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime)};
  }

 private:
  static double Seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  }

  CommandOptions options_;
  int in_, out_, err_;
  std::chrono::steady_clock::time_point start_;
  pid_t process_ = -1;
};

// `ashlar WORDS...` with the store at `store`.
class Ashlar {
 public:
  explicit Ashlar(Path store) : store_(std::move(store)) {}

  const Path& store() const { return store_; }

  CommandResult operator()(const std::vector<std::string>& words,
                           const CommandOptions& options = {}) const {
    return Command(Words(words), WithStore(options)).Wait();
  }
  // Shell words, in which $ASHLAR is the command.
  CommandResult Shell(const std::string& script, const CommandOptions& options = {}) const {
    return Command({"/bin/bash", "-o", "pipefail", "-c", script}, WithStore(options)).Wait();
  }

  static std::vector<std::string> Words(const std::vector<std::string>& words) {
    std::vector<std::string> all = {ASHLAR_BINARY};
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  CommandOptions WithStore(CommandOptions options) const {
    options.environment.push_back("ASHLAR_STORE=" + store_.string());
    options.environment.push_back(std::string("ASHLAR=") + ASHLAR_BINARY);
    return options;
  }

 private:
  Path store_;
};

}  // namespace ashlar::testing
