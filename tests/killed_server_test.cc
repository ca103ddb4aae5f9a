// A server that is killed while it answers, writes networks to its store and saves sessions: the
// store is whole afterwards, and the next server says the same.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "ashlar/base/temp_directory.h"
#include "tests/support/command.h"
#include "tests/support/model_directories.h"

namespace ashlar {
namespace {

using testing::Ashlar;
using testing::CommandResult;

// One life of a server: it is asked a question, gets to do all it can at once, and is killed. Then
// the store is checked, and another one must answer as before.
constexpr const char* kLives = R"sh(
cd $DIRECTORY
serve() {
  rm -f out
  $ASHLAR serve --port 0 --json --context 256 --threads 1 --sessions sessions >out & SERVER=$!
  for i in {1..600}; do [[ -s out ]] && break; sleep 0.1; done
  URL=$(sed 's/.*"url":"\([^"]*\)".*/\1/' out)
}
post() { curl -sSf --max-time 100 "$URL$1" -H "Content-Type: application/json" -d "$2"; }
answer() {
  post /v1/completions '{"model": "base", "prompt": "Once upon a time there was a little girl",
    "max_tokens": 40, "temperature": 1, "seed": 5, "logprobs": 1}' |
    sed 's/.*"choices":\(.*\),"usage".*/\1/'
}
forever() { while :; do "$@" >>load.out 2>>load.err || sleep 0.05; done; }
derive() {
  N=$((N + 1))
  post /admin/networks/derive "{\"name\": \"n$LIFE-$N\", \"from\": \"base\", \"steps\":
    [{\"transform\": \"encode\", \"arguments\": {\"codec\": \"q$((4 + N % 2 * 4))\",
      \"tensors\": \"layers.$((N % 8)).*\"}}]}"
}
talk() {
  post /v1/completions '{"model": "base", "prompt": "def main():", "max_tokens": 100,
    "stream": true, "ignore_eos": true}'
}
save() {
  post /admin/sessions/save '{"model": "base", "file": "s",
    "prompt": "A prompt of so many words that it fills a page of sixteen tokens, or even two."}'
}
serve
FIRST=$(answer)
[[ -n $FIRST ]] || { echo "no answer"; exit 1; }
for ((LIFE = 1; LIFE <= LIVES; ++LIFE)); do
  LOAD=()
  for each in derive talk talk save; do forever $each & LOAD+=($!); done
  sleep 0.$((RANDOM % 9 + 1)); sleep $((RANDOM % 2))
  kill -9 $SERVER "${LOAD[@]}"; wait 2>/dev/null
  $ASHLAR fsck >fsck.out 2>&1 || { cat fsck.out; exit 1; }
  serve
  SECOND=$(answer)
  [[ $SECOND == "$FIRST" ]] || { echo "then $SECOND; first $FIRST"; exit 1; }
  if [[ -e sessions/s ]]; then
    post /admin/sessions/restore '{"model": "base", "file": "s"}' >/dev/null || exit 1
  fi
done
kill -TERM $SERVER; wait $SERVER || exit 1
grep -q '"digest"' load.out || { echo "no network was derived"; tail load.err; exit 1; }
)sh";

TEST(KilledServer, LeavesAWholeStoreAndTheNextOneSaysTheSame) {
  const TempDirectory directory;
  const Ashlar ashlar(directory / "store");
  ASSERT_EQ(ashlar({"import", "hf", testing::DemoModel().string(), "--as", "base"}).exit_code, 0);
  const bool longer = std::getenv("ASHLAR_LONG") != nullptr;
  const CommandResult result =
      ashlar.Shell(fmt::format("DIRECTORY={}; LIVES={}; RANDOM={}\n{}", directory.path().string(),
                               longer ? 30 : 3, std::random_device()() % 32768, kLives));
  EXPECT_EQ(result.exit_code, 0) << ::testing::PrintToString(result);
}

}  // namespace
}  // namespace ashlar
