// InputMoments add up the second moments of what matrices are multiplied with, E[x x^T], while rows
// pass through a block.
//
// Matrices that read the same rows share one sum; a matrix that several nodes use has the sum over
// all of them. Sums are large (a matrix of K inputs has K x K), so a pass takes up only as many as
// a limit allows, and says which it left for another pass over the same rows. Confined.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "ashlar/base/thread_pool.h"
#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {

struct Moments {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  // [width, width]: the sum of x x^T while it is added up, only its upper triangle; the mean, whole
  // and symmetric, once it is finished. f32.
  std::vector<float> sums;

  // Of means: the mean square of each input.
  std::vector<float> Diagonal() const;
};

class InputMoments final : public InputObserver {
 public:
  // What a matrix or a looked-up table is called: equal for one stored tensor under several names.
  using Key = int;
  // Gives the key of a node's tensor; negative: nobody wants to know about it.
  using KeyOf = std::function<Key(std::string_view tensor)>;

  // `pool` must outlive it. At most `limit_bytes` of sums at once, but always one.
  InputMoments(ThreadPool& pool, std::uint64_t limit_bytes) : pool_(pool), limit_(limit_bytes) {}

  // Whose tensors the next rows go through. A pass over the same rows again (`again`) takes up the
  // matrices that were left, and those only.
  void BeginPass(KeyOf key_of, bool again);
  // Whether this matrix, or some matrix, was left for another pass.
  bool Left(Key key) const { return left_.contains(key); }
  bool left_some() const { return !left_.empty(); }

  void OnInput(std::span<const std::string_view> matrices, const float* x, std::int64_t rows,
               std::int64_t width) override;
  void OnLookup(std::string_view matrix, std::span<const std::int32_t> rows) override;

  // The means of a matrix, which it gives up; null when no row was seen. Those who share them and
  // have not taken them yet keep them.
  std::shared_ptr<const Moments> Take(Key key);
  // How often each row of a table was looked up; by row.
  const std::map<std::int32_t, std::int64_t>& LookupsOf(Key key) { return lookups_[key]; }

 private:
  void Add(Moments& moments, const float* x, std::int64_t rows);

  ThreadPool& pool_;
  const std::uint64_t limit_;
  KeyOf key_of_;
  bool again_ = false;
  std::set<Key> wanted_;    // of a pass over the same rows: what the one before it left
  std::set<Key> taken_up_;  // in this pass
  std::set<Key> left_;
  std::map<Key, std::shared_ptr<Moments>> sums_;
  std::map<Key, std::map<std::int32_t, std::int64_t>> lookups_;
};

}  // namespace ashlar
