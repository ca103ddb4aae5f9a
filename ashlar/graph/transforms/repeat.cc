// Runs layers several times, one after the other: the same blocks, each time with own state.
#include <algorithm>

#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kRepeatArguments[] = {
    {.name = "layers",
     .value = "3",
     .required = true,
     .doc = "layers to repeat; a run such as 3-5 is repeated as a whole"},
    {.name = "times", .value = "N", .doc = "how often they run in the result; without it twice"},
};

Result<Network> ApplyRepeat(const Network& base, const Arguments& arguments,
                            const TransformContext&) {
  ASHLAR_TRY(const std::vector<int> layers, internal::RequiredLayers(base, arguments, "layers"));
  std::int64_t times = 2;
  if (const auto text = internal::Argument(arguments, "times")) {
    Result<Amount> amount = ParseAmount(*text, internal::kMaxNodes);
    if (!amount.ok() || amount->is_percentage) {
      return Invalid("--times: expected a number from 1 to {}, found {}", internal::kMaxNodes,
                     QuoteForError(*text));
    }
    times = amount->value;
  }
  const std::set<int> repeated(layers.begin(), layers.end());
  std::vector<internal::LayerOf> order;
  for (int layer = 0; layer < base.layers();) {
    int end = layer + 1;
    if (!repeated.contains(layer)) {
      order.push_back({&base, layer});
    } else {
      while (repeated.contains(end)) {
        ++end;
      }
      for (std::int64_t time = 0; time < times; ++time) {
        for (int member = layer; member < end; ++member) {
          order.push_back({&base, member});
        }
        if (order.size() > internal::kMaxNodes) {
          return Invalid("the result has more than {} layers", internal::kMaxNodes);
        }
      }
    }
    layer = end;
  }
  return internal::Assemble(base, order);
}

}  // namespace

constinit const Transform kRepeat{
    .name = "repeat",
    .summary = "run layers several times: the same blocks, each time with state of their own",
    .arguments = kRepeatArguments,
    .example = "repeat --layers 3 --times 2",
    .apply = ApplyRepeat,
};

}  // namespace ashlar
