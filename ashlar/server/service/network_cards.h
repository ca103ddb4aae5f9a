// A NetworkCard is what a server knows of a network without its weights: its graph, its tokenizer,
// how it writes conversations. NetworkCards finds them by name, each made once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ashlar/graph/network.h"
#include "ashlar/plan/stack.h"
#include "ashlar/store/blob_store.h"
#include "ashlar/tensor/kv_format.h"
#include "ashlar/text/chat_style.h"
#include "ashlar/text/tokenizer.h"

namespace ashlar {

// Immutable once it is shared by those who use it.
struct NetworkCard {
  std::string name;
  // Of two that NetworkCards made of one name, the later one's is larger; 0: made by itself.
  std::uint64_t number = 0;
  Digest digest;
  Network network;
  std::shared_ptr<const Tokenizer> tokenizer;  // null: none. Networks with one file share it
  // Nothing without a tokenizer, or when its template cannot be read: then chat_error says why.
  std::optional<ChatStyle> chat;
  std::optional<Error> chat_error;
  std::int64_t logits = 0;              // width of a row of logits
  std::int64_t token_limit = 0;         // the ids it reads are below
  std::int64_t position_limit = 0;      // no sequence can have more
  std::int64_t hidden_width = 0;        // of what the head reads: the width of embeddings
  std::uint64_t weight_bytes = 0;       // of its blobs, each counted once
  Precision floor = {};                 // with the fewest levels
  std::uint64_t floor_bytes = 0;        // of its weights then
  KvFormat kv_format = KvFormat::kF32;  // of its pages of state
  LevelLosses losses = {};              // what its levels are worth, as far as it was measured

  // kInvalid when it has none.
  Result<const Tokenizer*> RequireTokenizer() const;
  // The file that says what its token ids mean; nothing when it has none.
  std::optional<Digest> TokenizerFile() const;
  // Positions of a sequence, prompt and answer: what the network was made for, and at most `most`.
  std::int64_t Context(std::int64_t most) const;
};

// Makes the card of a network that was read from `store`. `tokenizer`: made before of the same
// file; null: made now. Errors name the file at fault.
Result<std::shared_ptr<NetworkCard>> MakeNetworkCard(
    std::string name, Network network, const BlobStore& store,
    std::shared_ptr<const Tokenizer> tokenizer = nullptr, KvFormat kv_format = KvFormat::kF32,
    LevelLosses losses = {});

using KvFormatByName = std::map<std::string, KvFormat, std::less<>>;  // by name

// Cards by tag. A tag that is moved to another network gives another card, and so does one whose
// format of state is changed, or that is moved back; the old one lives as long as somebody uses it.
// The cards of a name are numbered as its tag moved, so that what follows a name can tell the newer
// of two and never goes back. Thread-safe.
class NetworkCards {
 public:
  // `store` must outlive it. Names that are not among `kv_formats` have `otherwise`.
  explicit NetworkCards(BlobStore& store, KvFormat otherwise = KvFormat::kF32,
                        KvFormatByName kv_formats = {});

  // kNotFound when the store has no such network.
  Result<std::shared_ptr<const NetworkCard>> Find(std::string_view name);
  // The same of its manifests alone, quickly, whatever its files hold: unless the card is known,
  // one without tokenizer, chat and bytes.
  Result<std::shared_ptr<const NetworkCard>> Outline(std::string_view name);
  // The format of the state of a network, from the next Find of this name on.
  void SetKvFormat(std::string_view name, KvFormat kv_format);
  // The names of the networks in the store, in order.
  Result<std::vector<std::string>> Names() const;

 private:
  std::shared_ptr<const NetworkCard> FindCard(std::string_view name, const Digest& digest,
                                              KvFormat kv_format);
  KvFormat KvFormatOf(std::string_view name);
  std::shared_ptr<const Tokenizer> FindTokenizer(const Network& network);

  BlobStore& store_;
  const KvFormat otherwise_;
  std::mutex making_;         // one card at a time, and never twice; before mutex_
  std::uint64_t number_ = 0;  // of the last one. Under making_
  std::mutex mutex_;
  KvFormatByName kv_formats_;
  // The newest of each name, most lately used first.
  std::vector<std::shared_ptr<const NetworkCard>> cards_;
};

}  // namespace ashlar
