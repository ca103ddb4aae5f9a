#include "ashlar/text/internal/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <algorithm>
#include <array>

#include <pcre2.h>

#include "ashlar/text/internal/oniguruma.h"
#include "ashlar/text/internal/stage.h"
#include "ashlar/text/internal/utf8.h"

namespace ashlar::internal {
namespace {

template <auto kFree>
struct Pcre2Free {
  void operator()(auto* object) const { kFree(object); }
};
template <class T, auto kFree>
using Pcre2Ptr = std::unique_ptr<T, Pcre2Free<kFree>>;
using CodePtr = Pcre2Ptr<pcre2_code, pcre2_code_free>;
using CompileContextPtr = Pcre2Ptr<pcre2_compile_context, pcre2_compile_context_free>;
using MatchContextPtr = Pcre2Ptr<pcre2_match_context, pcre2_match_context_free>;
using JitStackPtr = Pcre2Ptr<pcre2_jit_stack, pcre2_jit_stack_free>;
using MatchDataPtr = Pcre2Ptr<pcre2_match_data, pcre2_match_data_free>;

// What one attempt at one position may backtrack, in PCRE2's count, before it is charged: real
// patterns need tens of steps. An attempt that needs more is repeated with 16 times the limit
// and charged for it, against a budget that grows with the text: 64 steps a byte pays for the
// longest run of blanks that a real pattern first takes and then gives back.
constexpr std::uint32_t kFreeSteps = 256;
constexpr std::uint64_t kStepsPerByte = 64;
// Oniguruma's ^ and $ are of lines. Each attempt stands at one position (anchored): otherwise the
// limit on steps would hold for each of the positions that one call tries.
constexpr std::uint32_t kOptions =
    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C;

// A group that repeats keeps some 20 bytes for each time round. The JIT has 32 KiB of the thread's
// stack for it; where that is too little, up to this much of its own. The interpreter has as much.
constexpr std::size_t kMaxStackBytes = 64u << 20;

std::string Pcre2Message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Pattern::Code {
  std::string literal;  // when there is no expression
  CodePtr expression;
};

Pattern::Pattern(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

const std::string* Pattern::literal() const {
  return code_->expression == nullptr ? &code_->literal : nullptr;
}

Result<Pattern> Pattern::Parse(const JsonCursor& json) {
  ASHLAR_TRY(const auto members, json.AsObject(1));
  if (members.size() != 1 || (members[0].first != "String" && members[0].first != "Regex")) {
    return json.Invalid("expected a pattern with one key, \"String\" or \"Regex\"");
  }
  const auto& [kind, value] = members[0];
  ASHLAR_TRY(std::string text, ParseLiteral(json, kind));
  if (kind == "String" && !text.empty()) {
    auto code = std::make_unique<Code>();
    code->literal = std::move(text);
    return Pattern(std::move(code));
  }
  // An empty literal is the empty expression: it matches between all characters.
  Result<Pattern> pattern = Regex(text);
  if (!pattern.ok()) {
    return pattern.error().In(value.path());
  }
  return pattern;
}

Result<Pattern> Pattern::Regex(std::string_view expression) {
  ASHLAR_TRY(const std::string translated, TranslateOniguruma(expression));
  const CompileContextPtr context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_unique<Code>();
  code->expression.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()),
                                       translated.size(), kOptions, &error, &offset,
                                       context.get()));
  if (code->expression == nullptr) {
    return Invalid(
        "the regular expression is wrong: {}, near {}", Pcre2Message(error),
        QuoteForError(
            std::string_view(translated).substr(std::min(offset, translated.size()), 16)));
  }
  // Where there is no JIT, matching is slower and the same.
  pcre2_jit_compile(code->expression.get(), PCRE2_JIT_COMPLETE);
  return Pattern(std::move(code));
}

struct PatternSearch::State {
  const Pattern::Code* code;
  std::uint64_t budget;  // steps
  JitStackPtr stack;     // made when it is first needed
  MatchContextPtr context;
  MatchDataPtr data;

  // One attempt at `at`: the number of groups, or PCRE2's error.
  int Match(std::string_view text, std::size_t at, std::uint32_t limit) {
    pcre2_set_match_limit(context.get(), limit);
    const auto run = [&] {
      return pcre2_match(code->expression.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                         text.size(), at, PCRE2_NO_UTF_CHECK, data.get(), context.get());
    };
    const int result = run();
    if (result != PCRE2_ERROR_JIT_STACKLIMIT || stack != nullptr) {
      return result;
    }
    stack.reset(pcre2_jit_stack_create(32 << 10, kMaxStackBytes, nullptr));
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    return run();
  }

  // Whether the pattern matches at `at`; the match is then in `data`.
  Result<bool> MatchAt(std::string_view text, std::size_t at) {
    std::uint64_t limit = kFreeSteps;
    int result = Match(text, at, kFreeSteps);
    while (result == PCRE2_ERROR_MATCHLIMIT && limit * 16 <= budget) {
      limit *= 16;
      budget -= limit;
      result = Match(text, at, static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, ~0u)));
    }
    if (result == PCRE2_ERROR_NOMATCH) {
      return false;
    }
    if (result < 0) {
      return Exhausted("a regular expression gave up at byte {} of {}: {}", at, text.size(),
                       Pcre2Message(result));
    }
    return true;
  }
};

PatternSearch::PatternSearch(const Pattern& pattern, std::size_t text_bytes,
                             std::uint64_t base_steps)
    : state_(std::make_unique<State>()) {
  state_->code = pattern.code_.get();
  state_->budget = base_steps + kStepsPerByte * text_bytes;
  if (state_->code->expression != nullptr) {
    state_->context.reset(pcre2_match_context_create(nullptr));
    pcre2_set_heap_limit(state_->context.get(), kMaxStackBytes >> 10);
    state_->data.reset(
        pcre2_match_data_create_from_pattern(state_->code->expression.get(), nullptr));
  }
}

PatternSearch::~PatternSearch() = default;

Status PatternSearch::FindAll(std::string_view text, std::vector<TextRange>& matches) {
  matches.clear();
  const auto add = [&](std::size_t begin, std::size_t end) {
    matches.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
  };
  if (state_->code->expression == nullptr) {
    const std::string& literal = state_->code->literal;
    for (std::size_t at = text.find(literal); at != text.npos;
         at = text.find(literal, at + literal.size())) {
      add(at, at + literal.size());
    }
    return {};
  }
  const PCRE2_SIZE* const found = pcre2_get_ovector_pointer(state_->data.get());
  std::size_t at = 0;
  while (true) {
    ASHLAR_TRY(const bool matched, state_->MatchAt(text, at));
    const bool touches = !matches.empty() && matches.back().end == at;
    if (matched && (found[1] > at || !touches)) {
      add(found[0], found[1]);
      at = found[1];
    } else if (at < text.size()) {
      at += FirstChar(text.substr(at)).size;
    } else {
      return {};
    }
  }
}

}  // namespace ashlar::internal
