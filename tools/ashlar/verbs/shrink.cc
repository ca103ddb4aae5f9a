#include "ashlar/calibrate/shrink.h"

#include <limits>
#include <map>
#include <set>

#include "ashlar/graph/describe.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/host.h"
#include "tools/ashlar/text_windows.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kShrinkOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "the network to begin with"},
    {.name = "--as", .value = "NAME", .required = true, .doc = "the name of the new network"},
    {.name = "--codec", .value = "CODEC", .otherwise = "bitplane", .doc = "of the levels"},
    {.name = "--max-bits",
     .value = "N",
     .otherwise = "8",
     .doc = "bits per weight that are stored, scales apart: levels beyond them are left out"},
    {.name = "--text",
     .value = "FILE",
     .doc = "to calibrate with, documents separated by lines of <|endoftext|>; without it the "
            "network writes its own"},
    {.name = "--tokens",
     .value = "N",
     .doc = "of the text, at most (default: 8,192, up to 65,536 where the network is small)"},
    {.name = "--seed", .value = "N", .otherwise = "0", .doc = "of the text that it writes"},
    {.name = "--base",
     .value = "NAME",
     .doc = "a network that NET is a fine-tune of: store differences from it"},
    kThreadsOption,
};

Result<const Codec*> FindResidualCodec(const std::string& name) {
  std::string known;
  for (const Codec* codec : AllCodecs()) {
    if (codec->residual != nullptr) {
      if (codec->name == name || codec->short_name == name) {
        return codec;
      }
      known += (known.empty() ? "" : ", ") + std::string(codec->short_name);
    }
  }
  return Invalid("--codec: \"{}\" is no codec with levels; those are {}", name, known);
}

Result<std::vector<std::int32_t>> ReadCalibrationText(const Options& options,
                                                      const Catalog& catalog) {
  ASHLAR_TRY(const std::string text, ReadTextFile(options.Text("text")));
  ASHLAR_TRY(const Network network, catalog.Load(options.Text("NET")));
  ASHLAR_TRY(const std::optional<Tokenizer> tokenizer,
             LoadTokenizer(network, catalog.store(), /*verify=*/false));
  if (!tokenizer) {
    return Invalid("network \"{}\" has no tokenizer: it cannot read --text", options.Text("NET"));
  }
  Result<Documents> documents = EncodeDocuments(*tokenizer, network.metadata, text);
  if (documents.ok()) {
    return std::move(documents->ids);
  }
  return tokenizer->Encode(text, {.add_special_tokens = true});
}

// What the matrices of one place in the layers take.
struct Group {
  std::int64_t weights = 0;
  std::uint64_t bytes = 0;
  double bits() const { return 8 * static_cast<double>(bytes) / static_cast<double>(weights); }
};

// By "layers.*.mlp.down"; stored tensors once each.
std::map<std::string, Group> GroupsOf(const Network& network) {
  std::map<std::string, Group> groups;
  std::set<Level> counted;
  for (const NamedTensor& tensor : NamedTensors(network)) {
    if (!counted.insert(tensor.manifest->levels.front()).second) {
      continue;
    }
    std::string name;
    for (const char c : tensor.name) {
      const bool digit = c >= '0' && c <= '9';
      if (!digit) {
        name += c;
      } else if (name.empty() || name.back() != '*') {
        name += '*';
      }
    }
    Group& group = groups[tensor.role == TensorRole::kVector ? "vectors" : name];
    group.weights += tensor.manifest->shape.elements();
    group.bytes += tensor.manifest->bytes();
  }
  return groups;
}

void PrintReport(Session& session, const std::string& name, const Shrunk& shrunk) {
  Terminal& terminal = session.terminal;
  const std::map<std::string, Group> groups = GroupsOf(shrunk.network);
  Group all;
  for (const auto& [title, group] : groups) {
    all.weights += group.weights;
    all.bytes += group.bytes;
  }
  if (session.json) {
    Json phases{Json::Object{}};
    for (const auto& [phase, seconds] : shrunk.seconds) {
      phases.Set(phase, seconds);
    }
    Json bits{Json::Object{}};
    for (const auto& [title, group] : groups) {
      bits.Set(title, group.bits());
    }
    terminal.PrintJson(Json::Of({{"name", name},
                                 {"digest", shrunk.digest.ToString()},
                                 {"weight_bytes", all.bytes},
                                 {"bits_per_weight", all.bits()},
                                 {"groups", std::move(bits)},
                                 {"tokens", shrunk.statistics.tokens},
                                 {"sample_rows", shrunk.sample_rows},
                                 {"resumed_tensors", shrunk.taken_over},
                                 {"seconds", std::move(phases)}}));
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [title, group] : groups) {
    rows.push_back({title, FormatBytes(group.bytes), fmt::format("{:.2f}", group.bits())});
  }
  constexpr Column kColumns[] = {
      {"tensors"}, {"bytes", Align::kRight}, {"bits per weight", Align::kRight}};
  terminal.PrintTable(kColumns, rows);
  for (const auto& [phase, seconds] : shrunk.seconds) {
    terminal.PrintLine(fmt::format("{:<14}{:8.1f} s", phase, seconds));
  }
  terminal.PrintLine(
      fmt::format("{}: {} at {:.2f} bits per weight, calibrated with {} tokens{}", name,
                  FormatBytes(all.bytes), all.bits(), shrunk.statistics.tokens,
                  shrunk.taken_over == 0
                      ? ""
                      : fmt::format("; {} tensors were there from before", shrunk.taken_over)));
}

Status RunShrink(Session& session) {
  const Options& options = session.options;
  ShrinkOptions shrink;
  ASHLAR_TRY(shrink.codec, FindResidualCodec(options.Text("codec")));
  ASHLAR_TRY(const std::int64_t bits, options.Integer("max-bits", 1, 32));
  shrink.max_bits = static_cast<int>(bits);
  if (options.Has("tokens")) {
    ASHLAR_TRY(shrink.tokens, options.Integer("tokens", 128, std::int64_t{1} << 24));
  }
  ASHLAR_TRY(const std::int64_t seed,
             options.Integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  shrink.seed = static_cast<std::uint64_t>(seed);
  ASHLAR_TRY(shrink.threads, ReadThreads(options));
  ASHLAR_TRY(shrink.isa, ReadIsa());
  if (options.Has("base")) {
    shrink.base = options.Text("base");
  }
  const std::string& name = options.Text("as");
  ASHLAR_TRY(CheckNetworkName(name));
  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/false));
  Catalog catalog(*store, AllKinds());
  if (options.Has("text")) {
    auto text = ReadCalibrationText(options, catalog);
    if (!text.ok()) {
      return text.error().In("--text");
    }
    shrink.text = *std::move(text);
  }
  Terminal& terminal = session.terminal;
  std::string shown;
  if (!session.json) {
    terminal.LogProgress();  // it takes minutes
  }
  shrink.progress = [&](const ShrinkProgress& now) {
    if (now.phase != shown && !session.json) {
      terminal.Note(fmt::format("{}: {} {}", now.phase, now.total, now.unit));
    }
    shown = now.phase;
    terminal.Progress(now.phase, now.done, now.total, now.unit);
  };
  shrink.remark = [&](std::string_view remark) { terminal.Note(remark); };
  const Result<Shrunk> shrunk = Shrink(catalog, name, options.Text("NET"), shrink);
  terminal.EndProgress();
  if (!shrunk.ok()) {
    return shrunk.error();
  }
  PrintReport(session, name, *shrunk);
  return {};
}

}  // namespace

constinit const Verb kShrink{
    .name = "shrink",
    .summary = "make a network that runs at any size, from 2 bits per weight up",
    .details =
        "Stores each matrix as levels, of which any first ones are the matrix, closer the more "
        "there are. They are chosen by what the matrix is multiplied with while the network reads "
        "a text, its own by default, and what each level is worth is measured and kept beside the "
        "network for the planner. Norms, biases and matrices of other shapes stay as they are. A "
        "run that was killed goes on when it is started again; what it had done is kept under the "
        "tag unfinished/NAME until then ('ashlar rm unfinished/NAME' forgets it).",
    .examples =
        "  ashlar shrink base --as base-any\n"
        "  ashlar shrink base --as base-any --text prose.txt --tokens 32768\n"
        "  ashlar shrink tuned --base base-any --as tuned-any",
    .options = kShrinkOptions,
    .run = RunShrink,
};

}  // namespace ashlar::cli
