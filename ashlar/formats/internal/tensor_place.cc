#include "ashlar/formats/internal/tensor_place.h"

#include <algorithm>
#include <cstring>

#include "ashlar/base/check.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kBias = ".bias";

std::int64_t RowsOf(const TensorSpec& spec) {
  return spec.shape[0];
}

// The rows of the part that goes by `name` where `spec` is a part too: of its bias for a bias.
std::int64_t RowsOfPart(std::string_view name, const TensorSpec& spec,
                        std::span<const TensorSpec> specs) {
  const bool bias = spec.name.ends_with(kBias);
  const std::string wanted = fmt::format("{}{}", name, bias ? kBias : "");
  const auto part = std::ranges::find(specs, wanted, &TensorSpec::name);
  CHECK(part != specs.end());  // the architecture's row names tensors of the block
  return RowsOf(*part);
}

void PlaceJoined(const Joined& joined, const TensorSpec& spec, std::span<const TensorSpec> specs,
                 TensorPlace& place) {
  std::int64_t total = 0;
  for (const std::string_view name : joined.parts) {
    if (spec.name == name || spec.name == fmt::format("{}{}", name, kBias)) {
      place.first = total / place.groups;
    }
    total += RowsOfPart(name, spec, specs);
  }
  place.rows = total;
  place.count = RowsOf(spec) / place.groups;
  place.stride = total / place.groups;
}

}  // namespace

Result<TensorPlace> PlaceOf(const TensorSpec& spec, std::span<const TensorSpec> specs,
                            const Attributes& attributes, const TensorSource& source) {
  const auto tensors = static_cast<std::int64_t>(source.tensors.size());
  const std::int64_t rows = RowsOf(spec);
  TensorPlace place{.columns = spec.shape.rank() == 1 ? 1 : spec.shape[1],
                    .transposed = source.transposed && spec.shape.rank() == 2};
  if (source.joined != nullptr) {
    if (!source.joined->by.empty()) {
      place.groups = attributes.Integer(source.joined->by);
    }
    if (rows % place.groups != 0) {
      return Invalid("the {} rows of \"{}\" cannot be shared out among {} {}", rows, spec.name,
                     place.groups, source.joined->by);
    }
    PlaceJoined(*source.joined, spec, specs, place);
    return place;
  }
  if (rows % tensors != 0) {
    return Invalid("the {} rows of \"{}\" cannot be shared out among {} tensors", rows, spec.name,
                   tensors);
  }
  place.rows = rows / tensors;
  place.count = place.rows;
  place.stride = place.rows;
  return place;
}

std::vector<std::int64_t> CheckpointShape(const TensorPlace& place, const TensorSpec& spec) {
  if (spec.shape.rank() == 1) {
    return {place.rows};
  }
  return place.transposed ? std::vector{place.columns, place.rows}
                          : std::vector{place.rows, place.columns};
}

std::span<const std::byte> Gather(const TensorPlace& place,
                                  std::span<const std::span<const std::byte>> sources,
                                  std::size_t number_bytes, std::vector<std::byte>& buffer) {
  const std::size_t row_bytes = static_cast<std::size_t>(place.columns) * number_bytes;
  if (place.contiguous() && sources.size() == 1) {
    return sources.front().subspan(static_cast<std::size_t>(place.first) * row_bytes,
                                   static_cast<std::size_t>(place.count) * row_bytes);
  }
  buffer.resize(sources.size() * static_cast<std::size_t>(place.groups * place.count) * row_bytes);
  std::byte* out = buffer.data();
  for (const std::span<const std::byte> source : sources) {
    for (std::int64_t group = 0; group < place.groups; ++group) {
      const std::int64_t begin = place.first + group * place.stride;
      if (!place.transposed) {
        const std::size_t bytes = static_cast<std::size_t>(place.count) * row_bytes;
        std::memcpy(out, source.data() + static_cast<std::size_t>(begin) * row_bytes, bytes);
        out += bytes;
        continue;
      }
      for (std::int64_t column = 0; column < place.columns; ++column) {
        const std::byte* from =
            source.data() + static_cast<std::size_t>(column * place.rows + begin) * number_bytes;
        std::byte* to = out + static_cast<std::size_t>(column) * number_bytes;
        for (std::int64_t row = 0; row < place.count; ++row) {
          std::memcpy(to, from, number_bytes);
          from += number_bytes;
          to += row_bytes;
        }
      }
      out += static_cast<std::size_t>(place.count) * row_bytes;
    }
  }
  return buffer;
}

}  // namespace ashlar::internal
