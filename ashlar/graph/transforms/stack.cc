// Builds a network out of ranges of layers, of one or several networks.
#include <deque>

#include "ashlar/graph/internal/arguments.h"
#include "ashlar/graph/internal/manifest_json.h"
#include "ashlar/graph/internal/surgery.h"
#include "ashlar/graph/transforms/transforms.h"

namespace ashlar {
namespace {

constexpr ArgumentSpec kStackArguments[] = {
    {.name = "ranges",
     .value = "0-5,NET:3-7",
     .required = true,
     .doc = "layers in their new order, of this network or of one that is named; embedding and "
            "head are this network's"},
};

Result<Network> ApplyStack(const Network& base, const Arguments& arguments,
                           const TransformContext& context) {
  std::map<std::string_view, const Network*> by_name;
  std::deque<Network> others;  // a deque, since it keeps them in place
  const auto find = [&](std::string_view name) -> Result<const Network*> {
    if (const auto known = by_name.find(name); known != by_name.end()) {
      return known->second;
    }
    ASHLAR_TRY(Network other, internal::LoadSource(context, name));
    others.push_back(std::move(other));
    return by_name.emplace(name, &others.back()).first->second;
  };

  std::vector<internal::LayerOf> order;
  std::string_view rest = *internal::Argument(arguments, "ranges");
  while (true) {
    const std::string_view item = rest.substr(0, rest.find(','));
    const std::size_t colon = item.rfind(':');  // names may contain colons, ranges do not
    const Network* network = &base;
    if (colon != item.npos) {
      ASHLAR_TRY(network, find(item.substr(0, colon)));
    }
    const std::string_view range = colon == item.npos ? item : item.substr(colon + 1);
    const Result<std::vector<int>> layers = ParseIndices(range, network->layers());
    if (!layers.ok()) {
      return layers.error().In(fmt::format("--ranges: {}", item));
    }
    for (const int layer : *layers) {
      order.push_back({network, layer});
    }
    if (order.size() > internal::kMaxNodes) {
      return Invalid("the result has more than {} layers", internal::kMaxNodes);
    }
    if (item.size() == rest.size()) {
      return internal::Assemble(base, order);
    }
    rest.remove_prefix(item.size() + 1);
  }
}

}  // namespace

constinit const Transform kStack{
    .name = "stack",
    .summary = "put ranges of layers, of one or several networks, on each other in any order",
    .arguments = kStackArguments,
    .example = "stack --ranges 0-5,3-7",
    .apply = ApplyStack,
};

}  // namespace ashlar
