// ashlar VERB ...: turns the table of verbs into a command line, runs one, and reports its error.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "tools/ashlar/verb.h"

namespace ashlar::cli {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

// "-p,--prompt" -> "prompt"; "NET" -> "NET".
std::string_view KeyOf(std::string_view name) {
  name = name.substr(name.rfind(',') + 1);
  while (name.starts_with('-')) {
    name.remove_prefix(1);
  }
  return name;
}

// Declares one option of a verb; what is typed for it goes to `values`.
void AddOption(CLI::App& app, const OptionSpec& spec, std::vector<std::string>& values) {
  std::string doc(spec.doc);
  if (!spec.otherwise.empty()) {
    doc += fmt::format(" (default {})", spec.otherwise);
  }
  if (spec.kind == OptionKind::kFlag) {
    app.add_flag_callback(
        std::string(spec.name), [&values] { values = {"true"}; }, doc);
    return;
  }
  if (spec.kind == OptionKind::kRest) {
    app.prefix_command();  // from the first word that is no option of ours, all is the verb's
    return;
  }
  const std::string name(spec.name);
  CLI::Option* option =
      spec.kind == OptionKind::kValues
          ? app.add_option(name, values, doc)
          : app.add_option_function<std::string>(
                name, [&values](const std::string& value) { values = {value}; }, doc);
  option->required(spec.required);
  option->type_name(std::string(spec.value));
  if (spec.kind == OptionKind::kValue) {
    option->multi_option_policy(CLI::MultiOptionPolicy::Throw);  // typed twice is an error
  } else if (name.starts_with('-')) {
    option->expected(1)->take_all();  // one word each time it is typed
  }
}

Path DefaultStore() {
  if (const char* store = std::getenv("ASHLAR_STORE"); store != nullptr && *store != '\0') {
    return store;
  }
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data == '/') {
    return Path(data) / "ashlar";
  }
  const char* home = std::getenv("HOME");
  return Path(home != nullptr && *home != '\0' ? home : ".") / ".local/share/ashlar";
}

// The error, once for people and once for programs.
int Report(const Error& error, std::string_view verb, bool json, Terminal& terminal) {
  terminal.EndProgress();
  if (json) {
    terminal.PrintJson(Json::Of(
        {{"error", Json::Of({{"code", ErrorCodeName(error.code)}, {"message", error.message}})}}));
  }
  std::fprintf(stderr, "ashlar %.*s: %s\n", static_cast<int>(verb.size()), verb.data(),
               error.message.c_str());
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailure;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // `ashlar ls | head` ends quietly
  CLI::App app(
      "ashlar stores networks as graphs over shared blocks, derives new ones for kilobytes, and "
      "runs them.",
      "ashlar");
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::simple);
  app.get_formatter()->column_width(34);
  std::string store;
  bool json = false;
  const auto add_common = [&](CLI::App& to) {
    to.add_option("--store", store,
                  "the store's directory (default $ASHLAR_STORE, else ~/.local/share/ashlar)")
        ->type_name("DIR");
    to.add_flag("--json", json, "print one JSON document instead of text");
  };

  std::map<const Verb*, Options> options;
  std::map<const CLI::App*, const Verb*> verb_of;
  for (const Verb* verb : AllVerbs()) {
    CLI::App* sub = app.add_subcommand(std::string(verb->name), std::string(verb->summary));
    verb_of[sub] = verb;
    for (const OptionSpec& spec : verb->options) {
      AddOption(*sub, spec, options[verb].values[std::string(KeyOf(spec.name))]);
    }
    add_common(*sub);
    std::string footer(verb->details);
    if (!verb->examples.empty()) {
      footer += fmt::format("{}Examples:\n{}", footer.empty() ? "" : "\n\n", verb->examples);
    }
    sub->footer(footer);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error);  // --help
    }
    const auto chosen = app.get_subcommands();
    if (const char* word = argc > 1 ? argv[1] : nullptr; chosen.empty() && word && *word != '-') {
      std::fprintf(stderr, "ashlar: there is no verb \"%s\"\nTry 'ashlar --help'.\n", word);
      return kExitUsage;
    }
    const std::string command =
        chosen.empty() ? "ashlar" : fmt::format("ashlar {}", chosen.front()->get_name());
    std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", command.c_str(), error.what(),
                 command.c_str());
    return kExitUsage;
  }

  const CLI::App* chosen = app.get_subcommands().front();
  const Verb* verb = verb_of.at(chosen);
  Options& typed = options[verb];
  for (const OptionSpec& spec : verb->options) {
    auto& values = typed.values[std::string(KeyOf(spec.name))];
    if (spec.kind == OptionKind::kRest) {
      values = chosen->remaining();
      json = std::erase(values, "--json") > 0 || json;  // it may stand at the end too
    }
    if (values.empty() && !spec.otherwise.empty()) {
      values = {std::string(spec.otherwise)};
    }
  }
  Terminal terminal;
  Session session{.options = typed,
                  .terminal = terminal,
                  .json = json,
                  .store_path = store.empty() ? DefaultStore() : Path(store)};
  Status status = verb->run(session);
  if (status.ok() && !terminal.output_ok()) {
    status = IoError("cannot write to standard output; what was printed is not whole");
  }
  terminal.EndProgress();
  return status.ok() ? 0 : Report(status.error(), verb->name, json, terminal);
}

}  // namespace
}  // namespace ashlar::cli

int main(int argc, char** argv) {
  try {
    return ashlar::cli::Main(argc, argv);
  } catch (const std::exception& error) {  // a library's, such as running out of memory
    std::fprintf(stderr, "ashlar: %s\n", error.what());
    return 1;
  }
}
