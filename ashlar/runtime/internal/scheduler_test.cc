#include "ashlar/runtime/internal/scheduler.h"

#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ashlar::internal {
namespace {

// One sequence, as a row of a table. Its network has one slot with pages of 1 byte, so that the
// room is counted in pages.
struct Row {
  enum { kRuns, kWaits } state;
  std::int64_t position;
  std::int64_t length;
  std::int64_t held = 0;          // pages
  std::int64_t logits_from = -1;  // -1: the last position
  bool copy_last = false;
  int priority = 0;
  double work_per_position = 0;
  std::int64_t generated = kTokensToFindAPace;
};

struct Step {
  std::string name;
  SchedulerLimits limits;
  std::uint64_t room;  // pages
  std::vector<Row> sequences;
  std::string expected;
  bool may_admit = true;
  std::vector<std::size_t> turns = {};  // empty: in order of arrival
};

std::string Decided(const Step& step) {
  std::vector<SlotDemand> demands;
  for (const Row& row : step.sequences) {
    demands.push_back({1, row.held, row.copy_last});
  }
  std::vector<SequenceView> views;
  for (std::size_t i = 0; i < step.sequences.size(); ++i) {
    const Row& row = step.sequences[i];
    views.push_back({.running = row.state == Row::kRuns,
                     .position = row.position,
                     .length = row.length,
                     .logits_from = row.logits_from < 0 ? row.length - 1 : row.logits_from,
                     .generated = row.generated,
                     .priority = row.priority,
                     .work = {.per_position = row.work_per_position},
                     .slots = std::span(demands).subspan(i, 1)});
  }
  std::vector<std::int64_t> rows(views.size());
  std::vector<std::size_t> turns = step.turns;
  if (turns.empty()) {
    turns.resize(views.size());
    std::iota(turns.begin(), turns.end(), 0);
  }
  const Decision decision = Decide(step.limits, {views, turns, step.room, step.may_admit}, rows);
  switch (decision.action) {
    case Action::kAdmit:
      return "admit " + std::to_string(decision.index);
    case Action::kMakeRoom:
      return "take the pages of " + std::to_string(decision.index);
    case Action::kRun:
      break;
  }
  std::string text = "run";
  for (const std::int64_t count : rows) {
    text += " " + std::to_string(count);
  }
  return text;
}

constexpr auto kRuns = Row::kRuns;
constexpr auto kWaits = Row::kWaits;
constexpr SchedulerLimits kWide{.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4};

SchedulerLimits WithWork(double beside_decoding) {
  return {.max_rows = 64,
          .max_logit_rows = 16,
          .max_sequences = 4,
          .prompt_work_beside_decoding = beside_decoding};
}

TEST(Scheduler, DecidesEachStepOfTheTable) {
  const Step kSteps[] = {
      {"the first that waits is admitted",
       kWide,
       100,
       {{kWaits, 0, 10}, {kWaits, 0, 5}},
       "admit 0"},
      {"then the next, beside it", kWide, 100, {{kRuns, 0, 10}, {kWaits, 0, 5}}, "admit 1"},
      {"and both read their prompts", kWide, 100, {{kRuns, 0, 10}, {kRuns, 0, 5}}, "run 10 5"},
      {"who decodes has a row before any prompt",
       kWide,
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}},
       "run 63 1"},
      {"prompts share what rows are left in order of arrival",
       kWide,
       100,
       {{kRuns, 0, 40}, {kRuns, 0, 40}},
       "run 40 24"},
      {"a long prompt is read in chunks", kWide, 100, {{kRuns, 64, 200, 4}}, "run 64"},
      {"nobody is admitted when no row is left",
       kWide,
       100,
       {{kRuns, 0, 64}, {kWaits, 0, 5}},
       "run 64 0"},
      {"nobody is admitted beyond max_sequences",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 2},
       100,
       {{kRuns, 5, 6, 1}, {kRuns, 5, 6, 1}, {kWaits, 0, 5}},
       "run 1 1 0"},
      {"all logits are cut into pieces", kWide, 100, {{kRuns, 0, 60, 0, 0}}, "run 16"},
      {"rows without logits are not", kWide, 100, {{kRuns, 0, 60, 0, 40}}, "run 56"},
      {"logits leave rows to those who decode",
       kWide,
       100,
       {{kRuns, 0, 60, 0, 0}, {kRuns, 5, 6, 1}},
       "run 15 1"},
      {"a prompt takes no more rows than there are pages", kWide, 2, {{kRuns, 0, 60}}, "run 32"},
      {"a chunk ends where the pages end, also in the middle",
       kWide,
       1,
       {{kRuns, 20, 60, 2}},
       "run 28"},
      {"who waits is not admitted into too little room",
       kWide,
       3,
       {{kRuns, 5, 6, 1}, {kWaits, 0, 60}},
       "run 1 0"},
      {"what running prompts will need is kept for them",
       kWide,
       7,
       {{kRuns, 0, 100}, {kWaits, 0, 10}},
       "run 64 0"},
      {"one more token must fit too, lest it be turned out at once",
       kWide,
       1,
       {{kRuns, 5, 6, 1}, {kWaits, 0, 16}},
       "run 1 0"},
      {"but not for who is alone", kWide, 1, {{kWaits, 0, 16}}, "admit 0"},
      {"out of pages, the youngest makes room",
       kWide,
       0,
       {{kRuns, 16, 17, 1}, {kRuns, 5, 6, 1}, {kRuns, 5, 6, 1}},
       "take the pages of 2"},
      {"though it be the one that wants a page",
       kWide,
       0,
       {{kRuns, 5, 6, 1}, {kRuns, 16, 17, 1}},
       "take the pages of 1"},
      {"a fork that waits with pages goes before one that runs",
       kWide,
       0,
       {{kRuns, 16, 17, 1}, {kRuns, 5, 6, 1}, {kWaits, 5, 6, 1}},
       "take the pages of 2"},
      {"who waits without pages has none to give",
       kWide,
       0,
       {{kRuns, 16, 17, 1}, {kRuns, 5, 6, 1}, {kWaits, 0, 6}},
       "take the pages of 1"},
      {"after that nobody is admitted in the same step",
       kWide,
       10,
       {{kRuns, 16, 17, 1}, {kWaits, 0, 6}},
       "run 1 0",
       false},
      {"unless nobody runs", kWide, 10, {{kWaits, 0, 17}, {kWaits, 0, 6}}, "admit 0", false},
      {"a page that is shared is copied before it is written",
       kWide,
       0,
       {{kRuns, 5, 6, 1}, {kRuns, 5, 6, 1, -1, true}},
       "take the pages of 1"},
      {"which takes a page", kWide, 1, {{kRuns, 5, 6, 1}, {kRuns, 5, 6, 1, -1, true}}, "run 1 1"},
      {"a prompt that finds no page waits while others go on",
       kWide,
       0,
       {{kRuns, 16, 60, 1}, {kRuns, 5, 6, 1}},
       "run 0 1"},
      {"and when nobody goes on, the youngest makes room",
       kWide,
       0,
       {{kRuns, 16, 60, 1}, {kRuns, 16, 60, 1}},
       "take the pages of 1"},
      {"forks that wait give their pages to who must come first",
       kWide,
       0,
       {{kWaits, 0, 20}, {kWaits, 5, 20, 1}},
       "take the pages of 1"},
      {.name = "whose turn it is, is admitted first",
       .limits = kWide,
       .room = 100,
       .sequences = {{kWaits, 0, 10}, {kWaits, 0, 5}},
       .expected = "admit 1",
       .turns = {1, 0}},
      {.name = "and has the rows first",
       .limits = kWide,
       .room = 100,
       .sequences = {{kRuns, 0, 60}, {kRuns, 0, 40}},
       .expected = "run 24 40",
       .turns = {1, 0}},
      {.name = "whose turn it is does not wait for the prompts of others to be read",
       .limits = {.max_rows = 64,
                  .max_logit_rows = 16,
                  .max_sequences = 4,
                  .prompt_work_beside_decoding = 8},
       .room = 200,
       .sequences = {{kRuns, 5, 6, 1}, {kRuns, 0, 2000}, {kWaits, 0, 5}},
       .expected = "admit 2",
       .turns = {2, 0, 1}},
      {.name = "nobody passes who waits first, though a shorter one would fit",
       .limits = kWide,
       .room = 3,
       .sequences = {{kRuns, 5, 6, 1}, {kWaits, 0, 10}, {kWaits, 0, 60}},
       .expected = "run 1 0 0",
       .turns = {0, 2, 1}},
      {"the lowest priority makes room before the youngest",
       kWide,
       0,
       {{kRuns, 16, 17, 1}, {kRuns, 5, 6, 1, -1, false, -1}, {kRuns, 5, 6, 1}},
       "take the pages of 1"},
      {"and the highest is kept, though it be the youngest",
       kWide,
       0,
       {{kRuns, 16, 17, 1}, {kRuns, 5, 6, 1, -1, false, 1}},
       "take the pages of 0"},
      {"beside those who decode, prompts have the rows that they are given",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 8},
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}, {kRuns, 0, 100}},
       "run 8 1 0"},
      {"which are fewer the more they attend to",
       {.max_rows = 64,
        .max_logit_rows = 16,
        .max_sequences = 4,
        .prompt_work_beside_decoding = 36},
       100,
       {{.state = kRuns, .position = 0, .length = 100, .work_per_position = 1}, {kRuns, 20, 21, 2}},
       "run 8 1"},
      {"but never fewer than make a chunk worth its while",
       {.max_rows = 64,
        .max_logit_rows = 16,
        .max_sequences = 4,
        .prompt_work_beside_decoding = 36},
       100,
       {{.state = kRuns, .position = 1000, .length = 1100, .held = 63, .work_per_position = 1},
        {kRuns, 20, 21, 2},
        {kRuns, 0, 100}},
       "run 4 1 0"},
      {"nor more than there are",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 1},
       100,
       {{kRuns, 0, 2}, {kRuns, 20, 21, 2}},
       "run 2 1"},
      {"a chunk ends with a tile rather than begin one for a few rows",
       WithWork(19),
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}},
       "run 15 1"},
      {"but begins one for more",
       WithWork(20),
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}},
       "run 20 1"},
      {"and for what is left of the prompt",
       WithWork(19),
       100,
       {{kRuns, 0, 19}, {kRuns, 20, 21, 2}},
       "run 19 1"},
      {"nor does the next prompt begin it",
       WithWork(19),
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}, {kRuns, 0, 100}},
       "run 15 1 0"},
      {"nor is one cut that rows bound, lest it never grow beyond a tile",
       {.max_rows = 64,
        .max_logit_rows = 16,
        .max_sequences = 4,
        .prompt_rows_beside_decoding = 19,
        .prompt_work_beside_decoding = 200},
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}},
       "run 19 1"},
      {"though some rows are always read",
       {.max_rows = 64,
        .max_logit_rows = 16,
        .max_sequences = 16,
        .prompt_work_beside_decoding = 1},
       100,
       {{kRuns, 0, 100},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2},
        {kRuns, 20, 21, 2}},
       "run 4 1 1 1 1 1 1 1 1 1 1 1 1 1"},
      {"and they are read, and who waits is admitted for them, though no work be allowed",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 0},
       100,
       {{kRuns, 20, 21, 2}, {kWaits, 0, 5}},
       "admit 1"},
      {"and none where a step is only to decode; then nobody is admitted",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_rows_beside_decoding = 0},
       100,
       {{kRuns, 0, 100}, {kRuns, 20, 21, 2}, {kWaits, 0, 5}},
       "run 0 1 0"},
      {"though not when nobody decodes",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_rows_beside_decoding = 0},
       100,
       {{kRuns, 0, 40}, {kWaits, 0, 5}},
       "admit 1"},
      {"nor beside those who have just begun: who comes at about the same time is read at once",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 8},
       100,
       {{.state = kRuns, .position = 20, .length = 21, .held = 2, .generated = 1},
        {.state = kRuns, .position = 20, .length = 21, .held = 2, .generated = 7},
        {kRuns, 0, 100}},
       "run 1 1 62"},
      {"but one that has said more is enough",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 8},
       100,
       {{.state = kRuns, .position = 20, .length = 21, .held = 2, .generated = 1},
        {.state = kRuns, .position = 20, .length = 21, .held = 2, .generated = 8},
        {kRuns, 0, 100}},
       "run 1 1 8"},
      {"and all of them when nobody decodes",
       {.max_rows = 64, .max_logit_rows = 16, .max_sequences = 4, .prompt_work_beside_decoding = 8},
       100,
       {{kRuns, 0, 100}},
       "run 64"},
  };
  for (const Step& step : kSteps) {
    EXPECT_EQ(Decided(step), step.expected) << step.name;
  }
}

TEST(Scheduler, CountsThePagesOfEverySlot) {
  const SlotDemand slots[] = {{10, 1}, {100, 3}, {1000, 0, true}};
  const SequenceView sequence{.running = true, .position = 0, .length = 40, .slots = slots};
  EXPECT_EQ(BytesToReach(sequence, 16), 0u + 0 + 2000);
  EXPECT_EQ(BytesToReach(sequence, 17), 10u + 0 + 3000);
  EXPECT_EQ(BytesToReach(sequence, 64), 30u + 100 + 5000);
}

}  // namespace
}  // namespace ashlar::internal
