#include "ashlar/server/service/token_limits.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "ashlar/server/service/thrown.h"

namespace ashlar::internal {
namespace {

constexpr std::size_t kWordBits = 64;

class TokenLimits final : public TokenConstraint {
 public:
  TokenLimits(const Generation& generation, std::span<const std::int32_t> ends,
              std::shared_ptr<TokenConstraint> inner)
      : inner_(std::move(inner)),
        bad_words_(generation.bad_words),
        ends_(ends.begin(), ends.end()),
        min_tokens_(generation.min_tokens),
        allowed_((static_cast<std::size_t>(generation.network->logits) + kWordBits - 1) /
                 kWordBits) {
    if (generation.allowed_tokens.empty()) {
      std::ranges::fill(allowed_, ~std::uint64_t{0});
    }
    for (const std::int32_t token : generation.allowed_tokens) {
      allowed_[static_cast<std::size_t>(token) / kWordBits] |= Bit(token);
    }
    for (const std::vector<std::int32_t>& word : bad_words_) {
      longest_ = std::max(longest_, word.size());
    }
  }

  Result<std::span<const std::uint64_t>> Allowed() override {
    now_ = allowed_;
    if (inner_ != nullptr) {
      ASHLAR_TRY(const std::span<const std::uint64_t> inner, inner_->Allowed());
      now_.resize(std::min(now_.size(), inner.size()));
      for (std::size_t i = 0; i < now_.size(); ++i) {
        now_[i] &= inner[i];
      }
    }
    if (count_ < min_tokens_) {
      std::ranges::for_each(ends_, [this](std::int32_t end) { Forbid(end); });
    }
    for (const std::vector<std::int32_t>& word : bad_words_) {
      const std::size_t before = word.size() - 1;
      if (before <= tail_.size() && std::equal(word.begin(), word.end() - 1,
                                               tail_.end() - static_cast<std::ptrdiff_t>(before))) {
        Forbid(word.back());
      }
    }
    if (std::ranges::all_of(now_, [](std::uint64_t word) { return word == 0; })) {
      return Invalid(
          "allowed_token_ids, bad_words, min_tokens and the form of the answer leave no token that "
          "could come next, after {}",
          count_);
    }
    return std::span<const std::uint64_t>(now_);
  }
  Status Accept(std::int32_t token) override {
    ++count_;
    tail_.push_back(token);
    if (tail_.size() >= std::max<std::size_t>(longest_, 1)) {
      tail_.pop_front();
    }
    return inner_ != nullptr ? inner_->Accept(token) : Status();
  }
  bool finished() const override { return inner_ != nullptr && inner_->finished(); }

 private:
  static std::uint64_t Bit(std::int32_t token) {
    return std::uint64_t{1} << (static_cast<std::size_t>(token) % kWordBits);
  }
  void Forbid(std::int32_t token) {
    const std::size_t word = static_cast<std::size_t>(token) / kWordBits;
    if (word < now_.size()) {
      now_[word] &= ~Bit(token);
    }
  }

  const std::shared_ptr<TokenConstraint> inner_;
  const std::vector<std::vector<std::int32_t>> bad_words_;
  const std::vector<std::int32_t> ends_;
  const std::int64_t min_tokens_;
  std::vector<std::uint64_t> allowed_;  // whatever came before
  std::vector<std::uint64_t> now_;
  std::size_t longest_ = 0;        // bad word
  std::deque<std::int32_t> tail_;  // of the output, as much as a bad word can begin with
  std::int64_t count_ = 0;
};

// On the engine's thread, where everybody's steps end by what is thrown.
class ThrowsNothing final : public TokenConstraint {
 public:
  explicit ThrowsNothing(std::shared_ptr<TokenConstraint> inner) : inner_(std::move(inner)) {}
  Result<std::span<const std::uint64_t>> Allowed() override {
    return OrThrown([this] { return inner_->Allowed(); });
  }
  Status Accept(std::int32_t token) override {
    return OrThrown([this, token] { return inner_->Accept(token); });
  }
  bool finished() const override { return inner_->finished(); }

 private:
  const std::shared_ptr<TokenConstraint> inner_;
};

}  // namespace

std::shared_ptr<TokenConstraint> LimitTokens(const Generation& generation,
                                             std::span<const std::int32_t> ends,
                                             std::shared_ptr<TokenConstraint> inner) {
  if (!generation.allowed_tokens.empty() || !generation.bad_words.empty() ||
      generation.min_tokens != 0) {
    inner = std::make_shared<TokenLimits>(generation, ends, std::move(inner));
  }
  return inner == nullptr ? nullptr : std::make_shared<ThrowsNothing>(std::move(inner));
}

}  // namespace ashlar::internal
