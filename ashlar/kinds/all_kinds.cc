#include <array>

#include <fmt/format.h>

#include "ashlar/base/check.h"
#include "ashlar/kinds/attention/attention.h"
#include "ashlar/kinds/embed/embed.h"
#include "ashlar/kinds/head/head.h"
#include "ashlar/kinds/latent_attention/latent_attention.h"
#include "ashlar/kinds/linear/linear.h"
#include "ashlar/kinds/linear_attention/linear_attention.h"
#include "ashlar/kinds/mlp/mlp.h"
#include "ashlar/kinds/moe/moe.h"
#include "ashlar/kinds/norm/norm.h"
#include "ashlar/kinds/ssm/ssm.h"
#include "ashlar/kinds/wkv/wkv.h"

namespace ashlar {
namespace {

constexpr const CpuKind* kAll[] = {
    &kEmbedOnCpu,            //
    &kNormOnCpu,             //
    &kLinearOnCpu,           //
    &kHeadOnCpu,             //
    &kMlpOnCpu,              //
    &kMoeOnCpu,              //
    &kAttentionOnCpu,        //
    &kLatentAttentionOnCpu,  //
    &kSsmOnCpu,              //
    &kLinearAttentionOnCpu,  //
    &kWkvOnCpu,              //
};

// Of all that computes: raised when a change of a kernel or of a kind changes a bit of any result.
constexpr int kNumericsVersion = 5;

}  // namespace

std::span<const CpuKind* const> AllCpuKinds() {
  return kAll;
}

const Kinds& AllKinds() {
  static const auto kDeclarations = [] {
    std::array<const BlockKind*, std::size(kAll)> declarations = {};
    for (std::size_t i = 0; i < declarations.size(); ++i) {
      declarations[i] = kAll[i]->declaration;
    }
    return declarations;
  }();
  static const Kinds kKinds(kDeclarations);
  return kKinds;
}

const CpuKind& CpuKindOf(const BlockKind& declaration) {
  for (const CpuKind* kind : kAll) {
    if (kind->declaration == &declaration) {
      return *kind;
    }
  }
  CHECK(false);
}

std::string KernelForm(Isa isa) {
  return fmt::format("{}.{}", IsaName(isa), kNumericsVersion);
}

}  // namespace ashlar
