#include "ashlar/formats/internal/gguf_source.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/file.h"
#include "ashlar/base/json.h"
#include "ashlar/codec/raw/raw.h"

namespace ashlar::internal {

const Codec& GgufSource::codec() const {
  return place.remade() ? kRawF32 : *entry->type->codec;
}

std::int64_t GgufSource::RowThere(std::int64_t row) const {
  return place.rows.index * place.rows.rows + place.rows.RowThere(order.InFile(row));
}

// In the codec of the file. A vector's numbers are the rows that have an order.
Status GgufSource::ForRows(const RowsSink& sink) const {
  constexpr std::uint64_t kBytesAtOnce = 4u << 20;
  const GgufTensorType& type = *entry->type;
  const Codec& packing = *type.codec;
  const Shape there = shape_there();
  const std::int64_t rows = there[0];
  const std::int64_t columns = there.rank() == 1 ? 1 : there[1];
  const std::uint64_t row_bytes = type.row_bytes(columns);
  const std::uint64_t band_bytes = packing.band_bytes(columns);
  const auto bands =
      static_cast<std::int64_t>(std::max<std::uint64_t>(1, kBytesAtOnce / band_bytes));
  const std::int64_t rows_at_once = std::min(rows, bands * packing.row_unit);

  std::vector<std::byte> ordered(static_cast<std::size_t>(rows_at_once) * row_bytes);
  std::vector<std::byte> packed;
  for (std::int64_t first = 0; first < rows; first += rows_at_once) {
    const std::int64_t count = std::min(rows - first, rows_at_once);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::uint64_t>(RowThere(first + i));
      std::ranges::copy(entry->bytes.subspan(from * row_bytes, row_bytes),
                        ordered.begin() + i * static_cast<std::int64_t>(row_bytes));
    }
    const auto used = static_cast<std::uint64_t>((count + packing.row_unit - 1) / packing.row_unit);
    packed.resize(used * band_bytes);
    type.read_rows(ordered.data(), count, columns, packed.data());
    if (packing.check != nullptr) {
      const Status status = packing.check(packed, count, columns);
      if (!status.ok()) {
        return status.error().In(
            fmt::format("tensor {}, from row {} on", QuoteForError(entry->name), first));
      }
    }
    ASHLAR_TRY(sink(packed, count));
  }
  DropResidentPages(entry->bytes);
  return {};
}

// What the file has in other words: turned, or each number as something else.
Result<std::vector<float>> GgufSource::Remade() const {
  const Shape there = shape_there();
  const std::int64_t columns = there.rank() == 1 ? 1 : there[1];
  std::vector<float> values;
  ASHLAR_TRY(ForRows([&](std::span<const std::byte> packed, std::int64_t rows) -> Status {
    const auto at = static_cast<std::ptrdiff_t>(values.size());
    values.resize(values.size() + static_cast<std::size_t>(rows * columns));
    entry->type->codec->decode(packed.data(), columns, 0, rows, values.data() + at);
    return {};
  }));
  if (place.convert.meaning != nullptr) {
    for (float& value : values) {
      const auto meant = static_cast<float>(place.convert.meaning(static_cast<double>(value)));
      if (!std::isfinite(meant)) {
        return Invalid("tensor {} has the number {}, which has no meaning there",
                       QuoteForError(entry->name), value);
      }
      value = meant;
    }
  }
  if (!place.rows.turned) {
    return values;
  }
  std::vector<float> turned(values.size());
  for (std::int64_t row = 0; row < there[0]; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      turned[static_cast<std::size_t>(column * there[0] + row)] =
          values[static_cast<std::size_t>(row * columns + column)];
    }
  }
  return turned;
}

Status GgufSource::ForPacked(const PackedSink& sink) const {
  if (place.remade()) {
    ASHLAR_TRY(const std::vector<float> values, Remade());
    return sink(std::as_bytes(std::span(values)));
  }
  return ForRows([&](std::span<const std::byte> packed, std::int64_t) { return sink(packed); });
}

}  // namespace ashlar::internal
