#include "ashlar/graph/transform.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "ashlar/base/join.h"
#include "ashlar/graph/internal/near_names.h"
#include "ashlar/graph/internal/surgery.h"

namespace ashlar {
namespace {

constexpr std::string_view kThen = "then";  // between the steps of a chain

// All of `text` as a number, or nothing.
template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional<T>(value) : std::nullopt;
}

Status CheckArguments(std::span<const ArgumentSpec> specs, const Arguments& arguments) {
  std::vector<std::string> known;
  for (const ArgumentSpec& spec : specs) {
    known.push_back(fmt::format("--{}", spec.name));
  }
  for (const auto& [name, value] : arguments) {
    if (std::ranges::find(specs, name, &ArgumentSpec::name) == specs.end()) {
      const std::string typed = "--" + name;
      return Invalid("unknown argument {}{}", typed, internal::SuggestNames(typed, known));
    }
  }
  for (const ArgumentSpec& spec : specs) {
    if (spec.required && !arguments.contains(spec.name)) {
      return Invalid("--{} {} is missing: {}", spec.name, spec.value, spec.doc);
    }
  }
  return {};
}

}  // namespace

Result<const Transform*> FindTransform(std::string_view name) {
  std::vector<std::string> known;
  for (const Transform* transform : AllTransforms()) {
    if (transform->name == name) {
      return transform;
    }
    known.emplace_back(transform->name);
  }
  return Invalid("unknown transform {}; known: {}", QuoteForError(name), Join(known, ", "));
}

std::vector<ArgumentSpec> ArgumentsOf(const Transform& transform, const Kinds& kinds) {
  std::vector<ArgumentSpec> specs;
  if (transform.slice_arguments) {
    for (const BlockKind* kind : kinds.all()) {
      for (const SliceAxis& axis : kind->slices) {
        if (std::ranges::find(specs, axis.attribute, &ArgumentSpec::name) == specs.end()) {
          specs.push_back({.name = axis.attribute, .value = "75%|N", .doc = axis.doc});
        }
      }
    }
  }
  specs.insert(specs.end(), transform.arguments.begin(), transform.arguments.end());
  return specs;
}

Result<Network> Apply(const Transform& transform, const Network& base, const Arguments& arguments,
                      const TransformContext& context) {
  const auto apply = [&]() -> Result<Network> {
    ASHLAR_TRY(CheckArguments(ArgumentsOf(transform, context.catalog.kinds()), arguments));
    ASHLAR_TRY(Network network, transform.apply(base, arguments, context));
    const std::vector<std::string> unused = internal::RemoveUnusedNodes(network);
    if (!unused.empty() && context.remark) {
      context.remark(fmt::format("removed what nothing uses any more: {}", Join(unused, ", ")));
    }
    RenumberLayers(network);
    network.Prune();
    if (const Status valid = Validate(network); !valid.ok()) {
      return valid.error().In("the result is no valid network");
    }
    return network;
  };
  Result<Network> network = apply();
  if (!network.ok()) {
    return network.error().In(transform.name);
  }
  return network;
}

Result<std::vector<TransformStep>> ParseTransformSteps(std::span<const std::string> words) {
  std::vector<TransformStep> steps;
  std::size_t i = 0;
  do {
    if (i == words.size()) {
      return Invalid("expected a transform{}", steps.empty() ? "" : " after \"then\"");
    }
    TransformStep step;
    ASHLAR_TRY(step.transform, FindTransform(words[i++]));
    while (i < words.size() && words[i] != kThen) {
      const std::string_view word = words[i++];
      if (!word.starts_with("--") || word.size() == 2) {
        return Invalid("{}: expected an argument such as --layers, or \"then\", found {}",
                       step.transform->name, QuoteForError(word));
      }
      const std::size_t equals = word.find('=');
      const std::string name(word.substr(2, equals == word.npos ? word.npos : equals - 2));
      std::string value;
      if (equals != word.npos) {
        value = word.substr(equals + 1);
      } else if (i < words.size() && words[i] != kThen && !words[i].starts_with("--")) {
        value = words[i++];
      }
      if (value.empty()) {
        return Invalid("{}: --{} needs a value", step.transform->name, name);
      }
      if (!step.arguments.emplace(name, std::move(value)).second) {
        return Invalid("{}: --{} is given twice", step.transform->name, name);
      }
    }
    steps.push_back(std::move(step));
  } while (i++ < words.size());  // over the "then"
  return steps;
}

Result<std::vector<int>> ParseIndices(std::string_view text, int limit) {
  std::vector<int> indices;
  std::vector<bool> seen(static_cast<std::size_t>(std::max(limit, 0)));
  std::string_view rest = text;
  while (true) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const std::size_t dash = item.find('-');
    const std::optional<int> first = ParseNumber<int>(item.substr(0, dash));
    const std::optional<int> last =
        dash == item.npos ? first : ParseNumber<int>(item.substr(dash + 1));
    if (!first || !last || *first < 0 || *last < *first) {
      return Invalid("expected numbers and ranges such as 3,4,8-11, found {}", QuoteForError(text));
    }
    if (*last >= limit) {
      return limit <= 0 ? Invalid("there is no {}: there are none at all", *last)
                        : Invalid("there is no {}: they are numbered 0 to {}", *last, limit - 1);
    }
    for (int index = *first; index <= *last; ++index) {
      if (seen[static_cast<std::size_t>(index)]) {
        return Invalid("{} is named twice in {}", index, QuoteForError(text));
      }
      seen[static_cast<std::size_t>(index)] = true;
      indices.push_back(index);
    }
    if (item.size() == rest.size()) {
      return indices;
    }
    rest.remove_prefix(item.size() + 1);
  }
}

Result<Amount> ParseAmount(std::string_view text, std::int64_t whole) {
  if (text.ends_with('%')) {
    const std::optional<double> percent = ParseNumber<double>(text.substr(0, text.size() - 1));
    if (!percent || !(*percent > 0 && *percent <= 100)) {
      return Invalid("expected a percentage above 0% and up to 100%, found {}",
                     QuoteForError(text));
    }
    // A percentage that is meant exactly (29% of 100) must not lose its last one to rounding.
    const double exact = static_cast<double>(whole) * *percent / 100;
    const auto value = static_cast<std::int64_t>(std::floor(exact * (1 + 1e-12)));
    return Amount{std::clamp<std::int64_t>(value, 1, whole), true};
  }
  const std::optional<std::int64_t> value = ParseNumber<std::int64_t>(text);
  if (!value || *value < 1 || *value > whole) {
    return Invalid("expected a number from 1 to {} or a percentage such as 75%, found {}", whole,
                   QuoteForError(text));
  }
  return Amount{*value, false};
}

}  // namespace ashlar
