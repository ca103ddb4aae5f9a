#include "ashlar/graph/transforms/transforms.h"
#include "tools/ashlar/derivation.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kEncodeOptions[] = {
    {.name = "NET", .value = "NAME", .required = true, .doc = "the network to begin with"},
    {.name = "--as", .value = "NAME", .required = true, .doc = "the name of the new network"},
    {.name = "--codec",
     .value = "CODEC",
     .required = true,
     .doc = "f32, f16, bf16, q8, q4, q4_1, q4_k or q6_k; with levels: bitplane or bitstack"},
    {.name = "--tensors",
     .value = "PATTERN",
     .doc = "only those whose name (see show) matches, such as 'layers.*.mlp.*'"},
    {.name = "--except", .value = "PATTERN", .doc = "not those whose name matches"},
};

Status RunEncode(Session& session) {
  const Options& options = session.options;
  if (const auto codec = FindCodecToEncodeIn(options.Text("codec")); !codec.ok()) {
    return Invalid("--codec: {}", codec.error().message);
  }
  ASHLAR_TRY(const Transform* encode, FindTransform("encode"));
  Arguments arguments;
  for (const char* name : {"codec", "tensors", "except"}) {
    if (options.Has(name)) {
      arguments[name] = options.Text(name);
    }
  }
  const TransformStep step{encode, std::move(arguments)};
  return DeriveAndReport(session, options.Text("as"), options.Text("NET"), {&step, 1});
}

}  // namespace

constinit const Verb kEncode{
    .name = "encode",
    .summary = "make a network whose tensors have another codec",
    .details =
        "The same as 'derive NEW --from NET encode ...'. Norms and biases stay as they are. "
        "Codecs with levels (bitplane) are encoded without calibration: at once, and worse at few "
        "bits than `ashlar shrink` makes them.",
    .examples =
        "  ashlar encode base --as base-q4 --codec q4\n"
        "  ashlar encode base --as mixed --codec q8 --tensors 'layers.*.mlp.*'",
    .options = kEncodeOptions,
    .run = RunEncode,
};

}  // namespace ashlar::cli
