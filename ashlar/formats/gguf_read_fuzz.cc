// Bytes as a GGUF file: refused with a message, or every tensor and value can be read whole. Half
// of the inputs are taken as they are; of the others a file is made that is nearly right, by taking
// the bytes for choices, since few random bytes get past a file's counts.
#include "ashlar/formats/gguf_read.h"
#include "ashlar/formats/internal/gguf_config.h"
#include "ashlar/formats/testing_gguf.h"

namespace ashlar {
namespace {

// The fuzzer's bytes as small choices; zeros when there are no more.
class Choices {
 public:
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  std::uint8_t Byte() {
    if (bytes_.empty()) {
      return 0;
    }
    const std::uint8_t byte = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return byte;
  }
  std::uint32_t Below(std::uint32_t end) { return Byte() % end; }
  // Mostly small, sometimes at the edge of what a field can say.
  std::uint64_t Number() {
    constexpr std::uint64_t kEdges[] = {0,
                                        1,
                                        31,
                                        32,
                                        255,
                                        256,
                                        65'536,
                                        1ull << 31,
                                        1ull << 32,
                                        1ull << 48,
                                        (1ull << 63) - 1,
                                        1ull << 63,
                                        ~0ull,
                                        ~31ull};
    const std::uint8_t byte = Byte();
    return byte < 0xe0 ? byte : kEdges[byte % std::size(kEdges)];
  }
  bool Lie() { return Byte() > 0xf4; }

 private:
  std::span<const std::uint8_t> bytes_;
};

constexpr const char* kKeys[] = {"general.architecture",
                                 "general.alignment",
                                 "llama.block_count",
                                 "llama.context_length",
                                 "llama.embedding_length",
                                 "llama.feed_forward_length",
                                 "llama.attention.head_count",
                                 "llama.attention.head_count_kv",
                                 "llama.attention.layer_norm_rms_epsilon",
                                 "llama.rope.dimension_count",
                                 "llama.rope.freq_base",
                                 "llama.rope.scaling.type",
                                 "llama.rope.scaling.factor",
                                 "llama.vocab_size",
                                 "split.no",
                                 "split.count",
                                 "tokenizer.ggml.model",
                                 "tokenizer.ggml.tokens",
                                 "tokenizer.ggml.scores",
                                 "tokenizer.ggml.eos_token_id"};
constexpr const char* kTensors[] = {
    "token_embd.weight",     "output_norm.weight",     "output.weight",
    "rope_freqs.weight",     "blk.0.attn_norm.weight", "blk.0.attn_q.weight",
    "blk.0.attn_k.weight",   "blk.0.attn_v.weight",    "blk.0.attn_output.weight",
    "blk.0.ffn_norm.weight", "blk.0.ffn_gate.weight",  "blk.0.ffn_up.weight",
    "blk.0.ffn_down.weight", "blk.1.attn_q.weight"};

GgufLies::Pair MakePair(Choices& choices) {
  std::string key = kKeys[choices.Below(std::size(kKeys))];
  const std::uint32_t kind = choices.Below(8);
  if (kind < 3) {
    return GgufLies::U32(key, static_cast<std::uint32_t>(choices.Number()));
  }
  if (kind == 3) {
    constexpr const char* kTexts[] = {"llama", "qwen2", "qwen3", "none", "yarn", "linear", "gpt2"};
    return GgufLies::Of(key, kTexts[choices.Below(std::size(kTexts))]);
  }
  if (kind == 4) {
    return GgufLies::F32(key, static_cast<float>(choices.Number()) / 16);
  }
  const std::uint32_t type = choices.Below(14);
  const std::uint32_t size = choices.Below(40);
  if (kind == 5) {
    return GgufLies::Array(key, type, choices.Lie() ? choices.Number() : size / 8,
                           std::string(size, static_cast<char>(choices.Byte())));
  }
  return {key, type, std::string(size, '\x01')};
}

GgufLies::Tensor MakeTensor(Choices& choices) {
  GgufLies::Tensor tensor{.name = kTensors[choices.Below(std::size(kTensors))]};
  const auto types = AllGgufTensorTypes();
  const GgufTensorType& type = types[choices.Below(static_cast<std::uint32_t>(types.size()))];
  tensor.type = choices.Lie() ? static_cast<std::uint32_t>(choices.Number()) : type.id;
  std::uint64_t bytes = static_cast<std::uint64_t>(type.block_bytes);
  std::uint64_t columns = static_cast<std::uint64_t>(type.block_columns);
  if (columns == 1) {
    columns = 32;
    bytes *= 32;
  }
  tensor.dims = {choices.Lie() ? choices.Number() : columns};
  if (choices.Below(2) != 0) {
    const std::uint64_t rows = 1 + choices.Below(40);
    tensor.dims.push_back(choices.Lie() ? choices.Number() : rows);
    bytes *= rows;
  }
  tensor.data.assign(bytes, static_cast<char>(choices.Byte()));
  if (choices.Lie()) {
    tensor.offset = choices.Number();
  }
  if (choices.Lie()) {
    tensor.rank = static_cast<std::uint32_t>(choices.Number());
  }
  return tensor;
}

std::string MakeFile(Choices choices) {
  GgufLies file;
  file.version = choices.Lie() ? static_cast<std::uint32_t>(choices.Number()) : 3;
  if (choices.Lie()) {
    file.tensor_count = choices.Number();
  }
  if (choices.Lie()) {
    file.pair_count = choices.Number();
  }
  for (std::uint32_t i = choices.Below(24); i > 0; --i) {
    file.pairs.push_back(MakePair(choices));
  }
  for (std::uint32_t i = choices.Below(16); i > 0; --i) {
    file.tensors.push_back(MakeTensor(choices));
  }
  std::string bytes = file.Write();
  while (choices.Lie()) {  // and a few bytes anywhere
    bytes[(choices.Byte() << 8 | choices.Byte()) % bytes.size()] =
        static_cast<char>(choices.Byte());
  }
  return bytes;
}

void ReadAll(const GgufFile& file) {
  volatile unsigned sum = 0;
  for (const GgufEntry& entry : file.entries()) {
    CHECK(file.Find(entry.name) == &entry);
    for (const std::byte byte : entry.bytes) {  // the sanitizer watches
      sum = sum + static_cast<unsigned>(byte);
    }
    // Packed and back: the same bytes.
    const std::int64_t columns = entry.shape.back();
    const Codec& codec = *entry.type->codec;
    const std::uint64_t row_bytes = entry.type->row_bytes(columns);
    std::vector<std::byte> packed(codec.band_bytes(columns));
    std::vector<std::byte> row(row_bytes);
    entry.type->read_rows(entry.bytes.data(), 1, columns, packed.data());
    entry.type->write_row(packed.data(), columns, 0, columns, row.data());
    CHECK(std::memcmp(row.data(), entry.bytes.data(), row.size()) == 0);
  }
  const GgufFields& fields = file.fields();
  for (const std::string_view key : fields.keys()) {
    (void)fields.Integer(key, 0, 1 << 30);
    (void)fields.Real(key);
    (void)fields.Bool(key);
    (void)fields.Integers(key);
    (void)fields.Reals(key);
    if (const auto text = fields.Text(key); text.ok() && *text) {
      sum = sum + static_cast<unsigned>((*text)->size());
    }
    if (const auto texts = fields.Texts(key); texts.ok() && *texts) {
      for (const std::string_view text : **texts) {
        sum = sum + (text.empty() ? 0u : static_cast<unsigned char>(text.back()));
      }
    }
  }
  if (const auto config = internal::ReadGgufConfig(internal::OutlineOf(file)); !config.ok()) {
    CHECK(!config.error().message.empty());
  }
}

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  if (size == 0) {
    return 0;
  }
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  const std::string bytes =
      data[0] % 2 == 0 ? std::string(rest.begin(), rest.end()) : MakeFile(Choices(rest));
  const auto file = GgufFile::Parse(std::as_bytes(std::span(bytes.data(), bytes.size())), "fuzz");
  if (!file.ok()) {
    CHECK(file.error().message.find("fuzz") != std::string::npos);
    return 0;
  }
  ReadAll(*file);
  return 0;
}
