#include "tools/ashlar/profile_report.h"

#include <numeric>
#include <string>
#include <vector>

namespace ashlar::cli {
namespace {

double MicrosPerStep(const Profile& profile, std::int64_t nanos) {
  return static_cast<double>(nanos) * 1e-3 / static_cast<double>(profile.steps());
}

std::int64_t KernelNanos(const Profile::Part& part) {
  return std::accumulate(part.kernel_nanos.begin(), part.kernel_nanos.end(), std::int64_t{0});
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    c = 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return upper;
}

// The sum over all parts.
Profile::Part Total(const Profile& profile) {
  Profile::Part total{.name = "all", .nanos = profile.nanos()};
  for (const Profile::Part& part : profile.parts()) {
    total.calls += part.calls;
    for (std::size_t i = 0; i < kKernelCount; ++i) {
      total.kernel_nanos[i] += part.kernel_nanos[i];
    }
  }
  return total;
}

// What a step does outside of its parts.
Profile::Part Rest(const Profile& profile) {
  Profile::Part rest{.name = "rest", .calls = profile.steps(), .nanos = profile.nanos()};
  for (const Profile::Part& part : profile.parts()) {
    rest.nanos -= part.nanos;
  }
  return rest;
}

}  // namespace

double OverheadShare(const Profile& profile) {
  return 1 - static_cast<double>(profile.kernel_nanos()) / static_cast<double>(profile.nanos());
}

void PrintProfile(const Profile& profile, std::string_view what, Terminal& terminal) {
  const Profile::Part total = Total(profile);
  std::vector<std::string> titles = {Upper(what), "CALLS", "US/STEP", "SHARE"};
  std::vector<std::size_t> kernels;
  for (std::size_t i = 0; i < kKernelCount; ++i) {
    if (total.kernel_nanos[i] > 0) {
      kernels.push_back(i);
      titles.push_back(Upper(KernelName(static_cast<Kernel>(i))));
    }
  }
  titles.push_back("NO KERNEL");
  std::vector<Column> columns;
  columns.reserve(titles.size());
  for (const std::string& title : titles) {
    columns.push_back({title, columns.empty() ? Align::kLeft : Align::kRight});
  }
  std::vector<Profile::Part> parts = profile.parts();
  parts.push_back(Rest(profile));
  parts.push_back(total);
  std::vector<std::vector<std::string>> rows;
  for (const Profile::Part& part : parts) {
    const auto micros = [&](std::int64_t nanos) {
      return nanos == 0 ? std::string() : fmt::format("{:.1f}", MicrosPerStep(profile, nanos));
    };
    const double share = static_cast<double>(part.nanos) / static_cast<double>(profile.nanos());
    std::vector<std::string>& row = rows.emplace_back();
    row = {std::string(part.name),
           fmt::format("{:.4g}",
                       static_cast<double>(part.calls) / static_cast<double>(profile.steps())),
           micros(part.nanos), fmt::format("{:.1f} %", 100 * share)};
    for (const std::size_t kernel : kernels) {
      row.push_back(micros(part.kernel_nanos[kernel]));
    }
    row.push_back(micros(part.nanos - KernelNanos(part)));
  }
  terminal.PrintTable(columns, rows);
  terminal.PrintLine(fmt::format("{} steps of {:.1f} us, {:.1f} % of that outside kernels",
                                 profile.steps(), MicrosPerStep(profile, profile.nanos()),
                                 100 * OverheadShare(profile)));
}

Json ProfileJson(const Profile& profile) {
  Json parts{Json::Array{}};
  for (const Profile::Part& part : profile.parts()) {
    Json kernels{Json::Object{}};
    for (std::size_t i = 0; i < kKernelCount; ++i) {
      if (part.kernel_nanos[i] > 0) {
        kernels.Set(KernelName(static_cast<Kernel>(i)),
                    MicrosPerStep(profile, part.kernel_nanos[i]));
      }
    }
    parts.Append(Json::Of({{"name", part.name},
                           {"calls", part.calls},
                           {"micros_per_step", MicrosPerStep(profile, part.nanos)},
                           {"kernel_micros_per_step", std::move(kernels)}}));
  }
  return Json::Of({{"steps", profile.steps()},
                   {"micros_per_step", MicrosPerStep(profile, profile.nanos())},
                   {"overhead_share", OverheadShare(profile)},
                   {"parts", std::move(parts)}});
}

}  // namespace ashlar::cli
