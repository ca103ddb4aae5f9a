// A Constraint holds one answer to a grammar, token by token: it says which tokens may come next,
// and is told which one came.
//
//   // Kept, and shared by the answers to one grammar.
//   const auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary, ends);
//   Constraint constraint(masks);
//   ASHLAR_TRY(const std::span<const std::uint64_t> allowed, constraint.Allowed());
//   ... sample among the tokens whose bit is set ...
//   ASHLAR_TRY(constraint.Accept(token));
//
// It cannot fail open: a token outside of the mask is an error of Accept, and where no token may
// come Allowed is an error, never an empty mask.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ashlar/base/result.h"
#include "ashlar/grammar/grammar.h"
#include "ashlar/grammar/token_vocabulary.h"

namespace ashlar {

namespace grammar {
class ParseStates;
}  // namespace grammar

// What the masks of several grammars may take together, and what they take. Thread-safe.
struct MaskBytes {
  explicit MaskBytes(std::size_t most_bytes) : most(most_bytes) {}
  const std::size_t most;
  std::atomic<std::size_t> used = 0;
};

// What answers to one grammar share: which masks were found in which states. The first answer pays
// for the others, so keep it for as long as the grammar may come again.
//
// Confined: with all its constraints it belongs to one thread at a time. (bytes() is for any.)
class GrammarMasks {
 public:
  // Of one that is alone. Beyond these, what no answer is at is dropped, and found again when it is
  // needed.
  static constexpr std::size_t kMaxBytes = 128u << 20;

  // `ends`: the tokens that end an answer, which may come exactly where the grammar may end. Those
  // outside of the vocabulary count for nothing. With none left an answer ends where nothing can be
  // added (Constraint::must_end). `together`: with which others it shares its memory. `silent`:
  // tokens that write nothing, and may come, and change nothing, where the grammar may end.
  GrammarMasks(Grammar grammar, std::shared_ptr<const TokenVocabulary> vocabulary,
               std::span<const std::int32_t> ends,
               std::shared_ptr<MaskBytes> together = std::make_shared<MaskBytes>(kMaxBytes),
               std::span<const std::int32_t> silent = {});
  ~GrammarMasks();

  const TokenVocabulary& vocabulary() const { return *vocabulary_; }
  // Bytes that are kept now, the grammar's too; the vocabulary is others' as well.
  std::size_t bytes() const { return bytes_; }

 private:
  friend class Constraint;
  bool IsSilent(std::int32_t token) const;
  // The mask of `state`; stays for as long as a constraint is in that state. Takes what it took to
  // find off `work`.
  Result<std::span<const std::uint64_t>> MaskOf(std::uint32_t state, std::uint64_t& work);
  void DropIfTooMuch();
  void CountBytes();

  // What a grammar may keep whatever others take.
  static constexpr std::size_t kLeastBytes = 256u << 10;

  std::shared_ptr<const TokenVocabulary> vocabulary_;
  std::shared_ptr<MaskBytes> together_;
  std::size_t grammar_bytes_;
  std::atomic<std::size_t> bytes_ = 0;  // as counted in `together_`
  std::vector<std::int32_t> ends_;
  std::vector<std::uint64_t> silent_;  // as a mask; empty: none
  std::unique_ptr<grammar::ParseStates> states_;
  std::vector<std::unique_ptr<std::uint64_t[]>> masks_;  // by state; null: not found yet
  std::size_t mask_count_ = 0;
  std::size_t drop_at_bytes_ = kLeastBytes;
  std::vector<std::uint32_t> places_;  // the state that each constraint is in, by its number
  std::vector<std::size_t> free_places_;
  std::vector<std::uint32_t> path_;  // scratch of walks
};

class Constraint {
 public:
  // Items of the parser that an answer may look at where nothing is known yet, which it does on the
  // thread of everybody's answers: so many at first (some 100 ms, which a list of thousands of
  // words takes a part of), and so many more with each token (some 0.5 ms), of which no more than
  // kWorkAtFirst are saved. Masks of grammars in use take thousands, and are found once.
  static constexpr std::uint64_t kWorkAtFirst = 4'000'000;
  static constexpr std::uint64_t kWorkPerToken = 20'000;

  explicit Constraint(std::shared_ptr<GrammarMasks> masks);
  // A copy goes its own way from here: another answer with the same beginning.
  Constraint(const Constraint& other);
  Constraint(Constraint&& other) noexcept;
  Constraint& operator=(Constraint other) noexcept;
  ~Constraint();

  // The tokens that may come next: bit (id % 64) of word (id / 64); valid until this constraint's
  // next Accept. Never empty. Errors: kUnsupported when the vocabulary has no token for what must
  // come, or it nests too deep; kExhausted when the grammar is too ambiguous, or too large;
  // kInvalid after an end token.
  Result<std::span<const std::uint64_t>> Allowed();
  // Goes on by `token`. kInvalid, and nothing changes, when it may not come.
  Status Accept(std::int32_t token);

  // Whether the text so far is whole: an end token may come.
  bool may_end() const;
  // Whether it is whole, and nothing can be added: only an end token may come.
  bool must_end() const;
  // Whether an end token came.
  bool ended() const { return ended_; }

 private:
  std::uint32_t& state() const { return masks_->places_[place_]; }
  Error NotAfterAnEnd() const;

  std::shared_ptr<GrammarMasks> masks_;
  std::size_t place_ = 0;
  std::uint64_t bytes_ = 0;            // read so far, for messages
  std::uint64_t work_ = kWorkAtFirst;  // that is left
  bool ended_ = false;
};

}  // namespace ashlar
