#include "ashlar/grammar/constraint.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "ashlar/base/json.h"
#include "ashlar/grammar/internal/parse_states.h"
#include "ashlar/grammar/internal/rules.h"
#include "ashlar/grammar/internal/token_slices.h"

namespace ashlar {

using grammar::ParseStates;
using grammar::TokenSlice;

std::size_t Grammar::states() const {
  return rules_->states.size();
}

std::size_t Grammar::edges() const {
  return rules_->reads.size() + rules_->calls.size() + rules_->skips.size();
}

std::size_t Grammar::bytes() const {
  return rules_->bytes();
}

GrammarMasks::GrammarMasks(Grammar grammar, std::shared_ptr<const TokenVocabulary> vocabulary,
                           std::span<const std::int32_t> ends, std::shared_ptr<MaskBytes> together,
                           std::span<const std::int32_t> silent)
    : vocabulary_(std::move(vocabulary)),
      together_(std::move(together)),
      grammar_bytes_(grammar.bytes()),
      states_(std::make_unique<ParseStates>(std::move(grammar))) {
  std::ranges::copy_if(ends, std::back_inserter(ends_),
                       [this](std::int32_t end) { return end >= 0 && end < vocabulary_->size(); });
  for (const std::int32_t token : silent) {
    CHECK(vocabulary_->Bytes(token).empty());
    silent_.resize(vocabulary_->words());
    silent_[static_cast<std::size_t>(token) / 64] |= std::uint64_t{1} << (token % 64);
  }
  CountBytes();
}

GrammarMasks::~GrammarMasks() {
  together_->used -= bytes_;
}

bool GrammarMasks::IsSilent(std::int32_t token) const {
  return !silent_.empty() &&
         (silent_[static_cast<std::size_t>(token) / 64] >> (token % 64) & 1) != 0;
}

void GrammarMasks::CountBytes() {
  const std::size_t now = grammar_bytes_ + states_->bytes() +
                          silent_.capacity() * sizeof(silent_[0]) +
                          masks_.capacity() * sizeof(masks_[0]) +
                          mask_count_ * vocabulary_->words() * sizeof(std::uint64_t);
  together_->used += now - bytes_;
  bytes_ = now;
}

Result<std::span<const std::uint64_t>> GrammarMasks::MaskOf(ParseStates::Id state,
                                                            std::uint64_t& work) {
  masks_.resize(std::max<std::size_t>(masks_.size(), state + 1));
  if (masks_[state] == nullptr) {
    const std::size_t words = vocabulary_->words();
    auto made = std::make_unique<std::uint64_t[]>(words);
    const std::span<std::uint64_t> mask(made.get(), words);
    states_->GiveWork(work);
    const int plain = PlainTextAllowed(*states_, state);
    for (const TokenSlice& slice : vocabulary_->slices()) {
      if (slice.max_chars <= plain) {
        std::ranges::transform(mask, slice.mask, mask.begin(), std::bit_or());
      } else {
        slice.tree.Walk(*states_, state, path_, mask);
      }
    }
    work = states_->work_left();
    if (states_->exhausted()) {
      return Exhausted(
          "the grammar is too ambiguous, or too large: finding its next tokens takes more steps "
          "than "
          "an answer has");
    }
    if (states_->accepting(state) && !silent_.empty()) {
      std::ranges::transform(mask, silent_, mask.begin(), std::bit_or());
    }
    for (const std::int32_t end : ends_) {
      std::uint64_t& word = mask[static_cast<std::size_t>(end) / 64];
      const std::uint64_t bit = std::uint64_t{1} << (end % 64);
      word = states_->accepting(state) ? word | bit : word & ~bit;
    }
    if (std::ranges::all_of(mask, [](std::uint64_t word) { return word == 0; })) {
      if (states_->accepting(state)) {
        return Unsupported("the answer is whole, and no token of the vocabulary ends it");
      }
      const bool end_writes = std::ranges::any_of(
          ends_, [this](std::int32_t end) { return !vocabulary_->Bytes(end).empty(); });
      return Unsupported("no token of the vocabulary may come next{}",
                         !vocabulary_->writes_any_text() ? ", which cannot write every text"
                         : end_writes ? ": what must be written would end the answer"
                                      : fmt::format(": the answer nests deeper than {} levels",
                                                    ParseStates::kMaxDepth));
    }
    masks_[state] = std::move(made);
    ++mask_count_;
  }
  return std::span<const std::uint64_t>(masks_[state].get(), vocabulary_->words());
}

void GrammarMasks::DropIfTooMuch() {
  if (together_->used <= together_->most || bytes_ <= drop_at_bytes_) {
    return;
  }
  states_->Collect(places_);
  std::vector<bool> in_use(masks_.size());
  for (const ParseStates::Id state : places_) {
    if (state < in_use.size()) {
      in_use[state] = true;
    }
  }
  for (std::size_t i = 0; i < masks_.size(); ++i) {
    if (masks_[i] != nullptr && !in_use[i]) {
      masks_[i] = nullptr;
      --mask_count_;
    }
  }
  // What answers hold on to is not looked for again at once.
  CountBytes();
  drop_at_bytes_ = std::max(kLeastBytes, 2 * bytes_.load());
}

Constraint::Constraint(std::shared_ptr<GrammarMasks> masks) : masks_(std::move(masks)) {
  if (masks_->free_places_.empty()) {
    place_ = masks_->places_.size();
    masks_->places_.push_back(0);
  } else {
    place_ = masks_->free_places_.back();
    masks_->free_places_.pop_back();
  }
  state() = masks_->states_->start();
}

Constraint::Constraint(const Constraint& other) : Constraint(other.masks_) {
  state() = other.state();
  bytes_ = other.bytes_;
  work_ = other.work_;
  ended_ = other.ended_;
}

Constraint::Constraint(Constraint&& other) noexcept = default;

Constraint& Constraint::operator=(Constraint other) noexcept {
  std::swap(masks_, other.masks_);
  std::swap(place_, other.place_);
  std::swap(bytes_, other.bytes_);
  std::swap(work_, other.work_);
  std::swap(ended_, other.ended_);
  return *this;
}

Constraint::~Constraint() {
  if (masks_ != nullptr) {
    state() = masks_->states_->start();
    masks_->free_places_.push_back(place_);
  }
}

Error Constraint::NotAfterAnEnd() const {
  return Invalid("the answer has ended after {} bytes: no token may follow", bytes_);
}

Result<std::span<const std::uint64_t>> Constraint::Allowed() {
  if (ended_) {
    return NotAfterAnEnd();
  }
  masks_->DropIfTooMuch();
  auto mask = masks_->MaskOf(state(), work_);
  masks_->CountBytes();
  if (!mask.ok()) {
    return mask.error().In(fmt::format("after {} bytes of the answer", bytes_));
  }
  return mask;
}

Status Constraint::Accept(std::int32_t token) {
  if (ended_) {
    return NotAfterAnEnd();
  }
  if (std::ranges::find(masks_->ends_, token) != masks_->ends_.end()) {
    if (!may_end()) {
      return Invalid("token {} would end the answer after {} bytes, where it is not whole", token,
                     bytes_);
    }
    ended_ = true;
    return {};
  }
  if (token < 0 || token >= masks_->vocabulary_->size()) {
    return Invalid("token {} is not in the vocabulary of {}", token, masks_->vocabulary_->size());
  }
  if (masks_->IsSilent(token) && may_end()) {
    return {};
  }
  const std::string_view bytes = masks_->vocabulary_->Bytes(token);
  masks_->states_->GiveWork(work_);
  ParseStates::Id next = state();
  for (const char byte : bytes) {
    next = masks_->states_->Next(next, static_cast<std::uint8_t>(byte));
  }
  work_ = std::min(masks_->states_->work_left() + kWorkPerToken, kWorkAtFirst);
  masks_->CountBytes();
  if (masks_->states_->exhausted()) {
    return Exhausted("the grammar is too ambiguous, or too large, after {} bytes of the answer",
                     bytes_);
  }
  if (bytes.empty() || next == ParseStates::kDead) {
    return Invalid("token {} ({}) may not come after {} bytes of the answer", token,
                   QuoteForError(bytes), bytes_);
  }
  state() = next;
  bytes_ += bytes.size();
  return {};
}

bool Constraint::may_end() const {
  return masks_->states_->accepting(state());
}

bool Constraint::must_end() const {
  return may_end() && !masks_->states_->goes_on(state());
}

}  // namespace ashlar
