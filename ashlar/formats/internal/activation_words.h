// The words of config.json's activations in ours.
#pragma once

#include <optional>
#include <string_view>

namespace ashlar::internal {

struct ActivationWord {
  std::string_view theirs;
  std::string_view ours;
};
inline constexpr ActivationWord kActivationWords[] = {
    {"silu", "silu"},
    {"swish", "silu"},
    {"gelu", "gelu"},
    {"gelu_python", "gelu"},
    {"gelu_new", "gelu_tanh"},
    {"gelu_fast", "gelu_tanh"},
    {"gelu_pytorch_tanh", "gelu_tanh"},
    {"relu", "relu"},
};

// Nothing when the word is not known.
constexpr std::optional<std::string_view> ActivationOf(std::string_view theirs) {
  for (const ActivationWord& word : kActivationWords) {
    if (word.theirs == theirs) {
      return word.ours;
    }
  }
  return std::nullopt;
}

// A word of theirs: `preferred`, if it means this one.
constexpr std::string_view ActivationWordFor(std::string_view ours, std::string_view preferred) {
  if (ActivationOf(preferred) == ours) {
    return preferred;
  }
  for (const ActivationWord& word : kActivationWords) {
    if (word.ours == ours) {
      return word.theirs;
    }
  }
  return ours;
}

}  // namespace ashlar::internal
