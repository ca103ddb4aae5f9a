#include "ashlar/server/metrics/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "ashlar/server/metrics/server_metrics.h"

namespace ashlar {
namespace {

// Holds `text` to the exposition format: HELP and TYPE once before a family's samples, which stand
// together; names and values by the grammar; no series twice; buckets that only grow, up to +Inf,
// which is the count. Returns what is wrong, "" when nothing is.
std::string FaultOf(const std::string& text) {
  static const std::regex kHelp(R"(# HELP ([a-zA-Z_][a-zA-Z0-9_]*) ([^\\]|\\\\|\\n)*)");
  static const std::regex kType(R"(# TYPE ([a-zA-Z_][a-zA-Z0-9_]*) (counter|gauge|histogram))");
  static const std::regex kSample(
      R"re(([a-zA-Z_][a-zA-Z0-9_]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\\\|\\"|\\n)*",?)+\})? )re"
      R"re(([0-9.e+-]+|\+Inf|-Inf|NaN))re");
  static const std::regex kLe(R"re(,?le="([^"]*)")re");
  std::set<std::string> families;
  std::set<std::string> series;
  std::string family;
  std::string type;
  std::map<std::string, std::pair<double, double>> buckets;  // last bound, last count
  std::map<std::string, double> counts;
  if (!text.empty() && !text.ends_with('\n')) {
    return "the last line has no end";
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      family = match[1];
      type.clear();
      if (!families.insert(family).second) {
        return "twice: " + line;
      }
    } else if (std::regex_match(line, match, kType)) {
      if (match[1] != family || !type.empty()) {
        return "not after its HELP: " + line;
      }
      type = match[2];
    } else if (std::regex_match(line, match, kSample)) {
      const std::string name = match[1];
      const std::string labels = match[2];
      const double value =
          match[5] == "+Inf" ? INFINITY : std::strtod(match[5].str().c_str(), nullptr);
      const std::string suffix = name.substr(std::min(family.size(), name.size()));
      const bool good = type == "histogram"
                            ? suffix == "_bucket" || suffix == "_sum" || suffix == "_count"
                            : suffix.empty() && (type != "counter" || name.ends_with("_total"));
      if (!name.starts_with(family) || !good || !series.insert(name + labels).second) {
        return "not of its family, or twice: " + line;
      }
      if (suffix == "_bucket") {
        std::smatch le;
        if (!std::regex_search(labels, le, kLe)) {
          return "no le: " + line;
        }
        std::string key = family + std::regex_replace(labels, kLe, "");
        key = key.ends_with("{}") ? key.substr(0, key.size() - 2) : key;
        auto& [bound, count] = buckets.try_emplace(key, -INFINITY, 0).first->second;
        const double now = le[1] == "+Inf" ? INFINITY : std::strtod(le[1].str().c_str(), nullptr);
        if (now <= bound || value < count) {
          return "shrinks: " + line;
        }
        bound = now;
        count = value;
      } else if (suffix == "_count" && type == "histogram") {
        counts[family + labels] = value;
      }
    } else {
      return "no line of the format: " + line;
    }
  }
  for (const auto& [key, last] : buckets) {
    if (last.first != INFINITY || counts[key] != last.second) {
      return "its buckets do not end in its count: " + key;
    }
  }
  return buckets.size() == counts.size() ? "" : "a histogram without buckets";
}

TEST(Exposition, TheCheckerFindsFaults) {
  for (const char* text :
       {"x 1", "x 1\n", "# HELP x y\n# TYPE x counter\nx 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n", "# TYPE x gauge\n",
        "# HELP x y\n# TYPE x gauge\nx{a=\"b\"c\"} 1\n",
        "# HELP x y\n# TYPE x histogram\nx_sum 1\nx_count 2\nx_bucket{le=\"1\"} 2\n",
        "# HELP x y\n# TYPE x histogram\nx_sum 1\nx_count 2\n"
        "x_bucket{le=\"1\"} 3\nx_bucket{le=\"+Inf\"} 2\n"}) {
    EXPECT_NE(FaultOf(text), "") << text;
  }
}

TEST(Metrics, ExpositionIsAsPrometheusReadsIt) {
  Metrics metrics;
  metrics.Counters("a_total", "Help with \\ and\nlines.", {"model", "tenant"})
      .With({"quote\" slash\\ line\n", "b"})
      .Add(3);
  static constexpr double kBounds[] = {0.5, 1};
  Histogram& histogram = metrics.Histograms("b_seconds", "B.", kBounds, {"model"}).With({"m"});
  for (const double value : {0.25, 0.5, 0.75, 100.0}) {
    histogram.Observe(value);
  }
  metrics.Sampled("c_bytes", "C.", SampledType::kGauge, [] { return 1.5e300; });
  metrics.Sampled("d", "D.", SampledType::kGauge, {"x"}, [] {
    return std::vector<Sample>{{{"inf"}, INFINITY}, {{"nan"}, NAN}};
  });
  EXPECT_EQ(metrics.Text(),
            "# HELP a_total Help with \\\\ and\\nlines.\n"
            "# TYPE a_total counter\n"
            "a_total{model=\"quote\\\" slash\\\\ line\\n\",tenant=\"b\"} 3\n"
            "# HELP b_seconds B.\n"
            "# TYPE b_seconds histogram\n"
            "b_seconds_bucket{model=\"m\",le=\"0.5\"} 2\n"
            "b_seconds_bucket{model=\"m\",le=\"1\"} 3\n"
            "b_seconds_bucket{model=\"m\",le=\"+Inf\"} 4\n"
            "b_seconds_sum{model=\"m\"} 101.5\n"
            "b_seconds_count{model=\"m\"} 4\n"
            "# HELP c_bytes C.\n"
            "# TYPE c_bytes gauge\n"
            "c_bytes 1.5e+300\n"
            "# HELP d D.\n"
            "# TYPE d gauge\n"
            "d{x=\"inf\"} +Inf\n"
            "d{x=\"nan\"} NaN\n");
  EXPECT_EQ(FaultOf(metrics.Text()), "");
}

TEST(Metrics, SeriesAreBoundedAndTheRestIsOther) {
  Metrics metrics(/*max_series=*/3);
  Family<Counter>& family = metrics.Counters("x_total", "X.", {"tenant"});
  for (int i = 0; i < 1000; ++i) {
    family.With({fmt::format("t{}", i)}).Add();
  }
  family.With({"t1"}).Add();
  EXPECT_EQ(metrics.Text(),
            "# HELP x_total X.\n# TYPE x_total counter\nx_total{tenant=\"other\"} 997\n"
            "x_total{tenant=\"t0\"} 1\nx_total{tenant=\"t1\"} 2\nx_total{tenant=\"t2\"} 1\n");
}

TEST(Metrics, CountsOfManyThreadsAddUp) {
  Metrics metrics;
  Family<Counter>& counters = metrics.Counters("x_total", "X.", {"n"});
  Family<Histogram>& histograms = metrics.Histograms("y", "Y.", kTokenCounts);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        counters.With({fmt::format("{}", i % 7)}).Add();
        histograms.With({}).Observe(2);
        if (i % 1000 == 0) {
          metrics.Text();
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::uint64_t total = 0;
  counters.ForEach([&](const LabelValues&, const Counter& counter) { total += counter.value(); });
  EXPECT_EQ(total, 20'000u);
  EXPECT_EQ(histograms.With({}).cumulative().back(), 20'000u);
  EXPECT_EQ(histograms.With({}).sum(), 40'000.0);
}

TEST(ServerMetrics, TellOfRequestsByModelAndTenant) {
  Metrics metrics;
  ServerMetrics server(metrics);
  server.OnRequestEnd({.model = "lab",
                       .tenant = "alice",
                       .finish_reason = "stop",
                       .prompt_tokens = 100,
                       .cached_tokens = 64,
                       .completion_tokens = 7,
                       .total_seconds = 0.5,
                       .queue_seconds = 0.0078125,
                       .prefill_seconds = 0.015625,
                       .first_token_seconds = 0.0234375});
  server.OnRequestEnd({.tenant = "bob", .status = 404});
  server.OnRequestEnd({.model = "lab",
                       .tenant = "alice",
                       .status = 499,
                       .finish_reason = "cancelled",
                       .prompt_tokens = 10,
                       .completion_tokens = 2});
  server.OnRequestEnd({.model = "lab", .tenant = "alice", .finish_reason = "length"});
  server.token_gaps("lab", "alice").Observe(0.004);
  const std::string text = metrics.Text();
  EXPECT_EQ(FaultOf(text), "");
  for (const char* line :
       {"ashlar_requests_total{model=\"lab\",tenant=\"alice\",status=\"200\"} 2\n",
        "ashlar_requests_total{model=\"\",tenant=\"bob\",status=\"404\"} 1\n",
        "ashlar_request_success_total{model=\"lab\",tenant=\"alice\",finished_reason=\"stop\"} 1\n",
        "ashlar_prompt_tokens_total{model=\"lab\",tenant=\"alice\"} 110\n",
        "ashlar_generation_tokens_total{model=\"lab\",tenant=\"alice\"} 9\n",
        "ashlar_prefix_cache_hits_total{model=\"lab\",tenant=\"alice\"} 64\n",
        "ashlar_time_to_first_token_seconds_bucket{model=\"lab\",tenant=\"alice\",le=\"0.025\"} "
        "1\n",
        "ashlar_request_prefill_time_seconds_sum{model=\"lab\",tenant=\"alice\"} 0.015625\n",
        "ashlar_request_decode_time_seconds_sum{model=\"lab\",tenant=\"alice\"} 0.4765625\n",
        "ashlar_inter_token_latency_seconds_count{model=\"lab\",tenant=\"alice\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  }
  for (const char* no_success : {"finished_reason=\"cancelled\"", "finished_reason=\"length\""}) {
    EXPECT_EQ(text.find(no_success), std::string::npos) << text;
  }
}

TEST(ServerMetrics, TellOfTheProcessByPrometheussNames) {
  Metrics metrics;
  SampleProcess(metrics);
  const std::string text = metrics.Text();
  EXPECT_EQ(FaultOf(text), "");
  const auto value = [&](const std::string& name) {
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  };
  EXPECT_GT(value("process_resident_memory_bytes"), 1e6);
  EXPECT_NEAR(value("process_start_time_seconds"), static_cast<double>(std::time(nullptr)), 60);
}

}  // namespace
}  // namespace ashlar
