#include "ashlar/base/temp_directory.h"

#include <cstdlib>
#include <string>
#include <system_error>

namespace ashlar {

TempDirectory::TempDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ashlar-XXXXXX").string();
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;  // a test may have taken away the right to write
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ashlar
