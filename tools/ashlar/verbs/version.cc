#include <cstdlib>

#include "ashlar/base/thread_pool.h"
#include "ashlar/kernels/isa.h"
#include "tools/ashlar/verbs/all_verbs.h"

namespace ashlar::cli {
namespace {

Status RunVersion(Session& session) {
  const char* forced = std::getenv("ASHLAR_ISA");
  ASHLAR_TRY(const Isa isa, ChooseIsa(forced == nullptr ? "" : forced));
  Json supported = Json::Array();
  for (const Isa known : AllIsas()) {
    if (Supported(known)) {
      supported.Append(IsaName(known));
    }
  }
  if (session.json) {
    session.terminal.PrintJson(Json::Of({{"version", ASHLAR_VERSION},
                                         {"isa", IsaName(isa)},
                                         {"isas", std::move(supported)},
                                         {"cores", ThreadPool::UsableCores()}}));
  } else {
    session.terminal.PrintLine(fmt::format("ashlar {} ({}, {} cores)", ASHLAR_VERSION, IsaName(isa),
                                           ThreadPool::UsableCores()));
  }
  return {};
}

}  // namespace

constinit const Verb kVersion{
    .name = "version",
    .summary = "print the version and the instruction set in use",
    .details = "ASHLAR_ISA=avx2 (or reference) forces a slower one.",
    .examples = "  ashlar version --json",
    .options = {},
    .run = RunVersion,
};

}  // namespace ashlar::cli
