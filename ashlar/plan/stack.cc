#include "ashlar/plan/stack.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace ashlar {
namespace {

constexpr std::uint64_t kMostEntryBytes = 1'000'000;

// What is said of a budget that is too small for networks that have one size only.
constexpr std::string_view kNoLevels =
    "; none of the tensors has levels (`ashlar shrink` makes a network of any size)";

// Calls `visit(tensor, scored)` for each distinct tensor of the network, bases included; `scored`:
// its block reads or scores tokens.
template <class Visit>
void VisitTensors(const Network& network, const Visit& visit) {
  std::set<Digest> seen;
  for (int i = 0; i < static_cast<int>(network.nodes.size()); ++i) {
    if (!seen.insert(network.nodes[i].block).second) {
      continue;
    }
    const Block& block = network.BlockOf(i);
    const bool scored = block.kind->interface(block.attributes).vocabulary > 0;
    for (const auto& [name, tensor] : block.tensors) {
      visit(tensor, scored);
      if (tensor.base != nullptr) {
        visit(*tensor.base, scored);
      }
    }
  }
}

int LevelCount(const TensorManifest& tensor) {
  return static_cast<int>(tensor.levels.size());
}

constexpr std::int64_t kTokenRows = 512;

// Ranges of whole bands of which no level has more bytes than an entry may, nor, where rows are
// tokens, more rows than kTokenRows.
std::vector<std::int64_t> RowEnds(const TensorManifest& tensor, bool rows_are_tokens) {
  const Residual& residual = *tensor.codec->residual;
  const std::int64_t rows = tensor.shape[0];
  const std::int64_t columns = tensor.shape[1];
  std::uint64_t header = 0;
  std::uint64_t band = 1;
  for (int level = 1; level < LevelCount(tensor); ++level) {
    header = std::max(header, residual.header_bytes(level, rows, columns));
    band = std::max(band, residual.band_bytes(level, columns));
  }
  const std::uint64_t room = kMostEntryBytes - std::min(header, kMostEntryBytes);
  const std::int64_t unit = tensor.codec->row_unit;
  auto most_bands = static_cast<std::int64_t>(room / band);
  if (rows_are_tokens) {
    most_bands = std::min(most_bands, kTokenRows / unit);
  }
  most_bands = std::max<std::int64_t>(most_bands, 1);
  const std::int64_t bands = (rows + unit - 1) / unit;
  const std::int64_t ranges = (bands + most_bands - 1) / most_bands;
  std::vector<std::int64_t> ends;
  for (std::int64_t i = 1; i <= ranges; ++i) {  // as equal as bands allow
    ends.push_back(std::min(rows, bands * i / ranges * unit));
  }
  return ends;
}

// Consecutive levels of a range of rows that stand together.
struct Run {
  int begin;  // level
  int end;
  double loss;   // that they take away
  double bytes;  // with the range's part of headers
  double ratio() const { return loss / bytes; }
};

// Levels 1 and up, of which [l - 1] is given, joined until each run takes away less per byte than
// the one before it.
std::vector<Run> Hull(std::span<const double> falls, std::span<const double> bytes) {
  std::vector<Run> runs;
  for (std::size_t i = 0; i < falls.size(); ++i) {
    const int level = static_cast<int>(i) + 1;
    runs.push_back({level, level + 1, falls[i], bytes[i]});
    while (runs.size() > 1 && runs.back().ratio() >= runs[runs.size() - 2].ratio()) {
      Run& before = runs[runs.size() - 2];
      before.end = runs.back().end;
      before.loss += runs.back().loss;
      before.bytes += runs.back().bytes;
      runs.pop_back();
    }
  }
  return runs;
}

// A tensor that stands in the stack, and what it is worth to the networks that have it.
struct Worth {
  const TensorManifest* tensor;  // the one with most levels that begins there
  bool rows_are_tokens;
  std::vector<std::pair<double, TensorLosses>> losses;  // weight and losses of each network

  double Of(std::int64_t begin, std::int64_t end, int levels) const {
    double sum = 0;
    for (const auto& [weight, of_network] : losses) {
      sum += weight * of_network.Of(begin, end, levels);
    }
    return sum;
  }
};

// The entries of each range in its own order; their headers are not counted yet.
void AppendEntries(const Worth& worth, std::vector<StackEntry>& entries) {
  const TensorManifest& tensor = *worth.tensor;
  const Residual& residual = *tensor.codec->residual;
  const std::int64_t rows = tensor.shape[0];
  const std::int64_t unit = tensor.codec->row_unit;
  std::int64_t begin = 0;
  for (const std::int64_t end : RowEnds(tensor, worth.rows_are_tokens)) {
    const auto bands = static_cast<std::uint64_t>((end - begin + unit - 1) / unit);
    const double part = static_cast<double>(end - begin) / static_cast<double>(rows);
    std::vector<double> falls;
    std::vector<double> with_header;
    std::vector<std::uint64_t> bytes;
    for (int level = 1; level < LevelCount(tensor); ++level) {
      falls.push_back(worth.Of(begin, end, level) - worth.Of(begin, end, level + 1));
      bytes.push_back(bands * residual.band_bytes(level, tensor.shape[1]));
      with_header.push_back(
          static_cast<double>(bytes.back()) +
          part * static_cast<double>(residual.header_bytes(level, rows, tensor.shape[1])));
    }
    for (const Run& run : Hull(falls, with_header)) {
      for (int level = run.begin; level < run.end; ++level) {
        entries.push_back({tensor.levels.front(), level, begin, end,
                           bytes[static_cast<std::size_t>(level - 1)], run.ratio()});
      }
    }
    begin = end;
  }
}

// Of the parts of blobs, each byte once.
class DistinctBytes {
 public:
  void Add(const Level& part) {
    parts_[part.blob].emplace_back(part.offset, part.offset + part.length);
  }
  std::uint64_t Count() {
    std::uint64_t sum = 0;
    for (auto& [blob, ranges] : parts_) {
      std::ranges::sort(ranges);
      std::uint64_t counted_to = 0;
      for (const auto& [begin, end] : ranges) {
        sum += end > counted_to ? end - std::max(begin, counted_to) : 0;
        counted_to = std::max(counted_to, end);
      }
    }
    return sum;
  }

 private:
  std::map<Digest, std::vector<std::pair<std::uint64_t, std::uint64_t>>> parts_;
};

}  // namespace

TensorLosses::TensorLosses(const TensorManifest& tensor, std::span<const double> losses,
                           std::span<const float> errors)
    : levels_(LevelCount(tensor)), row_unit_(tensor.codec->row_unit) {
  const std::int64_t rows = tensor.shape[0];
  bands_ = (rows + row_unit_ - 1) / row_unit_;
  losses_.resize(static_cast<std::size_t>(levels_ * bands_));
  for (int level = 0; level < levels_; ++level) {
    const std::size_t at = static_cast<std::size_t>(level * bands_);
    double sum = 0;
    for (std::int64_t band = 0; band < bands_ && !errors.empty(); ++band) {
      sum += static_cast<double>(errors[at + static_cast<std::size_t>(band)]);
    }
    for (std::int64_t band = 0; band < bands_; ++band) {
      const std::size_t i = at + static_cast<std::size_t>(band);
      const double share = sum > 0
                               ? static_cast<double>(errors[i]) / sum
                               : static_cast<double>(std::min(row_unit_, rows - band * row_unit_)) /
                                     static_cast<double>(rows);
      losses_[i] = share * losses[static_cast<std::size_t>(level)];
      if (level > 0) {  // a share may rise while the tensor's loss falls
        losses_[i] = std::min(losses_[i], losses_[i - static_cast<std::size_t>(bands_)]);
      }
    }
  }
}

double TensorLosses::Of(std::int64_t begin, std::int64_t end, int levels) const {
  const std::int64_t first = begin / row_unit_;
  const std::int64_t last = std::min((end + row_unit_ - 1) / row_unit_, bands_);
  const std::int64_t row = (std::min(levels, levels_) - 1) * bands_;
  double sum = 0;
  for (std::int64_t band = first; band < last; ++band) {
    sum += losses_[static_cast<std::size_t>(row + band)];
  }
  return sum;
}

double TensorLosses::whole(int levels) const {
  return Of(0, bands_ * row_unit_, levels);
}

LevelLosses CompleteLosses(const StackNetwork& network) {
  LevelLosses complete;
  double measured_loss = 0;
  double measured_weights = 0;
  double all_weights = 0;
  std::vector<std::pair<const TensorManifest*, double>>
      guessed;  // and how many weights it is worth
  VisitTensors(*network.network, [&](const TensorManifest& tensor, bool scored) {
    if (tensor.codec->residual == nullptr) {
      return;
    }
    const double weights =
        static_cast<double>(tensor.shape.elements()) * (scored ? kScoredWeight : 1);
    all_weights += weights;
    if (network.losses != nullptr) {
      const auto known = network.losses->find(tensor.levels.front());
      if (known != network.losses->end() && known->second.levels() >= LevelCount(tensor)) {
        complete.insert(*known);
        measured_loss += known->second.whole(1);
        measured_weights += weights;
        return;
      }
    }
    guessed.emplace_back(&tensor, weights);
  });
  const double loss_of_weight =
      measured_loss > 0 ? measured_loss / measured_weights : 1 / std::max(all_weights, 1.0);
  for (const auto& [tensor, weights] : guessed) {
    std::vector<double> losses;
    for (int level = 0; level < LevelCount(*tensor); ++level) {
      losses.push_back(weights * loss_of_weight * std::ldexp(1.0, -2 * level));
    }
    TensorLosses guess(*tensor, losses, {});
    TensorLosses& known = complete[tensor->levels.front()];
    if (guess.levels() > known.levels()) {
      known = std::move(guess);
    }
  }
  return complete;
}

double ExpectedLoss(const Network& network, const LevelLosses& complete,
                    const Precision& precision) {
  double sum = 0;
  std::set<Level> seen;
  VisitTensors(network, [&](const TensorManifest& tensor, bool) {
    if (tensor.codec->residual == nullptr || !seen.insert(tensor.levels.front()).second) {
      return;
    }
    const TensorLosses& losses = complete.at(tensor.levels.front());
    std::int64_t begin = 0;
    for (const RowLevels& range : PrecisionOf(tensor, precision)) {
      sum += losses.Of(begin, range.row_end, range.levels);
      begin = range.row_end;
    }
  });
  return sum;
}

Stack::Stack(std::span<const StackNetwork> networks) {
  std::map<Level, Worth> worths;
  DistinctBytes floor;
  for (const StackNetwork& network : networks) {
    const LevelLosses complete = CompleteLosses(network);
    std::set<Level> seen;  // tensors of this network
    VisitTensors(*network.network, [&](const TensorManifest& tensor, bool scored) {
      const Level& first = tensor.levels.front();
      if (tensor.codec->residual == nullptr) {
        floor.Add(first);
        return;
      }
      Worth& worth = worths.try_emplace(first, Worth{&tensor, scored, {}}).first->second;
      worth.rows_are_tokens |= scored;
      if (LevelCount(tensor) > LevelCount(*worth.tensor)) {
        worth.tensor = &tensor;
      }
      if (seen.insert(first).second) {
        worth.losses.emplace_back(network.weight, complete.at(first));
      }
    });
  }
  for (const auto& [first, worth] : worths) {
    floor.Add(first);
    tensors_.insert({first, {worth.tensor->shape[0], LevelCount(*worth.tensor)}});
    AppendEntries(worth, entries_);
  }
  // Stable: a range's entries, whose ratios never rise, stay in its own order; and tensors that are
  // alike in the order of their first levels.
  std::ranges::stable_sort(entries_, std::ranges::greater(), &StackEntry::loss_per_byte);
  std::set<std::pair<Level, int>> with_header;
  for (StackEntry& entry : entries_) {
    if (with_header.insert({entry.tensor, entry.level}).second) {
      const TensorManifest& tensor = *worths.at(entry.tensor).tensor;
      entry.bytes +=
          tensor.codec->residual->header_bytes(entry.level, tensor.shape[0], tensor.shape[1]);
    }
  }
  floor_bytes_ = floor.Count();
  bytes_after_.push_back(floor_bytes_);
  for (const StackEntry& entry : entries_) {
    bytes_after_.push_back(bytes_after_.back() + entry.bytes);
  }
}

StackCut Stack::First(std::size_t count) const {
  StackCut cut{.entries = count, .bytes = bytes_after_[count], .precision = {}};
  // Levels of each range of rows that is cut anywhere.
  std::map<Level, std::map<std::int64_t, int>> levels_from;
  for (const StackEntry& entry : std::span(entries_).first(count)) {
    levels_from[entry.tensor][entry.row_begin] = entry.level + 1;
  }
  // The ranges that have got nothing yet.
  for (const StackEntry& entry : entries_) {
    levels_from[entry.tensor].try_emplace(entry.row_begin, 1);
  }
  for (const auto& [first, tensor] : tensors_) {
    TensorPrecision& ranges = cut.precision[first];
    std::map<std::int64_t, int>& from = levels_from[first];
    from.try_emplace(0, 1);  // of a tensor of one level
    for (auto at = from.begin(); at != from.end(); ++at) {
      const std::int64_t end = std::next(at) == from.end() ? tensor.rows : std::next(at)->first;
      if (!ranges.empty() && ranges.back().levels == at->second) {
        ranges.back().row_end = end;
      } else {
        ranges.push_back({end, at->second});
      }
    }
  }
  return cut;
}

Result<StackCut> Stack::Cut(std::uint64_t weight_bytes) const {
  if (weight_bytes < floor_bytes_) {
    return Exhausted("{} of weights are too little: {} take {} ({} bytes){}",
                     FormatBytes(weight_bytes),
                     entries_.empty() ? "they" : "one level of each tensor and what has no levels",
                     FormatBytes(floor_bytes_), floor_bytes_, entries_.empty() ? kNoLevels : "");
  }
  const auto above = std::ranges::upper_bound(bytes_after_, weight_bytes);
  return First(static_cast<std::size_t>(above - bytes_after_.begin()) - 1);
}

Result<StackCut> Stack::CutWithin(PlanRequest request, std::uint64_t budget) const {
  StackCut best = First(0);
  request.precision = best.precision;
  if (const Result<MemoryPlan> least = PlanWithin(request, budget); !least.ok()) {
    return Exhausted("{}{}", least.error().message,
                     entries_.empty() ? kNoLevels : ", with one level of each tensor");
  }
  // More entries never take less.
  std::size_t fits = 0;
  std::size_t end = entries_.size() + 1;
  while (end - fits > 1) {
    const std::size_t middle = fits + (end - fits) / 2;
    StackCut cut = First(middle);
    request.precision = cut.precision;
    if (PredictMemory(request).total() <= budget) {
      fits = middle;
      best = std::move(cut);
    } else {
      end = middle;
    }
  }
  return best;
}

}  // namespace ashlar
