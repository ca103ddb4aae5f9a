#include "ashlar/kernels/isa.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ashlar {
namespace {

TEST(Isa, HasANameByWhichItCanBeForced) {
  for (const Isa isa : AllIsas()) {
    const Result<Isa> chosen = ChooseIsa(IsaName(isa));
    if (Supported(isa)) {
      ASSERT_TRUE(chosen.ok());
      EXPECT_EQ(*chosen, isa);
    } else {
      ASSERT_FALSE(chosen.ok());
      EXPECT_EQ(chosen.error().code, ErrorCode::kUnsupported);
    }
  }
}

TEST(Isa, IsTheFastestSupportedOneWhenNoneIsForced) {
  const Result<Isa> chosen = ChooseIsa("");
  ASSERT_TRUE(chosen.ok());
  EXPECT_TRUE(Supported(*chosen));
  for (const Isa isa : AllIsas()) {
    EXPECT_TRUE(isa <= *chosen || !Supported(isa));
  }
}

TEST(Isa, ThatIsUnknownIsAnErrorThatListsTheKnownOnes) {
  for (const char* name : {"avx", "AVX2", "avx512 ", "vnni", "neon"}) {
    const Result<Isa> chosen = ChooseIsa(name);
    ASSERT_FALSE(chosen.ok()) << name;
    EXPECT_EQ(chosen.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(chosen.error().message,
                testing::HasSubstr("reference, avx2, avxvnni, avx512, amx"));
  }
}

// A weak symbol (an inline function that was not inlined) of an object compiled for an instruction
// set may be what the linker keeps for the whole program, which then dies on a lesser processor, or
// rounds differently where a plain loop was meant. So such objects may define weak symbols only
// over that instruction set's own types.
TEST(IsaObjects, DefineNoWeakSymbolThatAnotherObjectCouldShare) {
  const std::filesystem::path library =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libashlar_kernels.a";
  ASSERT_TRUE(std::filesystem::exists(library)) << library;
  std::FILE* nm =
      popen(("nm -C -A --defined-only " + library.string() + " 2>/dev/null").c_str(), "r");
  ASSERT_NE(nm, nullptr);
  std::vector<std::string> shared;
  int objects = 0;
  char line[4096];
  std::string last_object;
  while (std::fgets(line, sizeof line, nm) != nullptr) {
    const std::string text(line);
    // "path/lib.a:q4_avx2.cc.o:0000000000000000 W symbol"
    const std::size_t object_end = text.find(".cc.o:");
    if (object_end == std::string::npos) {
      continue;
    }
    const std::string object = text.substr(0, object_end);
    const bool avx512 = object.ends_with("_avx512") || object.ends_with("_amx");
    const bool avx2 = object.ends_with("_avx2") || object.ends_with("_avxvnni");
    if (!avx512 && !avx2) {
      continue;
    }
    objects += object != last_object;
    last_object = object;
    const std::size_t weak = text.find(" W ");
    if (weak == std::string::npos) {
      continue;
    }
    const std::string symbol = text.substr(weak + 3);  // not always demangled
    const std::vector<std::string> own =
        object.ends_with("_amx") ? std::vector<std::string>{"amx::", "F32x16"}
        : avx512                 ? std::vector<std::string>{"avx512::", "F32x16"}
                                 : std::vector<std::string>{"avx2", "avxvnni", "F32x8"};
    const bool is_own = std::any_of(own.begin(), own.end(), [&](const std::string& type) {
      return symbol.find(type) != std::string::npos;
    });
    if (!is_own && symbol.find("__clang_call_terminate") == std::string::npos) {
      shared.push_back(text);
    }
  }
  pclose(nm);
  if (objects == 0) {
    GTEST_SKIP() << "nm is not installed, or reads nothing from " << library;
  }
  EXPECT_GE(objects, 8);
  EXPECT_THAT(shared, testing::IsEmpty());
}

}  // namespace
}  // namespace ashlar
