#include "ashlar/server/metrics/metrics.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "ashlar/base/ascii.h"

namespace ashlar {
namespace {

bool IsMetricName(std::string_view name) {
  return !name.empty() && !IsAsciiDigit(name[0]) &&
         std::ranges::all_of(name, [](char c) { return IsAsciiLetterOrDigit(c) || c == '_'; });
}

std::string Escaped(std::string_view text, bool quotes) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
    } else {
      if (c == '\\' || (quotes && c == '"')) {
        escaped += '\\';
      }
      escaped += c;
    }
  }
  return escaped;
}

// As Go's ParseFloat reads it.
std::string NumberText(double value) {
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  return std::isnan(value) ? "NaN" : fmt::format("{}", value);
}

// "name{a=\"b\"} value\n".
void AppendSample(std::string& out, std::string_view name, const LabelNames& names,
                  const LabelValues& values, std::string_view number) {
  out += name;
  for (std::size_t i = 0; i < names.size(); ++i) {
    out += fmt::format("{}{}=\"{}\"", i == 0 ? "{" : ",", names[i], Escaped(values[i], true));
  }
  out += fmt::format("{}{}\n", names.empty() ? " " : "} ", number);
}

void AppendHistogram(std::string& out, const std::string& name, const LabelNames& names,
                     const LabelValues& values, const Histogram& histogram) {
  const std::vector<std::uint64_t> cumulative = histogram.cumulative();
  LabelNames bucket_names = names;
  LabelValues bucket_values = values;
  bucket_names.push_back("le");
  bucket_values.push_back("");
  for (std::size_t i = 0; i < cumulative.size(); ++i) {
    const bool is_last = i == histogram.bounds().size();
    bucket_values.back() = is_last ? "+Inf" : NumberText(histogram.bounds()[i]);
    AppendSample(out, name + "_bucket", bucket_names, bucket_values,
                 fmt::format("{}", cumulative[i]));
  }
  AppendSample(out, name + "_sum", names, values, NumberText(histogram.sum()));
  AppendSample(out, name + "_count", names, values, fmt::format("{}", cumulative.back()));
}

}  // namespace

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds), counts_(bounds.size() + 1) {
  CHECK(std::ranges::is_sorted(bounds));
}

void Histogram::Observe(double value) {
  const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
  counts_[static_cast<std::size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::cumulative() const {
  std::vector<std::uint64_t> cumulative;
  std::uint64_t total = 0;
  for (const auto& count : counts_) {
    cumulative.push_back(total += count.load(std::memory_order_relaxed));
  }
  return cumulative;
}

void Metrics::Register(std::string name, std::string help, std::string_view type,
                       const LabelNames& labels, std::function<void(std::string& out)> write) {
  CHECK(IsMetricName(name));
  CHECK_EQ(name.ends_with("_total"), type == "counter");
  for (const std::string& label : labels) {
    CHECK(IsMetricName(label) && !label.starts_with("__") && label != "le");
  }
  std::string head =
      fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, Escaped(help, false), type);
  const std::lock_guard lock(mutex_);
  CHECK(std::ranges::find(entries_, name, &Entry::name) == entries_.end());
  entries_.push_back(
      {.name = std::move(name),
       .write = [head = std::move(head), write = std::move(write)](std::string& out) {
         out += head;
         write(out);
       }});
}

Family<Counter>& Metrics::Counters(std::string name, std::string help, LabelNames labels) {
  const auto family = std::make_shared<Family<Counter>>(labels.size(), max_series_,
                                                        [] { return std::make_unique<Counter>(); });
  Register(name, std::move(help), "counter", labels, [=](std::string& out) {
    family->ForEach([&](const LabelValues& values, const Counter& counter) {
      AppendSample(out, name, labels, values, fmt::format("{}", counter.value()));
    });
  });
  return *family;
}

Family<Histogram>& Metrics::Histograms(std::string name, std::string help,
                                       std::span<const double> bounds, LabelNames labels) {
  const auto family = std::make_shared<Family<Histogram>>(
      labels.size(), max_series_, [bounds] { return std::make_unique<Histogram>(bounds); });
  Register(name, std::move(help), "histogram", labels, [=](std::string& out) {
    family->ForEach([&](const LabelValues& values, const Histogram& histogram) {
      AppendHistogram(out, name, labels, values, histogram);
    });
  });
  return *family;
}

void Metrics::Sampled(std::string name, std::string help, SampledType type, LabelNames labels,
                      std::function<std::vector<Sample>()> read) {
  Register(name, std::move(help), type == SampledType::kCounter ? "counter" : "gauge", labels,
           [=](std::string& out) {
             for (const Sample& sample : read()) {
               CHECK_EQ(sample.labels.size(), labels.size());
               AppendSample(out, name, labels, sample.labels, NumberText(sample.value));
             }
           });
}

void Metrics::Sampled(std::string name, std::string help, SampledType type,
                      std::function<double()> read) {
  Sampled(std::move(name), std::move(help), type, {},
          [read = std::move(read)] { return std::vector<Sample>{{.value = read()}}; });
}

std::string Metrics::Text() const {
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(mutex_);
    entries = entries_;
  }
  std::string out;
  for (const Entry& entry : entries) {
    entry.write(out);
  }
  return out;
}

}  // namespace ashlar
