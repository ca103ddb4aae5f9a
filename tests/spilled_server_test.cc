// A server whose cached prompts go to a disk: one that is full, and one that it is killed over
// while it writes. What it says is what a server says that has room for all in memory, and nothing
// is left.
#include <string>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

// Eight prompts of some pages each, of which memory has room for two.
constexpr const char* kSpilling = R"sh(
cd $DIRECTORY
mkdir -p spill
serve() {
  rm -f out
  "$@" serve --port 0 --json --context 512 --threads 1 --parallel 1 $PAGES >out 2>err & SERVER=$!
  for i in {1..600}; do [[ -s out ]] && break; sleep 0.1; done
  URL=$(sed 's/.*"url":"\([^"]*\)".*/\1/' out)
}
ask() {
  local words=$(for i in {1..60}; do printf 'word%d ' $((i * $1)); done)
  curl -sSf --max-time 100 $URL/v1/completions -d '{"model": "base", "prompt": "'"$words"'",
    "max_tokens": 8, "temperature": 1, "seed": 5, "logprobs": 1}' |
    sed 's/.*"choices":\(.*\),"usage".*/\1/'
}
all() { for each in {1..8} {1..8} 8 7 6 5; do ask $each; done; }
counter() { curl -sSf $URL/metrics | sed -n "s/^$1 //p"; }
stop() { kill -TERM $SERVER; wait $SERVER; local code=$?; SERVER=; return $code; }
same() { cmp "$1" "$2" || { echo "$3: other answers"; exit 1; }; }
empty() { [[ -z $(ls -A spill) ]] || { echo "$1: left $(ls -A spill)"; exit 1; }; }

PAGES=
serve $ASHLAR
all >expected
stop || exit 1
[[ -s expected ]] || { cat err; exit 1; }
PAGES="--pages 5M --spill-dir spill"
)sh";

// The kernel takes what fits into the limit, and refuses the rest.
constexpr const char* kFull = R"sh(
serve $ASHLAR
all >roomy; same expected roomy "a disk with room"
RESTORED=$(counter ashlar_kv_pages_restored_total); SPILLED=$(counter ashlar_kv_pages_spilled_total)
stop || exit 1
[[ $RESTORED -gt 0 ]] || { echo "$SPILLED pages spilled, $RESTORED restored"; exit 1; }
limited() { ulimit -f 2048; exec $ASHLAR "$@"; }
serve limited
all >limited; same expected limited "a file that may have 2 MB"
LESS=$(counter ashlar_kv_pages_spilled_total)
stop || { echo "it did not end as it should"; exit 1; }
[[ $LESS -lt $SPILLED ]] || { echo "the limit limited nothing: $LESS of $SPILLED"; exit 1; }
empty "after a full disk"
)sh";

constexpr const char* kFileSystem = R"sh(
small() {
  exec unshare -rm sh -c 'mount -t tmpfs -o size=1m none spill && exec "$0" "$@"' $ASHLAR "$@"
}
unshare -rm mount -t tmpfs -o size=1m none spill 2>/dev/null || { echo skip; exit 0; }
serve small
all >small; same expected small "a file system of 1 MB"
[[ $(counter ashlar_kv_pages_spilled_total) -gt 0 ]] || { echo "nothing was spilled"; exit 1; }
LEFT=$(stat -f -c %a /proc/$SERVER/root$PWD/spill)
[[ $LEFT -lt 64 ]] || { echo "it was not full: $LEFT of 256 blocks were left"; exit 1; }
stop || exit 1
)sh";

constexpr const char* kKilled = R"sh(
for life in 1 2 3; do
  serve $ASHLAR
  { while :; do all >/dev/null 2>&1 || sleep 0.05; done; } & LOAD=$!
  for i in {1..600}; do
    [[ $(counter ashlar_kv_pages_spilled_total) -gt $((40 * life)) ]] && break; sleep 0.05
  done
  kill -9 $SERVER $LOAD; wait 2>/dev/null; SERVER= LOAD=
  empty "killed"
done
serve $ASHLAR
all >again; same expected again "after kill -9"
stop || exit 1
)sh";

class SpilledServer : public ::testing::Test {
 protected:
  void SetUp() override {
    const CommandResult imported =
        ashlar_({"import", "hf", testing::DemoModel().string(), "--as", "base"});
    ASSERT_EQ(imported.exit_code, 0) << ::testing::PrintToString(imported);
  }
  CommandResult Run(const char* script) {
    return ashlar_.Shell("trap 'kill -9 $SERVER $LOAD 2>/dev/null' EXIT; DIRECTORY=" +
                         directory_.path().string() + kSpilling + script);
  }

  const TempDirectory directory_;
  const Ashlar ashlar_{directory_ / "store"};
};

TEST_F(SpilledServer, SaysTheSameWhenItsFileMayGrowNoMore) {
  const CommandResult result = Run(kFull);
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

TEST_F(SpilledServer, SaysTheSameOnAFileSystemThatIsFull) {
  const CommandResult result = Run(kFileSystem);
  ASSERT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
  if (result.out == "skip\n") {
    GTEST_SKIP() << "no file system may be mounted here";
  }
}

TEST_F(SpilledServer, ThatIsKilledLeavesNothingAndTheNextOneSaysTheSame) {
  const CommandResult result = Run(kKilled);
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

}  // namespace
}  // namespace ashlar
