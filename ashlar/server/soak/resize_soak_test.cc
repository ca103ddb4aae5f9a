// A service whose memory moves while eight streams run: nobody fails, nobody waits, and the memory
// of the process follows. $ASHLAR_SOAK_SECONDS says for how long (`make soak`: ten minutes).
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <ctime>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ashlar/base/check.h"
#include "ashlar/base/sanitized.h"
#include "ashlar/base/temp_directory.h"
#include "ashlar/base/test_seed.h"
#include "ashlar/server/memory/memory_readings.h"
#include "ashlar/server/service/testing_service.h"
#include "ashlar/server/soak/testing_memory_group.h"
#include "ashlar/server/soak/testing_soak.h"

namespace ashlar {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing_soak::Soak;

constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr int kStreams = 8;
constexpr std::int64_t kTokens = 1024;
constexpr std::uint64_t kMostPages = 24 << 20;

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

// Of all blobs in the system's memory nothing stays, so that what is read is charged to who reads.
void ForgetBlobs(BlobStore& store) {
  const std::vector<BlobInfo> blobs = *store.List();
  for (const BlobInfo& blob : blobs) {
    store.DropCached(blob.digest, 0, blob.size);
  }
}

// How numbers are spread, to a hundredth of each, in memory that does not grow: it would be taken
// for the service's.
class Spread {
 public:
  void Add(double value) {
    ++count_;
    most_ = std::max(most_, value);
    const double bucket = value <= kLeast ? 0 : std::log(value / kLeast) / kStep;
    ++counts_[std::min(static_cast<std::size_t>(bucket), counts_.size() - 1)];
  }
  std::uint64_t count() const { return count_; }
  double most() const { return most_; }
  // What so large a share of them is not above.
  double At(double share) const {
    const double wanted = share * static_cast<double>(count_);
    double below = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      below += static_cast<double>(counts_[i]);
      if (below >= wanted) {
        return i == 0 ? 0 : kLeast * std::exp(kStep * static_cast<double>(i + 1));
      }
    }
    return most_;
  }

 private:
  static constexpr double kLeast = 1e-6;
  static constexpr double kStep = 0.01;
  std::array<std::uint32_t, 2400> counts_ = {};  // up to 26,000
  std::uint64_t count_ = 0;
  double most_ = 0;
};

// What the engine's thread had until now.
struct ThreadUse {
  steady_clock::time_point time = steady_clock::now();
  double seconds = 0;  // of a processor
  std::int64_t faults = 0;
};

ThreadUse UseOfThread() {
  timespec time;
  CHECK_EQ(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
  rusage use;
  CHECK_EQ(::getrusage(RUSAGE_THREAD, &use), 0);
  return {.seconds = static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec),
          .faults = use.ru_minflt + use.ru_majflt};
}

// Of each step and of each time between two of them, while streams waited: how long it took, what
// the engine's thread had of a processor, which nobody beside it changes, and its page faults.
struct Spans {
  Spread seconds;
  Spread computed;
  Spread faults;

  void Add(const ThreadUse& begin, const ThreadUse& end) {
    seconds.Add(std::chrono::duration<double>(end.time - begin.time).count());
    computed.Add(end.seconds - begin.seconds);
    faults.Add(static_cast<double>(end.faults - begin.faults));
  }
};
struct Pauses {
  Spans steps;
  Spans between;
};

// A service with the network, and streams that ask it.
class BusyService {
 public:
  BusyService(const Path& directory, const Network& network, ServiceOptions options = {})
      : store_(*OpenDiskStore(directory)) {
    card_ = *MakeNetworkCard("large", network, *store_);
    options.engine = {.threads = 2,
                      .isa = *ChooseIsa(""),
                      .max_positions = 256,
                      .max_rows = 32,
                      .max_logit_rows = 16,
                      .max_sequences = kStreams,
                      .page_bytes = kMostPages};
    service_ = *Service::Start(*store_, options,
                               {.before_step = [this] { NoteBegin(); },
                                .on_step = [this](double, const StepWork&) { NoteEnd(); }});
    CHECK(service_->Load(card_).ok());
  }

  Service& service() { return *service_; }
  BudgetStatus budget() const { return service_->status().budget; }
  // Since the last call.
  Pauses TakePauses() {
    const std::lock_guard lock(mutex_);
    return std::exchange(pauses_, {});
  }

  // Eight streams ask, each again when it has been answered, until the soak is over.
  void Run(Soak& soak) {
    soak.AddClients(kStreams, [this, &soak] {
      return [this, &soak](std::mt19937_64& random) {
        soak.Count("answers");
        if (const std::string failure = Ask(random); !failure.empty()) {
          soak.Fail(failure);
          std::this_thread::sleep_for(milliseconds(10));
        }
      };
    });
    soak.Run([] {});
  }

 private:
  // What went wrong, if anything.
  std::string Ask(std::mt19937_64& random) {
    const auto prompt = static_cast<std::int64_t>(16 + random() % 64);
    const auto tokens = static_cast<std::int64_t>(16 + random() % 48);
    testing_service::Ear ear;
    const auto submitted =
        service_->Submit({.network = card_,
                          .prompt = testing_networks::RandomTokens(random, prompt, kTokens),
                          .max_tokens = tokens,
                          .sampling = {.seed = random()}},
                         ear.listener());
    if (!submitted.ok()) {
      return submitted.error().message;
    }
    const testing_service::Heard heard = ear.Wait();
    if (heard.end != GenerationEnd::kLength || std::ssize(heard.tokens) != tokens) {
      return heard.error ? heard.error->message : "it ended early";
    }
    return "";
  }

  // On the engine's thread.
  void NoteBegin() {
    const std::lock_guard lock(mutex_);
    begin_ = UseOfThread();
    if (pauses_.steps.seconds.count() > 0) {
      pauses_.between.Add(end_, begin_);
    }
  }
  void NoteEnd() {
    const std::lock_guard lock(mutex_);
    end_ = UseOfThread();
    pauses_.steps.Add(begin_, end_);
  }

  const std::unique_ptr<BlobStore> store_;
  std::shared_ptr<const NetworkCard> card_;
  std::mutex mutex_;  // of what follows
  Pauses pauses_;
  ThreadUse begin_;  // of the last step
  ThreadUse end_;
  std::unique_ptr<Service> service_;  // last: its threads use the others
};

class ResizeSoak : public ::testing::Test {
 protected:
  // Made once: it takes seconds.
  static void SetUpTestSuite() {
    if (!kSanitized) {
      directory_ = std::make_unique<TempDirectory>();
      network_ = LargeNetwork(**OpenDiskStore(StorePath()));
    }
  }
  static void TearDownTestSuite() { directory_.reset(); }
  void SetUp() override {
    if (kSanitized) {
      GTEST_SKIP() << "sanitizers take memory of their own";
    }
    ForgetBlobs(**OpenDiskStore(StorePath()));
    ::malloc_trim(0);  // making the network took several times its memory
  }
  static Path StorePath() { return *directory_ / "store"; }

  static inline std::unique_ptr<TempDirectory> directory_;
  static inline Network network_;
};

TEST_F(ResizeSoak, TheMemoryOfTheProcessFollowsTheBudgetAndNobodyFailsOrWaits) {
  // What the process has now stays charged to where it was.
  testing_soak::MemoryGroup group;
  const std::uint64_t charged_before = ResidentBytes();
  const bool grouped = group.Enter();
  BusyService busy(StorePath(), network_);
  Soak warm({.seconds = 1, .rounds = 1});
  busy.Run(warm);
  ASSERT_TRUE(busy.service().SetBudget(std::uint64_t{1} << 40).ok());
  // The program itself cannot shrink; the rest moves between a quarter of it and all.
  const ServiceStatus whole = busy.service().status();
  const std::uint64_t program =
      ResidentBytes() - whole.budget.weight_bytes - whole.page_bytes_used + 4 * kMegabyte;
  const std::uint64_t rest = whole.budget.weight_bytes_all + kMostPages;
  ASSERT_GE(program + rest / 4 + 4 * kMegabyte, whole.budget.floor_bytes);

  std::uint64_t budget = std::uint64_t{1} << 40;
  std::uint64_t most_over = 0;
  std::uint64_t most_charged_over = 0;
  const auto over = [&](std::uint64_t bytes) { return bytes - std::min(bytes, budget); };
  bool first = true;
  Soak soak({.seconds = testing_soak::SoakSeconds(), .rounds = 1, .seed = TestSeed()});
  soak.Every("budgets", 1, [&](std::mt19937_64& random) {
    const std::uint64_t resident = ResidentBytes();  // a second after the last change
    const std::uint64_t charged =
        grouped ? ReadMemory().group_use.value_or(0) + charged_before : resident;
    most_over = std::max(most_over, over(resident));
    most_charged_over = std::max(most_charged_over, over(charged));
    // (What a file's pages are charged falls when a thread of its own comes to it: beside other
    // tests that may take longer.)
    const std::uint64_t held = testing_soak::LongSoak() ? std::max(resident, charged) : resident;
    if (over(held) > std::max(budget / 20, 16 * kMegabyte)) {
      soak.Fail(fmt::format("a budget of {} was given a second ago; resident are {}, charged {}",
                            budget, resident, charged));
    }
    // The first is the least: what was there before any change must go too.
    const double share = first ? 0.25 : 0.25 + 0.75 * static_cast<double>(random() % 1001) / 1000;
    first = false;
    budget =
        program + static_cast<std::uint64_t>(share * static_cast<double>(rest)) + 2 * kMegabyte;
    if (const auto set = busy.service().SetBudget(budget); !set.ok()) {
      soak.Fail(set.error().message);
    }
    soak.Count("budgets");
  });
  busy.TakePauses();
  busy.Run(soak);
  EXPECT_EQ(soak.failures(), std::vector<std::string>());

  const ServiceStatus last = busy.service().status();
  const Pauses pauses = busy.TakePauses();
  const auto told = [](const Spans& spans) {
    return fmt::format(
        "{:.2f} ms (99 of 100 below {:.2f}, all below {:.2f}), of a processor {:.2f} ({:.2f}, "
        "{:.2f}), page faults {:.0f} ({:.0f}, {:.0f})",
        1e3 * spans.seconds.At(0.5), 1e3 * spans.seconds.At(0.99), 1e3 * spans.seconds.most(),
        1e3 * spans.computed.At(0.5), 1e3 * spans.computed.At(0.99), 1e3 * spans.computed.most(),
        spans.faults.At(0.5), spans.faults.At(0.99), spans.faults.most());
  };
  fmt::print(
      "resized each second for {:.0f} s: {} answers, {} failed; {} changes of precision, weights "
      "of {:.1f} to {:.1f} MB\n"
      "steps: {}\nbetween two steps: {}\n"
      "a second after each change at most {:.1f} MB over the budget resident, {}\n",
      testing_soak::SoakSeconds(), soak.count("answers"), soak.failures().size(),
      last.budget.resizes, static_cast<double>(whole.budget.weight_bytes_least) / 1e6,
      static_cast<double>(whole.budget.weight_bytes_all) / 1e6, told(pauses.steps),
      told(pauses.between), static_cast<double>(most_over) / 1e6,
      grouped ? fmt::format("{:.1f} MB charged to its group",
                            static_cast<double>(most_charged_over) / 1e6)
              : "and no group to be charged to");
  EXPECT_GT(last.budget.resizes, static_cast<std::uint64_t>(soak.count("budgets")) / 4);
  // No pause over two steps. Beside other tests a pause may be theirs: then what the engine's
  // thread itself did between steps is held to it.
  constexpr double kPause = 2;
  if (testing_soak::LongSoak()) {  // alone on the machine
    EXPECT_LE(pauses.between.seconds.most(), kPause * pauses.steps.seconds.At(0.99));
    // (Of 100 steps the longest reads prompts, with all levels.)
    EXPECT_LE(pauses.steps.computed.most(), (1 + kPause) * pauses.steps.computed.At(0.99));
  }
  EXPECT_LE(pauses.between.computed.most(), kPause * pauses.steps.computed.At(0.5));
  // No leak: what weights and state do not explain is as it was.
  EXPECT_LE(ResidentBytes(),
            program + last.budget.weight_bytes + last.page_bytes_used + 8 * kMegabyte);
}

// ---- Under a limit of the system's

// In a process of its own: writes the least budget that it needs into `told`, and serves for some
// seconds. What it returns is the exit code.
int ServeWithin(testing_soak::ChildLimit& limit, const Path& directory, const Network& network,
                int told) {
  if (!limit.Enter()) {
    return 10;
  }
  BusyService busy(directory, network, {.follow_memory = true, .system_root = limit.root()});
  Soak soak({.seconds = 9, .rounds = 1});
  bool said = false;
  soak.Every("least", 1.5, [&](std::mt19937_64&) {
    const std::uint64_t least = busy.budget().floor_bytes;
    if (!std::exchange(said, true) && ::write(told, &least, sizeof least) != sizeof least) {
      soak.Fail("nobody listens");
    }
  });
  busy.Run(soak);
  const BudgetStatus budget = busy.budget();
  fmt::print(stderr, "budget {:.1f} MB, weights {:.1f} MB, resident {:.1f} MB, {} answers\n",
             static_cast<double>(budget.bytes) / 1e6,
             static_cast<double>(budget.weight_bytes) / 1e6,
             static_cast<double>(ResidentBytes()) / 1e6, soak.count("answers"));
  for (const std::string& failure : soak.failures()) {
    fmt::print(stderr, "failed: {}\n", failure);
  }
  if (!soak.failures().empty() || soak.count("answers") == 0) {
    return 12;
  }
  return budget.resizes > 0 && budget.weight_bytes < budget.weight_bytes_all ? 0 : 13;
}

TEST_F(ResizeSoak, AProcessWhoseLimitIsHalvedInMidStreamLives) {
  testing_soak::ChildLimit limit;
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::alarm(120);
    ::_exit(ServeWithin(limit, StorePath(), network_, told[1]));
  }
  ::close(told[1]);
  std::uint64_t least = 0;
  ASSERT_EQ(::read(told[0], &least, sizeof least), static_cast<ssize_t>(sizeof least));
  ::close(told[0]);
  // Half of it holds the least budget, which is nine tenths of the limit, and little more.
  const std::uint64_t half = least + least / 6 + 4 * kMegabyte;
  EXPECT_TRUE(limit.Set(2 * half));
  std::this_thread::sleep_for(milliseconds(2000));
  // A kernel that cannot take the difference back at once says so, and is asked again.
  bool halved = false;
  for (int i = 0; i < 100 && !halved; ++i) {
    halved = limit.Set(half);
    std::this_thread::sleep_for(milliseconds(halved ? 0 : 20));
  }
  EXPECT_TRUE(halved);
  int status = 0;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    limit.Enforce(child);
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace ashlar
