#include "ashlar/server/access_log/access_log.h"

#include <algorithm>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/base/json.h"
#include "ashlar/base/temp_directory.h"

namespace ashlar {
namespace {

AccessRecord Record(std::string id = "r-1") {
  using namespace std::chrono;
  return {.time = sys_days(2026y / 2 / 28) + 13h + 5min + 6s + 789ms,
          .request_id = std::move(id),
          .tenant = "alice",
          .peer = "192.0.2.1:50514",
          .method = "POST",
          .path = "/v1/chat/completions",
          .status = 200,
          .total_seconds = 0.0123456789};
}

std::vector<std::string> LinesOf(const Path& path) {
  const auto text = ReadTextFile(path);
  std::vector<std::string> lines;
  for (std::size_t at = 0; text.ok() && at < text->size();) {
    const std::size_t end = text->find('\n', at);
    lines.push_back(text->substr(at, end - at));
    at = end == std::string::npos ? end : end + 1;
  }
  return lines;
}

TEST(AccessLine, HasWhatIsThereAndNothingElse) {
  EXPECT_EQ(AccessLine(Record()),
            R"({"time":"2026-02-28T13:05:06.789Z","request_id":"r-1","tenant":"alice",)"
            R"("peer":"192.0.2.1:50514","method":"POST","path":"/v1/chat/completions",)"
            R"("status":200,"total_seconds":0.012346})"
            "\n");
  AccessRecord record = Record();
  record.model = "lab";
  record.prompt_tokens = 7;
  record.cached_tokens = 0;
  record.completion_tokens = 3;
  record.finish_reason = "stop";
  record.queue_seconds = 0.5;
  record.first_token_seconds = 1;
  EXPECT_NE(AccessLine(record).find(
                R"("model":"lab","prompt_tokens":7,"cached_tokens":0,"completion_tokens":3,)"
                R"("finish_reason":"stop","queue_seconds":0.5,"first_token_seconds":1,)"),
            std::string::npos)
      << AccessLine(record);
}

TEST(AccessLine, IsOneLineOfJsonWhateverAClientNamesThings) {
  AccessRecord record = Record();
  record.path = "/a\n{\"status\":200}\xff";
  const std::string line = AccessLine(record);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_TRUE(ParseJson(line).ok());
}

TEST(AccessLog, LinesOfManyThreadsAreWhole) {
  const TempDirectory directory;
  const auto log = AccessLog::Open(directory / "access.log");
  ASSERT_TRUE(log.ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        (*log)->Write(Record(fmt::format("{}-{}", t, i)));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const auto lines = LinesOf(directory / "access.log");
  EXPECT_EQ(lines.size(), 200u);
  EXPECT_TRUE(std::ranges::all_of(lines, [](const auto& line) { return ParseJson(line).ok(); }));
}

TEST(AccessLog, AfterReopenARotatedFileGetsNoMore) {
  const TempDirectory directory;
  const auto log = AccessLog::Open(directory / "access.log");
  ASSERT_TRUE(log.ok());
  (*log)->Write(Record("first"));
  std::filesystem::rename(directory / "access.log", directory / "access.log.1");
  (*log)->Write(Record("second"));
  ASSERT_TRUE((*log)->Reopen().ok());
  (*log)->Write(Record("third"));
  EXPECT_EQ(LinesOf(directory / "access.log.1").size(), 2u);
  EXPECT_EQ(LinesOf(directory / "access.log").size(), 1u);
}

TEST(AccessLog, AFailureLosesALineAndNotTheLog) {
  const TempDirectory directory;
  const auto log = AccessLog::Open(directory / "logs");
  ASSERT_TRUE(log.ok());
  std::filesystem::remove(directory / "logs");
  std::filesystem::create_directory(directory / "logs");
  EXPECT_FALSE((*log)->Reopen().ok());
  (*log)->Write(Record());
  (*log)->Write(Record());
  EXPECT_EQ((*log)->lost_lines(), 2u);
  std::filesystem::remove(directory / "logs");
  (*log)->Write(Record());
  EXPECT_EQ(LinesOf(directory / "logs").size(), 1u);
  EXPECT_FALSE(AccessLog::Open(directory / "absent" / "log").ok());
  EXPECT_TRUE(AccessLog::Open("").ok());
}

}  // namespace
}  // namespace ashlar
