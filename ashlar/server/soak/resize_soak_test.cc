// A service whose memory moves while eight streams run: nobody fails, nobody waits, and the memory
// of the process follows. Twenty seconds; with ASHLAR_LONG, ten minutes.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/base/control_groups.h"
#include "ashlar/base/sanitized.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/server/memory/memory_readings.h"
#include "ashlar/server/service/testing_service.h"

namespace ashlar {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr int kStreams = 8;
constexpr std::int64_t kTokens = 1024;

// 46 million weights in bit planes.
Network LargeNetwork(BlobStore& store) {
  constexpr std::int64_t kWidth = 512;
  std::mt19937_64 random(1);
  Network network;
  network.vocabulary = kTokens;
  const auto add = [&](std::string_view kind,
                       std::map<std::string, AttributeValue, std::less<>> attributes) {
    attributes.emplace("width", kWidth);
    return testing_networks::internal::AddRandomBlock(network, store, kind, std::move(attributes),
                                                      "bitplane", random);
  };
  const Digest embed = add("embed", {{"vocabulary", kTokens}});
  const std::map<std::string, AttributeValue, std::less<>> norm = {{"norm", std::string("rms")},
                                                                   {"norm_eps", 1e-5}};
  std::vector<std::pair<Digest, Digest>> layers;
  for (int layer = 0; layer < 12; ++layer) {
    auto attention = norm;
    attention.insert({{"heads", std::int64_t{8}},
                      {"kv_heads", std::int64_t{1}},
                      {"key_dim", std::int64_t{64}},
                      {"value_dim", std::int64_t{64}},
                      {"rope_dims", std::int64_t{64}}});
    auto mlp = norm;
    mlp.insert({{"channels", std::int64_t{2048}},
                {"form", std::string("gated")},
                {"activation", std::string("silu")}});
    const Digest first = add("attention", attention);
    layers.emplace_back(first, add("mlp", mlp));
  }
  const Digest last = add("norm", {{"type", std::string("rms")}, {"eps", 1e-5}});
  testing_networks::SetChain(network, embed, layers, last, add("head", {{"vocabulary", kTokens}}));
  return network;
}

// Steps, and how long nobody computed between two of them while somebody waited for the next.
struct Pauses {
  std::vector<double> steps;
  std::vector<double> between;
};

// A service with the network, and streams that never end on their own: each asks again when it has
// been answered.
class BusyService {
 public:
  BusyService(const Path& directory, const Network& network, bool follow)
      : store_(*OpenDiskStore(directory)) {
    card_ = *MakeNetworkCard("large", network, *store_);
    ServiceOptions options{.engine = {.threads = 2,
                                      .max_positions = 256,
                                      .max_rows = 32,
                                      .max_logit_rows = 16,
                                      .max_sequences = kStreams,
                                      .page_bytes = 24 << 20},
                           .follow_memory = follow};
    options.engine.isa = *ChooseIsa("");
    service_ = *Service::Start(
        *store_, options, {.on_step = [this](double seconds, std::int64_t) { NoteStep(seconds); }});
    CHECK(service_->Load(card_).ok());
  }
  ~BusyService() { End(); }

  Service& service() { return *service_; }
  BudgetStatus budget() const { return service_->status().budget; }
  const std::vector<std::string>& failures() const { return failures_; }
  std::int64_t answers() const { return answers_; }
  Pauses pauses() {
    const std::lock_guard lock(mutex_);
    return pauses_;
  }

  void Begin() {
    for (int i = 0; i < kStreams; ++i) {
      threads_.emplace_back([this, i] { Stream(i); });
    }
  }
  void End() {
    ending_ = true;
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }

 private:
  void Stream(int number) {
    std::mt19937_64 random(number);
    while (!ending_) {
      const auto prompt = static_cast<std::int64_t>(16 + random() % 64);
      const auto tokens = static_cast<std::int64_t>(16 + random() % 48);
      testing_service::Ear ear;
      const auto submitted =
          service_->Submit({.network = card_,
                            .prompt = testing_networks::RandomTokens(random, prompt, kTokens),
                            .max_tokens = tokens,
                            .sampling = {.seed = random()}},
                           ear.listener());
      std::string failure;
      if (!submitted.ok()) {
        failure = submitted.error().message;
      } else {
        const testing_service::Heard heard = ear.Wait();
        if (heard.end != GenerationEnd::kLength || std::ssize(heard.tokens) != tokens) {
          failure = heard.error ? heard.error->message : "it ended early";
        }
      }
      const std::lock_guard lock(mutex_);
      ++answers_;
      if (!failure.empty()) {
        failures_.push_back(failure);
        std::this_thread::sleep_for(milliseconds(10));
      }
    }
  }

  // On the engine's thread.
  void NoteStep(double seconds) {
    const auto now = steady_clock::now();
    const std::lock_guard lock(mutex_);
    if (!pauses_.steps.empty() && !ending_) {
      const std::chrono::duration<double> since = now - last_step_;
      pauses_.between.push_back(since.count() - seconds);
    }
    pauses_.steps.push_back(seconds);
    last_step_ = now;
  }

  const std::unique_ptr<BlobStore> store_;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;  // of what the service's threads write
  Pauses pauses_;
  steady_clock::time_point last_step_;
  std::unique_ptr<Service> service_;
  std::shared_ptr<const NetworkCard> card_;
  std::vector<std::string> failures_;
  std::int64_t answers_ = 0;
  std::vector<std::thread> threads_;
};

double ShareAt(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values.empty()
             ? 0
             : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

class ResizeSoak : public ::testing::Test {
 protected:
  // Made once: it takes seconds.
  static void SetUpTestSuite() {
    if (!kSanitized) {
      directory_ = std::make_unique<TempDirectory>();
      network_ = LargeNetwork(**OpenDiskStore(StorePath()));
      ::malloc_trim(0);  // it took several times its memory
    }
  }
  static void TearDownTestSuite() { directory_.reset(); }
  void SetUp() override {
    if (kSanitized) {
      GTEST_SKIP() << "sanitizers take memory of their own";
    }
  }
  static Path StorePath() { return *directory_ / "store"; }

  static inline std::unique_ptr<TempDirectory> directory_;
  static inline Network network_;
};

TEST_F(ResizeSoak, TheMemoryOfTheProcessFollowsTheBudgetAndNobodyFailsOrWaits) {
  const int seconds = std::getenv("ASHLAR_LONG") != nullptr ? 600 : 20;
  BusyService busy(StorePath(), network_, /*follow=*/false);
  busy.Begin();
  std::this_thread::sleep_for(milliseconds(1000));
  ASSERT_TRUE(busy.service().SetBudget(std::uint64_t{1} << 40).ok());
  std::this_thread::sleep_for(milliseconds(500));
  const BudgetStatus whole = busy.budget();
  // The program itself cannot shrink; the rest moves between a quarter of it and all.
  const std::uint64_t program = ResidentBytes() - whole.weight_bytes -
                                busy.service().status().page_bytes_used + 4 * kMegabyte;
  const std::uint64_t rest = whole.weight_bytes_all + (24 << 20);
  ASSERT_GE(program + rest / 4 + 4 * kMegabyte, whole.floor_bytes);

  std::mt19937_64 random(TestSeed());
  std::uint64_t most_over = 0;
  for (int second = 0; second < seconds; ++second) {
    const double share = 0.25 + 0.75 * static_cast<double>(random() % 1001) / 1000;
    const auto budget =
        program + static_cast<std::uint64_t>(share * static_cast<double>(rest)) + 2 * kMegabyte;
    const auto begin = steady_clock::now();
    const auto set = busy.service().SetBudget(budget);
    ASSERT_TRUE(set.ok()) << set.error().message;
    std::this_thread::sleep_until(begin + milliseconds(1000));
    const std::uint64_t resident = ResidentBytes();
    const std::uint64_t allowed = budget + std::max<std::uint64_t>(budget / 20, 16 * kMegabyte);
    EXPECT_LE(resident, allowed) << "second " << second << ", budget " << budget;
    most_over = std::max(most_over, resident - std::min(resident, budget));
  }
  busy.End();
  const ServiceStatus last = busy.service().status();
  const std::uint64_t resizes = last.budget.resizes;

  for (const std::string& failure : busy.failures()) {
    ADD_FAILURE() << failure;
  }
  const Pauses pauses = busy.pauses();
  const double step = ShareAt(pauses.steps, 0.5);
  const double longest_step = ShareAt(pauses.steps, 1);
  const double pause = ShareAt(pauses.between, 1);
  std::printf(
      "%lld answers, %zu steps of %.1f ms (longest %.1f ms), longest pause %.1f ms, %llu "
      "resizes, at most %.1f MB over the budget, weights %.1f to %.1f MB, program %.1f MB\n",
      static_cast<long long>(busy.answers()), pauses.steps.size(), step * 1e3, longest_step * 1e3,
      pause * 1e3, static_cast<unsigned long long>(resizes), static_cast<double>(most_over) / 1e6,
      static_cast<double>(whole.weight_bytes_least) / 1e6,
      static_cast<double>(whole.weight_bytes_all) / 1e6, static_cast<double>(program) / 1e6);
  EXPECT_GT(resizes, static_cast<std::uint64_t>(seconds) / 4);
  EXPECT_LE(pause, 2 * longest_step);
  // No leak: what weights and state do not explain is as it was.
  const std::uint64_t explained = last.budget.weight_bytes + last.page_bytes_used;
  EXPECT_LE(ResidentBytes(), program + explained + 8 * kMegabyte);
}

// ---- Under a limit of the system's

// A memory group of this test's own, below that of the process; removed with it.
class LimitedGroup {
 public:
  LimitedGroup() {
    for (const ControlGroup& group : ControlGroupsOf("memory", "/")) {
      const Path folder = group.folder / "ashlar-resize-test";
      limit_ = folder / (group.unified ? "memory.max" : "memory.limit_in_bytes");
      std::error_code failed;
      std::filesystem::create_directory(folder, failed);
      if (!failed && std::filesystem::exists(limit_)) {
        folder_ = folder;
        return;
      }
      std::filesystem::remove(folder, failed);
    }
  }
  ~LimitedGroup() {
    if (there()) {
      ::rmdir(folder_.c_str());
    }
  }
  bool there() const { return !folder_.empty(); }
  bool Limit(std::uint64_t bytes) const { return Write(limit_, bytes); }
  bool Enter() const {
    return Write(folder_ / "cgroup.procs", static_cast<std::uint64_t>(::getpid()));
  }

 private:
  static bool Write(const Path& file, std::uint64_t number) {
    std::ofstream out(file);
    out << number << std::flush;
    return out.good();
  }
  Path folder_;
  Path limit_;
};

// In a process of its own: writes the least budget that it needs into `told`, and serves for some
// seconds. What it returns is the exit code.
int ServeInGroup(const LimitedGroup& group, const Path& directory, const Network& network,
                 int told) {
  if (!group.Enter()) {
    return 10;
  }
  BusyService busy(directory, network, /*follow=*/true);
  busy.Begin();
  std::this_thread::sleep_for(milliseconds(1500));
  const std::uint64_t least = busy.budget().floor_bytes;
  if (::write(told, &least, sizeof least) != sizeof least) {
    return 11;
  }
  std::this_thread::sleep_for(milliseconds(8000));
  busy.End();
  const BudgetStatus budget = busy.budget();
  std::fprintf(stderr, "budget %.1f MB, weights %.1f MB, resident %.1f MB, %lld answers\n",
               static_cast<double>(budget.bytes) / 1e6,
               static_cast<double>(budget.weight_bytes) / 1e6,
               static_cast<double>(ResidentBytes()) / 1e6, static_cast<long long>(busy.answers()));
  for (const std::string& failure : busy.failures()) {
    std::fprintf(stderr, "failed: %s\n", failure.c_str());
  }
  if (!busy.failures().empty() || busy.answers() == 0) {
    return 12;
  }
  return budget.resizes > 0 && budget.weight_bytes < budget.weight_bytes_all ? 0 : 13;
}

TEST_F(ResizeSoak, AProcessWhoseLimitIsHalvedInMidStreamLives) {
  const LimitedGroup group;
  if (!group.there()) {
    GTEST_SKIP() << "this process may make no memory group; no other limit bounds mapped files";
  }
  // A file's pages in memory are charged to the group of who read them first: let that be the
  // child.
  {
    const auto store = *OpenDiskStore(StorePath());
    const std::vector<BlobInfo> blobs = *store->List();
    for (const BlobInfo& blob : blobs) {
      store->DropCached(blob.digest, 0, blob.size);
    }
  }
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  ::malloc_trim(0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(120);
    ::_exit(ServeInGroup(group, StorePath(), network_, told[1]));
  }
  ::close(told[1]);
  std::uint64_t least = 0;
  ASSERT_EQ(::read(told[0], &least, sizeof least), static_cast<ssize_t>(sizeof least));
  ::close(told[0]);
  // Half of it holds the least budget, which is nine tenths of the limit, and little more.
  const std::uint64_t half = least + least / 6 + 4 * kMegabyte;
  EXPECT_TRUE(group.Limit(2 * half));
  std::this_thread::sleep_for(milliseconds(2000));
  // A kernel that cannot take the difference back at once says so, and is asked again.
  bool halved = false;
  for (int i = 0; i < 100 && !halved; ++i) {
    halved = group.Limit(half);
    std::this_thread::sleep_for(milliseconds(halved ? 0 : 20));
  }
  EXPECT_TRUE(halved);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace ashlar
