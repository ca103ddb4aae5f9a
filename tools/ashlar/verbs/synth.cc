#include "ashlar/formats/synth.h"

#include <limits>

#include "ashlar/base/clock.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/plan.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kSynthOptions[] = {
    {.name = "--shape",
     .value = "SHAPE",
     .required = true,
     .doc = "135m, 360m, llama-1b, 3b, 8b or moe-8x1b"},
    {.name = "--as", .value = "NAME", .required = true, .doc = "the name of the new network"},
    {.name = "--codec", .value = "CODEC", .otherwise = "q4", .doc = "f32, f16, bf16, q8 or q4"},
    {.name = "--layers", .value = "N", .doc = "instead of the shape's"},
    {.name = "--seed", .value = "N", .otherwise = "0", .doc = "same seed, same weights"},
};

Status RunSynth(Session& session) {
  const Options& options = session.options;
  const std::string& name = options.Text("as");
  ASHLAR_TRY(CheckNetworkName(name));
  SynthOptions synth;
  ASHLAR_TRY(synth.shape, FindSynthShape(options.Text("shape")));
  const Result<const Codec*> codec = FindEncodingCodec(options.Text("codec"));
  if (!codec.ok()) {
    return Invalid("--codec: {}", codec.error().message);
  }
  synth.codec = *codec;
  if (options.Has("layers")) {
    ASHLAR_TRY(synth.layers, options.Integer("layers", 1, 1000));
  }
  ASHLAR_TRY(const std::int64_t seed,
             options.Integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  synth.seed = static_cast<std::uint64_t>(seed);
  synth.threads = ThreadPool::UsableCores();

  ASHLAR_TRY(const std::unique_ptr<BlobStore> store, session.OpenStore(/*create=*/true));
  Catalog catalog(*store, AllKinds());
  const SteadyClock clock;
  const std::int64_t start = clock.NowMicros();
  const Result<SynthReport> made =
      Synthesize(synth, name, catalog, [&](std::uint64_t done, std::uint64_t total) {
        session.terminal.Progress("making", done, total);
      });
  session.terminal.EndProgress();
  if (!made.ok()) {
    return made.error();
  }
  const double seconds = static_cast<double>(clock.NowMicros() - start) * 1e-6;
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"name", name},
                                         {"digest", made->network.ToString()},
                                         {"parameters", made->parameters},
                                         {"weight_bytes", made->weight_bytes},
                                         {"seconds", seconds}}));
    return {};
  }
  session.terminal.PrintLine(fmt::format(
      "{}: {:.1f} M random parameters, {} of weights, in {:.1f} s", name,
      static_cast<double>(made->parameters) * 1e-6, FormatBytes(made->weight_bytes), seconds));
  return {};
}

}  // namespace

constinit const Verb kSynth{
    .name = "synth",
    .summary = "make a network of a well-known shape with random weights",
    .details =
        "For measuring: what it says is noise. The same shape, layers, codec and seed give the "
        "same network, to the bit. Its tokens are bytes.",
    .examples =
        "  ashlar synth --shape llama-1b --codec q4 --as noise-1b\n"
        "  ashlar synth --shape 8b --layers 1 --codec bf16 --seed 7 --as one-layer",
    .options = kSynthOptions,
    .run = RunSynth,
};

}  // namespace ashlar::cli
