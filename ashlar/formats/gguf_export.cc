#include "ashlar/formats/gguf_export.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ashlar/base/join.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/q4/q4.h"
#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/internal/gguf_chat_templates.h"
#include "ashlar/formats/internal/gguf_ends.h"
#include "ashlar/formats/internal/gguf_form.h"
#include "ashlar/formats/internal/gguf_tokenizer.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/graph/stored_tensor.h"

namespace ashlar {
namespace {

using internal::GgufFileTensor;
using internal::GgufForm;
using internal::GgufPart;

constexpr std::int64_t kNumbersAtOnce = 1 << 18;

// ---- Which type

const GgufTensorType& TypeNamed(std::string_view name) {
  const auto types = AllGgufTensorTypes();
  const auto found = std::ranges::find(types, name, &GgufTensorType::name);
  CHECK(found != types.end());
  return *found;
}

// What llama.cpp computes with in f32 whatever the matrices are: vectors, learned positions, and
// what chooses experts.
bool StaysWide(const GgufFileTensor& tensor) {
  return tensor.shape.size() == 1 || tensor.role == TensorRole::kRouter ||
         tensor.name == "position_embd.weight";
}

// The type that a matrix is written in when `wanted` is asked for: what scores the vocabulary has
// 6 bits where others have 4, and rows that are no whole blocks have a type of smaller ones.
const GgufTensorType& TypeFor(const GgufFileTensor& tensor, const GgufTensorType& wanted,
                              bool scores) {
  const GgufTensorType* type = &wanted;
  constexpr std::string_view kOfFourBits[] = {"Q4_0", "Q4_1", "Q4_K"};
  if (scores && std::ranges::count(kOfFourBits, wanted.name) != 0) {
    type = &TypeNamed("Q6_K");
  }
  for (const char* smaller : {"Q8_0", "F16"}) {
    if (tensor.shape.back() % type->block_columns != 0) {
      type = &TypeNamed(smaller);
    }
  }
  return *type;
}

// The type that holds what is stored, to the bit.
Result<const GgufTensorType*> TypeOfParts(const GgufFileTensor& tensor) {
  const GgufPart& first = tensor.parts.front();
  for (const GgufPart& part : tensor.parts) {
    if (part.stored->codec->residual != nullptr || part.stored->base != nullptr) {
      return Unsupported(
          "\"{}\" is stored as {}, which GGUF has no type for; say in which its numbers should be "
          "written (--type)",
          part.tensor,
          part.stored->base != nullptr
              ? std::string("a difference from another tensor")
              : fmt::format("the levels of codec {}", part.stored->codec->name));
    }
  }
  ASHLAR_TRY(const GgufTensorType* type, GgufTypeOf(*first.stored->codec));
  for (const GgufPart& part : tensor.parts) {
    if (part.stored->codec != first.stored->codec) {
      return Unsupported(
          "\"{}\" is in codec {} and \"{}\" in {}, and the file has both in one "
          "tensor; say in which type (--type)",
          first.tensor, first.stored->codec->name, part.tensor, part.stored->codec->name);
    }
  }
  if (tensor.shape.back() % type->block_columns != 0) {
    return Unsupported("it has {} columns, and {} stores them by {}; say in which type (--type)",
                       tensor.shape.back(), type->name, type->block_columns);
  }
  return type;
}

// ---- Bytes

// Rows of a part, in the order of the file, as numbers. (A vector's rows have one number each.)
class PartRows {
 public:
  PartRows(const GgufPart& part, const StoredTensor& stored) : part_(part), stored_(stored) {}

  Status Load() {
    if (part_.shape.rank() == 1) {
      ASHLAR_TRY(vector_, stored_.Vector());
    } else {
      row_.resize(static_cast<std::size_t>(part_.stored->shape[1]));
    }
    return {};
  }
  std::int64_t columns() const { return part_.shape.rank() == 1 ? 1 : part_.shape[1]; }

  // Row `row` of the part.
  void Take(std::int64_t row, float* out) {
    const std::int64_t ours = part_.order.Ours(part_.first + row);
    if (part_.shape.rank() == 1) {
      *out = vector_[static_cast<std::size_t>(ours)];
    } else {
      stored_.Decode(ours, ours + 1, row_.data());
      std::copy_n(row_.begin(), columns(), out);
    }
    for (std::int64_t i = 0; i < (part_.as_stored() ? 0 : columns()); ++i) {
      const double number = static_cast<double>(out[i]) + part_.shift;
      out[i] = static_cast<float>(part_.convert.number == nullptr ? number
                                                                  : part_.convert.number(number));
    }
  }

 private:
  const GgufPart& part_;
  const StoredTensor& stored_;
  std::vector<float> vector_;
  std::vector<float> row_;
};

// Encodes the rows of a part in another type than they are stored in.
Status WriteEncoded(const GgufPart& part, const GgufTensorType& type, const StoredTensor& stored,
                    const GgufSink& sink) {
  PartRows rows(part, stored);
  ASHLAR_TRY(rows.Load());
  const Codec& codec = *type.codec;
  const std::int64_t columns = rows.columns();
  const std::int64_t bands = std::max<std::int64_t>(1, kNumbersAtOnce / (columns * codec.row_unit));
  const std::int64_t at_once = std::min(part.rows, bands * codec.row_unit);
  const std::int64_t padded = (at_once + codec.row_unit - 1) / codec.row_unit * codec.row_unit;
  const std::uint64_t row_bytes = type.row_bytes(columns);
  std::vector<float> values(static_cast<std::size_t>(at_once * columns));
  std::vector<std::byte> packed(static_cast<std::size_t>(padded / codec.row_unit) *
                                codec.band_bytes(columns));
  std::vector<std::byte> out(static_cast<std::size_t>(at_once) * row_bytes);
  for (std::int64_t first = 0; first < part.rows; first += at_once) {
    const std::int64_t count = std::min(part.rows - first, at_once);
    for (std::int64_t i = 0; i < count; ++i) {
      rows.Take(first + i, values.data() + i * columns);
    }
    if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
      return Unsupported("it has numbers that are not finite, from row {} on", first);
    }
    codec.encode(values.data(), count, columns, packed.data());
    for (std::int64_t i = 0; i < count; ++i) {
      type.write_row(packed.data(), columns, i, columns,
                     out.data() + static_cast<std::uint64_t>(i) * row_bytes);
    }
    ASHLAR_TRY(sink(std::span(out).first(static_cast<std::size_t>(count) * row_bytes)));
  }
  return {};
}

// The rows of a part as they are stored.
Status WriteStored(const GgufPart& part, const GgufTensorType& type, const StoredTensor& stored,
                   const GgufSink& sink) {
  const bool vector = part.shape.rank() == 1;
  const std::int64_t columns = vector ? 1 : part.shape[1];
  const std::int64_t stored_columns = vector ? 1 : part.stored->shape[1];
  const std::uint64_t row_bytes = type.row_bytes(columns);
  const std::int64_t at_once = std::clamp<std::int64_t>(kNumbersAtOnce / columns, 1, part.rows);
  std::vector<std::byte> buffer(static_cast<std::size_t>(at_once) * row_bytes);
  for (std::int64_t first = 0; first < part.rows; first += at_once) {
    const std::int64_t end = std::min(part.rows, first + at_once);
    std::byte* out = buffer.data();
    for (std::int64_t row = first; row < end; ++row, out += row_bytes) {
      type.write_row(stored.bytes().data(), stored_columns, part.order.Ours(part.first + row),
                     columns, out);
    }
    ASHLAR_TRY(sink(std::span(buffer.data(), out)));
  }
  return {};
}

Status WriteFileTensor(const GgufFileTensor& tensor, const GgufTensorType& type,
                       const BlobStore& store, const GgufSink& sink) {
  if (tensor.parts.empty()) {
    return sink(std::as_bytes(std::span(tensor.numbers)));
  }
  for (const GgufPart& part : tensor.parts) {
    ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, *part.stored));
    const bool as_it_is = stored.IsPlain(*type.codec) && part.as_stored();
    Status status =
        as_it_is ? WriteStored(part, type, stored, sink) : WriteEncoded(part, type, stored, sink);
    ASHLAR_TRY(stored.CheckWhole());  // first: what else is wrong may come of it
    if (!status.ok()) {
      return status.error().In(fmt::format("tensor {}", tensor.name));
    }
  }
  return {};
}

// ---- The file

struct PlannedTensors {
  std::vector<GgufTensor> tensors;
  const GgufTensorType* main = nullptr;             // that most bytes of matrices have
  std::map<std::string_view, int> in_another_type;  // than was asked for
};

Result<PlannedTensors> PlanTensors(const GgufForm& form, const Network& network, bool tied,
                                   const GgufTensorType* wanted, const BlobStore& store) {
  PlannedTensors plan;
  std::map<const GgufTensorType*, std::uint64_t> bytes;
  for (const GgufFileTensor& tensor : form.tensors) {
    const GgufTensorType* type = &TypeNamed("F32");
    const bool vector = tensor.role == TensorRole::kVector;
    if (wanted != nullptr && !vector && !StaysWide(tensor)) {
      const bool scores =
          tensor.name == "output.weight" || (tied && tensor.name == "token_embd.weight");
      type = &TypeFor(tensor, *wanted, scores);
      plan.in_another_type[type->name] += type != wanted;
    } else if (wanted == nullptr && !vector) {
      const Result<const GgufTensorType*> own = TypeOfParts(tensor);
      if (!own.ok()) {
        return own.error().In(NodeName(network, tensor.parts.front().node));
      }
      type = *own;
    }
    GgufTensor planned{.name = tensor.name,
                       .shape = tensor.shape,
                       .type = type,
                       .write = [&tensor, type, &store](const GgufSink& sink) {
                         return WriteFileTensor(tensor, *type, store, sink);
                       }};
    if (!vector) {
      bytes[type] += planned.bytes();
    }
    plan.tensors.push_back(std::move(planned));
  }
  plan.main =
      std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
  return plan;
}

Status AddTokenizer(const Network& network, std::string_view name, std::int64_t ids,
                    const BlobStore& store, GgufContent& content, GgufReport& report) {
  const auto append = [&](GgufMetadata more) {
    content.metadata.insert(content.metadata.end(), std::move_iterator(more.begin()),
                            std::move_iterator(more.end()));
  };
  ASHLAR_TRY(const auto tokenizer_json, ReadNetworkFile(network, store, "tokenizer.json"));
  ASHLAR_TRY(const auto kept, ReadNetworkFile(network, store, internal::kTokenizerGguf));
  std::optional<GgufMetadata> as_it_came;
  if (kept) {
    auto read =
        internal::ReadTokenizerGguf(*kept, tokenizer_json ? &*tokenizer_json : nullptr, ids);
    if (read.ok()) {
      as_it_came = *std::move(read);
    } else if (tokenizer_json) {  // which is what the network runs by
      report.remarks.push_back(fmt::format(
          "the file has the network's tokenizer.json, as its {} cannot be read: {}",
          internal::kTokenizerGguf, read.error().message));
    } else {
      return read.error();
    }
  }
  // (With the name: some tokenizers are told apart by it.)
  if (as_it_came) {
    append(*std::move(as_it_came));
  } else if (tokenizer_json) {
    ASHLAR_TRY(internal::GgufTokenizer tokenizer,
               internal::ReadGgufTokenizer(*tokenizer_json, network.metadata, ids, name));
    append(std::move(tokenizer.metadata));
    report.remarks.insert(report.remarks.end(), tokenizer.remarks.begin(), tokenizer.remarks.end());
  } else {
    append({{std::string(internal::kGeneralName), std::string(name)}});
    append(internal::NoGgufTokenizer(network.metadata));
    report.remarks.push_back("the network has no tokenizer, so the file can be run by ids only");
  }
  ASHLAR_TRY(std::vector<std::string> ends,
             internal::RemarksOnGgufEnds(content.metadata, network.metadata.eos_tokens));
  report.remarks.insert(report.remarks.end(), std::move_iterator(ends.begin()),
                        std::move_iterator(ends.end()));
  return internal::AddChatTemplates(network, store, content.metadata, report.remarks);
}

}  // namespace

Result<const GgufTensorType*> FindGgufExportType(std::string_view name) {
  std::vector<std::string_view> known;
  for (const GgufTensorType& type : AllGgufTensorTypes()) {
    if (type.codec->encode == nullptr) {
      continue;
    }
    if (type.name == name) {
      return &type;
    }
    known.push_back(type.name);
  }
  return Invalid("unknown type \"{}\"; known: {}", name, Join(known, ", "));
}

Result<GgufReport> ExportGguf(
    const Network& network, std::string_view name, const BlobStore& store, const Path& path,
    const GgufOptions& options,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  ASHLAR_TRY(const internal::DecoderFacts facts, internal::ReadDecoderFacts(network, store));
  ASHLAR_TRY(GgufForm form, internal::FindGgufForm(facts, network, options.usual));
  ASHLAR_TRY(PlannedTensors plan, PlanTensors(form, network, facts.tied, options.type, store));

  GgufReport report{.architecture = std::string(form.family->architecture),
                    .remarks = std::move(form.remarks)};
  GgufContent content;
  content.metadata = {
      {"general.architecture", report.architecture},
      {"general.type", std::string("model")},
      {"general.file_type", plan.main->file_type},
      {"general.quantization_version", std::uint32_t{2}},
  };
  content.metadata.insert(content.metadata.end(), form.metadata.begin(), form.metadata.end());
  ASHLAR_TRY(AddTokenizer(network, name, facts.embed().attributes.Integer("vocabulary"), store,
                          content, report));
  if (!network.metadata.context_length) {
    report.remarks.push_back(
        "the network does not say for how long a text it was trained; the file says 4096");
  }
  for (const auto& [type, count] : plan.in_another_type) {
    if (count > 0) {
      report.remarks.push_back(
          fmt::format("{} matrices are {}, not {}", count, type, options.type->name));
    }
  }
  content.tensors = std::move(plan.tensors);
  report.tensors = static_cast<int>(content.tensors.size());
  ASHLAR_TRY(report.file_bytes, WriteGguf(path, content, progress));
  return report;
}

}  // namespace ashlar
