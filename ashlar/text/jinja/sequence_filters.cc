#include <algorithm>

#include "ashlar/text/jinja/filters.h"
#include "ashlar/text/jinja/strings.h"

namespace ashlar::jinja {
namespace {

// What an item is compared by: itself, or its attribute; small letters unless case counts.
Result<Value> KeyOf(const Call& call, const Value& item, const Value* attribute,
                    bool case_sensitive) {
  Value key = item;
  if (attribute != nullptr && !attribute->is_none()) {
    ASHLAR_TRY(key, Dotted(call.machine(), item, Str(*attribute)));
  }
  return !case_sensitive && key.string() != nullptr ? Value(Lower(*key.string())) : key;
}

struct Keyed {
  Value key;
  Value item;
};
Result<std::vector<Keyed>> KeyedItems(const Call& call, const Value* attribute,
                                      bool case_sensitive) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  std::vector<Keyed> keyed;
  for (const Value& item : items) {
    ASHLAR_TRY(Value key, KeyOf(call, item, attribute, case_sensitive));
    keyed.push_back({std::move(key), item});
  }
  return keyed;
}

// Stable. The first error of a comparison ends it.
Status SortByKey(const Call& call, bool reverse, std::vector<Keyed>& items) {
  Status status;
  std::ranges::stable_sort(items, [&](const Keyed& a, const Keyed& b) {
    if (!status.ok()) {
      return false;
    }
    if (Status walked = call.machine().Walk(a.key); !walked.ok()) {
      status = std::move(walked);
      return false;
    }
    const Result<int> order = Compare(a.key, b.key);
    if (!order.ok()) {
      status = call.Wrong("{}", order.error().message);
      return false;
    }
    return reverse ? *order > 0 : *order < 0;
  });
  return status;
}

Result<Value> Length(const Call& call) {
  const Value& value = call.self();
  if (value.string() != nullptr) {
    return Value(CountCharacters(*value.string()));
  }
  if (value.dict() != nullptr) {
    return Value(static_cast<std::int64_t>(value.dict()->items.size()));
  }
  if (value.list() != nullptr) {
    return Value(static_cast<std::int64_t>(value.list()->items.size()));
  }
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return Value(static_cast<std::int64_t>(items.size()));
}

Result<Value> First(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return items.empty() ? Undefined{"no first item, the sequence was empty"} : items.front();
}
Result<Value> Last(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  return items.empty() ? Undefined{"no last item, the sequence was empty"} : items.back();
}

Result<Value> ListFilter(const Call& call) {
  ASHLAR_TRY(std::vector<Value> items, Items(call));
  return ListOf(call, std::move(items));
}

Result<Value> Reverse(const Call& call) {
  ASHLAR_TRY(std::vector<Value> items, Items(call));
  std::ranges::reverse(items);
  if (call.self().string() == nullptr) {
    return ListOf(call, std::move(items));
  }
  std::string text;
  for (const Value& item : items) {
    text += *item.string();
  }
  return call.machine().Make(std::move(text));
}

Result<Value> Join(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[1], /*case_sensitive=*/true));
  const std::string separator = call[0] != nullptr ? Str(*call[0]) : "";
  std::string text;
  for (const Keyed& item : items) {
    if (&item != items.data()) {
      text += separator;
    }
    text += Str(item.key);
    if (text.size() > call.machine().room()) {
      return TooLong(call);
    }
  }
  return call.machine().Make(std::move(text));
}

std::vector<Value> ItemsOf(std::vector<Keyed> keyed) {
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (Keyed& item : keyed) {
    items.push_back(std::move(item.item));
  }
  return items;
}

Result<Value> Sort(const Call& call) {
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[2], call.FlagOr(1, false)));
  ASHLAR_TRY(SortByKey(call, call.FlagOr(0, false), items));
  return ListOf(call, ItemsOf(std::move(items)));
}

Result<Value> DictSort(const Call& call) {
  if (call.self().dict() == nullptr) {
    return call.Wrong("expected a mapping, found {}", call.self().TypeName());
  }
  ASHLAR_TRY(const std::string by, call.StringOr(1, "key"));
  if (by != "key" && by != "value") {
    return call.Wrong("\"by\" must be key or value, found \"{}\"", by);
  }
  std::vector<Keyed> items;
  for (const auto& [key, value] : call.self().dict()->items) {
    ASHLAR_TRY(Value sorted_by,
               KeyOf(call, by == "key" ? key : value, nullptr, call.FlagOr(0, false)));
    items.push_back({std::move(sorted_by), List{{key, value}, true}});
  }
  ASHLAR_TRY(SortByKey(call, call.FlagOr(2, false), items));
  return ListOf(call, ItemsOf(std::move(items)));
}

template <bool kLargest>
Result<Value> Extreme(const Call& call) {
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[1], call.FlagOr(0, false)));
  ASHLAR_TRY(SortByKey(call, kLargest, items));
  return items.empty() ? Undefined{"no aggregated item, the sequence was empty"}
                       : items.front().item;
}

// Runs of equal keys of sorted items: [key, items].
Result<std::vector<std::pair<Value, std::vector<Value>>>> Groups(const Call& call,
                                                                 std::vector<Keyed> items) {
  std::vector<std::pair<Value, std::vector<Value>>> groups;
  for (Keyed& item : items) {
    ASHLAR_TRY(call.machine().Walk(item.key));
    if (groups.empty() || !Equal(groups.back().first, item.key)) {
      groups.emplace_back(std::move(item.key), std::vector<Value>());
    }
    groups.back().second.push_back(std::move(item.item));
  }
  return groups;
}

Result<Value> GroupBy(const Call& call) {
  ASHLAR_TRY(const std::string attribute, call.StringOr(0, ""));
  ASHLAR_TRY(std::vector<Keyed> items, KeyedItems(call, call[0], call.FlagOr(2, false)));
  for (Keyed& item : items) {
    if (item.key.undefined() != nullptr && call[1] != nullptr) {
      item.key = *call[1];
    }
  }
  ASHLAR_TRY(SortByKey(call, /*reverse=*/false, items));
  ASHLAR_TRY(auto groups, Groups(call, std::move(items)));
  std::vector<Value> list;
  for (auto& [key, members] : groups) {
    // (The key as the first member spells it.)
    ASHLAR_TRY(Value spelled, Dotted(call.machine(), members.front(), attribute));
    list.emplace_back(
        List{{spelled.undefined() != nullptr ? key : std::move(spelled), List{std::move(members)}},
             true});
  }
  return ListOf(call, std::move(list));
}

Result<Value> Unique(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[1], call.FlagOr(0, false)));
  std::vector<Value> seen;
  std::vector<Value> kept;
  for (const Keyed& item : items) {
    ASHLAR_TRY(call.machine().Step(static_cast<std::int64_t>(seen.size())));
    ASHLAR_TRY(call.machine().Walk(item.key));
    if (std::ranges::none_of(seen, [&](const Value& other) { return Equal(other, item.key); })) {
      seen.push_back(item.key);
      kept.push_back(item.item);
    }
  }
  return ListOf(call, std::move(kept));
}

Result<Value> Sum(const Call& call) {
  ASHLAR_TRY(const std::vector<Keyed> items, KeyedItems(call, call[0], /*case_sensitive=*/true));
  std::int64_t integers = 0;
  double reals = 0;
  bool all_integers = true;
  const auto add = [&](const Value& value) -> Status {
    if (!value.IsNumber()) {
      return call.Wrong("expected numbers, found {}", value.TypeName());
    }
    all_integers = all_integers && value.AsInteger() &&
                   !__builtin_add_overflow(integers, *value.AsInteger(), &integers);
    reals += *value.AsReal();
    return {};
  };
  if (call[1] != nullptr) {
    ASHLAR_TRY(add(*call[1]));
  }
  for (const Keyed& item : items) {
    ASHLAR_TRY(add(item.key));
  }
  return all_integers ? Value(integers) : Value(reals);
}

// In rows of `size`; the last filled up where there is something to fill with.
Result<Value> Batch(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  ASHLAR_TRY(const std::int64_t size, call.IntegerOr(0, 0));
  if (size < 1 || size > 1 << 20) {
    return call.Wrong("\"linecount\" must be from 1 to {}, found {}", 1 << 20, size);
  }
  std::vector<Value> rows;
  for (std::size_t at = 0; at < items.size(); at += static_cast<std::size_t>(size)) {
    const std::size_t end = std::min(at + static_cast<std::size_t>(size), items.size());
    std::vector<Value> row(items.begin() + static_cast<std::ptrdiff_t>(at),
                           items.begin() + static_cast<std::ptrdiff_t>(end));
    if (call[1] != nullptr && !call[1]->is_none()) {
      row.resize(static_cast<std::size_t>(size), *call[1]);
    }
    rows.emplace_back(List{std::move(row)});
  }
  return ListOf(call, std::move(rows));
}

// `count` rows of nearly equal length.
Result<Value> SliceFilter(const Call& call) {
  ASHLAR_TRY(const std::vector<Value> items, Items(call));
  ASHLAR_TRY(const std::int64_t count, call.IntegerOr(0, 0));
  if (count < 1 || count > 1 << 16) {
    return call.Wrong("\"slices\" must be from 1 to {}, found {}", 1 << 16, count);
  }
  const std::size_t each = items.size() / static_cast<std::size_t>(count);
  const std::size_t longer = items.size() % static_cast<std::size_t>(count);
  std::vector<Value> rows;
  auto next = items.begin();
  for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row) {
    const auto end = next + static_cast<std::ptrdiff_t>(each + (row < longer ? 1 : 0));
    List list = {{next, end}};
    if (call[1] != nullptr && !call[1]->is_none() && row >= longer && longer > 0) {
      list.items.push_back(*call[1]);
    }
    rows.emplace_back(std::move(list));
    next = end;
  }
  return ListOf(call, std::move(rows));
}

constexpr Function kSequenceFilters[] = {
    {"batch", Batch, 1, {"linecount", "fill_with"}},
    {"count", Length},
    {"dictsort", DictSort, 0, {"case_sensitive", "by", "reverse"}},
    {"first", First},
    {"groupby", GroupBy, 1, {"attribute", "default", "case_sensitive"}},
    {"join", Join, 0, {"d", "attribute"}},
    {"last", Last},
    {"length", Length},
    {"list", ListFilter},
    {"max", Extreme<true>, 0, {"case_sensitive", "attribute"}},
    {"min", Extreme<false>, 0, {"case_sensitive", "attribute"}},
    {"reverse", Reverse},
    {"slice", SliceFilter, 1, {"slices", "fill_with"}},
    {"sort", Sort, 0, {"reverse", "case_sensitive", "attribute"}},
    {"sum", Sum, 0, {"attribute", "start"}},
    {"unique", Unique, 0, {"case_sensitive", "attribute"}},
};

}  // namespace

std::span<const Function> SequenceFilters() {
  return kSequenceFilters;
}

}  // namespace ashlar::jinja
