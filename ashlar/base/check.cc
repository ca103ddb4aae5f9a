#include "ashlar/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace ashlar {

void CheckFailed(const char* file, int line, const char* message) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, message);
  std::abort();
}

void CheckFailed(const char* file, int line, const std::string& message) {
  CheckFailed(file, line, message.c_str());
}

}  // namespace ashlar
