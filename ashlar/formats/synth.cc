#include "ashlar/formats/synth.h"

#include <algorithm>
#include <cmath>

#include "ashlar/base/byte_reader.h"
#include "ashlar/base/join.h"
#include "ashlar/base/thread_pool.h"
#include "ashlar/formats/recipe.h"
#include "ashlar/graph/describe.h"

namespace ashlar {
namespace {

constexpr SynthShape kShapes[] = {
    {.name = "135m",
     .summary = "SmolLM2 135M",
     .layers = 30,
     .width = 576,
     .channels = 1536,
     .heads = 9,
     .kv_heads = 3,
     .head_dim = 64,
     .vocabulary = 49'152,
     .tied = true,
     .rope_theta = 100'000,
     .positions = 8192},
    {.name = "360m",
     .summary = "SmolLM2 360M",
     .layers = 32,
     .width = 960,
     .channels = 2560,
     .heads = 15,
     .kv_heads = 5,
     .head_dim = 64,
     .vocabulary = 49'152,
     .tied = true,
     .rope_theta = 100'000,
     .positions = 8192},
    {.name = "llama-1b",
     .summary = "Llama 3.2 1B with the vocabulary of Llama 2",
     .layers = 16,
     .width = 2048,
     .channels = 8192,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 64,
     .vocabulary = 32'000,
     .tied = true,
     .rope_theta = 500'000,
     .positions = 8192},
    {.name = "3b",
     .summary = "Llama 3.2 3B",
     .layers = 28,
     .width = 3072,
     .channels = 8192,
     .heads = 24,
     .kv_heads = 8,
     .head_dim = 128,
     .vocabulary = 128'256,
     .tied = true,
     .rope_theta = 500'000,
     .positions = 8192},
    {.name = "8b",
     .summary = "Llama 3 8B",
     .layers = 32,
     .width = 4096,
     .channels = 14'336,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 128,
     .vocabulary = 128'256,
     .tied = false,
     .rope_theta = 500'000,
     .positions = 8192},
    {.name = "moe-8x1b",
     .summary = "llama-1b with eight experts in place of each MLP, two to a token",
     .layers = 16,
     .width = 2048,
     .channels = 8192,
     .heads = 32,
     .kv_heads = 8,
     .head_dim = 64,
     .vocabulary = 32'000,
     .tied = true,
     .rope_theta = 500'000,
     .positions = 8192,
     .experts = 8,
     .experts_per_token = 2},
};

// ---- Numbers

// The n-th number of splitmix64 (Steele, Lea and Flood 2014) for n = `index`: a function of seed
// and place, so that pieces can be made in any order.
std::uint64_t RandomBits(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// The sum of four uniform 16-bit numbers, about 0, in units of its standard deviation,
// 2^16 sqrt(4 / 12): as good as normal for weights (it ends at 3.46), and one multiplication.
constexpr float kPerSpread = 1 / 37837.23f;
float NearlyNormal(std::uint64_t bits) {
  const auto sum = static_cast<std::int32_t>((bits & 0xffff) + (bits >> 16 & 0xffff) +
                                             (bits >> 32 & 0xffff) + (bits >> 48));
  return static_cast<float>(sum - 2 * 0xffff) * kPerSpread;
}

// Of a tensor: where its numbers begin, and how they spread about their mean.
struct Distribution {
  std::uint64_t seed;
  float mean;
  float spread;
};

// A seed of its own for each tensor: FNV-1a over its name.
std::uint64_t SeedOf(std::uint64_t seed, std::string_view tensor) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : tensor) {
    hash = (hash ^ static_cast<std::uint8_t>(letter)) * 0x100000001b3u;
  }
  return RandomBits(seed, hash);
}

// ---- The tokenizer

// The GPT-2 character for a byte: printable Latin-1 stands for itself, the others in their order
// for U+0100 and up. As UTF-8.
std::vector<std::string> ByteLetters() {
  std::vector<std::string> letters;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
    const int code = printable ? byte : next++;
    letters.push_back(code < 0x80 ? std::string(1, static_cast<char>(code))
                                  : std::string{static_cast<char>(0xc0 | code >> 6),
                                                static_cast<char>(0x80 | (code & 0x3f))});
  }
  return letters;
}

constexpr std::int64_t kEndOfText = 256;

std::string ByteTokenizer(std::int64_t vocabulary) {
  CHECK(vocabulary > kEndOfText);
  Json::Object tokens;
  for (const std::string& letter : ByteLetters()) {
    tokens.emplace_back(letter, static_cast<std::int64_t>(tokens.size()));
  }
  tokens.emplace_back("<|endoftext|>", kEndOfText);
  while (std::ssize(tokens) < vocabulary) {
    const std::int64_t id = std::ssize(tokens);
    tokens.emplace_back(fmt::format("<tok_{}>", id), id);
  }
  const Json byte_level = Json::Of({{"type", "ByteLevel"},
                                    {"add_prefix_space", false},
                                    {"trim_offsets", true},
                                    {"use_regex", true}});
  return WriteJson(Json::Of(
      {{"version", "1.0"},
       {"added_tokens", Json::Array{Json::Of({{"id", kEndOfText},
                                              {"content", "<|endoftext|>"},
                                              {"single_word", false},
                                              {"lstrip", false},
                                              {"rstrip", false},
                                              {"normalized", false},
                                              {"special", true}})}},
       {"pre_tokenizer", byte_level},
       {"decoder", byte_level},
       {"model",
        Json::Of({{"type", "BPE"}, {"vocab", std::move(tokens)}, {"merges", Json::Array()}})}}));
}

// ---- The network

// What a checkpoint of this shape would say in its config.json.
Result<Recipe> RecipeOf(const SynthShape& shape, std::int64_t layers) {
  Json config = Json::Of({{"model_type", shape.experts > 0 ? "mixtral" : "llama"},
                          {"hidden_size", shape.width},
                          {"intermediate_size", shape.channels},
                          {"num_hidden_layers", layers},
                          {"num_attention_heads", shape.heads},
                          {"num_key_value_heads", shape.kv_heads},
                          {"head_dim", shape.head_dim},
                          {"vocab_size", shape.vocabulary},
                          {"max_position_embeddings", shape.positions},
                          {"rms_norm_eps", 1e-5},
                          {"rope_theta", shape.rope_theta},
                          {"tie_word_embeddings", shape.tied},
                          {"bos_token_id", kEndOfText},
                          {"eos_token_id", kEndOfText}});
  if (shape.experts > 0) {
    config.Set("num_local_experts", shape.experts);
    config.Set("num_experts_per_tok", shape.experts_per_token);
  }
  return ReadRecipe(JsonCursor(config, fmt::format("shape {}", shape.name)));
}

// The name in a checkpoint of a tensor of a block.
std::string NameOf(const BlockRecipe& block, const TensorSpec& spec) {
  return SourceOf(block, spec.name).tensors.front();
}

Distribution DistributionOf(const TensorSpec& spec, const std::string& source,
                            const SynthOptions& options, std::int64_t layers) {
  const std::uint64_t seed = SeedOf(options.seed, source);
  if (spec.role == TensorRole::kVector) {
    return {.seed = seed, .mean = 1, .spread = 0.05f};
  }
  double spread = 1 / std::sqrt(static_cast<double>(spec.shape[1]));
  if (spec.name == "o" || spec.name.ends_with("down")) {  // 2 * layers of them add up
    spread /= std::sqrt(static_cast<double>(2 * layers));
  }
  return {.seed = seed, .mean = 0, .spread = static_cast<float>(spread)};
}

// Makes, encodes and stores a few megabytes of the tensor at a time.
Result<TensorManifest> StoreTensor(const Shape& shape, const Codec& codec,
                                   const Distribution& distribution, ThreadPool& pool,
                                   BlobStore& store) {
  constexpr std::int64_t kWeightsAtOnce = 1 << 20;
  const std::int64_t rows = shape.rank() == 1 ? 1 : shape[0];
  const std::int64_t columns = shape[shape.rank() - 1];
  // What one thread makes at a time: whole bands, some thirty rows.
  const std::int64_t strip = codec.row_unit * std::max(1, 32 / codec.row_unit);
  const std::int64_t strips_at_once =
      std::max<std::int64_t>(pool.threads(), kWeightsAtOnce / (strip * columns));
  const std::uint64_t strip_bytes =
      static_cast<std::uint64_t>(strip / codec.row_unit) * codec.band_bytes(columns);

  ASHLAR_TRY(const std::uint64_t total, PackedBytes(codec, shape));
  ASHLAR_TRY(const std::unique_ptr<BlobWriter> writer, store.NewBlob());
  std::vector<std::vector<float>> values(static_cast<std::size_t>(pool.threads()));
  std::vector<std::byte> packed(static_cast<std::size_t>(strips_at_once) * strip_bytes);
  std::uint64_t written = 0;
  for (std::int64_t first = 0; first < rows; first += strips_at_once * strip) {
    const std::int64_t strips = std::min(strips_at_once, (rows - first - 1) / strip + 1);
    pool.ParallelFor(strips, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
      std::vector<float>& strip_values = values[static_cast<std::size_t>(thread)];
      strip_values.resize(static_cast<std::size_t>(strip * columns));
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t row = first + i * strip;
        const std::int64_t count = std::min(strip, rows - row) * columns;
        const auto place = static_cast<std::uint64_t>(row * columns);
        for (std::int64_t k = 0; k < count; ++k) {
          const std::uint64_t bits =
              RandomBits(distribution.seed, place + static_cast<std::uint64_t>(k));
          strip_values[static_cast<std::size_t>(k)] =
              distribution.mean + distribution.spread * NearlyNormal(bits);
        }
        codec.encode(strip_values.data(), count / columns, columns,
                     packed.data() + static_cast<std::uint64_t>(i) * strip_bytes);
      }
    });
    const std::uint64_t bytes =
        std::min(static_cast<std::uint64_t>(strips) * strip_bytes, total - written);
    ASHLAR_TRY(writer->Write(std::span(packed.data(), bytes)));
    written += bytes;
  }
  ASHLAR_TRY(const Digest blob, writer->Commit());
  return TensorManifest{.shape = shape, .codec = &codec, .levels = {{blob, 0, total}}};
}

}  // namespace

std::span<const SynthShape> AllSynthShapes() {
  return kShapes;
}

Result<const SynthShape*> FindSynthShape(std::string_view name) {
  const auto found = std::ranges::find(kShapes, name, &SynthShape::name);
  if (found != std::end(kShapes)) {
    return &*found;
  }
  std::vector<std::string_view> known;
  for (const SynthShape& shape : kShapes) {
    known.push_back(shape.name);
  }
  return Invalid("unknown shape {}; known: {}", QuoteForError(name), Join(known, ", "));
}

Result<SynthReport> Synthesize(
    const SynthOptions& options, std::string_view name, Catalog& catalog,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) {
  ASHLAR_TRY(CheckNetworkName(name));
  const SynthShape& shape = *options.shape;
  const std::int64_t layers = options.layers.value_or(shape.layers);
  ASHLAR_TRY(const Recipe recipe, RecipeOf(shape, layers));
  ASHLAR_TRY(const Codec* const vector_codec, FindCodec("f32"));

  // Blocks and nodes first, so that all sizes are known; a tensor that two blocks use is one.
  struct Planned {
    TensorSpec spec;
    const Codec* codec;
  };
  std::map<std::string, Planned> tensors;  // by name in a checkpoint
  std::vector<Block> blocks;
  std::uint64_t total_bytes = 0;
  for (const BlockRecipe& from : recipe.blocks) {
    Block block;
    ASHLAR_TRY(block.kind, catalog.kinds().Find(from.kind));
    ASHLAR_TRY(block.attributes, Attributes::Make(block.kind->attributes, from.attributes));
    ASHLAR_TRY(const std::vector<TensorSpec> specs, block.kind->tensors(block.attributes));
    for (const TensorSpec& spec : specs) {
      const Codec* const codec = spec.role == TensorRole::kMatrix ? options.codec : vector_codec;
      if (tensors.emplace(NameOf(from, spec), Planned{spec, codec}).second) {
        ASHLAR_TRY(const std::uint64_t bytes, PackedBytes(*codec, spec.shape));
        total_bytes += bytes;
      }
    }
    blocks.push_back(std::move(block));
  }

  BlobStore& store = catalog.store();
  ASHLAR_TRY(const auto lease, store.BeginWriting());
  ThreadPool pool(options.threads);
  std::map<std::string, TensorManifest> stored;
  std::uint64_t done_bytes = 0;
  for (const auto& [source, planned] : tensors) {
    ASHLAR_TRY(TensorManifest tensor,
               StoreTensor(planned.spec.shape, *planned.codec,
                           DistributionOf(planned.spec, source, options, layers), pool, store));
    done_bytes += tensor.bytes();
    if (progress) {
      progress(done_bytes, total_bytes);
    }
    stored.emplace(source, std::move(tensor));
  }

  Network network;
  network.metadata = recipe.metadata;
  network.vocabulary = shape.vocabulary;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const BlockRecipe& from = recipe.blocks[i];
    ASHLAR_TRY(const std::vector<TensorSpec> specs, blocks[i].kind->tensors(blocks[i].attributes));
    for (const TensorSpec& spec : specs) {
      blocks[i].tensors.emplace(spec.name, stored.at(NameOf(from, spec)));
    }
    Node node = NodeOf(recipe, static_cast<int>(i));
    node.block = network.AddBlock(std::move(blocks[i]));
    network.nodes.push_back(std::move(node));
  }
  const std::string tokenizer = ByteTokenizer(shape.vocabulary);
  ASHLAR_TRY(const Digest tokenizer_blob, store.Put(AsBytes(tokenizer)));
  network.files.emplace("tokenizer.json", FileReference{tokenizer_blob, tokenizer.size()});

  const Provenance provenance =
      Json::Array{Json::Of({{"transform", "synth"},
                            {"arguments", Json::Of({{"shape", shape.name},
                                                    {"layers", layers},
                                                    {"codec", options.codec->name},
                                                    {"seed", std::to_string(options.seed)}})}})};
  ASHLAR_TRY(const Catalog::Saved saved, catalog.Save(network, name, provenance));
  return SynthReport{.network = saved.digest,
                     .parameters = network.parameters(),
                     .weight_bytes = WeightBytes(network)};
}

}  // namespace ashlar
