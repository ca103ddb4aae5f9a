#include "ashlar/formats/internal/tensor_place.h"

#include <algorithm>
#include <cstring>

#include "ashlar/base/check.h"
#include "ashlar/base/join.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kBias = ".bias";

std::string_view WithoutBias(std::string_view name) {
  return name.ends_with(kBias) ? name.substr(0, name.size() - kBias.size()) : name;
}

// "experts.3." of "experts.3.gate.bias": what the names beside it begin with.
std::string_view PrefixOf(std::string_view name) {
  const std::size_t dot = WithoutBias(name).rfind('.');
  return dot == name.npos ? name.substr(0, 0) : name.substr(0, dot + 1);
}

// The rows that the part that goes by `name` beside `spec` has in what it is joined to: those of
// its bias for a bias.
Result<std::int64_t> RowsOfPart(const Joined& joined, std::string_view name, const TensorSpec& spec,
                                std::span<const TensorSpec> specs) {
  const std::string beside = NameBeside(spec, name);
  const auto part = std::ranges::find(specs, beside, &TensorSpec::name);
  if (part == specs.end()) {  // a configuration may make a block of another form
    return Invalid("\"{}\" lies joined with \"{}\", which such a block does not have", spec.name,
                   beside);
  }
  return name == joined.turned ? part->shape[1] : part->shape[0];
}

Status PlaceJoined(const Joined& joined, const TensorSpec& spec, std::span<const TensorSpec> specs,
                   TensorPlace& place) {
  const std::string_view own = OwnName(spec);
  std::int64_t total = 0;
  for (const std::string_view name : joined.parts) {
    if (name == own) {
      place.first = total / place.groups;
    }
    ASHLAR_TRY(const std::int64_t rows, RowsOfPart(joined, name, spec, specs));
    total += rows;
  }
  ASHLAR_TRY(const std::int64_t rows, RowsOfPart(joined, own, spec, specs));
  place.rows = total;
  place.count = rows / place.groups;
  place.stride = total / place.groups;
  return {};
}

// `dims` in numbers; `total` is what a tensor has of them all.
Result<std::vector<std::int64_t>> DimsOf(VectorDims dims, std::int64_t total,
                                         const TensorSpec& spec, const Attributes& attributes) {
  std::vector<std::int64_t> sizes;
  std::int64_t known = 1;
  for (const std::string_view dim : dims) {
    sizes.push_back(dim.empty() || dim == "1" ? 1 : attributes.Integer(dim));
    known *= sizes.back();
  }
  if (const auto rest = std::ranges::find(dims, std::string_view()); rest != dims.end()) {
    sizes[static_cast<std::size_t>(rest - dims.begin())] = total / known;
    known *= total / known;
  }
  if (known != total) {
    return Invalid("the {} numbers of \"{}\" cannot be shared out among {}", total, spec.name,
                   Join(sizes, " x "));
  }
  return sizes;
}

// Calls move(there, here) for each number of the rows that the block's tensor has in one of the
// checkpoint's: its index there, and among those rows as the block has them.
template <class Move>
void ForNumbers(const TensorPlace& place, const Move& move) {
  const std::int64_t rows = place.groups * place.count;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t there = place.RowThere(row);
    for (std::int64_t column = 0; column < place.columns; ++column) {
      move(place.transposed ? column * place.rows + there : there * place.columns + column,
           place.turned ? column * rows + row : row * place.columns + column);
    }
  }
}

template <class Number>
void Take(const TensorPlace& place, const std::byte* from, std::byte* out) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Number));
  ForNumbers(place, [&](std::int64_t there, std::int64_t here) {
    std::memcpy(out + here * kBytes, from + there * kBytes, sizeof(Number));
  });
}

template <class Number>
void Put(const TensorPlace& place, const std::byte* from, std::byte* out) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Number));
  ForNumbers(place, [&](std::int64_t there, std::int64_t here) {
    std::memcpy(out + there * kBytes, from + here * kBytes, sizeof(Number));
  });
}

}  // namespace

std::string_view OwnName(const TensorSpec& spec) {
  return WithoutBias(spec.name).substr(PrefixOf(spec.name).size());
}

std::string NameBeside(const TensorSpec& spec, std::string_view part) {
  return fmt::format("{}{}{}", PrefixOf(spec.name), part, spec.name.ends_with(kBias) ? kBias : "");
}

Result<TensorPlace> PlaceOf(const TensorSpec& spec, std::span<const TensorSpec> specs,
                            const Attributes& attributes, const TensorSource& source) {
  const auto tensors = static_cast<std::int64_t>(source.tensors.size());
  const bool matrix = spec.shape.rank() == 2;
  const bool turned = source.joined != nullptr && OwnName(spec) == source.joined->turned;
  const std::int64_t rows = spec.shape[turned ? 1 : 0];
  TensorPlace place{.columns = matrix ? spec.shape[turned ? 0 : 1] : 1,
                    .transposed = source.transposed && matrix,
                    .stack = source.stack,
                    .index = source.index,
                    .flat = source.flat,
                    .turned = turned};
  if (source.joined != nullptr) {
    if (!source.joined->by.empty()) {
      place.groups = attributes.Integer(source.joined->by);
    }
    if (rows % place.groups != 0) {
      return Invalid("the {} rows of \"{}\" cannot be shared out among {} {}", rows, spec.name,
                     place.groups, source.joined->by);
    }
    ASHLAR_TRY(PlaceJoined(*source.joined, spec, specs, place));
  } else {
    if (rows % tensors != 0) {
      return Invalid("the {} rows of \"{}\" cannot be shared out among {} tensors", rows, spec.name,
                     tensors);
    }
    place.rows = rows / tensors;
    place.count = place.rows;
    place.stride = place.rows;
  }
  if (!source.dims.empty()) {
    ASHLAR_TRY(place.dims, DimsOf(source.dims, place.rows, spec, attributes));
  }
  return place;
}

std::vector<std::int64_t> CheckpointShape(const TensorPlace& place, const TensorSpec& spec) {
  if (!place.dims.empty()) {
    return place.dims;
  }
  std::vector<std::int64_t> shape = {place.rows};
  if (spec.shape.rank() == 2) {
    shape.insert(place.transposed ? shape.begin() : shape.end(), place.columns);
  }
  if (place.stack > 0 && place.flat) {
    shape.front() *= place.stack;
  } else if (place.stack > 0) {
    shape.insert(shape.begin(), place.stack);
  }
  return shape;
}

bool HasShape(const TensorPlace& place, const TensorSpec& spec,
              std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> wanted = CheckpointShape(place, spec);
  if (std::ranges::equal(shape, wanted)) {
    return true;
  }
  if (spec.shape.rank() == 1 && !shape.empty()) {
    std::uint64_t numbers = 1;
    for (const std::int64_t dim : shape) {
      numbers *= static_cast<std::uint64_t>(dim);
    }
    return numbers == static_cast<std::uint64_t>(place.rows) *
                          static_cast<std::uint64_t>(std::max<std::int64_t>(place.stack, 1));
  }
  if (place.stack > 0 && !place.transposed) {
    wanted = {place.stack * place.rows, place.columns};
  }
  return std::ranges::equal(shape, wanted);
}

std::span<const std::byte> Gather(const TensorPlace& place,
                                  std::span<const std::span<const std::byte>> sources,
                                  std::size_t number_bytes, std::vector<std::byte>& buffer) {
  const auto numbers = [&](std::int64_t count) {
    return static_cast<std::size_t>(count) * number_bytes;
  };
  const std::int64_t matrices = std::max<std::int64_t>(place.stack, 1);
  if (place.contiguous() && sources.size() == 1) {
    return sources.front().subspan(numbers(place.first * place.columns),
                                   numbers(matrices * place.count * place.columns));
  }
  const std::size_t there = numbers(place.rows * place.columns);
  const std::size_t here = numbers(place.groups * place.count * place.columns);
  buffer.resize(sources.size() * static_cast<std::size_t>(matrices) * here);
  std::byte* to = buffer.data();
  for (const std::span<const std::byte> source : sources) {
    for (std::int64_t matrix = 0; matrix < matrices; ++matrix, to += here) {
      const std::byte* const from = source.data() + static_cast<std::size_t>(matrix) * there;
      number_bytes == 2 ? Take<std::uint16_t>(place, from, to)
                        : Take<std::uint32_t>(place, from, to);
    }
  }
  return buffer;
}

void Scatter(const TensorPlace& place, std::size_t source, std::span<const std::byte> tensor,
             std::size_t number_bytes, std::span<std::byte> out) {
  const auto numbers = [&](std::int64_t count) {
    return static_cast<std::size_t>(count) * number_bytes;
  };
  const std::byte* const from =
      tensor.data() + source * numbers(place.groups * place.count * place.columns);
  std::byte* const to = out.data() + numbers(place.index * place.rows * place.columns);
  number_bytes == 2 ? Put<std::uint16_t>(place, from, to) : Put<std::uint32_t>(place, from, to);
}

}  // namespace ashlar::internal
