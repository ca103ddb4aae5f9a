// ashlar VERB ...: turns the table of verbs into a command line, runs one, and reports its error.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>
#include <variant>

#include <CLI/CLI.hpp>

#include "ashlar/base/join.h"
#include "tools/ashlar/verb.h"

namespace ashlar::cli {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

// What every verb understands.
constexpr OptionSpec kCommonOptions[] = {
    {.name = "--store",
     .value = "DIR",
     .doc = "the store's directory (default $ASHLAR_STORE, else ~/.local/share/ashlar)"},
    {.name = "--json",
     .kind = OptionKind::kFlag,
     .doc = "print one JSON document; errors too, as {\"error\":{\"code\",\"message\"}} on "
            "standard error"},
    {.name = "-h,--help", .kind = OptionKind::kFlag, .doc = "print this and end"},
};

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
  // The words as they were typed: CLI11's own conversions drop empty ones and split "[a,b]".
  CLI::Option* option = app.add_option(
      name,
      [&values](const CLI::results_t& words) {
        values = words;
        return true;
      },
      doc);
  option->required(spec.required);
  option->type_name(std::string(spec.value));
  if (spec.kind == OptionKind::kValue) {
    option->multi_option_policy(CLI::MultiOptionPolicy::Throw);  // typed twice is an error
  } else if (name.starts_with('-')) {
    option->expected(1)->take_all();  // one word each time it is typed
  } else {
    option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
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

// Prints the error on standard error: a sentence for people, or with --json one line of JSON.
// Returns the exit code.
int Report(const Error& error, std::string_view command, bool json, std::string_view hint = "") {
  const std::string text = json ? WriteJson(Json::Of({{"error", ErrorJson(error)}})) + "\n"
                                : fmt::format("{}: {}\n{}", command, error.message, hint);
  std::fputs(text.c_str(), stderr);
  return error.code == ErrorCode::kInvalid ? kExitUsage : kExitFailure;
}

// ---- Words that come in any order

// The option that `word` ("--store", "--store=DIR", "-h") names; null when it names none of these.
const OptionSpec* FindOption(std::span<const OptionSpec> options, std::string_view word) {
  word = word.substr(0, word.find('='));
  for (const OptionSpec& option : options) {
    const std::size_t comma = option.name.find(',');
    if (word.starts_with('-') &&
        (word == option.name.substr(0, comma) ||
         (comma != option.name.npos && word == option.name.substr(comma + 1)))) {
      return &option;
    }
  }
  return nullptr;
}

const OptionSpec* FindOption(const Verb* verb, std::string_view word) {
  const OptionSpec* common = FindOption(kCommonOptions, word);
  return common != nullptr || verb == nullptr ? common : FindOption(verb->options, word);
}

// The first word that is no option: the verb, or what was taken for one.
std::size_t FindVerbWord(std::span<const std::string> words) {
  std::size_t i = 0;
  while (i < words.size() && words[i].starts_with('-')) {
    i += words[i] == "--store" ? 2 : 1;
  }
  return std::min(i, words.size());
}

// A verb that ends in words of its own (kRest) gets all from the first of them on, and options of
// ashlar's may stand there too: "derive NEW --from BASE drop --layers 3 --json". This moves them to
// the front. kInvalid for one that lacks its value: the word that came after it there would be
// taken for it.
Result<std::vector<std::string>> WithOptionsFirst(std::vector<std::string> words) {
  const std::size_t at = FindVerbWord(words);
  const auto verb = std::ranges::find_if(
      AllVerbs(), [&](const Verb* known) { return at < words.size() && known->name == words[at]; });
  if (verb == AllVerbs().end() || std::ranges::find((*verb)->options, OptionKind::kRest,
                                                    &OptionSpec::kind) == (*verb)->options.end()) {
    return words;
  }
  std::vector<std::string> sorted(words.begin(),
                                  words.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  std::vector<std::string> rest;
  for (std::size_t i = at + 1; i < words.size(); ++i) {
    const OptionSpec* option = FindOption(*verb, words[i]);
    if (option == nullptr) {
      rest.push_back(words[i]);
      continue;
    }
    sorted.push_back(words[i]);
    if (option->kind != OptionKind::kFlag && words[i].find('=') == std::string::npos) {
      if (i + 1 == words.size() || words[i + 1].starts_with("--")) {
        return Invalid("{} needs a value", words[i]);
      }
      sorted.push_back(words[++i]);
    }
  }
  sorted.insert(sorted.end(), rest.begin(), rest.end());
  return sorted;
}

// ---- One run

// What CLI11 found wrong. "--graph: 1 required FORM missing" is said as people would.
std::string MessageOf(const CLI::ParseError& error) {
  constexpr std::string_view kRequired = ": 1 required ";
  constexpr std::string_view kMissing = " missing";
  const std::string text = error.what();
  const std::size_t at = text.find(kRequired);
  if (at == text.npos || !text.ends_with(kMissing)) {
    return text;
  }
  const std::size_t value = at + kRequired.size();
  return fmt::format("{} needs a value: {}", text.substr(0, at),
                     text.substr(value, text.size() - kMissing.size() - value));
}

// What CLI11 makes of the tables, and what it found.
struct CommandLine {
  CLI::App app{
      "ashlar stores networks as graphs over shared blocks, derives new ones for kilobytes, and "
      "runs them.",
      "ashlar"};
  std::map<const Verb*, Options> options;
  std::map<const CLI::App*, const Verb*> verb_of;
  std::string store;
  int stores = 0;  // times that it was typed: it may stand before the verb, or after it
  bool json = false;

  CommandLine() {
    app.require_subcommand(0, 1);  // that there is one is checked with words of our own
    app.failure_message(CLI::FailureMessage::simple);
    app.get_formatter()->column_width(34);
    app.get_formatter()->label("SUBCOMMAND", "VERB");
    app.footer("Exit codes: 0 done, 2 a wrong command line, 1 anything else.");
    AddCommonOptions(app);
    for (const Verb* verb : AllVerbs()) {
      CLI::App* sub = app.add_subcommand(std::string(verb->name), std::string(verb->summary));
      sub->group("Verbs");
      verb_of[sub] = verb;
      for (const OptionSpec& spec : verb->options) {
        AddOption(*sub, spec, options[verb].values[std::string(KeyOf(spec.name))]);
      }
      AddCommonOptions(*sub);
      std::string footer(verb->details);
      if (!verb->examples.empty()) {
        footer += fmt::format("{}Examples:\n{}", footer.empty() ? "" : "\n\n", verb->examples);
      }
      sub->footer(footer);
    }
  }

  const Verb* verb() const {
    const auto chosen = app.get_subcommands();
    return chosen.empty() ? nullptr : verb_of.at(chosen.front());
  }

 private:
  void AddCommonOptions(CLI::App& to) {
    const auto& [store_option, json_option, help_option] = kCommonOptions;
    const auto take_store = [this](const CLI::results_t& words) {
      store = words.front();
      ++stores;
      return true;
    };
    to.add_option(std::string(store_option.name), take_store, std::string(store_option.doc))
        ->type_name(std::string(store_option.value));
    to.add_flag(std::string(json_option.name), json, std::string(json_option.doc));
    to.set_help_flag(std::string(help_option.name), std::string(help_option.doc));
  }
};

// kInvalid: the first word is no verb, or there is none.
Status CheckVerb(std::span<const std::string> words) {
  std::vector<std::string_view> known;
  for (const Verb* verb : AllVerbs()) {
    known.push_back(verb->name);
  }
  const std::size_t at = FindVerbWord(words);
  if (at == words.size()) {
    return Invalid("expected a verb: {}", Join(known, ", "));
  }
  if (std::ranges::find(known, words[at]) == known.end()) {
    return Invalid("there is no verb \"{}\"; known: {}", words[at], Join(known, ", "));
  }
  return {};
}

// What is to be run, as it was typed.
struct Command {
  const Verb* verb;
  Options options;
  std::string store;
  bool json;
};

// Requires: a verb was chosen.
Command CommandOf(CommandLine& line) {
  const Verb* verb = line.verb();
  Options& typed = line.options[verb];
  for (const OptionSpec& spec : verb->options) {
    auto& values = typed.values[std::string(KeyOf(spec.name))];
    if (spec.kind == OptionKind::kRest) {
      values = line.app.get_subcommands().front()->remaining();
    }
    if (values.empty() && !spec.otherwise.empty()) {
      values = {std::string(spec.otherwise)};
      typed.defaulted.emplace(KeyOf(spec.name));
    }
  }
  return {.verb = verb, .options = std::move(typed), .store = line.store, .json = line.json};
}

int Run(Command command) {
  Terminal terminal;
  Session session{.options = command.options,
                  .terminal = terminal,
                  .json = command.json,
                  .store_path = command.store.empty() ? DefaultStore() : Path(command.store)};
  Status status = command.verb->run(session);
  if (status.ok() && !terminal.output_ok()) {
    status = IoError("cannot write to standard output; what was printed is not whole");
  }
  terminal.EndProgress();
  return status.ok()
             ? 0
             : Report(status.error(), fmt::format("ashlar {}", command.verb->name), command.json);
}

// The command, or the exit code when there is nothing to run. (What could have been typed, up
// to a quarter of a megabyte in tables, is gone then: a server runs for long.)
std::variant<Command, int> Parse(const std::vector<std::string>& words) {
  CommandLine line;
  const bool json = std::ranges::find(words, "--json") != words.end();
  const auto usage_error = [&](const Error& error) {
    const Verb* verb = line.verb();
    const std::string command = verb == nullptr ? "ashlar" : fmt::format("ashlar {}", verb->name);
    return Report(error, command, json, fmt::format("Try '{} --help'.\n", command));
  };
  Result<std::vector<std::string>> sorted = WithOptionsFirst(words);
  if (!sorted.ok()) {
    return usage_error(sorted.error());
  }
  try {
    std::ranges::reverse(*sorted);  // CLI11 takes the last word first
    line.app.parse(*std::move(sorted));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return line.app.exit(error);  // --help
    }
    const Status verb = CheckVerb(words);
    return usage_error(verb.ok() ? Invalid("{}", MessageOf(error)) : verb.error());
  }
  if (const Status verb = CheckVerb(words); !verb.ok()) {
    return usage_error(verb.error());
  }
  if (line.stores > 1) {
    return usage_error(Invalid("--store is given twice"));
  }
  return CommandOf(line);
}

int Main(const std::vector<std::string>& words) {
  std::signal(SIGPIPE, SIG_DFL);  // `ashlar ls | head` ends quietly
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows too large is an error of the write
  std::variant<Command, int> parsed = Parse(words);
  const int* const code = std::get_if<int>(&parsed);
  return code != nullptr ? *code : Run(std::move(std::get<Command>(parsed)));
}

}  // namespace
}  // namespace ashlar::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto report = [&](const ashlar::Error& error) {
    return ashlar::cli::Report(error, "ashlar", std::ranges::find(words, "--json") != words.end());
  };
  try {
    return ashlar::cli::Main(words);
  } catch (const std::bad_alloc&) {
    return report(ashlar::Exhausted("out of memory"));
  } catch (const std::exception& error) {  // a library's
    return report(ashlar::IoError("{}", error.what()));
  }
}
