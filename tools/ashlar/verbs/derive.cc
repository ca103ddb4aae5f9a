#include "ashlar/kinds/cpu_kind.h"
#include "tools/ashlar/derivation.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

constexpr OptionSpec kDeriveOptions[] = {
    {.name = "NEW", .value = "NAME", .doc = "the name of the new network"},
    {.name = "--from", .value = "NET", .doc = "the network to begin with"},
    {.name = "--list", .kind = OptionKind::kFlag, .doc = "describe the transforms"},
    {.name = "TRANSFORM",
     .kind = OptionKind::kRest,
     .value = "WORDS",
     .doc = "a transform and its arguments; several are joined by the word 'then'"},
};

// What `derive --list` prints: each transform with its arguments.
void List(Session& session) {
  Json list = Json::Array();
  std::string text;
  for (const Transform* transform : AllTransforms()) {
    Json arguments = Json::Array();
    text += fmt::format("{}  {}\n", session.terminal.Styled(Style::kBold, transform->name),
                        transform->summary);
    for (const ArgumentSpec& argument : ArgumentsOf(*transform, AllKinds())) {
      text += fmt::format("    {:<24}{}{}\n", fmt::format("--{} {}", argument.name, argument.value),
                          argument.doc, argument.required ? " (required)" : "");
      arguments.Append(Json::Of({{"name", argument.name},
                                 {"value", argument.value},
                                 {"required", argument.required},
                                 {"doc", argument.doc}}));
    }
    text += fmt::format("    example: {}\n\n", transform->example);
    list.Append(Json::Of({{"name", transform->name},
                          {"summary", transform->summary},
                          {"writes_blobs", transform->writes_blobs},
                          {"arguments", std::move(arguments)},
                          {"example", transform->example}}));
  }
  if (session.json) {
    session.terminal.PrintJson(list);
  } else {
    session.terminal.Print(text);
  }
}

Status RunDerive(Session& session) {
  const Options& options = session.options;
  if (options.Flag("list")) {
    if (options.Has("NEW") || options.Has("from") || options.Has("TRANSFORM")) {
      return Invalid("--list describes the transforms, and derives nothing: it goes alone");
    }
    List(session);
    return {};
  }
  const auto words = options.Texts("TRANSFORM");
  constexpr std::string_view kExample = "derive short --from base drop --layers 3,4";
  if (!words.empty() && words.front().starts_with('-')) {
    const bool forgotten = options.Has("NEW") && FindTransform(options.Text("NEW")).ok();
    return forgotten
               ? Invalid(
                     "the new network's name is missing: \"{}\" is a transform; write as in: {}",
                     options.Text("NEW"), kExample)
               : Invalid("unknown option {}; write as in: {}", words.front(), kExample);
  }
  constexpr std::pair<const char*, const char*> kNeeded[] = {
      {"NEW", "NEW, the new network's name"},
      {"from", "--from NET, the network to begin with"},
      {"TRANSFORM", "a transform (see derive --list)"}};
  for (const auto& [name, what] : kNeeded) {
    if (!options.Has(name)) {
      return Invalid("expected {}; write as in: {}", what, kExample);
    }
  }
  ASHLAR_TRY(const std::vector<TransformStep> steps, ParseTransformSteps(words));
  return DeriveAndReport(session, options.Text("NEW"), options.Text("from"), steps);
}

}  // namespace

constinit const Verb kDerive{
    .name = "derive",
    .summary = "make a network from others by transforms, for kilobytes",
    .details =
        "NEW is followed by a transform and its arguments; 'then' begins the next one. 'ashlar "
        "derive --list' describes them all.",
    .examples =
        "  ashlar derive short --from base drop --layers 3,4\n"
        "  ashlar derive small --from base drop --layers 3 then slice --channels 75%",
    .options = kDeriveOptions,
    .run = RunDerive,
};

}  // namespace ashlar::cli
