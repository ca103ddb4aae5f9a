// A FeedForward is the two or three matrices of an MLP with what is between them:
//   y = down(f(gate x) * up x), or down(f(up x)) when there is no gate.
// An MLP is one; the experts of a mixture are many that rows are shared out to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kinds/internal/attribute_specs.h"
#include "ashlar/kinds/internal/projection.h"

namespace ashlar::internal {

inline constexpr std::string_view kFeedForwardForms[] = {"plain", "gated"};
inline constexpr std::string_view kActivationNames[] = {"silu", "gelu", "gelu_tanh", "relu",
                                                        "relu2"};

// ---- What a block declares

inline constexpr AttributeSpec kFormAttribute =
    OptionalChoice("form", kFeedForwardForms, "plain: f(up x); gated: f(gate x) * up x");
inline constexpr AttributeSpec kActivationAttribute = RequiredChoice(
    "activation", kActivationNames, "f: silu, gelu, gelu_tanh, relu or relu2 (its square)");

bool IsGated(const Attributes& attributes);

// Adds NAME.gate (when gated), NAME.up and NAME.down, with their biases (without "NAME." when
// `name` is empty), for the `form` and `bias` of a block with the attributes above.
void AppendFeedForwardTensors(const Attributes& attributes, std::string_view name,
                              std::int64_t width, std::int64_t channels,
                              std::vector<TensorSpec>& tensors);

// ---- How it computes

// f, and how gate and up are bent before it:
//   hidden = f(gain min(gate, clamp)) / gain * (min(max(up, -clamp), clamp) + up_offset)
// (gpt-oss: silu with gain 1.702, clamp 7 and offset 1.) Neutral by default. Plain: f(up).
struct HiddenFunction {
  ActivateFn activate = nullptr;
  float gain = 1;
  float clamp = 0;  // 0: none
  float up_offset = 0;

  // up <- hidden, for `count` channels of a row; `gate` is scratch afterwards, null when plain.
  void Apply(float* gate, float* up, std::int64_t count) const;
};

// Where each thread keeps some channels of gate and up until they are rounded or split: so few that
// its second-level cache holds them.
class HiddenScratch {
 public:
  // For calls with at most `rows` rows, which become `forms`.
  HiddenScratch(std::int64_t rows, std::int64_t channels, WantedForms forms,
                const Workshop& workshop);
  // Units of channels that a call with so many rows takes at once; at least one.
  std::int64_t UnitsAtOnce(std::int64_t rows) const {
    return std::max<std::int64_t>(floats_ / (std::max<std::int64_t>(rows, 1) * kOutputUnit), 1);
  }
  float* gate(int thread) const { return first_ + 2 * thread * floats_; }
  float* up(int thread) const { return gate(thread) + floats_; }

 private:
  std::int64_t floats_;  // of gate, and of up, of a thread
  float* first_;
};

class FeedForward {
 public:
  FeedForward() = default;  // no channels
  // Binds the tensors that AppendFeedForwardTensors declares under `name`.
  static Result<FeedForward> Bind(const BoundTensors& tensors, std::string_view name,
                                  const HiddenFunction& f, Isa isa);

  bool gated() const { return gate_.outputs() > 0; }
  std::int64_t channels() const { return up_.outputs(); }
  const Projection& down() const { return down_; }
  // What reads x (the gate of a plain one has no outputs), and what reads the hidden rows: for
  // those who show inputs.
  std::vector<const Projection*> input_readers() const { return {&gate_, &up_}; }
  std::vector<const Projection*> hidden_readers() const { return {&down_}; }
  // How the readers of x want it, and the reader of the hidden rows.
  WantedForms wanted_input() const { return gate_.wanted() | up_.wanted(); }
  WantedForms wanted_hidden() const { return down_.wanted(); }

  // hidden [x.rows, channels()] for the units [unit_begin, unit_end) of channels, on this thread:
  // gate, up and f of a unit are computed while they are in its cache. `gate` is scratch of the
  // same shape, null when plain.
  void RunHidden(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end, float* gate,
                 float* hidden, KernelTimer& timer) const;

  // y [x.rows, width], on all threads.
  void Run(const InputRows& x, float* y, const Workshop& workshop) const;

 private:
  // The hidden rows of x as `down` reads them, in scratch, computed on all threads. Where that is
  // not as floats they are rounded or split while they are in the cache of the thread that computes
  // them, and never written as floats. (Those of 512 rows and 8,192 channels are 16 MB, and so are
  // gate and up; besides, rows that lie a multiple of 4 KB apart fall on few lines of a cache. Of a
  // few rows, what another thread has written in the step before costs as much as what is
  // computed.)
  InputRows FormedRows(const InputRows& x, const Workshop& workshop) const;
  InputRows PreparedRows(const InputRows& x, const Workshop& workshop) const;
  // The forms of the units [unit_begin, unit_end) of the hidden rows, on this thread.
  void RunFormed(const InputRows& x, std::int64_t unit_begin, std::int64_t unit_end,
                 const HiddenScratch& scratch, const InputRows& hidden, int thread,
                 KernelTimer& timer) const;

  HiddenFunction f_;
  Projection gate_;  // without outputs when plain
  Projection up_;
  Projection down_;
  InputPreparation hidden_input_;
  QuantizeRowsFn quantize_rows_ = nullptr;
  SplitRowsFn split_rows_ = nullptr;
};

}  // namespace ashlar::internal
