// What an Engine is inside: its networks, its requests, their pages, and the step that it is in.
//
// engine.cc has what callers ask; engine_state.cc what happens between requests and in a step.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ashlar/base/clock.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/runtime/engine.h"
#include "ashlar/runtime/internal/fair_share.h"
#include "ashlar/runtime/internal/interpreter.h"
#include "ashlar/runtime/internal/network_set.h"
#include "ashlar/runtime/internal/page_cache.h"
#include "ashlar/runtime/internal/page_spill.h"
#include "ashlar/runtime/internal/prefix_pins.h"
#include "ashlar/runtime/internal/request_check.h"
#include "ashlar/runtime/internal/scheduler.h"
#include "ashlar/runtime/internal/sequence.h"

namespace ashlar {

// Rows that are sampled at a time. Sampling one takes as long as some percents of a step; and with
// room for a vocabulary each, of 150,000 tokens 4 MB.
constexpr int SamplersOf(int threads) {
  return std::min(threads, 4);
}

struct Engine::State {
  State(const BlobStore& store, const EngineOptions& options_in);

  // After a network came, went or changed.
  void NetworksChanged();

  internal::Sequence* Find(RequestId id) const;
  Status Check(const Request& request, const internal::LoadedNetwork& network) const;
  RequestId Add(Request request, std::shared_ptr<const internal::LoadedNetwork> network);
  void FitPageBudget();
  // Gives back what is beyond the budget, in parts while requests run, else at once.
  void TrimPages();
  void Rest();

  void Step();

  const EngineOptions options;
  ThreadPool pool;
  internal::NetworkSet networks;
  const SteadyClock clock;
  const std::unique_ptr<internal::PageSpill> spill;  // null: none; outlives the cache
  internal::PageCache cache;                         // outlives the sequences, which hold its pages
  internal::PrefixPins pins;
  internal::Interpreter interpreter;
  std::vector<SamplerScratch> sampler_scratch;  // of each that samples at a time
  EngineCounters counters;
  Profile* profile = nullptr;
  ExpertListener expert_listener;

  std::vector<std::unique_ptr<internal::Sequence>> sequences;  // in order of arrival
  std::uint64_t next_request = 1;
  internal::FairShare share;
  std::uint64_t page_budget = options.page_bytes;  // as it was asked for, and the most of it
  std::uint64_t page_most = options.page_bytes;
  std::int64_t prompt_rows_beside_decoding = options.max_rows;
  bool prefault_workspace = options.prefault_workspace;
  double prompt_work_beside_decoding = std::numeric_limits<double>::infinity();
  StepWork step_work;  // of the last step
  std::vector<Delivery> deliveries;

 private:
  const std::optional<Error>& FailureOf(const internal::Sequence& sequence) const;
  void DeliverEnded();
  void Remove(const std::function<bool(const internal::Sequence&)>& ended);
  void TakeTurns();
  bool FindState(internal::Sequence& sequence);
  void Schedule();
  void MakeRoom(internal::Sequence& sequence);
  void CollectRows();
  const internal::NetworkSet::MergedOrder& PlanStep();
  bool GivesToken(const internal::StepRows& rows) const;
  void SampleTogether();
  void Deliver(std::size_t index);
  void SampleNext(std::size_t index, Delivery& delivery);
  Result<SampledToken> Sample(std::size_t index);

  std::int64_t computing_micros_ = 0;  // of the last step

  // Of the current step; kept to be filled again.
  std::vector<internal::SlotDemand> demands_;
  std::vector<internal::SequenceView> views_;
  std::vector<std::size_t> turns_;  // indices of sequences, those first that are served first
  std::vector<std::int64_t> rows_;
  std::vector<internal::StepRows> step_;
  std::vector<std::optional<SampledToken>> sampled_;  // of each of step_: see SampleTogether
  std::vector<std::uint32_t> step_networks_;
};

}  // namespace ashlar
