#include "tools/ashlar/kernel_bench.h"

#include <algorithm>
#include <set>

#include "ashlar/base/join.h"
#include "ashlar/base/output_file.h"
#include "ashlar/kernels/kernel_cases.h"
#include "ashlar/kernels/peak/peak.h"
#include "tools/ashlar/roofline.h"

namespace ashlar::cli {
namespace {

// What one thread can do at most. 0: not measured, or nothing to compare with.
struct Peaks {
  double read = 0;  // bytes per second
  struct OfIsa {
    double f32 = 0;  // operations per second
    double int8 = 0;
  };
  std::map<Isa, OfIsa> by_isa;
};

// The best of what was measured before and now: before and after the kernels, so that a neighbour
// who is busy for a while makes them look no better.
void MeasurePeaks(std::span<const KernelCase> cases, Peaks& peaks) {
  peaks.read = std::max(peaks.read, ReadBytesPerSecond(1));
  std::set<Isa> isas;
  for (const KernelCase& each : cases) {
    isas.insert(each.isa);
  }
  for (const Isa isa : isas) {
    Peaks::OfIsa& peak = peaks.by_isa[isa];
    peak.f32 = std::max(peak.f32, PeakF32PerSecond(isa));
    peak.int8 = std::max(peak.int8, PeakInt8PerSecond(isa));
  }
}

struct Measured {
  const KernelCase& kernel_case;
  double seconds;                   // of a call
  std::string_view peak_name = {};  // "memory", "f32" or "int8"; empty: compared with none
  double of_peak = 0;

  double bytes_rate() const { return kernel_case.bytes / seconds; }
  double operations_rate() const { return kernel_case.operations / seconds; }
};

void Compare(const Peaks& peaks, Measured& measured) {
  const Peaks::OfIsa& arithmetic = peaks.by_isa.at(measured.kernel_case.isa);
  const auto compare = [&](std::string_view name, double rate, double peak) {
    if (peak > 0) {
      measured.peak_name = name;
      measured.of_peak = rate / peak;
    }
  };
  if (measured.kernel_case.cold) {
    compare("memory", measured.bytes_rate(), peaks.read);
  } else if (measured.kernel_case.arithmetic == Arithmetic::kF32) {
    compare("f32", measured.operations_rate(), arithmetic.f32);
  } else if (measured.kernel_case.arithmetic == Arithmetic::kInt8) {
    compare("int8", measured.operations_rate(), arithmetic.int8);
  }
}

bool IsLinear(const KernelCase& kernel_case) {
  return kernel_case.kernel.starts_with("linear/");
}

// kInvalid when nothing has these names: what is there is listed.
Result<std::vector<KernelCase>> ChooseCases(const Options& options) {
  std::vector<KernelCase> cases = AllKernelCases();
  std::set<std::string> kernels;
  for (const KernelCase& each : cases) {
    kernels.insert(each.kernel);
  }
  std::erase_if(cases, [&, prefix = options.Text("kernel")](const KernelCase& each) {
    return !each.kernel.starts_with(prefix);
  });
  if (cases.empty()) {
    return Invalid("--kernel: no kernel's name begins with \"{}\"; the known ones are {}",
                   options.Text("kernel"), Join(kernels, ", "));
  }
  if (options.Has("isa")) {
    const Result<Isa> isa = ChooseIsa(options.Text("isa"));
    if (!isa.ok()) {
      return isa.error().In("--isa");
    }
    std::set<std::string_view> forms;
    for (const KernelCase& each : cases) {
      forms.insert(IsaName(each.isa));
    }
    std::erase_if(cases, [&](const KernelCase& each) { return each.isa != *isa; });
    if (cases.empty()) {
      return Invalid("--isa: what --kernel names has no form for {}; it has {}", IsaName(*isa),
                     Join(forms, ", "));
    }
  }
  return cases;
}

std::string FormatSeconds(double seconds) {
  return seconds < 1e-6   ? fmt::format("{:.0f} ns", seconds * 1e9)
         : seconds < 1e-3 ? fmt::format("{:.1f} us", seconds * 1e6)
         : seconds < 1    ? fmt::format("{:.2f} ms", seconds * 1e3)
                          : fmt::format("{:.2f} s", seconds);
}

void PrintMeasured(std::span<const Measured> all, const Peaks& peaks, Terminal& terminal) {
  constexpr Column kColumns[] = {{"KERNEL"},
                                 {"SIZE"},
                                 {"FORM"},
                                 {"TIME", Align::kRight},
                                 {"GB/S", Align::kRight},
                                 {"GOP/S", Align::kRight},
                                 {"OF PEAK", Align::kRight}};
  std::vector<std::vector<std::string>> rows;
  for (const Measured& each : all) {
    const KernelCase& kernel_case = each.kernel_case;
    rows.push_back(
        {kernel_case.kernel, kernel_case.size, std::string(IsaName(kernel_case.isa)),
         FormatSeconds(each.seconds), fmt::format("{:.2f}", each.bytes_rate() * 1e-9),
         kernel_case.operations > 0 ? fmt::format("{:.1f}", each.operations_rate() * 1e-9) : "",
         each.peak_name.empty() ? ""
                                : fmt::format("{:.0f} % {}", 100 * each.of_peak, each.peak_name)});
  }
  terminal.PrintTable(kColumns, rows);
  std::string line = fmt::format("Peaks: memory {:.1f} GB/s", peaks.read * 1e-9);
  for (const auto& [isa, arithmetic] : peaks.by_isa) {
    if (arithmetic.f32 > 0) {
      line += fmt::format("; {} f32 {:.0f}, int8 {:.0f} GOP/s", IsaName(isa), arithmetic.f32 * 1e-9,
                          arithmetic.int8 * 1e-9);
    }
  }
  terminal.PrintLine(line);
}

Json JsonOf(std::span<const Measured> all, const Peaks& peaks) {
  Json arithmetic{Json::Object{}};
  for (const auto& [isa, rates] : peaks.by_isa) {
    if (rates.f32 > 0) {
      arithmetic.Set(IsaName(isa), Json::Of({{"f32_operations_per_second", rates.f32},
                                             {"int8_operations_per_second", rates.int8}}));
    }
  }
  Json rows{Json::Array{}};
  for (const Measured& each : all) {
    Json row = Json::Of({{"kernel", each.kernel_case.kernel},
                         {"size", each.kernel_case.size},
                         {"form", IsaName(each.kernel_case.isa)},
                         {"seconds", each.seconds},
                         {"bytes_per_second", each.bytes_rate()}});
    if (each.kernel_case.operations > 0) {
      row.Set("operations_per_second", each.operations_rate());
    }
    if (!each.peak_name.empty()) {
      row.Set("peak", each.peak_name);
      row.Set("of_peak", each.of_peak);
    }
    rows.Append(std::move(row));
  }
  return Json::Of({{"peak_read_bytes_per_second", peaks.read},
                   {"peaks", std::move(arithmetic)},
                   {"kernels", std::move(rows)}});
}

// Of the linear kernels: a labelled point for the fastest form of each size, and the others.
Roofline RooflineOf(std::span<const Measured> all, const Peaks& peaks) {
  Roofline roofline{.read_rate = peaks.read};
  for (const auto& [isa, arithmetic] : peaks.by_isa) {
    if (arithmetic.f32 > 0) {
      const std::string name(IsaName(isa));
      // AVX-VNNI has products of bytes only: its f32 is AVX2's.
      if (isa != Isa::kAvxVnni || !peaks.by_isa.contains(Isa::kAvx2)) {
        roofline.roofs.push_back({"f32 " + name, arithmetic.f32});
      }
      roofline.roofs.push_back({"int8 " + name, arithmetic.int8});
    }
  }
  std::map<std::pair<std::string, std::string>, double> fastest;
  for (const Measured& each : all) {
    double& best = fastest[{each.kernel_case.kernel, each.kernel_case.size}];
    best = std::max(best, each.operations_rate());
  }
  for (const Measured& each : all) {
    const KernelCase& kernel_case = each.kernel_case;
    if (IsLinear(kernel_case) && kernel_case.isa != Isa::kReference) {
      const double best = fastest[{kernel_case.kernel, kernel_case.size}];
      roofline.points.push_back(
          {.series = kernel_case.kernel.substr(std::string_view("linear/").size()),
           .label = each.operations_rate() == best ? kernel_case.size : "",
           .intensity = kernel_case.operations / kernel_case.bytes,
           .rate = each.operations_rate()});
    }
  }
  return roofline;
}

}  // namespace

Status BenchKernels(Session& session) {
  const Options& options = session.options;
  ASHLAR_TRY(const double seconds, options.Real("seconds", 0, 60));
  ASHLAR_TRY(const std::vector<KernelCase> cases, ChooseCases(options));
  std::optional<OutputFile> svg;
  if (options.Has("svg")) {
    if (std::ranges::none_of(cases, [](const KernelCase& each) {
          return IsLinear(each) && each.isa != Isa::kReference;
        })) {
      return Invalid(
          "--svg plots linear kernels in forms other than the reference: none is chosen");
    }
    Result<OutputFile> file = OutputFile::Create(options.Text("svg"));
    if (!file.ok()) {
      return file.error().In("--svg");
    }
    svg.emplace(*std::move(file));
  }
  Peaks peaks;
  MeasurePeaks(cases, peaks);
  std::vector<Measured> measured;
  measured.reserve(cases.size());
  for (const KernelCase& each : cases) {
    measured.push_back({each, SecondsPerCall(each, seconds)});
  }
  MeasurePeaks(cases, peaks);
  for (Measured& each : measured) {
    Compare(peaks, each);
  }
  if (svg) {
    const std::string text = RooflineSvg(RooflineOf(measured, peaks));
    ASHLAR_TRY(svg->Write(std::as_bytes(std::span(text))));
    ASHLAR_TRY(svg->Commit());
  }
  if (session.json) {
    session.terminal.PrintJson(JsonOf(measured, peaks));
  } else {
    PrintMeasured(measured, peaks, session.terminal);
  }
  return {};
}

}  // namespace ashlar::cli
