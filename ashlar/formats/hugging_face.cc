#include "ashlar/formats/hugging_face.h"

#include <algorithm>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/join.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/codec/gguf/gguf.h"
#include "ashlar/codec/raw/raw.h"
#include "ashlar/formats/architectures/seeing_network.h"
#include "ashlar/formats/checkpoint.h"
#include "ashlar/formats/internal/config_json.h"
#include "ashlar/formats/internal/fp8_source.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/formats/internal/hugging_face_tokenizer.h"
#include "ashlar/formats/internal/mxfp4_source.h"
#include "ashlar/formats/internal/named_templates.h"
#include "ashlar/formats/internal/tensor_place.h"
#include "ashlar/formats/recipe.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 4u << 20;
constexpr std::uint64_t kMaxConfigValues = 1u << 16;
constexpr std::uint64_t kMaxKeptBytes = 128u << 20;

// Files that are kept whole beside the network, when the directory has them.
constexpr std::string_view kKeptFiles[] = {
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
    internal::kTokenizerGguf,
};

// Tensors that some checkpoints carry and every network computes itself.
bool IsDerived(std::string_view tensor) {
  return tensor.ends_with(".rotary_emb.inv_freq");
}

// Compared a piece at a time, so that no tensor need be in memory whole.
bool SameBytes(const Checkpoint& checkpoint, const std::string& a, const std::string& b) {
  constexpr std::size_t kPiece = 4u << 20;
  const SafetensorsEntry* entries[] = {checkpoint.Find(a), checkpoint.Find(b)};
  if (entries[0] == nullptr || entries[1] == nullptr || entries[0]->dtype != entries[1]->dtype ||
      entries[0]->bytes.size() != entries[1]->bytes.size()) {
    return false;
  }
  for (std::size_t at = 0; at < entries[0]->bytes.size(); at += kPiece) {
    const std::size_t length = std::min(kPiece, entries[0]->bytes.size() - at);
    const auto first = entries[0]->bytes.subspan(at, length);
    const auto second = entries[1]->bytes.subspan(at, length);
    const bool same = std::ranges::equal(first, second);
    DropResidentPages(first);
    DropResidentPages(second);
    if (!same) {
      return false;
    }
  }
  return true;
}

Result<Json> ReadJsonFile(const Path& path) {
  ASHLAR_TRY(std::string text, ReadTextFile(path, kMaxConfigBytes));
  text = internal::SpellInfinities(text);
  auto json = ParseJson(text, {.max_values = kMaxConfigValues});
  if (!json.ok()) {
    return json.error().In(path.string());
  }
  return json;
}

// Where bytes are made that a checkpoint has otherwise.
struct Scratch {
  std::vector<std::byte> plain;  // of one of its tensors
  std::vector<std::byte> blob;
};

// A tensor of a block, matched with its bytes in the checkpoint and checked against the shape that
// the block's attributes give it.
struct PlannedTensor {
  std::size_t block;
  std::string name;
  std::string source;       // what its blob is called in the checkpoint; equal for equal bytes
  TensorManifest manifest;  // without its level
  internal::TensorPlace place;
  std::vector<std::span<const std::byte>> sources;  // all bytes that it is made of
  std::optional<internal::Mxfp4Source> mxfp4;       // how, instead of a place
  std::optional<internal::Fp8Source> fp8;           // how, before it has its place
  std::vector<float> numbers;                       // instead of all these: config.json has them

  std::uint64_t bytes() const { return *PackedBytes(*manifest.codec, manifest.shape); }
  // Of its blob, which a whole stack of plain matrices shares.
  std::uint64_t blob_bytes() const {
    return bytes() * static_cast<std::uint64_t>(std::max<std::int64_t>(place.stack, 1));
  }
  // Those of its blob; in `scratch`, unless they lie somewhere as they are.
  std::span<const std::byte> BlobIn(Scratch& scratch) const {
    if (!numbers.empty()) {
      return std::as_bytes(std::span(numbers));
    }
    if (mxfp4) {
      return mxfp4->Pack(scratch.blob);
    }
    if (fp8) {
      scratch.plain = fp8->ToBF16();
      const std::span<const std::byte> plain[] = {scratch.plain};
      return internal::Gather(place, plain, manifest.codec->band_bytes(1), scratch.blob);
    }
    return internal::Gather(place, sources, manifest.codec->band_bytes(1), scratch.blob);
  }
  void DropResident() const {
    for (const std::span<const std::byte> source : sources) {
      DropResidentPages(source);
    }
  }
};

struct ImportPlan {
  Network network;
  std::vector<Block> blocks;  // one per node
  std::vector<PlannedTensor> tensors;
  std::uint64_t total_bytes = 0;  // of distinct sources
  std::size_t unread = 0;         // tensors of what sees
};

// The tensors of a checkpoint by the names that a recipe has for them.
class NamedTensors {
 public:
  NamedTensors(const Checkpoint& checkpoint, const Recipe& recipe, const Path& directory)
      : checkpoint_(checkpoint), recipe_(recipe), directory_(directory) {}

  // A checkpoint that was saved without its head has no prefix; that of a network which sees has
  // one of its own.
  std::string NameOf(const std::string& tensor) const {
    if (!recipe_.unread_prefixes.empty()) {
      for (std::string& name : internal::NamesOfTextPart(tensor)) {
        if (checkpoint_.Find(name) != nullptr) {
          return std::move(name);
        }
      }
    }
    return checkpoint_.Find(tensor) == nullptr && tensor.starts_with(recipe_.base_prefix)
               ? tensor.substr(recipe_.base_prefix.size())
               : tensor;
  }

  // Whether it is there in MXFP4.
  bool HasMxfp4(const std::string& tensor) const {
    return recipe_.mxfp4 && checkpoint_.Find(NameOf(tensor)) == nullptr &&
           checkpoint_.Find(NameOf(internal::Mxfp4BlocksName(tensor))) != nullptr;
  }

  Result<const SafetensorsEntry*> Find(const std::string& tensor) {
    const std::string name = NameOf(tensor);
    const SafetensorsEntry* const entry = checkpoint_.Find(name);
    if (entry == nullptr) {
      return Invalid("{} has no tensor \"{}\", which config.json calls for", directory_.string(),
                     tensor);
    }
    used_.insert(name);
    return entry;
  }

  // Whether it is there in FP8.
  bool HasFp8(const std::string& tensor) const {
    const SafetensorsEntry* const entry = checkpoint_.Find(NameOf(tensor));
    return recipe_.fp8 && entry != nullptr && entry->dtype == internal::kFp8DType;
  }
  // Requires: recipe's checkpoint has them.
  const Fp8Blocks& fp8_blocks() const { return *recipe_.fp8; }

  // kUnsupported names a tensor that nobody asked for.
  Status CheckAllUsed() const {
    const std::string copy = NameOf(recipe_.tied_copy);
    const bool tied =
        !recipe_.tied_copy.empty() && SameBytes(checkpoint_, copy, NameOf(recipe_.tied_to));
    for (const std::string& name : checkpoint_.Names()) {
      const bool ignored =
          IsDerived(name) || (tied && name == copy) || IsUnread(name) ||
          std::ranges::any_of(recipe_.ignored_tensors,
                              [&](std::string_view end) { return name.ends_with(end); }) ||
          std::ranges::any_of(recipe_.ignored_prefixes,
                              [&](const auto& begin) { return name.starts_with(begin); });
      if (!used_.contains(name) && !ignored) {
        return Unsupported(
            "{}: tensor \"{}\" is one that config.json does not call for; it might "
            "change the result, so it is not ignored",
            directory_.string(), name);
      }
    }
    return {};
  }

  std::size_t unread() const {
    const std::vector<std::string> names = checkpoint_.Names();
    return static_cast<std::size_t>(
        std::ranges::count_if(names, [&](const auto& name) { return IsUnread(name); }));
  }

 private:
  bool IsUnread(std::string_view name) const {
    return std::ranges::any_of(recipe_.unread_prefixes,
                               [&](std::string_view begin) { return name.starts_with(begin); });
  }

  const Checkpoint& checkpoint_;
  const Recipe& recipe_;
  const Path& directory_;
  std::set<std::string> used_;
};

Status PlanMxfp4(NamedTensors& tensors, const TensorSpec& spec, const std::string& name,
                 const Path& directory, PlannedTensor& planned) {
  ASHLAR_TRY(const SafetensorsEntry* blocks, tensors.Find(internal::Mxfp4BlocksName(name)));
  ASHLAR_TRY(const SafetensorsEntry* scales, tensors.Find(internal::Mxfp4ScalesName(name)));
  auto source = internal::FindMxfp4(planned.place, spec, *blocks, *scales);
  if (!source.ok()) {
    return source.error().In(directory.string());
  }
  planned.mxfp4 = *std::move(source);
  planned.sources = {planned.mxfp4->blocks, planned.mxfp4->scales};
  planned.place = {};  // a blob of its own, as a GGUF file's: the same bytes are one blob
  planned.source = fmt::format("{} ({})", blocks->name, spec.name);
  planned.manifest.codec = &kMxfp4;
  return {};
}

Status CheckShape(const SafetensorsEntry& entry, const internal::TensorPlace& place,
                  const TensorSpec& spec, const Path& directory) {
  return internal::HasShape(place, spec, entry.shape)
             ? Status()
             : Status(Invalid("{}: tensor \"{}\" has shape [{}], but config.json makes it [{}]",
                              directory.string(), entry.name, Join(entry.shape, ", "),
                              Join(internal::CheckpointShape(place, spec), ", ")));
}

Status PlanFp8(NamedTensors& tensors, const TensorSpec& spec, const std::string& name,
               const Path& directory, PlannedTensor& planned) {
  ASHLAR_TRY(const SafetensorsEntry* codes, tensors.Find(name));
  ASHLAR_TRY(CheckShape(*codes, planned.place, spec, directory));
  ASHLAR_TRY(const SafetensorsEntry* scales, tensors.Find(internal::Fp8ScalesName(name)));
  auto source = internal::FindFp8(*codes, *scales, tensors.fp8_blocks());
  if (!source.ok()) {
    return source.error().In(directory.string());
  }
  planned.fp8 = *source;
  planned.sources = {codes->bytes, scales->bytes};
  planned.manifest.codec = &kRawBF16;
  return {};
}

Result<PlannedTensor> PlanTensor(NamedTensors& tensors, const TensorSpec& spec,
                                 std::span<const TensorSpec> specs, const Attributes& attributes,
                                 const TensorSource& source, const Path& directory) {
  PlannedTensor planned{.name = spec.name, .manifest = {.shape = spec.shape}};
  if (!source.numbers.empty()) {
    planned.numbers = source.numbers;
    ASHLAR_TRY(planned.manifest.codec, FindCodec(DTypeName(DType::kF32)));
    return planned;
  }
  ASHLAR_TRY(planned.place, internal::PlaceOf(spec, specs, attributes, source));
  if (source.stack > 0 && !planned.place.turned && tensors.HasMxfp4(source.tensors.front())) {
    ASHLAR_TRY(PlanMxfp4(tensors, spec, source.tensors.front(), directory, planned));
    return planned;
  }
  planned.source = source.joined == nullptr
                       ? source.tensors.front()
                       : fmt::format("{} ({})", source.tensors.front(), internal::OwnName(spec));
  if (source.tensors.size() == 1 && tensors.HasFp8(source.tensors.front())) {
    ASHLAR_TRY(PlanFp8(tensors, spec, source.tensors.front(), directory, planned));
    return planned;
  }
  for (const std::string& name : source.tensors) {
    ASHLAR_TRY(const SafetensorsEntry* entry, tensors.Find(name));
    ASHLAR_TRY(CheckShape(*entry, planned.place, spec, directory));
    const std::optional<DType> dtype = FloatDType(entry->dtype);
    if (!dtype) {
      return Unsupported("{}: tensor \"{}\" is {}; F32, F16 and BF16 can be imported",
                         directory.string(), name, entry->dtype);
    }
    ASHLAR_TRY(const Codec* codec, FindCodec(DTypeName(*dtype)));
    if (planned.manifest.codec != nullptr && planned.manifest.codec != codec) {
      return Unsupported("{}: tensor \"{}\" is {}, but \"{}\", which it is joined with, is not",
                         directory.string(), name, entry->dtype, source.tensors.front());
    }
    planned.manifest.codec = codec;
    planned.sources.push_back(entry->bytes);
  }
  return planned;
}

// Turns the recipe into blocks and nodes whose tensors are known but not stored yet.
Result<ImportPlan> PlanImport(const Recipe& recipe, const Checkpoint& checkpoint,
                              const Kinds& kinds, const Path& directory) {
  ImportPlan plan;
  plan.network.metadata = recipe.metadata;
  NamedTensors tensors(checkpoint, recipe, directory);
  std::set<std::string> distinct;
  for (const BlockRecipe& from : recipe.blocks) {
    Block block;
    ASHLAR_TRY(block.kind, kinds.Find(from.kind));
    const auto in_config = [&](Error error) {
      return error.In(fmt::format("{}: the {} blocks that it describes",
                                  (directory / "config.json").string(), from.kind));
    };
    auto attributes = Attributes::Make(block.kind->attributes, from.attributes);
    if (!attributes.ok()) {
      return in_config(attributes.error());
    }
    block.attributes = *std::move(attributes);
    const auto specs = block.kind->tensors(block.attributes);
    if (!specs.ok()) {
      return in_config(specs.error());
    }
    for (const TensorSpec& spec : *specs) {
      ASHLAR_TRY(PlannedTensor tensor, PlanTensor(tensors, spec, *specs, block.attributes,
                                                  SourceOf(from, spec.name), directory));
      tensor.block = plan.blocks.size();
      if (!tensor.numbers.empty()) {
        tensor.source = fmt::format("{} of block {}", spec.name, tensor.block);
      }
      if (distinct.insert(tensor.source).second) {
        plan.total_bytes += tensor.blob_bytes();
      }
      plan.tensors.push_back(std::move(tensor));
    }
    plan.network.nodes.push_back(NodeOf(recipe, static_cast<int>(plan.network.nodes.size())));
    plan.blocks.push_back(std::move(block));
  }
  ASHLAR_TRY(tensors.CheckAllUsed());
  plan.unread = tensors.unread();
  return plan;
}

// What the checkpoint has that the network has otherwise.
void Remark(const ImportPlan& plan, std::vector<std::string>& remarks) {
  std::set<const SafetensorsEntry*> in_fp8;
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.fp8) {
      in_fp8.insert(tensor.fp8->codes);
    }
  }
  if (!in_fp8.empty()) {
    remarks.push_back(
        fmt::format("{} tensors are in FP8: each number became its code times the scale of its "
                    "block, in bf16",
                    in_fp8.size()));
  }
  if (plan.unread > 0) {
    remarks.push_back(
        fmt::format("{} tensors of the part that sees images are left out: the network reads text",
                    plan.unread));
  }
}

// kCorrupt when a kernel must not meet these bytes.
Status CheckPacked(const PlannedTensor& tensor, std::span<const std::byte> bytes) {
  const Codec& codec = *tensor.manifest.codec;
  if (codec.check == nullptr) {
    return {};
  }
  const Shape& shape = tensor.manifest.shape;
  const Status status = codec.check(bytes, shape[0], shape[1]);
  return status.ok() ? status : Status(status.error().In(fmt::format("tensor {}", tensor.source)));
}

// Stores every distinct source once, and writes its level into each tensor that uses it.
Status StoreTensors(ImportPlan& plan, const Checkpoint& checkpoint, BlobStore& store,
                    ImportReport& report,
                    const std::function<void(const ImportProgress&)>& progress) {
  std::map<std::string, Digest, std::less<>> stored;
  Scratch scratch;
  for (PlannedTensor& tensor : plan.tensors) {
    auto known = stored.find(tensor.source);
    if (known == stored.end()) {
      // Hashed to learn whether the store has it, and again by Put: so what is there is never
      // copied, not even to a temporary file. The second pass is an eighth of the time of a new
      // import (52 of 420 ms for 59 MB, with SHA instructions): the rest is writing and fsync.
      const std::span<const std::byte> bytes = tensor.BlobIn(scratch);
      ASHLAR_TRY(CheckPacked(tensor, bytes));
      const Digest digest = Sha256(bytes);
      ASHLAR_TRY(checkpoint.CheckIntact());
      ASHLAR_TRY(const auto present, store.Stat(digest));
      if (present == bytes.size()) {
        report.found_bytes += bytes.size();
      } else {
        ASHLAR_TRY(const Digest written, store.Put(bytes));
        if (written != digest) {
          return Conflict(
              "tensor \"{}\" changed while it was read; is the model still being written?",
              tensor.source);
        }
        report.added_bytes += bytes.size();
      }
      tensor.DropResident();
      report.source_bytes += bytes.size();
      known = stored.emplace(tensor.source, digest).first;
      if (progress) {
        progress({tensor.source, report.source_bytes, plan.total_bytes});
      }
    }
    tensor.manifest.levels = {{known->second,
                               static_cast<std::uint64_t>(tensor.place.index) * tensor.bytes(),
                               tensor.bytes()}};
    plan.blocks[tensor.block].tensors.emplace(tensor.name, tensor.manifest);
  }
  return {};
}

Status StoreFile(std::string_view name, std::string_view text, Network& network, BlobStore& store,
                 ImportReport& report) {
  const Digest digest = Sha256(text);
  ASHLAR_TRY(const auto present, store.Stat(digest));
  if (present != text.size()) {
    ASHLAR_TRY(store.Put(AsBytes(text)));
    report.added_bytes += text.size();
  }
  network.files.emplace(name, FileReference{digest, text.size()});
  return {};
}

// The templates of additional_chat_templates, a file each. Remarks say which are left out.
Result<std::vector<internal::NamedTemplate>> ReadAdditionalTemplates(
    const Path& directory, std::vector<std::string>& remarks) {
  const Path folder = directory / "additional_chat_templates";
  std::vector<internal::NamedTemplate> templates;
  ASHLAR_TRY(const auto stat, RealFileSystem().Stat(folder));
  if (!stat) {
    return templates;
  }
  ASHLAR_TRY(const std::vector<DirectoryEntry> entries, RealFileSystem().List(folder));
  for (const DirectoryEntry& entry : entries) {
    const Path path = folder / entry.name;
    if (path.extension() != ".jinja") {
      continue;
    }
    if (templates.size() == internal::kMostTemplates) {
      return Invalid("{} has more than {} templates", folder.string(), internal::kMostTemplates);
    }
    ASHLAR_TRY(std::string text, ReadTextFile(path, kMaxConfigBytes));
    internal::NamedTemplate each = {path.stem().string(), std::move(text)};
    if (internal::KeepTemplate(each, remarks)) {
      templates.push_back(std::move(each));
    }
  }
  return templates;
}

// tokenizer_config.json, with the additional templates in its list; nothing when there is neither.
Result<std::optional<std::string>> ReadTokenizerConfig(const Path& directory,
                                                       std::vector<std::string>& remarks) {
  const Path path = directory / internal::kTokenizerConfig;
  std::optional<std::string> text;
  ASHLAR_TRY(const auto stat, RealFileSystem().Stat(path));
  if (stat) {
    ASHLAR_TRY(text, ReadTextFile(path, kMaxKeptBytes));
  }
  ASHLAR_TRY(const auto templates, ReadAdditionalTemplates(directory, remarks));
  if (templates.empty()) {
    return text;
  }
  const Result<Json> config = ParseJson(text.value_or("{}"));
  if (!config.ok()) {
    return config.error().In(path.string());
  }
  const Result<Json> with = internal::WithTemplates(*config, templates);
  if (!with.ok()) {
    return with.error().In(directory.string());
  }
  return std::optional(WriteJsonPretty(*with) + "\n");
}

Status StoreFiles(const Path& directory, const std::optional<internal::FoundTokenizer>& tokenizer,
                  const std::optional<std::string>& tokenizer_config, Network& network,
                  BlobStore& store, ImportReport& report) {
  if (tokenizer) {
    ASHLAR_TRY(StoreFile("tokenizer.json", tokenizer->json, network, store, report));
  }
  if (tokenizer_config) {
    ASHLAR_TRY(StoreFile(internal::kTokenizerConfig, *tokenizer_config, network, store, report));
  }
  for (const std::string_view name : kKeptFiles) {
    const Path path = directory / name;
    ASHLAR_TRY(const auto stat, RealFileSystem().Stat(path));
    if (stat) {
      ASHLAR_TRY(const std::string text, ReadTextFile(path, kMaxKeptBytes));
      ASHLAR_TRY(StoreFile(name, text, network, store, report));
    }
  }
  return {};
}

// generation_config.json's end-of-text ids go before config.json's, as for other engines.
Status ReadGenerationConfig(const Path& directory, Metadata& metadata) {
  const Path path = directory / "generation_config.json";
  ASHLAR_TRY(const auto stat, RealFileSystem().Stat(path));
  if (!stat) {
    return {};
  }
  ASHLAR_TRY(const Json json, ReadJsonFile(path));
  const JsonCursor config(json, path.string());
  ASHLAR_TRY(const std::vector<std::int64_t> eos, ReadTokenIds(config, "eos_token_id"));
  if (!eos.empty()) {
    metadata.eos_tokens = eos;
  }
  ASHLAR_TRY(const std::vector<std::int64_t> bos, ReadTokenIds(config, "bos_token_id"));
  if (!bos.empty()) {
    metadata.bos_token = bos.front();
  }
  return {};
}

// The tokenizer's ids must be ids of the network. 0: the directory has no tokenizer.
Result<std::int64_t> CheckTokenizer(const std::optional<internal::FoundTokenizer>& found,
                                    std::int64_t vocabulary) {
  if (!found) {
    return 0;
  }
  const auto tokenizer = Tokenizer::FromJson(found->json);
  if (!tokenizer.ok()) {
    return tokenizer.error().In(found->path.string());
  }
  if (tokenizer->vocabulary_size() > vocabulary) {
    return Invalid("{} gives ids up to {}, but config.json's vocab_size is {}",
                   found->path.string(), tokenizer->vocabulary_size() - 1, vocabulary);
  }
  return tokenizer->vocabulary_size();
}

}  // namespace

Result<ImportReport> ImportHuggingFace(const Path& directory, std::string_view name,
                                       Catalog& catalog,
                                       const std::function<void(const ImportProgress&)>& progress) {
  ASHLAR_TRY(CheckNetworkName(name));
  // All that can be wrong is found before the first byte is written.
  const Path config_path = directory / "config.json";
  ASHLAR_TRY(const Json config, ReadJsonFile(config_path));
  ASHLAR_TRY(Recipe recipe, ReadRecipe(JsonCursor(config, config_path.string())));
  ASHLAR_TRY(ReadGenerationConfig(directory, recipe.metadata));
  ASHLAR_TRY(const Checkpoint checkpoint, Checkpoint::Open(directory));
  Result<ImportPlan> planned = PlanImport(recipe, checkpoint, catalog.kinds(), directory);
  ASHLAR_TRY(checkpoint.CheckIntact());  // first: what else is wrong may come of it
  ASHLAR_TRY(ImportPlan plan, std::move(planned));
  ASHLAR_TRY(const std::optional<internal::FoundTokenizer> tokenizer,
             internal::ReadTokenizer(directory));
  ASHLAR_TRY(plan.network.vocabulary, CheckTokenizer(tokenizer, recipe.vocabulary));
  ImportReport report;
  Remark(plan, report.remarks);
  ASHLAR_TRY(const std::optional<std::string> tokenizer_config,
             ReadTokenizerConfig(directory, report.remarks));

  BlobStore& store = catalog.store();
  ASHLAR_TRY(const auto lease, store.BeginWriting());
  const Status stored = StoreTensors(plan, checkpoint, store, report, progress);
  ASHLAR_TRY(checkpoint.CheckIntact());
  ASHLAR_TRY(stored);
  ASHLAR_TRY(StoreFiles(directory, tokenizer, tokenizer_config, plan.network, store, report));
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    plan.network.nodes[i].block = plan.network.AddBlock(std::move(plan.blocks[i]));
  }
  const Provenance provenance = Json::Array{Json::Of(
      {{"transform", "import"},
       {"arguments", Json::Of({{"format", "hf"},
                               {"directory", std::filesystem::absolute(directory).string()},
                               {"family", *config.Find("model_type")}})}})};
  ASHLAR_TRY(const Catalog::Saved saved, catalog.Save(plan.network, name, provenance));
  report.network = saved.digest;
  report.parameters = plan.network.parameters();
  report.added_bytes += saved.added_bytes;
  return report;
}

}  // namespace ashlar
