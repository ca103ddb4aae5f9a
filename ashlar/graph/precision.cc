#include "ashlar/graph/precision.h"

#include <algorithm>

#include "ashlar/graph/network.h"

namespace ashlar {
namespace {

std::int64_t RowsOf(const TensorManifest& tensor) {
  return tensor.shape.rank() == 1 ? 1 : tensor.shape[0];
}

int LevelsOf(const TensorManifest& tensor) {
  return static_cast<int>(tensor.levels.size());
}

TensorPrecision AllLevels(const TensorManifest& tensor) {
  return {{RowsOf(tensor), LevelsOf(tensor)}};
}

// Of a tensor and its base, as parts of a text.
void AppendText(const std::string& name, const TensorManifest& tensor, const Precision& precision,
                std::string& text) {
  const TensorPrecision own = PrecisionOf(tensor, precision);
  if (own != AllLevels(tensor)) {
    text += name + ':';
    for (const RowLevels& range : own) {
      text += fmt::format("{}x{},", range.row_end, range.levels);
    }
    text.back() = ';';
  }
  if (tensor.base != nullptr) {
    AppendText(name + ".base", *tensor.base, precision, text);
  }
}

}  // namespace

TensorPrecision PrecisionOf(const TensorManifest& tensor, const Precision& precision) {
  const auto known = precision.find(tensor.levels.front());
  if (known == precision.end()) {
    return AllLevels(tensor);
  }
  TensorPrecision own;
  for (const RowLevels& range : known->second) {
    const int levels = std::min(range.levels, LevelsOf(tensor));
    if (!own.empty() && own.back().levels == levels && range.levels != levels) {
      own.back().row_end = range.row_end;
    } else {
      own.push_back({range.row_end, levels});
    }
  }
  return own;
}

Status CheckPrecision(const TensorManifest& tensor, const TensorPrecision& precision) {
  const std::int64_t rows = RowsOf(tensor);
  std::int64_t begin = 0;
  int levels_before = 0;
  for (const RowLevels& range : precision) {
    if (range.row_end <= begin || range.row_end > rows ||
        (range.row_end != rows && range.row_end % tensor.codec->row_unit != 0)) {
      return Invalid("a precision has a range of rows from {} to {}, and {} of {} has bands of {}",
                     begin, range.row_end, tensor.codec->name, tensor.shape.ToString(),
                     tensor.codec->row_unit);
    }
    if (range.levels < 1 || range.levels > LevelsOf(tensor) || range.levels == levels_before) {
      return Invalid("a precision gives rows {} to {} {} levels, after {} before them; {} has {}",
                     begin, range.row_end, range.levels, levels_before, tensor.codec->name,
                     LevelsOf(tensor));
    }
    begin = range.row_end;
    levels_before = range.levels;
  }
  if (begin != rows) {
    return Invalid("a precision ends at row {} of a tensor of {}", begin, rows);
  }
  return {};
}

std::vector<Level> ResidentParts(const TensorManifest& tensor, int level,
                                 const TensorPrecision& precision) {
  const Level& whole = tensor.levels[static_cast<std::size_t>(level)];
  const Residual* const residual = tensor.codec->residual;
  if (residual == nullptr) {
    return {whole};
  }
  const std::int64_t columns = tensor.shape[1];
  const std::uint64_t header = residual->header_bytes(level, tensor.shape[0], columns);
  const std::uint64_t band = residual->band_bytes(level, columns);
  const auto bands_at = [&](std::int64_t row) {
    const std::int64_t unit = tensor.codec->row_unit;
    return header + static_cast<std::uint64_t>((row + unit - 1) / unit) * band;
  };
  std::vector<Level> parts;
  std::int64_t begin = 0;
  for (const RowLevels& range : precision) {
    if (range.levels > level) {
      if (parts.empty()) {
        parts.push_back({whole.blob, whole.offset, header});
      }
      const std::uint64_t from = whole.offset + bands_at(begin);
      const std::uint64_t length = bands_at(range.row_end) - bands_at(begin);
      if (parts.back().offset + parts.back().length == from) {
        parts.back().length += length;
      } else {
        parts.push_back({whole.blob, from, length});
      }
    }
    begin = range.row_end;
  }
  return parts;
}

std::vector<Level> ResidentParts(const TensorManifest& tensor, const Precision& precision) {
  std::vector<Level> parts;
  const TensorPrecision own = PrecisionOf(tensor, precision);
  for (int level = 0; level < LevelsOf(tensor); ++level) {
    std::ranges::move(ResidentParts(tensor, level, own), std::back_inserter(parts));
  }
  if (tensor.base != nullptr) {
    std::ranges::move(ResidentParts(*tensor.base, precision), std::back_inserter(parts));
  }
  return parts;
}

std::string PrecisionText(const Block& block, const Precision& precision) {
  std::string text;
  for (const auto& [name, tensor] : block.tensors) {
    AppendText(name, tensor, precision, text);
  }
  return text;
}

}  // namespace ashlar
