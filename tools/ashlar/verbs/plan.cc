#include <algorithm>
#include <cmath>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/output_file.h"
#include "tools/ashlar/curve_plot.h"
#include "tools/ashlar/decode_speed.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr std::int64_t kUsualContext = 4096;

constexpr OptionSpec kPlanOptions[] = {
    {.name = "NETS",
     .kind = OptionKind::kValues,
     .value = "NAME",
     .required = true,
     .doc = "networks that are to run together"},
    kMemoryOption,
    kWeightsOption,
    {.name = "--kv",
     .value = "BYTES",
     .doc = "state pages (default: what one sequence of --context tokens holds)"},
    {.name = "--kv-format", .value = "FORMAT", .otherwise = "f32", .doc = "of them: f32, f16, q8"},
    {.name = "--context",
     .value = "N",
     .doc = "tokens of a sequence (default: what the networks were made for, at most 4096)"},
    {.name = "--share",
     .kind = OptionKind::kValues,
     .value = "NAME=W",
     .doc = "how much a network's loss counts beside the others' (default: 1); once for each"},
    {.name = "--curve",
     .value = "FILE",
     .doc = "write the whole curve of size, quality and speed there as JSON, and a plot of it "
            "beside it, ending in .svg"},
    kThreadsOption,
};

// ---- What was asked for

Result<std::vector<double>> ReadShares(const Options& options, std::span<const std::string> names) {
  std::vector<double> shares(names.size(), 1);
  for (const std::string& text : options.Texts("share")) {
    const std::size_t equals = text.rfind('=');
    const auto name = std::ranges::find(names, text.substr(0, equals));
    double share = -1;
    if (equals != std::string::npos) {
      char* end = nullptr;
      share = std::strtod(text.c_str() + equals + 1, &end);
      share = *end == '\0' && end != text.c_str() + equals + 1 ? share : -1;
    }
    if (name == names.end() || !(share >= 0 && share <= 1e6)) {
      return Invalid(
          "--share: expected one of the networks, = and a number from 0 to 1000000, "
          "found \"{}\"",
          text);
    }
    shares[static_cast<std::size_t>(name - names.begin())] = share;
  }
  return shares;
}

// The file of the plot beside that of the curve.
Result<Path> PlotBeside(const Path& curve) {
  Path plot = curve;
  plot.replace_extension(".svg");
  if (plot == curve) {
    return Invalid("--curve: \"{}\" is for the plot; name the JSON, such as curve.json",
                   curve.string());
  }
  for (const Path& path : {curve, plot}) {
    if (const Status target = OutputFile::CheckTarget(path); !target.ok()) {
      return target.error().In("--curve");
    }
  }
  return plot;
}

Status WriteFileWhole(const Path& path, std::string_view text) {
  ASHLAR_TRY(OutputFile file, OutputFile::Create(path));
  ASHLAR_TRY(file.Write(AsBytes(text)));
  return file.Commit();
}

// ---- What is expected of a cut

struct ExpectedNetwork {
  double bits_per_weight;
  double perplexity_ratio;
  double tokens_per_second;  // what memory and kernels allow
};

class Expectations {
 public:
  Expectations(const HostPlan& plan, DecodeSpeed& speed) : plan_(plan), speed_(speed) {
    for (std::size_t i = 0; i < plan.networks.size(); ++i) {
      complete_.push_back(CompleteLosses({&plan.networks[i].network, &plan.losses[i]}));
    }
  }

  ExpectedNetwork Of(std::size_t i, const Precision& precision) const {
    const Network& network = plan_.networks[i].network;
    std::set<Level> parts;
    std::uint64_t bytes = 0;
    for (const auto& [digest, block] : network.blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        for (const Level& part : ResidentParts(tensor, precision)) {
          bytes += parts.insert(part).second ? part.length : 0;
        }
      }
    }
    return {.bits_per_weight =
                8 * static_cast<double>(bytes) / static_cast<double>(network.parameters()),
            .perplexity_ratio = std::exp(
                JointLossOf(plan_.joint_losses[i], ExpectedLoss(network, complete_[i], precision))),
            .tokens_per_second = speed_.TokensPerSecond(network, precision)};
  }

  // Whether every tensor with levels was measured.
  bool measured(std::size_t i) const {
    return std::ranges::all_of(
        complete_[i], [&](const auto& entry) { return plan_.losses[i].contains(entry.first); });
  }

 private:
  const HostPlan& plan_;
  DecodeSpeed& speed_;
  std::vector<LevelLosses> complete_;
};

// ---- Groups of tensors

struct TensorGroup {
  std::int64_t tensors = 0;
  std::int64_t weights = 0;
  std::uint64_t bytes = 0;
  double bits() const { return 8 * static_cast<double>(bytes) / static_cast<double>(weights); }
};

// "experts.*.up" of "experts.7.up".
std::string GroupName(std::string_view kind, std::string_view tensor) {
  std::string name = fmt::format("{}.{}", kind, tensor);
  std::string folded;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] >= '0' && name[i] <= '9' && folded.ends_with('.')) {
      while (i + 1 < name.size() && name[i + 1] >= '0' && name[i + 1] <= '9') {
        ++i;
      }
      folded += '*';
    } else {
      folded += name[i];
    }
  }
  return folded;
}

// What several tensors are differences from is counted with the first of them.
std::map<std::string, TensorGroup> GroupsOf(const HostPlan& plan) {
  std::map<std::string, TensorGroup> groups;
  std::set<std::vector<Level>> tensors;
  std::set<Level> parts;
  for (const HostedNetwork& hosted : plan.networks) {
    for (const auto& [digest, block] : hosted.network.blocks) {
      for (const auto& [name, tensor] : block->tensors) {
        if (!tensors.insert(tensor.all_levels()).second) {
          continue;
        }
        TensorGroup& group = groups[GroupName(block->kind->name, name)];
        ++group.tensors;
        group.weights += tensor.shape.elements();
        for (const Level& part : ResidentParts(tensor, plan.cut.precision)) {
          group.bytes += parts.insert(part).second ? part.length : 0;
        }
      }
    }
  }
  return groups;
}

// ---- The curve

// Cuts from the floor to everything, at most so many, as even in bytes as entries allow.
std::vector<StackCut> CutsOf(const Stack& stack) {
  constexpr std::uint64_t kMostCuts = 200;
  std::vector<StackCut> cuts;
  const std::uint64_t range = stack.total_bytes() - stack.floor_bytes();
  for (std::uint64_t i = 0; i <= kMostCuts; ++i) {
    const Result<StackCut> cut = stack.Cut(
        stack.floor_bytes() +
        static_cast<std::uint64_t>(std::llround(
            static_cast<double>(range) * static_cast<double>(i) / static_cast<double>(kMostCuts))));
    CHECK(cut.ok());
    if (cuts.empty() || cuts.back().entries != cut->entries) {
      cuts.push_back(*cut);
    }
  }
  return cuts;
}

struct Curve {
  Json json;
  std::string svg;
};

Curve CurveOf(const HostPlan& plan, const Expectations& expectations) {
  Json points = Json::Array();
  CurvePlot plot{.x_name = "weights, MB",
                 .panels = {{.y_name = "expected perplexity, ratio", .logarithmic = true},
                            {.y_name = "expected tokens per second"}}};
  for (CurvePlot::Panel& panel : plot.panels) {
    for (const HostedNetwork& hosted : plan.networks) {
      panel.series.push_back({hosted.name, {}});
    }
  }
  for (const StackCut& cut : CutsOf(plan.stack)) {
    Json networks = Json::Array();
    for (std::size_t i = 0; i < plan.networks.size(); ++i) {
      const ExpectedNetwork expected = expectations.Of(i, cut.precision);
      networks.Append(Json::Of({{"network", plan.networks[i].name},
                                {"bits_per_weight", expected.bits_per_weight},
                                {"expected_perplexity_ratio", expected.perplexity_ratio},
                                {"expected_tokens_per_second", expected.tokens_per_second}}));
      const double megabytes = static_cast<double>(cut.bytes) * 1e-6;
      plot.panels[0].series[i].points.emplace_back(megabytes, expected.perplexity_ratio);
      plot.panels[1].series[i].points.emplace_back(megabytes, expected.tokens_per_second);
    }
    points.Append(Json::Of({{"weights_bytes", cut.bytes},
                            {"predicted_bytes", plan.MemoryAt(cut).total()},
                            {"networks", std::move(networks)}}));
  }
  return {std::move(points), CurveSvg(plot)};
}

// ---- The verb

Json PlanReport(const HostPlan& plan, const Expectations& expectations) {
  Json networks = Json::Array();
  for (std::size_t i = 0; i < plan.networks.size(); ++i) {
    const ExpectedNetwork expected = expectations.Of(i, plan.cut.precision);
    networks.Append(Json::Of({{"network", plan.networks[i].name},
                              {"bits_per_weight", expected.bits_per_weight},
                              {"expected_perplexity_ratio", expected.perplexity_ratio},
                              {"expected_tokens_per_second", expected.tokens_per_second},
                              {"measured_losses", expectations.measured(i)}}));
  }
  Json groups = Json::Array();
  for (const auto& [name, group] : GroupsOf(plan)) {
    groups.Append(Json::Of({{"group", name},
                            {"tensors", group.tensors},
                            {"weights", group.weights},
                            {"bytes", group.bytes},
                            {"bits_per_weight", group.bits()}}));
  }
  return Json::Of({{"predicted_bytes", plan.memory.total()},
                   {"weight_bytes", plan.memory.weight_bytes},
                   {"page_bytes", plan.memory.page_bytes},
                   {"workspace_bytes", plan.memory.workspace_bytes},
                   {"process_bytes", plan.memory.process_bytes},
                   {"weights_bytes", plan.cut.bytes},
                   {"floor_weights_bytes", plan.stack.floor_bytes()},
                   {"most_weights_bytes", plan.stack.total_bytes()},
                   {"entries", plan.cut.entries},
                   {"entries_of_all", plan.stack.entries().size()},
                   {"networks", std::move(networks)},
                   {"groups", std::move(groups)}});
}

void PrintPlan(const HostPlan& plan, const Expectations& expectations, Terminal& terminal) {
  terminal.PrintLine(
      fmt::format("{} resident: weights {}, state pages {}, workspace {}, the program itself {}",
                  FormatBytes(plan.memory.total()), FormatBytes(plan.memory.weight_bytes),
                  FormatBytes(plan.memory.page_bytes), FormatBytes(plan.memory.workspace_bytes),
                  FormatBytes(plan.memory.process_bytes)));
  terminal.PrintLine(fmt::format("{} of weights; they can be {} to {}, in {} steps",
                                 FormatBytes(plan.cut.bytes), FormatBytes(plan.stack.floor_bytes()),
                                 FormatBytes(plan.stack.total_bytes()),
                                 plan.stack.entries().size()));
  terminal.PrintLine("");
  constexpr Column kNetworkColumns[] = {{"NETWORK"},
                                        {"BITS PER WEIGHT", Align::kRight},
                                        {"PERPLEXITY", Align::kRight},
                                        {"DECODE", Align::kRight}};
  std::vector<std::vector<std::string>> rows;
  bool guessed = false;
  for (std::size_t i = 0; i < plan.networks.size(); ++i) {
    const ExpectedNetwork expected = expectations.Of(i, plan.cut.precision);
    guessed |= !expectations.measured(i);
    rows.push_back(
        {plan.networks[i].name, fmt::format("{:.2f}", expected.bits_per_weight),
         fmt::format("{}x {:.4f}", expectations.measured(i) ? "" : "~", expected.perplexity_ratio),
         fmt::format("{:.0f} tokens/s", expected.tokens_per_second)});
  }
  terminal.PrintTable(kNetworkColumns, rows);
  terminal.PrintLine("");
  constexpr Column kGroupColumns[] = {{"TENSORS"},
                                      {"", Align::kRight},
                                      {"WEIGHTS", Align::kRight},
                                      {"BYTES", Align::kRight},
                                      {"BITS PER WEIGHT", Align::kRight}};
  rows.clear();
  for (const auto& [name, group] : GroupsOf(plan)) {
    rows.push_back({name, fmt::format("{}", group.tensors),
                    fmt::format("{:.2f} M", static_cast<double>(group.weights) * 1e-6),
                    FormatBytes(group.bytes), fmt::format("{:.2f}", group.bits())});
  }
  terminal.PrintTable(kGroupColumns, rows);
  if (guessed) {
    terminal.Note(
        "~: no statistics say how much each level matters; each is taken to quarter the "
        "error.");
  }
}

Status RunPlan(Session& session) {
  const Options& options = session.options;
  const std::span<const std::string> names = options.Texts("NETS");
  HostSettings settings;
  ASHLAR_TRY(ReadMachine(options, settings));
  const Result<KvFormat> format = ParseKvFormat(options.Text("kv-format"));
  if (!format.ok()) {
    return format.error().In("--kv-format");
  }
  settings.kv_format = *format;
  if (ParseKvFormat(options.Text("kv")).ok()) {
    return Invalid("--kv: here it is bytes of state pages; for the format type --kv-format {}",
                   options.Text("kv"));
  }
  for (const auto& [name, to] : {std::pair{"memory", &settings.memory_bytes},
                                 {"weights", &settings.weight_bytes},
                                 {"kv", &settings.page_bytes}}) {
    if (options.Has(name)) {
      ASHLAR_TRY(*to, options.Bytes(name));
    }
  }
  if (settings.page_bytes == 0) {
    return Invalid("--kv: a network that runs has some state");
  }
  ASHLAR_TRY(const std::optional<std::int64_t> asked, ReadContext(options));
  ASHLAR_TRY(const std::vector<double> shares, ReadShares(options, names));
  Path plot;
  if (options.Has("curve")) {
    ASHLAR_TRY(plot, PlotBeside(options.Text("curve")));
  }
  const auto context = [&](std::span<const HostedNetwork> networks) -> Result<std::int64_t> {
    std::int64_t longest = 1;
    for (const HostedNetwork& network : networks) {
      ASHLAR_TRY(const std::int64_t most, network.Context(asked));
      longest = std::max(longest, asked ? most : std::min(most, kUsualContext));
    }
    return longest;
  };
  ASHLAR_TRY(const HostPlan plan,
             PlanHost(session, names, {.measure_positions = context}, settings, shares));
  DecodeSpeed speed(settings.isa, settings.threads);
  const Expectations expectations(plan, speed);
  if (options.Has("curve")) {
    const Curve curve = CurveOf(plan, expectations);
    ASHLAR_TRY(WriteFileWhole(options.Text("curve"), WriteJson(curve.json) + "\n"));
    ASHLAR_TRY(WriteFileWhole(plot, curve.svg));
  }
  if (session.json) {
    session.terminal.PrintJson(PlanReport(plan, expectations));
  } else {
    PrintPlan(plan, expectations, session.terminal);
  }
  return {};
}

}  // namespace

constinit const Verb kPlan{
    .name = "plan",
    .summary = "what networks take, and how good they are expected to be, within a budget",
    .details =
        "Tensors with levels (ashlar shrink) can be resident with any number of them. All levels "
        "of all networks stand in one order, by how much expected loss each takes away per byte; "
        "a budget is a cut of it: never more than the budget, and less by under a megabyte. What "
        "networks share counts once. --memory is the whole process: weights, state, workspace and "
        "the program; --weights the bytes of weights alone. The expected perplexity is a ratio to "
        "that of the network that was shrunk, from the statistics of calibration. The speed is "
        "that of one sequence with a short context, from what was measured of this machine's "
        "memory and of the kernels: a small network is slower, since it has other work too, and "
        "one that fits in the cache can be faster. Nothing is loaded.",
    .examples =
        "  ashlar plan small --memory 300M --kv 64M\n"
        "  ashlar plan small other --weights 20M --share other=2\n"
        "  ashlar plan small --curve curve.json",
    .options = kPlanOptions,
    .run = RunPlan,
};

}  // namespace ashlar::cli
