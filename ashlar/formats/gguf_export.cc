#include "ashlar/formats/gguf_export.h"

#include <algorithm>
#include <map>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/formats/gguf_write.h"
#include "ashlar/formats/internal/gguf_decoder.h"
#include "ashlar/formats/internal/gguf_names.h"
#include "ashlar/formats/internal/gguf_tokenizer.h"
#include "ashlar/formats/internal/row_order.h"
#include "ashlar/graph/network_files.h"

namespace ashlar {
namespace {

using internal::GgufDecoder;
using internal::RowOrder;

// The stored bytes of a tensor, mapped; whoever holds the blob holds them.
struct Packed {
  Blob blob;
  BlobGuard guard;
  std::span<const std::byte> bytes;
};
Result<Packed> GetPacked(const BlobStore& store, const TensorManifest& tensor) {
  const Level& level = tensor.levels.front();
  ASHLAR_TRY(const Blob blob, store.Get(level.blob));
  BlobGuard guard(level.blob, blob);
  ASHLAR_TRY(const auto bytes,
             CheckedRange(blob.bytes(), level.offset, level.length, level.blob.ToString()));
  if (tensor.codec->check != nullptr) {
    ASHLAR_TRY(tensor.codec->check(bytes, tensor.shape[0], tensor.shape[1]));
  }
  return Packed{blob, std::move(guard), bytes};
}

// The first rows and columns of a matrix, as many as `shape` says.
Status WriteMatrix(const TensorManifest& tensor, const Shape& shape, const GgufTensorType& type,
                   RowOrder order, const BlobStore& store, const GgufSink& sink) {
  constexpr std::uint64_t kBytesAtOnce = 1 << 20;
  ASHLAR_TRY(const Packed packed, GetPacked(store, tensor));
  const std::int64_t rows = shape[0];
  const std::int64_t columns = shape[1];
  const std::uint64_t row_bytes = type.row_bytes(columns);
  const auto rows_at_once =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(kBytesAtOnce / row_bytes), 1, rows);
  std::vector<std::byte> buffer(static_cast<std::size_t>(rows_at_once) * row_bytes);
  for (std::int64_t first = 0; first < rows; first += rows_at_once) {
    const std::int64_t end = std::min(rows, first + rows_at_once);
    std::byte* out = buffer.data();
    for (std::int64_t row = first; row < end; ++row, out += row_bytes) {
      type.write_row(packed.bytes.data(), tensor.shape[1], order.Ours(row), columns, out);
    }
    ASHLAR_TRY(sink(std::span(buffer.data(), out)));
  }
  return packed.guard.CheckWhole(store);
}

// The first numbers of a vector, as f32: what llama.cpp computes with, and no f16 or bf16 is lost.
Status WriteVector(const TensorManifest& tensor, const Shape& shape, RowOrder order,
                   const BlobStore& store, const GgufSink& sink) {
  ASHLAR_TRY(const Packed packed, GetPacked(store, tensor));
  std::vector<float> values(static_cast<std::size_t>(tensor.shape[0]));
  DecodeTensor(*tensor.codec, tensor.shape, packed.bytes, values.data());
  ASHLAR_TRY(packed.guard.CheckWhole(store));
  std::vector<float> out(static_cast<std::size_t>(shape[0]));
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    out[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>(order.Ours(i))];
  }
  return sink(std::as_bytes(std::span(out)));
}

// Everything about a network's tensors that becomes a file.
class TensorLister {
 public:
  TensorLister(const Network& network, const GgufDecoder& decoder, const BlobStore& store)
      : network_(network), decoder_(decoder), store_(store) {}

  Status AddNode(int node, std::int64_t layer = -1) {
    const Block& block = network_.BlockOf(node);
    ASHLAR_TRY(const std::vector<TensorSpec> specs,
               block.kind->tensors(EffectiveAttributes(network_, node)));
    for (const TensorSpec& spec : specs) {
      Result<GgufTensor> made = Make(block.tensors.find(spec.name)->second, spec);
      if (!made.ok()) {
        return made.error().In(NodeName(network_, node));
      }
      const auto places = internal::GgufPlacesOf(block.kind->name, spec, specs, layer);
      CHECK(!places.empty());  // ReadAsDecoder lets no attribute pass that adds another
      made->name = places.front().name;
      tensors_.push_back(*std::move(made));
    }
    return {};
  }

  void AddFrequencyFactors() {
    const std::vector<float> factors = internal::FrequencyFactors(decoder_.layer);
    tensors_.push_back({.name = "rope_freqs.weight",
                        .shape = {std::ssize(factors)},
                        .type = &AllGgufTensorTypes().front(),
                        .write = [factors](const GgufSink& sink) {
                          return sink(std::as_bytes(std::span(factors)));
                        }});
  }

  std::vector<GgufTensor> Take() { return std::move(tensors_); }
  // general.file_type: of the type that most bytes have.
  const GgufTensorType& main_type() const {
    return *std::ranges::max_element(bytes_, {}, [](const auto& entry) {
              return entry.second;
            })->first;
  }

 private:
  Result<GgufTensor> Make(const TensorManifest& tensor, const TensorSpec& spec) {
    const bool turned =
        decoder_.architecture->turns_neighbours &&
        (spec.name == "q" || spec.name == "k" || spec.name == "q.bias" || spec.name == "k.bias");
    const RowOrder order = turned ? RowOrder(decoder_.layer.Integer("key_dim")) : RowOrder();
    GgufTensor result{.shape = {spec.shape.dims().begin(), spec.shape.dims().end()}};
    if (spec.role == TensorRole::kVector) {
      result.type = &AllGgufTensorTypes().front();
      result.write = [this, &tensor, shape = spec.shape, order](const GgufSink& sink) {
        return WriteVector(tensor, shape, order, store_, sink);
      };
      return result;
    }
    ASHLAR_TRY(result.type, GgufTypeOf(*tensor.codec));
    if (const std::int64_t columns = spec.shape[1]; columns % result.type->block_columns != 0) {
      return Unsupported("tensor \"{}\" has {} columns, and {} stores them by {}", spec.name,
                         columns, result.type->name, result.type->block_columns);
    }
    result.write = [this, &tensor, shape = spec.shape, type = result.type,
                    order](const GgufSink& sink) {
      return WriteMatrix(tensor, shape, *type, order, store_, sink);
    };
    bytes_[result.type] += result.bytes();
    return result;
  }

  const Network& network_;
  const GgufDecoder& decoder_;
  const BlobStore& store_;
  std::vector<GgufTensor> tensors_;
  std::map<const GgufTensorType*, std::uint64_t> bytes_;  // of matrices
};

// Several templates: the one called "default" stands where a single one would, each other one under
// its own key, and an array has their names. Names are made of letters and digits there, with _ for
// all else.
Status AddNamedTemplates(const JsonCursor& list, bool has_default, GgufMetadata& metadata,
                         std::vector<std::string>& remarks) {
  ASHLAR_TRY(const std::vector<JsonCursor> entries, list.AsArray());
  std::vector<std::string> names;
  for (const JsonCursor& entry : entries) {
    ASHLAR_TRY(std::string name, entry.String("name"));
    ASHLAR_TRY(std::string text, entry.String("template"));
    std::ranges::replace_if(
        name,
        [](char c) {
          return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
        },
        '_');
    const bool is_default = name == "default";
    if (name.empty() || (is_default && has_default) || std::ranges::count(names, name) != 0) {
      remarks.push_back(fmt::format(
          "{} is left out: {}", entry.path(),
          name.empty() ? "it has no name" : "another template has the name \"" + name + "\" too"));
      continue;
    }
    has_default |= is_default;
    metadata.emplace_back(
        is_default ? "tokenizer.chat_template" : "tokenizer.chat_template." + name,
        std::move(text));
    if (!is_default) {
      names.push_back(std::move(name));
    }
  }
  if (!names.empty()) {
    metadata.emplace_back("tokenizer.chat_templates", std::move(names));
  }
  if (!has_default && !entries.empty()) {
    remarks.push_back(
        "none of the chat templates is the default one: llama.cpp must be told which");
  }
  return {};
}

// The template lies in a file of its own, or in tokenizer_config.json: one, or a list of them. Of
// the list, a file of its own is the default.
Status AddChatTemplates(const Network& network, const BlobStore& store, GgufMetadata& metadata,
                        std::vector<std::string>& remarks) {
  ASHLAR_TRY(std::optional<std::string> text,
             ReadNetworkFile(network, store, "chat_template.jinja"));
  const bool has_default = text.has_value();
  if (has_default) {
    metadata.emplace_back("tokenizer.chat_template", *std::move(text));
  }
  ASHLAR_TRY(text, ReadNetworkFile(network, store, "tokenizer_config.json"));
  if (!text) {
    return {};
  }
  ASHLAR_TRY(const Json json, ParseJson(*text));
  ASHLAR_TRY(const auto found, JsonCursor(json, "tokenizer_config.json").Find("chat_template"));
  if (!found) {
    return {};
  }
  if (found->value().array() != nullptr) {
    return AddNamedTemplates(*found, has_default, metadata, remarks);
  }
  if (has_default) {
    return {};
  }
  ASHLAR_TRY(std::string only, found->AsString());
  metadata.emplace_back("tokenizer.chat_template", std::move(only));
  return {};
}

}  // namespace

Result<GgufReport> ExportGguf(
    const Network& network, std::string_view name, const BlobStore& store, const Path& path,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  ASHLAR_TRY(const GgufDecoder decoder, internal::ReadAsDecoder(network));
  TensorLister lister(network, decoder, store);
  if (decoder.layer.Choice("rope_scaling") == "llama3") {
    lister.AddFrequencyFactors();
  }
  ASHLAR_TRY(lister.AddNode(decoder.embed));
  for (std::size_t layer = 0; layer < decoder.attention.size(); ++layer) {
    const auto index = static_cast<std::int64_t>(layer);
    ASHLAR_TRY(lister.AddNode(decoder.attention[layer], index));
    ASHLAR_TRY(lister.AddNode(decoder.mlp[layer], index));
  }
  ASHLAR_TRY(lister.AddNode(decoder.norm));
  if (!decoder.tied) {
    ASHLAR_TRY(lister.AddNode(decoder.head));
  }

  GgufReport report{.architecture = std::string(decoder.architecture->name)};
  GgufContent content;
  content.metadata = {
      {"general.architecture", report.architecture},
      {"general.type", std::string("model")},
      {"general.name", std::string(name)},
      {"general.file_type", lister.main_type().file_type},
      {"general.quantization_version", std::uint32_t{2}},
  };
  const auto append = [&](GgufMetadata more) {
    content.metadata.insert(content.metadata.end(), std::move_iterator(more.begin()),
                            std::move_iterator(more.end()));
  };
  append(internal::DecoderMetadata(network, decoder));
  ASHLAR_TRY(const auto tokenizer_json, ReadNetworkFile(network, store, "tokenizer.json"));
  if (tokenizer_json) {
    const std::int64_t ids = EffectiveAttributes(network, decoder.embed).Integer("vocabulary");
    ASHLAR_TRY(internal::GgufTokenizer tokenizer,
               internal::ReadGgufTokenizer(*tokenizer_json, network.metadata, ids));
    append(std::move(tokenizer.metadata));
    report.remarks = std::move(tokenizer.remarks);
    ASHLAR_TRY(AddChatTemplates(network, store, content.metadata, report.remarks));
  } else {
    append(internal::NoGgufTokenizer());
    report.remarks.push_back("the network has no tokenizer, so the file can be run by ids only");
  }
  if (!network.metadata.context_length) {
    report.remarks.push_back(
        fmt::format("the network does not say for how long a text it was trained; the file says {}",
                    decoder.context));
  }
  content.tensors = lister.Take();
  report.tensors = static_cast<int>(content.tensors.size());
  ASHLAR_TRY(report.file_bytes, WriteGguf(path, content, progress));
  return report;
}

}  // namespace ashlar
