#include "ashlar/kinds/internal/norm_attributes.h"
#include "ashlar/kinds/wkv/wkv.h"

namespace ashlar {
namespace {

using internal::RequiredInteger;

constexpr AttributeSpec kAttributes[] = {
    RequiredInteger("width", internal::kMaxWidth, "floats of input and output"),
    RequiredInteger("channels", internal::kMaxWidth, "channels, each with a mean of its own"),
    internal::OptionalReal("multiplier", 1, "of the output"),
    internal::kNormAttribute,
    internal::kPostNormAttribute,
    internal::kNormEpsAttribute,
    internal::kNormOffsetAttribute,
    internal::kNormBiasAttribute,
};

constexpr SliceAxis kSlices[] = {
    {"channels", "the first channels: rows of k, v and gate, columns of o"},
};

Result<std::vector<TensorSpec>> Tensors(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t channels = attributes.Integer("channels");
  const internal::NormSettings norm = internal::SettingsOf(attributes, "norm");
  const internal::NormSettings post_norm = internal::SettingsOf(attributes, "post_norm");
  ASHLAR_TRY(internal::CheckNorms(kAttributes, attributes, {norm.type, post_norm.type}));
  std::vector<TensorSpec> tensors;
  AppendNormTensors(norm, "norm", width, tensors);
  for (const char* name : {"k", "v", "gate"}) {
    tensors.push_back({internal::TensorName("mix", name), TensorRole::kVector, {width}});
    tensors.push_back({name, TensorRole::kMatrix, {channels, width}});
  }
  tensors.push_back({"decay_log", TensorRole::kVector, {channels}});
  tensors.push_back({"bonus", TensorRole::kVector, {channels}});
  tensors.push_back({"o", TensorRole::kMatrix, {width, channels}});
  AppendNormTensors(post_norm, "post_norm", width, tensors);
  return tensors;
}

Interface InterfaceOf(const Attributes& attributes) {
  const std::int64_t width = attributes.Integer("width");
  const std::int64_t channels = attributes.Integer("channels");
  return {.width_in = width,
          .width_out = width,
          .carried_floats = 3 * channels + width,
          .state_shape = fmt::format("wkv:{}x3+{}", channels, width)};
}

// Of a row's mean some twenty operations for each channel, four of them exponentials.
Cost CostOf(const Attributes& attributes) {
  const auto width = static_cast<double>(attributes.Integer("width"));
  const auto channels = static_cast<double>(attributes.Integer("channels"));
  return {.flops = 8 * width * channels + 9 * width + 20 * channels};
}

Attributes ApplySlice(const Attributes& attributes, const Slice& slice) {
  const auto channels = slice.find("channels");
  return channels == slice.end() ? attributes : attributes.With("channels", channels->second);
}

}  // namespace

constinit const BlockKind kWkv{
    .name = "wkv",
    .summary =
        "y = multiplier * post_norm(o(mean(k(m), v(m)) * sigmoid(gate(m)))), m = mixes of "
        "norm(x) with that of the row before",
    .attributes = kAttributes,
    .slices = kSlices,
    .tensors = Tensors,
    .interface = InterfaceOf,
    .cost = CostOf,
    .apply_slice = ApplySlice,
};

}  // namespace ashlar
