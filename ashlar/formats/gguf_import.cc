#include "ashlar/formats/gguf_import.h"

#include <algorithm>
#include <set>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/join.h"
#include "ashlar/base/json_cursor.h"
#include "ashlar/codec/raw/raw.h"
#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/internal/gguf_config.h"
#include "ashlar/formats/internal/gguf_source.h"
#include "ashlar/formats/internal/gguf_tokens.h"
#include "ashlar/formats/internal/named_templates.h"
#include "ashlar/formats/recipe.h"

namespace ashlar {
namespace {

// A tensor of a block and where the file has it.
struct PlannedGgufTensor {
  std::size_t block;
  std::string name;
  TensorManifest manifest;  // without its level
  std::optional<internal::GgufSource> source = {};
  std::vector<float> numbers = {};  // instead of a source: the metadata have them
};

struct GgufPlan {
  Network network;
  std::vector<Block> blocks;  // one per node
  std::vector<PlannedGgufTensor> tensors;
  std::uint64_t total_bytes = 0;
  std::map<std::string, std::string> files;  // to keep beside the network
  std::vector<std::string> remarks;
  std::string family;  // model_type
};

// Files may leave out dimensions of 1 in front.
std::span<const std::int64_t> WithoutOnes(std::span<const std::int64_t> shape) {
  while (shape.size() > 1 && shape.front() == 1) {
    shape = shape.subspan(1);
  }
  return shape;
}
bool Fits(const GgufEntry& entry, const internal::GgufPlace& place, const TensorSpec& spec) {
  return internal::HasShape(place.rows, spec, entry.shape) ||
         std::ranges::equal(WithoutOnes(entry.shape),
                            WithoutOnes(internal::CheckpointShape(place.rows, spec)));
}

Result<PlannedGgufTensor> PlanGgufTensor(const GgufFile& file, const TensorSpec& spec,
                                         std::span<const internal::GgufPlace> places) {
  const GgufEntry* entry = nullptr;
  const internal::GgufPlace* place = nullptr;
  for (const internal::GgufPlace& candidate : places) {
    const GgufEntry* found = file.Find(candidate.name);
    const bool fits = found != nullptr && Fits(*found, candidate, spec);
    if (fits || (found != nullptr && entry == nullptr)) {
      entry = found;
      place = &candidate;
    }
    if (fits) {
      break;
    }
  }
  if (entry == nullptr) {
    return Invalid("there is no tensor \"{}\", which the metadata call for", places.front().name);
  }
  if (!Fits(*entry, *place, spec)) {
    return Invalid("tensor \"{}\" has shape [{}], but the metadata make it [{}]", entry->name,
                   Join(entry->shape, ", "),
                   Join(internal::CheckpointShape(place->rows, spec), ", "));
  }
  internal::GgufSource source{.entry = entry, .shape = spec.shape, .place = *place};
  if (const auto bytes = PackedBytes(*entry->type->codec, source.shape_there()); !bytes.ok()) {
    return bytes.error().In(fmt::format("tensor \"{}\"", entry->name));
  }
  return PlannedGgufTensor{.name = spec.name,
                           .manifest = {.shape = spec.shape, .codec = &source.codec()},
                           .source = std::move(source)};
}

Result<Block> MakeGgufBlock(const BlockRecipe& recipe, const internal::GgufConfig& config,
                            const Kinds& kinds) {
  Block block;
  ASHLAR_TRY(block.kind, kinds.Find(recipe.kind));
  auto given = recipe.attributes;
  if (config.family->norms_hold_offset) {
    given.erase("norm_offset");
    given.erase("offset");  // of the last norm
  }
  auto attributes = Attributes::Make(block.kind->attributes, given);
  if (!attributes.ok()) {
    return attributes.error().In(
        fmt::format("the {} blocks that the metadata describe", recipe.kind));
  }
  block.attributes = *std::move(attributes);
  return block;
}

Result<GgufPlan> PlanGguf(const GgufFile& file, const internal::GgufConfig& config,
                          const Recipe& recipe, const Kinds& kinds) {
  GgufPlan plan;
  plan.network.metadata = recipe.metadata;
  plan.remarks = config.remarks;
  const bool tied = file.Find("output.weight") == nullptr;
  std::set<std::string, std::less<>> used = config.tensors;
  for (const BlockRecipe& from : recipe.blocks) {
    ASHLAR_TRY(Block block, MakeGgufBlock(from, config, kinds));
    ASHLAR_TRY(const auto specs, block.kind->tensors(block.attributes));
    for (const TensorSpec& spec : specs) {
      PlannedGgufTensor tensor{.name = spec.name};
      const auto given = from.numbers.find(spec.name);
      if (given != from.numbers.end()) {
        tensor.manifest = {.shape = spec.shape, .codec = &kRawF32};
        tensor.numbers = given->second;
      } else {
        const std::string_view kind = from.kind == "head" && spec.name == "weight" && tied
                                          ? "embed"
                                          : std::string_view(from.kind);
        ASHLAR_TRY(const auto places,
                   internal::GgufPlacesOf(kind, spec, specs, block.attributes,
                                          from.layer.value_or(0), config.family->names));
        if (places.empty()) {
          return Unsupported("GGUF has no name for tensor \"{}\" of a block of kind {}", spec.name,
                             from.kind);
        }
        ASHLAR_TRY(tensor, PlanGgufTensor(file, spec, places));
        if (used.insert(tensor.source->entry->name).second) {
          plan.total_bytes += tensor.source->entry->bytes.size();
        }
        tensor.source->order = internal::GgufRowOrder(config.family->turns_neighbours, from.kind,
                                                      spec.name, block.attributes);
      }
      tensor.block = plan.blocks.size();
      plan.tensors.push_back(std::move(tensor));
    }
    plan.network.nodes.push_back(NodeOf(recipe, static_cast<int>(plan.network.nodes.size())));
    plan.blocks.push_back(std::move(block));
  }
  for (const GgufEntry& entry : file.entries()) {
    if (!used.contains(entry.name)) {
      return Unsupported(
          "tensor {} is one that the metadata do not call for; it might change the "
          "result, so it is not ignored",
          QuoteForError(entry.name));
    }
  }
  return plan;
}

// The tensor's bytes in its codec.
Status ForPacked(const PlannedGgufTensor& tensor, const internal::PackedSink& sink) {
  return tensor.source ? tensor.source->ForPacked(sink)
                       : sink(std::as_bytes(std::span(tensor.numbers)));
}

// Stores a tensor and writes its level. It is packed twice, to learn first whether the store has
// it: what is there is not written again.
Status StoreGgufTensor(PlannedGgufTensor& tensor, const GgufFile& file, BlobStore& store,
                       ImportReport& report) {
  Hasher hasher;
  std::uint64_t length = 0;
  ASHLAR_TRY(ForPacked(tensor, [&](std::span<const std::byte> bytes) -> Status {
    hasher.Update(bytes);
    length += bytes.size();
    return {};
  }));
  const Digest digest = hasher.Finish();
  ASHLAR_TRY(file.CheckIntact());
  tensor.manifest.levels = {{digest, 0, length}};
  ASHLAR_TRY(const auto present, store.Stat(digest));
  if (present == length) {
    report.found_bytes += length;
    return {};
  }
  ASHLAR_TRY(const std::unique_ptr<BlobWriter> writer, store.NewBlob());
  ASHLAR_TRY(
      ForPacked(tensor, [&](std::span<const std::byte> bytes) { return writer->Write(bytes); }));
  ASHLAR_TRY(file.CheckIntact());
  ASHLAR_TRY(const Digest written, writer->Commit());
  if (written != digest) {
    return Conflict("tensor {} changed while it was read; is the model still being written?",
                    QuoteForError(tensor.name));
  }
  report.added_bytes += length;
  return {};
}

// Stores every distinct source once.
Status StoreGgufTensors(GgufPlan& plan, const GgufFile& file, BlobStore& store,
                        ImportReport& report,
                        const std::function<void(const ImportProgress&)>& progress) {
  std::map<std::pair<const GgufEntry*, std::int64_t>, std::vector<Level>> stored;
  for (PlannedGgufTensor& tensor : plan.tensors) {
    const auto [known, is_new] = stored.try_emplace(
        tensor.source ? std::pair(tensor.source->entry, tensor.source->RowThere(0))
                      : std::pair<const GgufEntry*, std::int64_t>());
    if (is_new || !tensor.source) {
      ASHLAR_TRY(StoreGgufTensor(tensor, file, store, report));
      known->second = tensor.manifest.levels;
      report.source_bytes += tensor.manifest.bytes();
      if (progress) {
        progress(
            {tensor.name, report.source_bytes, std::max(plan.total_bytes, report.source_bytes)});
      }
    }
    tensor.manifest.levels = known->second;
    plan.blocks[tensor.block].tensors.emplace(tensor.name, tensor.manifest);
  }
  return {};
}

// The file's chat templates: the one without a name as a file of its own, the others in the list
// that tokenizer_config.json has for them.
Status PlanTemplates(const GgufFields& fields, GgufPlan& plan) {
  constexpr std::string_view kPlain = "tokenizer.chat_template";
  constexpr std::string_view kNamed = "tokenizer.chat_template.";
  ASHLAR_TRY(const auto plain, fields.Text(kPlain));
  if (plain) {
    plan.files.emplace("chat_template.jinja", *plain);
  }
  std::vector<internal::NamedTemplate> named;
  std::set<std::string, std::less<>> seen;
  const auto add = [&](std::string_view name) -> Status {
    ASHLAR_TRY(const auto text, fields.Text(fmt::format("{}{}", kNamed, name)));
    if (text && seen.emplace(name).second) {
      internal::NamedTemplate each = {std::string(name), std::string(*text)};
      if (internal::KeepTemplate(each, plan.remarks)) {
        named.push_back(std::move(each));
      }
    }
    return seen.size() <= internal::kMostTemplates
               ? Status()
               : Status(Invalid("there are more than {} chat templates", internal::kMostTemplates));
  };
  ASHLAR_TRY(const auto names, fields.Texts("tokenizer.chat_templates"));
  for (const std::string_view name : names.value_or(std::span<const std::string_view>())) {
    ASHLAR_TRY(add(name));
  }
  for (const std::string_view key : fields.keys()) {
    if (key.starts_with(kNamed)) {
      ASHLAR_TRY(add(key.substr(kNamed.size())));
    }
  }
  if (!named.empty()) {
    ASHLAR_TRY(const Json config, internal::WithTemplates(Json::Object{}, named));
    plan.files.emplace(internal::kTokenizerConfig, WriteJsonPretty(config) + "\n");
  }
  return {};
}

// The file's tokenizer as a tokenizer.json. One that this version does not have is left out, which
// is said.
Status PlanTokenizer(const GgufFields& fields, std::int64_t ids, GgufPlan& plan) {
  ASHLAR_TRY(const auto vocabulary, internal::ReadGgufVocabulary(fields, ids));
  if (!vocabulary) {
    return {};
  }
  plan.files.emplace(internal::kTokenizerGguf, internal::TokenizerGguf(fields));
  Result<CheckedTokenizer> made = CheckedGgufTokenizer(*vocabulary);
  if (!made.ok() && made.error().code == ErrorCode::kUnsupported) {
    plan.remarks.push_back(
        fmt::format("the tokenizer is not imported, so the network can be run by ids only: {}",
                    made.error().message));
    return {};
  }
  ASHLAR_TRY(CheckedTokenizer checked, std::move(made));
  const std::int32_t size = checked.tokenizer.vocabulary_size();
  if (size > ids) {
    return Invalid("the tokenizer gives ids up to {}, but the network reads {}", size - 1, ids);
  }
  plan.network.vocabulary = size;
  plan.files.emplace("tokenizer.json", std::move(checked.json));
  return {};
}

Result<GgufPlan> ReadPlan(const GgufFile& file, const Kinds& kinds) {
  ASHLAR_TRY(const internal::GgufConfig config,
             internal::ReadGgufConfig(internal::OutlineOf(file)));
  ASHLAR_TRY(const Recipe recipe, ReadRecipe(JsonCursor(config.json, "the configuration")));
  ASHLAR_TRY(GgufPlan plan, PlanGguf(file, config, recipe, kinds));
  ASHLAR_TRY(PlanTemplates(file.fields(), plan));
  ASHLAR_TRY(PlanTokenizer(file.fields(), recipe.vocabulary, plan));
  plan.family = *config.json.Find("model_type")->string();
  return plan;
}

}  // namespace

Status CheckGgufImport(const GgufFile& file, const Kinds& kinds) {
  ASHLAR_TRY(ReadPlan(file, kinds));
  return {};
}

Result<ImportReport> ImportGguf(const Path& path, std::string_view name, Catalog& catalog,
                                const std::function<void(const ImportProgress&)>& progress) {
  ASHLAR_TRY(CheckNetworkName(name));
  // All that can be wrong is found before the first byte is written, but for scales that are NaN.
  ASHLAR_TRY(const GgufFile file, GgufFile::Open(path));
  Result<GgufPlan> planned = ReadPlan(file, catalog.kinds());
  ASHLAR_TRY(file.CheckIntact());  // first: what else is wrong may come of it
  if (!planned.ok()) {
    return planned.error().In(path.string());
  }
  GgufPlan& plan = *planned;

  ImportReport report;
  BlobStore& store = catalog.store();
  ASHLAR_TRY(const auto lease, store.BeginWriting());
  const Status stored = StoreGgufTensors(plan, file, store, report, progress);
  ASHLAR_TRY(file.CheckIntact());
  if (!stored.ok()) {
    return stored.error().In(path.string());
  }
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    plan.network.nodes[i].block = plan.network.AddBlock(std::move(plan.blocks[i]));
  }
  for (const auto& [file_name, text] : plan.files) {
    const Digest digest = Sha256(text);
    ASHLAR_TRY(const auto present, store.Stat(digest));
    if (present != text.size()) {
      ASHLAR_TRY(store.Put(AsBytes(text)));
      report.added_bytes += text.size();
    }
    plan.network.files.emplace(file_name, FileReference{digest, text.size()});
  }
  report.remarks = std::move(plan.remarks);
  const Provenance provenance = Json::Array{
      Json::Of({{"transform", "import"},
                {"arguments", Json::Of({{"format", "gguf"},
                                        {"file", std::filesystem::absolute(path).string()},
                                        {"family", plan.family}})}})};
  ASHLAR_TRY(const Catalog::Saved saved, catalog.Save(plan.network, name, provenance));
  report.network = saved.digest;
  report.parameters = plan.network.parameters();
  report.added_bytes += saved.added_bytes;
  return report;
}

}  // namespace ashlar
