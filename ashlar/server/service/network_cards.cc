#include "ashlar/server/service/network_cards.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ashlar/base/byte_reader.h"
#include "ashlar/graph/catalog.h"
#include "ashlar/graph/network_files.h"
#include "ashlar/kinds/cpu_kind.h"
#include "ashlar/plan/losses.h"
#include "ashlar/plan/plan.h"

namespace ashlar {
namespace {

// Cards that are kept though nobody uses them: a tokenizer takes up to 100 MB.
constexpr std::size_t kCardsKept = 64;
constexpr std::string_view kTokenizerFile = "tokenizer.json";

// What the interfaces of its nodes say of the whole.
void Measure(NetworkCard& card) {
  card.token_limit = std::numeric_limits<std::int64_t>::max();
  card.position_limit = std::numeric_limits<std::int64_t>::max();
  const int last = static_cast<int>(card.network.nodes.size()) - 1;
  for (int i = 0; i <= last; ++i) {
    const Interface interface =
        card.network.BlockOf(i).kind->interface(EffectiveAttributes(card.network, i));
    if (interface.width_in == 0) {
      card.token_limit = std::min(card.token_limit, interface.vocabulary);
    }
    if (interface.max_positions != 0) {
      card.position_limit = std::min(card.position_limit, interface.max_positions);
    }
    if (i == last) {
      card.logits = interface.vocabulary;
      card.hidden_width = interface.width_in;
    }
  }
}

// What manifests say.
NetworkCard OutlineOf(std::string name, Network network, KvFormat kv_format) {
  NetworkCard card;
  card.name = std::move(name);
  card.kv_format = kv_format;
  card.digest = network.digest();
  card.network = std::move(network);
  Measure(card);
  return card;
}

}  // namespace

Result<const Tokenizer*> NetworkCard::RequireTokenizer() const {
  if (tokenizer == nullptr) {
    return Invalid(
        "network \"{}\" has no tokenizer: there was none where it was imported from, or none that "
        "ashlar reads, as the import said",
        name);
  }
  return &*tokenizer;
}

std::optional<Digest> NetworkCard::TokenizerFile() const {
  const auto file = network.files.find(kTokenizerFile);
  return file == network.files.end() ? std::nullopt : std::optional(file->second.blob);
}

std::int64_t NetworkCard::Context(std::int64_t most) const {
  return std::min({network.metadata.context_length.value_or(most), position_limit, most});
}

Result<std::shared_ptr<NetworkCard>> MakeNetworkCard(std::string name, Network network,
                                                     const BlobStore& store,
                                                     std::shared_ptr<const Tokenizer> tokenizer,
                                                     KvFormat kv_format, LevelLosses losses) {
  auto card =
      std::make_shared<NetworkCard>(OutlineOf(std::move(name), std::move(network), kv_format));
  card->losses = std::move(losses);
  const Network* const networks[] = {&card->network};
  card->weight_bytes = PredictMemory({.networks = networks, .max_positions = 1}).weight_bytes;
  const StackNetwork alone[] = {{.network = &card->network}};
  card->floor = Stack(alone).First(0).precision;
  card->floor_bytes =
      PredictMemory({.networks = networks, .max_positions = 1, .precision = card->floor})
          .weight_bytes;
  const auto read = [&](std::string_view file) {
    return ReadNetworkFile(card->network, store, file);
  };
  card->tokenizer = std::move(tokenizer);
  if (card->tokenizer == nullptr && card->network.files.contains(kTokenizerFile)) {
    ASHLAR_TRY(const std::optional<std::string> json, read(kTokenizerFile));
    Result<Tokenizer> made = Tokenizer::FromJson(*json);
    if (!made.ok()) {
      return made.error().In(card->name + ": tokenizer.json");
    }
    card->tokenizer = std::make_shared<const Tokenizer>(*std::move(made));
  }
  if (card->tokenizer != nullptr) {
    const Metadata& metadata = card->network.metadata;
    ASHLAR_TRY(const ChatFiles files,
               ReadChatFiles(read, *card->tokenizer, metadata.bos_token, metadata.eos_tokens));
    Result<ChatStyle> chat = ChooseChatStyle(files, *card->tokenizer);
    if (chat.ok()) {
      card->chat = *std::move(chat);
    } else {
      card->chat_error = chat.error().In(card->name);
    }
  }
  return card;
}

NetworkCards::NetworkCards(BlobStore& store, KvFormat otherwise, KvFormatByName kv_formats)
    : store_(store), otherwise_(otherwise), kv_formats_(std::move(kv_formats)) {}

void NetworkCards::SetKvFormat(std::string_view name, KvFormat kv_format) {
  const std::lock_guard lock(mutex_);
  kv_formats_.insert_or_assign(std::string(name), kv_format);
}

KvFormat NetworkCards::KvFormatOf(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto own = kv_formats_.find(name);
  return own == kv_formats_.end() ? otherwise_ : own->second;
}

std::shared_ptr<const NetworkCard> NetworkCards::FindCard(std::string_view name,
                                                          const Digest& digest,
                                                          KvFormat kv_format) {
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find_if(cards_, [&](const auto& card) {
    return card->name == name && card->digest == digest && card->kv_format == kv_format;
  });
  if (known == cards_.end()) {
    return nullptr;
  }
  std::rotate(cards_.begin(), known, known + 1);
  return cards_.front();
}

std::shared_ptr<const Tokenizer> NetworkCards::FindTokenizer(const Network& network) {
  const auto file = network.files.find(kTokenizerFile);
  if (file == network.files.end()) {
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find_if(
      cards_, [&](const auto& card) { return card->TokenizerFile() == file->second.blob; });
  return known == cards_.end() ? nullptr : (*known)->tokenizer;
}

Result<std::shared_ptr<const NetworkCard>> NetworkCards::Find(std::string_view name) {
  // Manifests are hashed and small; a tag that was moved shows by its digest.
  const Catalog catalog(store_, AllKinds());
  ASHLAR_TRY(const Network seen, catalog.Load(name));
  if (auto known = FindCard(name, seen.digest(), KvFormatOf(name))) {
    return known;
  }
  const std::lock_guard making(making_);  // reading a tokenizer takes up to a second
  // Read again: what was seen before somebody else's turn may be older than what they saw.
  ASHLAR_TRY(Network network, catalog.Load(name));
  const KvFormat kv_format = KvFormatOf(name);
  if (auto known = FindCard(name, network.digest(), kv_format)) {
    return known;
  }
  std::shared_ptr<const Tokenizer> tokenizer = FindTokenizer(network);
  ASHLAR_TRY(LevelLosses losses, LoadLosses(catalog, name, network));
  ASHLAR_TRY(const std::shared_ptr<NetworkCard> card,
             MakeNetworkCard(std::string(name), std::move(network), store_, std::move(tokenizer),
                             kv_format, std::move(losses)));
  card->number = ++number_;
  const std::lock_guard lock(mutex_);
  std::erase_if(cards_, [&](const auto& other) { return other->name == name; });
  cards_.insert(cards_.begin(), card);
  if (cards_.size() > kCardsKept) {
    cards_.pop_back();
  }
  return card;
}

Result<std::shared_ptr<const NetworkCard>> NetworkCards::Outline(std::string_view name) {
  ASHLAR_TRY(Network network, Catalog(store_, AllKinds()).Load(name));
  const KvFormat kv_format = KvFormatOf(name);
  if (auto known = FindCard(name, network.digest(), kv_format)) {
    return known;
  }
  return std::make_shared<const NetworkCard>(
      OutlineOf(std::string(name), std::move(network), kv_format));
}

Result<std::vector<std::string>> NetworkCards::Names() const {
  return Catalog(store_, AllKinds()).Names();
}

}  // namespace ashlar
