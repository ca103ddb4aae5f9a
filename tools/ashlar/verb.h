// A Verb is one thing that the command line does: `ashlar VERB ...`.
//
// A verb is data and one function: its options are a table, from which parsing, help and errors
// follow. To add one: a file in tools/ashlar/verbs with a constant Verb, and its line in
// all_verbs.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/graph/catalog.h"
#include "tools/ashlar/terminal.h"

namespace ashlar::cli {

enum class OptionKind : std::uint8_t {
  kFlag,    // --name
  kValue,   // --name VALUE, or a positional VALUE
  kValues,  // several, each as above
  kRest,    // positional: all remaining words, options among them
};

struct OptionSpec {
  std::string_view name;  // "--max-tokens", "-p,--prompt", or "NET": a positional
  OptionKind kind = OptionKind::kValue;
  std::string_view value = {};  // what stands for the value in help: "N", "FILE"
  bool required = false;
  std::string_view otherwise = {};  // the default as text; empty: none
  std::string_view doc;
};

// What the user typed for a verb, checked against its table; typed on reading. Names are as in the
// table without dashes and aliases ("max-tokens", "NET"). Reading one that the table has not is a
// CHECK.
class Options {
 public:
  bool Flag(std::string_view name) const;
  bool Has(std::string_view name) const;  // typed, or has a default
  bool Typed(std::string_view name) const;
  const std::string& Text(std::string_view name) const;  // "" when absent
  std::span<const std::string> Texts(std::string_view name) const;
  // kInvalid, naming the option, the range and what was typed.
  Result<std::int64_t> Integer(std::string_view name, std::int64_t min, std::int64_t max) const;
  Result<double> Real(std::string_view name, double min, double max) const;
  Result<std::uint64_t> Bytes(std::string_view name) const;  // "300M"

  std::map<std::string, std::vector<std::string>, std::less<>> values;  // by name
  std::set<std::string, std::less<>> defaulted;                         // not typed
};

// What a verb works with.
struct Session {
  const Options& options;
  Terminal& terminal;
  bool json;        // --json: one JSON document on standard output at most, and nothing else there
  Path store_path;  // --store, else $ASHLAR_STORE, else ~/.local/share/ashlar

  // Opens the store; a verb that only reads does not make one.
  Result<std::unique_ptr<BlobStore>> OpenStore(bool create) const;
};

// {"code":"not_found","message":"..."}: how --json tells of an error.
Json ErrorJson(const Error& error);

// What is wrong inside a file that the user named is no fault of the command line: kInvalid becomes
// kCorrupt, whose exit code is 1.
Error BlameFile(Error error);

struct Verb {
  std::string_view name;
  std::string_view summary;   // one line, for `ashlar --help`
  std::string_view details;   // a paragraph for `ashlar VERB --help`; may be empty
  std::string_view examples;  // whole command lines, one per line
  std::span<const OptionSpec> options;
  // Errors are printed by the caller: exit code 2 for kInvalid usage, 1 for the rest.
  Status (*run)(Session& session);
};

std::span<const Verb* const> AllVerbs();

}  // namespace ashlar::cli
