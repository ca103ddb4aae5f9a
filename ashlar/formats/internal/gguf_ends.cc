#include "ashlar/formats/internal/gguf_ends.h"

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "ashlar/base/join.h"
#include "ashlar/base/json.h"
#include "ashlar/formats/gguf_write.h"

namespace ashlar::internal {
namespace {

constexpr std::string_view kEnds[] = {
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<｜end▁of▁sentence｜>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[e~[",
};

// Tokens between files and around gaps in code, at which a text of one file ends too. A key that
// names one stands for all of its names.
struct CodeEnd {
  std::string_view key;
  std::vector<std::string_view> names;
};
const std::vector<CodeEnd>& CodeEnds() {
  static const std::vector<CodeEnd> ends = {
      {"fim_pad_token_id", {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
      {"fim_rep_token_id", {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
      {"fim_sep_token_id", {"<|file_sep|>"}},
  };
  return ends;
}

bool IsNameIn(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// The ends of a file.
class Ends {
 public:
  explicit Ends(std::span<const std::string_view> tokens) : tokens_(tokens) {}

  void Add(std::int64_t id) {
    if (known_.insert(id).second) {  // a file may call every token by one name
      ids_.push_back(id);
    }
  }
  void AddNamed(std::span<const std::string_view> names) {
    for (std::size_t id = 0; id < tokens_.size(); ++id) {
      if (IsNameIn(tokens_[id], names)) {
        Add(static_cast<std::int64_t>(id));
      }
    }
  }
  bool Has(std::string_view name) const {
    return std::ranges::any_of(ids_, [&](std::int64_t id) { return Is(id, name); });
  }
  void Remove(std::string_view name) {
    std::erase_if(ids_, [&](std::int64_t id) { return Is(id, name); });
  }
  std::vector<std::int64_t> Take() { return std::move(ids_); }

 private:
  bool Is(std::int64_t id, std::string_view name) const {
    return id < std::ssize(tokens_) && tokens_[static_cast<std::size_t>(id)] == name;
  }

  std::span<const std::string_view> tokens_;
  std::vector<std::int64_t> ids_;
  std::unordered_set<std::int64_t> known_;
};

// Where a file has no eos_token_id, llama.cpp takes this id for it, if there is such a token.
struct UsualEnd {
  std::string_view model;
  std::int64_t id;
};
constexpr UsualEnd kUsualEnds[] = {{"gpt2", 11}, {"llama", 2}, {"t5", 1}};

// Those of `ends` that are not among `others`, and their tokens; empty when there are none.
std::string ListOfOthers(std::span<const std::int64_t> ends, std::span<const std::int64_t> others,
                         std::span<const std::string_view> tokens) {
  const std::unordered_set<std::int64_t> known(others.begin(), others.end());
  std::vector<std::string> items;
  for (const std::int64_t id : ends) {
    if (!known.contains(id)) {
      items.push_back(
          id < std::ssize(tokens)
              ? fmt::format("{} ({})", id, QuoteForError(tokens[static_cast<std::size_t>(id)]))
              : std::to_string(id));
    }
  }
  return JoinSome(items);
}

}  // namespace

Result<std::vector<std::int64_t>> ReadGgufEnds(const GgufFields& fields) {
  ASHLAR_TRY(const auto texts, fields.Texts("tokenizer.ggml.tokens"));
  const auto tokens = texts.value_or(std::span<const std::string_view>());
  Ends ends(tokens);
  // Whether there is such a key.
  const auto add_key = [&](std::string_view key) -> Result<bool> {
    constexpr std::int64_t kMaxToken = std::numeric_limits<std::int32_t>::max();
    ASHLAR_TRY(const auto id, fields.Integer(fmt::format("tokenizer.ggml.{}", key), -1,
                                             std::numeric_limits<std::uint32_t>::max()));
    if (id && *id >= 0 && *id <= kMaxToken) {  // (-1, in whatever size, says that there is none)
      ends.Add(*id);
    }
    return id.has_value();
  };
  for (const std::string_view key : kGgufEndKeys) {
    ASHLAR_TRY(add_key(key));
  }
  ends.AddNamed(kEnds);
  for (const CodeEnd& end : CodeEnds()) {
    ASHLAR_TRY(const bool named, add_key(end.key));
    if (!named) {
      ends.AddNamed(end.names);
    }
  }
  // Where a turn has several messages, "<|end|>" stands behind each of them.
  const bool calls = ends.Has("<|call|>") || ends.Has("<|calls|>");
  if (calls && (ends.Has("<|return|>") || ends.Has("<|flush|>"))) {
    ends.Remove("<|end|>");
  }
  if (ends.Has("<|tool_response>")) {
    ends.Remove("</s>");
  }
  return ends.Take();
}

Result<std::vector<std::string>> RemarksOnGgufEnds(const GgufMetadata& metadata,
                                                   std::span<const std::int64_t> ends) {
  const std::vector<std::byte> header = GgufHeader({.metadata = metadata, .tensors = {}});
  ASHLAR_TRY(const GgufFile file, GgufFile::Parse(header, "GGUF"));
  const GgufFields& fields = file.fields();
  ASHLAR_TRY(const auto texts, fields.Texts("tokenizer.ggml.tokens"));
  const auto tokens = texts.value_or(std::span<const std::string_view>());
  ASHLAR_TRY(std::vector<std::int64_t> there, ReadGgufEnds(fields));
  ASHLAR_TRY(const auto model, fields.Text("tokenizer.ggml.model"));
  const auto* const usual = std::ranges::find(kUsualEnds, model, &UsualEnd::model);
  if (usual != std::end(kUsualEnds) && usual->id < std::ssize(tokens) &&
      !fields.Has("tokenizer.ggml.eos_token_id")) {
    there.push_back(usual->id);
  }
  std::vector<std::string> remarks;
  if (const std::string lost = ListOfOthers(ends, there, tokens); !lost.empty()) {
    remarks.push_back(
        fmt::format("llama.cpp does not end a text at {}, as the network does: GGUF has keys for "
                    "{} ends",
                    lost, std::size(kGgufEndKeys)));
  }
  if (const std::string gained = ListOfOthers(there, ends, tokens); !gained.empty()) {
    remarks.push_back(
        fmt::format("llama.cpp ends a text at {} too, where the network goes on: tokens of some "
                    "names are ends to it, and without a key for one the usual id of a kind of "
                    "tokenizer",
                    gained));
  }
  return remarks;
}

}  // namespace ashlar::internal
