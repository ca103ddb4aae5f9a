#include "ashlar/runtime/internal/page_table.h"

#include <utility>

namespace ashlar::internal {
namespace {

struct PageKey {
  Digest chain;
  std::span<const std::int32_t> tokens;
};

// A key has the tokens of kPageLength positions; those before them, in a page of more, are hashed
// into its chain.
PageKey KeyOfPage(const PageChain& chain, std::span<const std::int32_t> tokens, std::int64_t page) {
  const std::int64_t before = chain.positions - kPageLength;
  const std::span<const std::int32_t> page_tokens =
      tokens.subspan(page * chain.positions, chain.positions);
  PageKey key{chain.key, page_tokens.last(kPageLength)};
  if (before > 0) {
    Hasher hasher;
    hasher.Update(std::as_bytes(std::span(chain.key.bytes())));
    hasher.Update(std::as_bytes(page_tokens.first(before)));
    key.chain = hasher.Finish();
  }
  return key;
}

}  // namespace

void PageTable::Reserve(std::int64_t pages) {
  pages_.reserve(pages);
  data_.reserve(pages);
}

void PageTable::Append(PageRef page) {
  data_.push_back(page.data());
  pages_.push_back(std::move(page));
}

void PageTable::Replace(std::int64_t index, PageRef page) {
  data_[index] = page.data();
  pages_[index] = std::move(page);
}

void PageTable::Truncate(std::int64_t pages) {
  while (size() > pages) {
    pages_.pop_back();
    data_.pop_back();
  }
}

Digest ScopedKey(const Digest& merkle_key, std::uint64_t cache_scope) {
  if (cache_scope == 0) {
    return merkle_key;
  }
  Hasher hash;
  hash.Update(std::as_bytes(std::span(merkle_key.bytes())));
  hash.Update(std::as_bytes(std::span(&cache_scope, 1)));
  return hash.Finish();
}

void FindPages(PageCache& cache, const PageChain& chain, std::span<const std::int32_t> tokens,
               PageTable& table) {
  for (std::int64_t page = table.size(); (page + 1) * chain.positions <= std::ssize(tokens);
       ++page) {
    const Page* const parent = page > 0 ? table[page - 1].get() : nullptr;
    const PageKey key = KeyOfPage(chain, tokens, page);
    PageRef found = cache.Find(parent, key.chain, key.tokens);
    if (!found) {
      return;
    }
    table.Append(std::move(found));
  }
}

void PublishPages(PageCache& cache, const PageChain& chain, std::span<const std::int32_t> tokens,
                  std::int64_t end, PageTable& table, std::int64_t& published) {
  for (; (published + 1) * chain.positions <= end; ++published) {
    const Page* const parent = published > 0 ? table[published - 1].get() : nullptr;
    const PageKey key = KeyOfPage(chain, tokens, published);
    table.Replace(published, cache.Publish(table.Take(published), parent, key.chain, key.tokens));
  }
}

}  // namespace ashlar::internal
