#include "ashlar/server/api/management.h"

#include <algorithm>

#include "ashlar/graph/derive.h"
#include "ashlar/kinds/cpu_kind.h"

namespace ashlar {
namespace {

constexpr Parameter kNamedRow{.name = "model",
                              .types = json_type::kString,
                              .required = true,
                              .doc = "a network of the store"};
constexpr Parameter kLoadRows[] = {
    kNamedRow,
    {.name = "pin",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "whether it stays loaded until it is unpinned"},
    {.name = "kv_format",
     .types = json_type::kString,
     .values = "f32|f16|q8",
     .otherwise = "as it was, at first that of `--kv`",
     .doc = "of its cached keys and values, for requests from now on; those that run end as they "
            "began"},
};
constexpr Parameter kUnloadRows[] = {kNamedRow};
constexpr Parameter kPinRows[] = {
    kNamedRow,
    {.name = "pinned",
     .types = json_type::kBoolean,
     .otherwise = "true",
     .doc = "false: it may be unloaded again"},
};
constexpr Parameter kDeriveRows[] = {
    {.name = "name",
     .types = json_type::kString,
     .required = true,
     .doc = "the name of the new network"},
    {.name = "from",
     .types = json_type::kString,
     .required = true,
     .doc = "the network to begin with"},
    {.name = "steps",
     .types = json_type::kArray,
     .required = true,
     .doc = "transforms, one after another: `{transform: \"drop\", arguments: {layers: \"3,4\"}}`; "
            "`ashlar derive --list` describes them"},
    {.name = "replace",
     .types = json_type::kBoolean,
     .otherwise = "false",
     .doc = "whether a network that has the name already may lose it; else 409"},
};
constexpr Parameter kBudgetRows[] = {
    {.name = "bytes",
     .types = json_type::kInteger | json_type::kNull,
     .required = true,
     .min = 1,
     .max = 1e15,
     .doc = "for weights, state and all else, from now on; null: no limit"},
};
constexpr Parameter kDrainRows[] = {
    {.name = "seconds",
     .types = json_type::kNumber,
     .min = 0,
     .max = 86'400,
     .otherwise = "30",
     .doc = "to wait for what runs; then the rest is cancelled"},
};

constexpr double kDrainSeconds = 30;
constexpr std::size_t kMostSteps = 64;

constexpr std::string_view kResidencyNames[] = {"absent", "loading", "loaded", "failed"};

// An error of the store or the service about what the parameter names.
Error Blame(const Error& error, std::string_view parameter) {
  return error.In(fmt::format("$.{}", parameter));
}

Status PinNamed(const ServerContext& context, const std::shared_ptr<const NetworkCard>& card) {
  Status pinned = context.service.Pin(card);
  const bool unpinned = !pinned.ok() && pinned.error().code == ErrorCode::kConflict;
  return unpinned ? Blame(pinned.error(), "model") : pinned;
}

Json ModelEntry(const std::string& name, const ServerContext& context) {
  return Json::Of(
      {{"id", name}, {"object", "model"}, {"created", context.started}, {"owned_by", "ashlar"}});
}

Json StatusEntry(const NetworkStatus& status) {
  return Json::Of({{"model", status.name},
                   {"digest", status.digest.ToString()},
                   {"state", kResidencyNames[static_cast<std::size_t>(status.residency)]},
                   {"kv_format", KvFormatName(status.kv_format)},
                   {"pinned", status.pinned},
                   {"running", status.running},
                   {"plan", status.plan == 0 ? Json() : Json(PlanName(status.plan))},
                   {"weight_bytes", status.weight_bytes},
                   {"unique_bytes", status.unique_bytes},
                   {"idle_seconds", status.idle_seconds},
                   {"failure", status.failure ? Json(status.failure->message) : Json()}});
}

Json BudgetEntry(const BudgetStatus& budget, const ServiceStatus& status) {
  Json::Array plans;
  for (const NetworkStatus& network : status.networks) {
    if (network.plan != 0) {
      plans.push_back(Json::Of({{"model", network.name}, {"plan", PlanName(network.plan)}}));
    }
  }
  return Json::Of({{"bytes", budget.bytes == 0 ? Json() : Json(budget.bytes)},
                   {"follows_system", budget.follows_system},
                   {"floor_bytes", budget.floor_bytes},
                   {"full", budget.full},
                   {"weights", Json::Of({{"resident_bytes", budget.weight_bytes},
                                         {"least_bytes", budget.weight_bytes_least},
                                         {"all_bytes", budget.weight_bytes_all}})},
                   {"pages", Json::Of({{"used_bytes", status.page_bytes_used},
                                       {"budget_bytes", status.page_bytes_budget}})},
                   {"resizes", budget.resizes},
                   {"refused", budget.refused},
                   {"plans", std::move(plans)}});
}

// An argument as people would type it: text, a number, or a list of either.
Result<std::string> ArgumentText(const JsonCursor& value) {
  if (value.value().string() != nullptr) {
    return *value.value().string();
  }
  if (value.value().array() == nullptr) {
    ASHLAR_TRY(const double number, value.AsReal());
    return EcmaScriptNumber(number);
  }
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value.AsArray(1 << 16));
  std::string text;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(const std::string each, ArgumentText(element));
    text += (text.empty() ? "" : ",") + each;
  }
  return text;
}

Result<std::vector<TransformStep>> ReadSteps(const JsonCursor& value) {
  ASHLAR_TRY(const std::vector<JsonCursor> elements, value.AsArray(kMostSteps));
  if (elements.empty()) {
    return value.Invalid("expected at least one transform");
  }
  std::vector<TransformStep> steps;
  for (const JsonCursor& element : elements) {
    ASHLAR_TRY(AllowMembers(element, {"transform", "arguments"}));
    ASHLAR_TRY(const std::string name, element.String("transform"));
    const Result<const Transform*> transform = FindTransform(name);
    if (!transform.ok()) {
      return transform.error().In(element.path() + ".transform");
    }
    TransformStep step{.transform = *transform, .arguments = {}};
    ASHLAR_TRY(const auto arguments, element.Find("arguments"));
    if (arguments) {
      ASHLAR_TRY(const auto members, arguments->AsObject());
      for (const auto& [key, member] : members) {
        ASHLAR_TRY(std::string text, ArgumentText(member));
        step.arguments.emplace(key, std::move(text));
      }
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace

constinit const ParameterPart kLoadParameters = kLoadRows;
constinit const ParameterPart kUnloadParameters = kUnloadRows;
constinit const ParameterPart kPinParameters = kPinRows;
constinit const ParameterPart kDeriveParameters = kDeriveRows;
constinit const ParameterPart kBudgetParameters = kBudgetRows;
constinit const ParameterPart kDrainParameters = kDrainRows;

Result<std::shared_ptr<const NetworkCard>> FindNamed(const ServerContext& context,
                                                     const std::string& name) {
  Result<std::shared_ptr<const NetworkCard>> card = context.service.cards().Find(name);
  if (!card.ok() && card.error().code == ErrorCode::kNotFound) {
    return Blame(card.error(), "model");
  }
  return card;
}

Result<Json> ListModels(const Parameters&, const ServerContext& context) {
  ASHLAR_TRY(const std::vector<std::string> names, context.service.cards().Names());
  Json::Array list;
  for (const std::string& name : names) {
    if (!context.tenant.MayUse(name)) {
      continue;
    }
    Json entry = ModelEntry(name, context);
    // (A network whose manifests are damaged is one of the list nevertheless.)
    if (const auto card = context.service.cards().Outline(name); card.ok()) {
      entry.Set("max_model_len", LongestFor(context.tenant, **card, context.service));
    }
    list.push_back(std::move(entry));
  }
  return Json::Of({{"object", "list"}, {"data", std::move(list)}});
}

Result<Json> ShowModel(const Parameters&, const ServerContext& context) {
  ASHLAR_TRY(const std::shared_ptr<const NetworkCard> card,
             FindFor(context.tenant, context.path_tail, context.service));
  Json entry = ModelEntry(card->name, context);
  entry.Set("digest", card->digest.ToString());
  entry.Set("parameters", card->network.parameters());
  entry.Set("weight_bytes", card->weight_bytes);
  entry.Set("max_model_len", LongestFor(context.tenant, *card, context.service));
  entry.Set("vocabulary", card->network.vocabulary);
  entry.Set("embedding_dimensions", card->hidden_width);
  entry.Set("chat", card->chat ? Json(card->chat->name) : Json());
  return entry;
}

Result<Json> ShowLive(const Parameters&, const ServerContext&) {
  return Json::Of({{"status", "ok"}});
}

Result<Json> ShowReady(const Parameters& parameters, const ServerContext& context) {
  if (context.service.draining()) {
    return Exhausted("the server is shutting down");
  }
  return ShowLive(parameters, context);
}

Result<Json> ShowMetrics(const Parameters&, const ServerContext& context) {
  return Json(context.metrics == nullptr ? std::string() : context.metrics->Text());
}

Result<Json> ListNetworks(const Parameters&, const ServerContext& context) {
  ASHLAR_TRY(const std::vector<std::string> names, context.service.cards().Names());
  const ServiceStatus status = context.service.status();
  Json::Array list;
  for (const std::string& name : names) {
    bool there = false;  // more than once while its format of state, or its tag, changes
    for (const NetworkStatus& network : status.networks) {
      if (network.name == name) {
        list.push_back(StatusEntry(network));
        there = true;
      }
    }
    if (!there) {
      list.push_back(Json::Of({{"model", name}, {"state", kResidencyNames[0]}}));
    }
  }
  return Json::Of({{"networks", std::move(list)}});
}

Result<Json> ShowStatus(const Parameters&, const ServerContext& context) {
  const ServiceStatus status = context.service.status();
  const EngineCounters& engine = status.engine;
  return Json::Of({{"running", status.running},
                   {"waiting", status.waiting},
                   {"draining", context.service.draining()},
                   {"weights", Json::Of({{"resident_bytes", status.resident_weight_bytes},
                                         {"budget_bytes", status.weight_budget}})},
                   {"pages", Json::Of({{"used_bytes", status.page_bytes_used},
                                       {"held_bytes", status.page_bytes_held},
                                       {"pinned_bytes", status.page_bytes_pinned},
                                       {"budget_bytes", status.page_bytes_budget},
                                       {"evicted", engine.pages_evicted},
                                       {"spilled", engine.pages_spilled},
                                       {"restored", engine.pages_restored}})},
                   {"prompts", Json::Of({{"tokens", engine.prompt_tokens},
                                         {"cached_tokens", engine.cached_tokens}})},
                   {"engine", Json::Of({{"steps", engine.steps},
                                        {"rows", engine.rows},
                                        {"block_runs", engine.block_runs},
                                        {"block_rows", engine.block_rows},
                                        {"preemptions", engine.preemptions}})}});
}

Result<Json> LoadNetwork(const Parameters& parameters, const ServerContext& context) {
  const std::string name = parameters.String("model", "");
  ASHLAR_TRY(auto card, FindNamed(context, name));
  if (parameters.Has("kv_format")) {
    ASHLAR_TRY(const KvFormat kv_format, ParseKvFormat(parameters.String("kv_format", "")));
    context.service.cards().SetKvFormat(name, kv_format);
    ASHLAR_TRY(card, FindNamed(context, name));
  }
  if (parameters.Bool("pin", false)) {
    ASHLAR_TRY(PinNamed(context, card));
  }
  ASHLAR_TRY(context.service.Load(card));
  return Json::Of(
      {{"model", card->name}, {"state", "loaded"}, {"kv_format", KvFormatName(card->kv_format)}});
}

Result<Json> UnloadNetwork(const Parameters& parameters, const ServerContext& context) {
  const std::string name = parameters.String("model", "");
  const Status unloaded = context.service.Unload(name);
  if (!unloaded.ok()) {
    return Blame(unloaded.error(), "model");
  }
  return Json::Of({{"model", name}, {"state", "absent"}});
}

Result<Json> PinNetwork(const Parameters& parameters, const ServerContext& context) {
  const std::string name = parameters.String("model", "");
  const bool pinned = parameters.Bool("pinned", true);
  if (pinned) {
    ASHLAR_TRY(const auto card, FindNamed(context, name));
    ASHLAR_TRY(PinNamed(context, card));
  } else if (const Status unpinned = context.service.Unpin(name); !unpinned.ok()) {
    return Blame(unpinned.error(), "model");
  }
  return Json::Of({{"model", name}, {"pinned", pinned}});
}

Result<Json> DeriveNetwork(const Parameters& parameters, const ServerContext& context) {
  const std::string name = parameters.String("name", "");
  const Status named = CheckNetworkName(name);
  if (!named.ok()) {
    return Blame(named.error(), "name");
  }
  ASHLAR_TRY(const std::vector<TransformStep> steps, ReadSteps(*parameters.Find("steps")));
  const bool replace = parameters.Bool("replace", false);
  const Error taken = Conflict(
      "$.name: {} is the name of another network: choose another name, or ask with "
      "\"replace\": true",
      QuoteForError(name));
  ASHLAR_TRY(const Tags tags, context.store.ReadTags());
  if (tags.contains(name) && !replace) {  // before all the work
    return taken;
  }
  const std::string base = parameters.String("from", "");
  Catalog catalog(context.store, AllKinds());
  const Result<Network> from = catalog.Load(base);
  if (!from.ok()) {
    return Blame(from.error(), "from");
  }
  Json::Array remarks;
  const Result<Derived> derived =
      Derive(catalog, name, base, steps,
             {.remark = [&](std::string_view remark) { remarks.push_back(remark); },
              .saving = replace ? Saving::kReplace : Saving::kNew});
  if (!derived.ok() && derived.error().code == ErrorCode::kConflict && !replace) {
    return taken;  // meanwhile
  }
  if (!derived.ok()) {
    return derived.error().code == ErrorCode::kInvalid ? Blame(derived.error(), "steps")
                                                       : derived.error();
  }
  return Json::Of({{"model", name},
                   {"digest", derived->digest.ToString()},
                   {"parameters", derived->network.parameters()},
                   {"added_manifest_bytes", derived->added_bytes},
                   {"remarks", std::move(remarks)}});
}

Result<Json> ShowBudget(const Parameters&, const ServerContext& context) {
  const ServiceStatus status = context.service.status();
  return BudgetEntry(status.budget, status);
}

Result<Json> SetBudget(const Parameters& parameters, const ServerContext& context) {
  const std::uint64_t before = context.service.status().budget.bytes;
  const bool lifted = parameters.Find("bytes")->value().is_null();
  const auto set = context.service.SetBudget(
      lifted ? 0 : static_cast<std::uint64_t>(parameters.Integer("bytes", 0)));
  if (!set.ok()) {
    return Blame(set.error(), "bytes");
  }
  Json entry = BudgetEntry(set->budget, *set);
  entry.Set("old_bytes", before == 0 ? Json() : Json(before));
  return entry;
}

Result<Json> DrainServer(const Parameters& parameters, const ServerContext& context) {
  const bool whole = context.service.Drain(parameters.Number("seconds", kDrainSeconds));
  return Json::Of({{"drained", true}, {"cancelled", !whole}});
}

}  // namespace ashlar
