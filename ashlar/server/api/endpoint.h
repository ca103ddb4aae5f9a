// An Endpoint is a row: what is asked by which method and path, with which parameters, and what
// answers. The reference (reference.h) is written from it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "ashlar/server/api/generation_parameters.h"
#include "ashlar/server/metrics/metrics.h"
#include "ashlar/server/service/service.h"
#include "ashlar/server/tenants/tenants.h"
#include "ashlar/store/blob_store.h"

namespace ashlar {

enum class Access : std::uint8_t {
  kOpen,    // anybody
  kClient,  // who has a key, where there are keys
  kAdmin,   // who has the administrator's
};

// Positions that a sequence of the tenant's may have, prompt and answer.
std::int64_t LongestFor(const Tenant& tenant, const NetworkCard& network, const Service& service);

// The network of that name, if the tenant may use it. One that it may not use is not there for it,
// and no other is named: what is near by name may be another tenant's. Errors name "model".
Result<std::shared_ptr<const NetworkCard>> FindFor(const Tenant& tenant, const std::string& name,
                                                   Service& service);

// What endpoints that concern the server as a whole are given.
struct ServerContext {
  Service& service;
  BlobStore& store;
  std::int64_t started = 0;          // seconds since 1970
  std::string path_tail;             // of an endpoint whose path ends with "{id}"
  const Tenant& tenant;              // who asks
  const Tenants* tenants = nullptr;  // all; null: anybody is who asks
  const Metrics* metrics = nullptr;  // null: nothing is counted
};

struct Endpoint {
  std::string_view method;
  std::string_view path;  // its last segment may be "{id}"
  Access access = Access::kClient;
  std::string_view summary;
  std::string_view answer;  // its form, for the reference
  // Another one than JSON: then the answer is a string, and is sent as it is.
  std::string_view content_type = {};
  ParameterTable parameters = {};
  // Its answer waits for what runs, or for the disk, however long that takes. For administrators.
  bool waits = false;
  // Of a call that manages: it reads manifests, and perhaps a tokenizer, as requests do.
  bool reads_store = false;
  // One of these answers.
  Result<Work> (*work)(const Parameters&, const RequestSetting&) = nullptr;
  Result<Json> (*reply)(const Parameters&, const RequestSetting&) = nullptr;
  Result<Json> (*manage)(const Parameters&, const ServerContext&) = nullptr;
};

std::span<const Endpoint> AllEndpoints();

}  // namespace ashlar
