#include "ashlar/formats/hugging_face_export.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/raw/raw.h"
#include "ashlar/formats/internal/family_form.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/formats/internal/mxfp4_source.h"
#include "ashlar/formats/internal/new_directory.h"
#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/formats/safetensors.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/graph/stored_tensor.h"
#include "ashlar/text/public_tokenizer.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

using internal::FamilyForm;
using internal::TensorPlace;

// How safetensors calls the codecs that a directory can hold.
struct HfNumberType {
  const Codec* codec;
  DType dtype;
  std::string_view name;        // in safetensors
  std::string_view torch_name;  // in config.json
};
constexpr HfNumberType kNumberTypes[] = {{&kRawF32, DType::kF32, "F32", "float32"},
                                         {&kRawF16, DType::kF16, "F16", "float16"},
                                         {&kRawBF16, DType::kBF16, "BF16", "bfloat16"}};

// A block's tensor in a tensor of the file.
struct HfPart {
  int node;
  std::string tensor;  // of the block
  const TensorManifest* stored;
  Shape shape;  // after the node's slice: the first rows and columns
  TensorPlace place;
  std::size_t source;  // which of the file's tensors this is to the block's
  double shift;        // added to every number

  // Whether it holds what another part holds that stands at the same place.
  bool SameAs(const HfPart& other) const {
    return *stored == *other.stored && shape == other.shape && source == other.source &&
           shift == other.shift;
  }
};

// A tensor of the file.
struct HfTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  const HfNumberType* type = nullptr;                  // null: bytes
  std::optional<internal::Mxfp4Part> mxfp4_part = {};  // which, of a stack in MXFP4
  std::vector<HfPart> parts;

  std::uint64_t bytes() const {
    std::uint64_t numbers = 1;
    for (const std::int64_t dim : shape) {
      numbers *= static_cast<std::uint64_t>(dim);
    }
    return numbers * (type == nullptr ? 1 : type->codec->band_bytes(1));
  }
  std::string dtype() const { return std::string(type == nullptr ? "U8" : type->name); }
};

// Whether a stack can be written as it is stored: all in MXFP4.
bool IsInMxfp4(const HfTensor& tensor) {
  return std::ranges::all_of(tensor.parts, [](const HfPart& part) {
    return part.stored->codec == &kMxfp4 && part.stored->base == nullptr && part.shift == 0 &&
           part.place.stack > 0 && !part.place.turned;
  });
}

// Which tensors a directory of this form has, in the order of the network.
class HfTensorLister {
 public:
  HfTensorLister(const Network& network, const FamilyForm& form, std::optional<DType> dtype)
      : network_(network), form_(form), dtype_(dtype) {}

  Result<std::vector<HfTensor>> List() {
    for (int node = 0; node < std::ssize(network_.nodes); ++node) {
      if (const Status status = AddNode(node); !status.ok()) {
        return status.error().In(NodeName(network_, node));
      }
    }
    std::vector<HfTensor> written;
    for (HfTensor& tensor : tensors_) {
      if (!dtype_ && IsInMxfp4(tensor)) {
        AddMxfp4(tensor, written);
        continue;
      }
      ASHLAR_TRY(tensor.type, TypeOf(tensor));
      written.push_back(std::move(tensor));
    }
    return written;
  }

 private:
  Status AddNode(int node) {
    const Block& block = network_.BlockOf(node);
    const BlockRecipe& recipe = form_.recipe.blocks[static_cast<std::size_t>(node)];
    const Attributes attributes = EffectiveAttributes(network_, node);
    ASHLAR_TRY(const std::vector<TensorSpec> specs, block.kind->tensors(attributes));
    for (const TensorSpec& spec : specs) {
      const TensorSource source = SourceOf(recipe, spec.name);
      if (!source.numbers.empty()) {
        continue;  // config.json has them
      }
      ASHLAR_TRY(const TensorPlace place, internal::PlaceOf(spec, specs, attributes, source));
      const double shift = internal::IsNormWeight(block.kind->name, spec.name)
                               ? form_.match.norm_shifts[static_cast<std::size_t>(node)]
                               : 0;
      for (std::size_t i = 0; i < source.tensors.size(); ++i) {
        ASHLAR_TRY(AddPart(source.tensors[i], internal::CheckpointShape(place, spec),
                           {.node = node,
                            .tensor = spec.name,
                            .stored = &block.tensors.find(spec.name)->second,
                            .shape = spec.shape,
                            .place = place,
                            .source = i,
                            .shift = shift}));
      }
    }
    return {};
  }

  Status AddPart(const std::string& name, std::vector<std::int64_t> shape, HfPart part) {
    const auto [at, is_new] = indices_.try_emplace(name, tensors_.size());
    if (is_new) {
      tensors_.push_back({.name = name, .shape = std::move(shape)});
    }
    HfTensor& tensor = tensors_[at->second];
    const auto same_place = std::ranges::find_if(tensor.parts, [&](const HfPart& other) {
      return other.place.index == part.place.index && other.place.first == part.place.first;
    });
    if (same_place == tensor.parts.end()) {
      tensor.parts.push_back(std::move(part));
      return {};
    }
    if (!same_place->SameAs(part)) {
      return Unsupported(
          "of the family {}, tensor {} is both this one's \"{}\" and {} of {}, and "
          "they differ",
          form_.row->model_type, name, part.tensor, same_place->tensor,
          NodeName(network_, same_place->node));
    }
    return {};
  }

  static void AddMxfp4(const HfTensor& tensor, std::vector<HfTensor>& written) {
    for (const auto& [part, name] :
         {std::pair(internal::Mxfp4Part::kBlocks, internal::Mxfp4BlocksName(tensor.name)),
          std::pair(internal::Mxfp4Part::kScales, internal::Mxfp4ScalesName(tensor.name))}) {
      written.push_back(
          {.name = name,
           .shape = internal::Mxfp4Shape(tensor.parts.front().place, tensor.shape, part),
           .mxfp4_part = part,
           .parts = tensor.parts});
    }
  }

  // The type that all parts have, or the one that is asked for.
  Result<const HfNumberType*> TypeOf(const HfTensor& tensor) const {
    if (dtype_) {
      return std::ranges::find(kNumberTypes, *dtype_, &HfNumberType::dtype);
    }
    const HfPart& first = tensor.parts.front();
    const auto* const type =
        std::ranges::find(kNumberTypes, first.stored->codec, &HfNumberType::codec);
    for (const HfPart& part : tensor.parts) {
      const bool held = type != std::end(kNumberTypes) && part.stored->codec == type->codec;
      if (!held) {
        return Unsupported(
            "{}: \"{}\" is in codec {}, which tensor {} of a Hugging Face directory cannot hold{}; "
            "say in which type its numbers should be written (--dtype bf16, f16 or f32)",
            NodeName(network_, part.node), part.tensor, part.stored->codec->name, tensor.name,
            type == std::end(kNumberTypes)
                ? ""
                : fmt::format(" beside \"{}\" in {}", first.tensor, type->codec->name));
      }
    }
    return type;
  }

  const Network& network_;
  const FamilyForm& form_;
  const std::optional<DType> dtype_;
  std::vector<HfTensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> indices_;
};

// The numbers of a part, in the type of its file's tensor.
Result<std::vector<std::byte>> NumbersOf(const HfPart& part, const HfNumberType& type,
                                         const StoredTensor& stored) {
  constexpr std::int64_t kNumbersAtOnce = 1 << 18;
  const bool vector = part.shape.rank() == 1;
  const std::int64_t rows = vector ? 1 : part.shape[0];
  const std::int64_t columns = part.shape[part.shape.rank() - 1];
  const std::int64_t there = part.stored->shape[part.stored->shape.rank() - 1];
  const std::size_t number = type.codec->band_bytes(1);
  const std::size_t row_bytes = static_cast<std::size_t>(columns) * number;
  std::vector<std::byte> out(static_cast<std::size_t>(rows) * row_bytes);
  if (stored.IsPlain(*type.codec) && part.shift == 0) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::size_t from = static_cast<std::size_t>(row * there) * number;
      std::ranges::copy(stored.bytes().subspan(from, row_bytes),
                        out.begin() + row * static_cast<std::int64_t>(row_bytes));
    }
    return out;
  }
  const std::int64_t at_once = std::clamp<std::int64_t>(kNumbersAtOnce / there, 1, rows);
  std::vector<float> values(static_cast<std::size_t>(at_once * there));
  std::vector<float> again(static_cast<std::size_t>(columns));
  for (std::int64_t first = 0; first < rows; first += at_once) {
    const std::int64_t end = std::min(rows, first + at_once);
    stored.Decode(first, end, values.data());
    for (std::int64_t row = first; row < end; ++row) {
      const auto begin = values.begin() + (row - first) * there;
      if (part.shift != 0) {
        std::ranges::transform(begin, begin + columns, begin, [&](float value) {
          return static_cast<float>(static_cast<double>(value) + part.shift);
        });
      }
      std::byte* const to = out.data() + static_cast<std::size_t>(row) * row_bytes;
      type.codec->encode(&*begin, 1, columns, to);
      type.codec->decode(to, columns, 0, 1, again.data());
      if (!std::ranges::all_of(again, [](float value) { return std::isfinite(value); })) {
        return Unsupported("row {} has a number that {} cannot hold", row, type.codec->name);
      }
    }
  }
  return out;
}

Status WriteMxfp4(const HfTensor& tensor, const BlobStore& store, SafetensorsWriter& writer) {
  std::vector<std::byte> whole(tensor.bytes());
  for (const HfPart& part : tensor.parts) {
    ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, *part.stored));
    internal::UnpackMxfp4(part.place, stored.bytes(), part.stored->shape[1], *tensor.mxfp4_part,
                          whole);
    ASHLAR_TRY(stored.CheckWhole());
  }
  return writer.Write(whole);
}

Status WriteTensor(const HfTensor& tensor, const BlobStore& store, SafetensorsWriter& writer) {
  if (tensor.mxfp4_part) {
    return WriteMxfp4(tensor, store, writer);
  }
  const std::size_t number = tensor.type->codec->band_bytes(1);
  std::vector<std::byte> whole;
  for (const HfPart& part : tensor.parts) {
    ASHLAR_TRY(const StoredTensor stored, StoredTensor::Open(store, *part.stored));
    const bool as_it_is = tensor.parts.size() == 1 && part.place.contiguous() &&
                          part.place.stack == 0 && part.source == 0 &&
                          part.place.count == part.shape[0] && part.shape == part.stored->shape &&
                          stored.IsPlain(*tensor.type->codec) && part.shift == 0;
    if (as_it_is) {
      ASHLAR_TRY(writer.Write(stored.bytes()));
      return stored.CheckWhole();
    }
    ASHLAR_TRY(const std::vector<std::byte> numbers, NumbersOf(part, *tensor.type, stored));
    ASHLAR_TRY(stored.CheckWhole());
    whole.resize(tensor.bytes());
    internal::Scatter(part.place, part.source, numbers, number, whole);
  }
  return writer.Write(whole);
}

// ---- Files

// As many tensors to each as `most` bytes allow.
std::vector<std::span<const HfTensor>> Shards(std::span<const HfTensor> tensors,
                                              std::uint64_t most) {
  std::vector<std::span<const HfTensor>> shards;
  std::size_t begin = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > begin && bytes + tensors[i].bytes() > most) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes();
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

class DirectoryWriter {
 public:
  DirectoryWriter(const Path& directory, const BlobStore& store,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : directory_(directory), store_(store), progress_(progress) {}

  Status WriteWeights(std::span<const HfTensor> tensors, std::uint64_t shard_bytes,
                      HuggingFaceReport& report) {
    for (const HfTensor& tensor : tensors) {
      total_ += tensor.bytes();
    }
    const auto shards = Shards(tensors, shard_bytes);
    Json::Object places;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = shards.size() == 1 ? "model.safetensors"
                                                  : fmt::format("model-{:05}-of-{:05}.safetensors",
                                                                i + 1, shards.size());
      ASHLAR_TRY(WriteShard(name, shards[i]));
      for (const HfTensor& tensor : shards[i]) {
        places.emplace_back(tensor.name, name);
      }
    }
    if (shards.size() > 1) {
      ASHLAR_TRY(
          WriteText("model.safetensors.index.json",
                    WriteJsonPretty(Json::Of({{"metadata", Json::Of({{"total_size", total_}})},
                                              {"weight_map", std::move(places)}}))));
    }
    report.tensors = static_cast<int>(tensors.size());
    report.shards = static_cast<int>(shards.size());
    report.tensor_bytes = total_;
    return {};
  }

  Status WriteText(std::string_view name, std::string_view text) {
    ASHLAR_TRY(OutputFile file, OutputFile::Create(directory_ / name));
    ASHLAR_TRY(file.Write(AsBytes(text)));
    return file.Commit();
  }

 private:
  Status WriteShard(const std::string& name, std::span<const HfTensor> tensors) {
    std::vector<SafetensorsWriter::Layout> layouts;
    for (const HfTensor& tensor : tensors) {
      layouts.push_back({.name = tensor.name,
                         .dtype = tensor.dtype(),
                         .shape = tensor.shape,
                         .bytes = tensor.bytes()});
    }
    // (Readers in Python look for this pair.)
    ASHLAR_TRY(SafetensorsWriter writer,
               SafetensorsWriter::Create(directory_ / name, layouts, {{"format", "pt"}}));
    for (const HfTensor& tensor : tensors) {
      if (const Status status = WriteTensor(tensor, store_, writer); !status.ok()) {
        return status.error().In(fmt::format("tensor {}", tensor.name));
      }
      done_ += tensor.bytes();
      if (progress_) {
        progress_(done_, total_);
      }
    }
    return writer.Commit();
  }

  const Path& directory_;
  const BlobStore& store_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
};

// The type that most bytes of numbers have.
std::string_view MainTorchName(std::span<const HfTensor> tensors) {
  std::map<std::string_view, std::uint64_t> bytes;
  for (const HfTensor& tensor : tensors) {
    if (tensor.type != nullptr) {
      bytes[tensor.type->torch_name] += tensor.bytes();
    }
  }
  return std::ranges::max_element(bytes, {}, [](const auto& entry) { return entry.second; })->first;
}

// Of "model.layers.3.mlp.experts.down_proj_blocks" all before the tensor, with "*" for the layer if
// asked.
std::string ModuleOf(const HfTensor& tensor, bool any_layer) {
  std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
  for (std::size_t at = 0; any_layer && at < module.size();) {
    const std::size_t end = std::min(module.find('.', at), module.size());
    const std::string_view part = std::string_view(module).substr(at, end - at);
    if (part.find_first_not_of("0123456789") == part.npos) {
      return module.replace(at, part.size(), "*");
    }
    at = end + 1;
  }
  return module;
}

// What config.json says of matrices in MXFP4: frameworks take all modules for such that could be,
// but for those that are named, of one layer or of each. Nothing when there are none.
std::optional<Json> QuantizationConfig(std::span<const HfTensor> tensors,
                                       std::vector<std::string>& remarks) {
  std::set<std::string> in_mxfp4;  // modules, and those of any layer
  for (const HfTensor& tensor : tensors) {
    if (tensor.mxfp4_part) {
      in_mxfp4.insert(ModuleOf(tensor, /*any_layer=*/false));
      in_mxfp4.insert(ModuleOf(tensor, /*any_layer=*/true));
    }
  }
  if (in_mxfp4.empty()) {
    return std::nullopt;
  }
  Json::Array others;
  std::set<std::string> named;
  for (const HfTensor& tensor : tensors) {
    if (tensor.mxfp4_part || tensor.shape.size() < 2) {
      continue;
    }
    std::string module = ModuleOf(tensor, /*any_layer=*/true);
    if (in_mxfp4.contains(module)) {
      module = ModuleOf(tensor, /*any_layer=*/false);
    }
    const bool is_matrices = tensor.parts.front().place.stack > 0 && tensor.shape.size() > 2;
    if (in_mxfp4.contains(module) && is_matrices) {
      remarks.push_back(fmt::format(
          "tensor {} is in plain numbers beside others of its module in MXFP4, which ashlar alone "
          "can read",
          tensor.name));
    }
    if (!in_mxfp4.contains(module) && named.insert(module).second) {
      others.emplace_back(module);
    }
  }
  return Json::Of({{"quant_method", "mxfp4"}, {"modules_to_not_convert", std::move(others)}});
}

// Why an import would not give the same digest.
std::vector<std::string> Remarks(const Network& network, const FamilyForm& form,
                                 const HuggingFaceOptions& options) {
  std::vector<std::string> remarks;
  const auto slices =
      std::ranges::count_if(network.nodes, [](const Node& node) { return !node.slice.empty(); });
  if (slices > 0) {
    remarks.push_back(
        fmt::format("{} nodes use a part of their block: they are written without "
                    "the rest, and are blocks of their own after an import",
                    slices));
  }
  if (form.match.shifts_norms()) {
    remarks.push_back(
        fmt::format("the weights of norms are written as {} has them, which adds "
                    "something else to them: other blocks after an import",
                    form.row->model_type));
  }
  if (form.recipe.metadata.context_length != network.metadata.context_length) {
    remarks.push_back(
        fmt::format("the network does not say for how long a text it was trained; an "
                    "import will say {}",
                    form.recipe.metadata.context_length.value_or(0)));
  }
  const bool changed = std::ranges::any_of(network.blocks, [&](const auto& block) {
    return std::ranges::any_of(block.second->tensors, [&](const auto& tensor) {
      const auto* type = std::ranges::find(kNumberTypes, tensor.second.codec, &HfNumberType::codec);
      return options.dtype && (type == std::end(kNumberTypes) || type->dtype != *options.dtype);
    });
  });
  if (changed) {
    remarks.push_back("tensors are written in another type than the network has them in");
  }
  return remarks;
}

// Of a tokenizer.json with a type of stage that is ashlar's own.
std::optional<std::string> RemarkOnTokenizer(std::string_view tokenizer_json) {
  const Result<Json> json = ParseJson(tokenizer_json);
  for (const char* role : {"normalizer", "model"}) {
    const Json* const stage = json.ok() ? json->Find(role) : nullptr;
    const Json* const type = stage == nullptr ? nullptr : stage->Find("type");
    if (type != nullptr && type->string() != nullptr &&
        type->string()->starts_with("SentencePiece")) {
      return fmt::format(
          "tokenizer.json has a {} of the type {}, which ashlar alone can read: no other gives "
          "every "
          "text the same tokens",
          role, *type->string());
    }
  }
  return std::nullopt;
}

// Whether an import finds this text again when it is written by other stages: a GGUF file's
// tokenizer is kept beside, and that means the text.
Result<bool> IsFoundAgain(const Network& network, const BlobStore& store, const std::string& text) {
  ASHLAR_TRY(const auto kept, ReadNetworkFile(network, store, internal::kTokenizerGguf));
  if (!kept) {
    return false;
  }
  const auto metadata = internal::ReadTokenizerGguf(*kept, &text, Tokenizer::kMaxTokenId + 1);
  return metadata.ok() && metadata->has_value();
}

// The network's tokenizer.json, by stages that others can read too where there are such.
Result<std::string> TokenizerToWrite(const Network& network, const BlobStore& store,
                                     std::string text, std::vector<std::string>& remarks) {
  ASHLAR_TRY(std::optional<std::string> by_all, PublicTokenizerJson(text));
  if (!by_all) {
    if (auto remark = RemarkOnTokenizer(text)) {
      remarks.push_back(*std::move(remark));
    }
    return text;
  }
  ASHLAR_TRY(Tokenizer::FromJson(*by_all));
  ASHLAR_TRY(const bool is_found_again, IsFoundAgain(network, store, text));
  if (!is_found_again) {
    remarks.push_back(
        "tokenizer.json has a list of merges instead of scores, so that others can read it: every "
        "text has the same tokens, but the file is another one after an import");
  }
  return *std::move(by_all);
}

// Names that the directory's own files have.
bool IsTaken(std::string_view name) {
  return name == "config.json" || name.ends_with(".safetensors") ||
         name == "model.safetensors.index.json";
}

}  // namespace

std::string ImportedFamily(const Provenance& provenance) {
  if (provenance.array() == nullptr || provenance.array()->empty()) {
    return "";
  }
  const Json* const arguments = provenance.array()->front().Find("arguments");
  const Json* const family = arguments == nullptr ? nullptr : arguments->Find("family");
  return family == nullptr || family->string() == nullptr ? "" : *family->string();
}

Status CheckExportDirectory(const Path& directory) {
  return internal::NewDirectory::CheckTarget(directory);
}

Result<HuggingFaceReport> ExportHuggingFace(
    const Network& network, const BlobStore& store, const Path& directory,
    const HuggingFaceOptions& options,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  ASHLAR_TRY(const internal::DecoderFacts facts, internal::ReadDecoderFacts(network, store));
  ASHLAR_TRY(FamilyForm form,
             internal::FindFamilyForm(facts, network, options.family, options.usual));
  ASHLAR_TRY(const std::vector<HfTensor> tensors,
             HfTensorLister(network, form, options.dtype).List());
  for (const auto& [name, file] : network.files) {
    if (IsTaken(name)) {
      return Unsupported("the network keeps a file \"{}\", a name that the directory needs", name);
    }
  }
  HuggingFaceReport report{.model_type = std::string(form.row->model_type),
                           .remarks = Remarks(network, form, options)};
  form.config.Set("torch_dtype", MainTorchName(tensors));
  if (auto quantization = QuantizationConfig(tensors, report.remarks)) {
    form.config.Set("quantization_config", *std::move(quantization));
  }

  ASHLAR_TRY(internal::NewDirectory made, internal::NewDirectory::Create(directory));
  DirectoryWriter writer(made.path(), store, progress);
  ASHLAR_TRY(writer.WriteWeights(tensors, options.shard_bytes, report));
  for (const auto& [name, file] : network.files) {
    ASHLAR_TRY(auto text, ReadNetworkFile(network, store, name));
    if (name == "tokenizer.json") {
      ASHLAR_TRY(text, TokenizerToWrite(network, store, *std::move(text), report.remarks));
    }
    ASHLAR_TRY(writer.WriteText(name, *text));
  }
  ASHLAR_TRY(writer.WriteText("config.json", WriteJsonPretty(form.config) + "\n"));
  ASHLAR_TRY(made.Commit());
  return report;
}

}  // namespace ashlar
