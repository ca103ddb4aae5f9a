#include "ashlar/kernels/kernel_cases.h"

#include <set>

#include <gtest/gtest.h>

#include "ashlar/kernels/activation/activation.h"
#include "ashlar/kernels/add_scaled/add_scaled.h"
#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/delta_rule/delta_rule.h"
#include "ashlar/kernels/layer_norm/layer_norm.h"
#include "ashlar/kernels/linear/linear.h"
#include "ashlar/kernels/quantize_rows/quantize_rows.h"
#include "ashlar/kernels/rms_norm/rms_norm.h"
#include "ashlar/kernels/rope/rope.h"
#include "ashlar/kernels/selective_scan/selective_scan.h"
#include "ashlar/kernels/softmax/softmax.h"
#include "ashlar/kernels/split_rows/split_rows.h"

namespace ashlar {
namespace {

using Names = std::set<std::pair<std::string, Isa>>;  // kernel and form

template <class Forms>
void AddSupported(const std::string& kernel, const Forms& forms, Names& names) {
  for (const auto& form : forms) {
    if (Supported(form.isa)) {
      names.emplace(kernel, form.isa);
    }
  }
}

TEST(KernelCases, AreThereForEveryFormThatThisProcessorCanRun) {
  Names expected;
  for (const LinearKernel& kernel : LinearKernels()) {
    AddSupported("linear/" + std::string(kernel.codec), kernel.forms, expected);
  }
  for (const KvFormat format : KvFormats()) {
    const std::string name(KvFormatName(format));
    AddSupported("attention/" + name, AttentionForms(format), expected);
    AddSupported("attention_latent/" + name, AttentionForms(format), expected);
    AddSupported("attention_store/" + name, AttentionForms(format), expected);
    AddSupported("attention_store_latent/" + name, AttentionForms(format), expected);
  }
  for (const ActivationForm& form : ActivationForms()) {
    AddSupported("activation/" + std::string(ActivationName(form.activation)), std::span(&form, 1),
                 expected);
  }
  AddSupported("quantize_rows", QuantizeRowsForms(), expected);
  AddSupported("split_rows", SplitRowsForms(), expected);
  AddSupported("rms_norm", RmsNormForms(), expected);
  AddSupported("layer_norm", LayerNormForms(), expected);
  AddSupported("rope", RopeForms(), expected);
  AddSupported("add_scaled", AddScaledForms(), expected);
  AddSupported("softmax", SoftmaxForms(), expected);
  AddSupported("selective_scan", SelectiveScanForms(), expected);
  AddSupported("delta_rule", DeltaRuleForms(), expected);
  Names found;
  for (const KernelCase& each : AllKernelCases()) {
    found.emplace(each.kernel, each.isa);
  }
  EXPECT_EQ(found, expected);
}

TEST(KernelCases, AreDifferentAndCountWhatTheyDo) {
  std::set<std::tuple<std::string, std::string, Isa>> names;
  for (const KernelCase& each : AllKernelCases()) {
    const std::string name = each.kernel + ", " + each.size;
    EXPECT_TRUE(names.emplace(each.kernel, each.size, each.isa).second) << name;
    EXPECT_GT(each.bytes, 0) << name;
    EXPECT_EQ(each.operations > 0, each.arithmetic != Arithmetic::kNone) << name;
  }
}

// (Small ones: the rest would take a minute.)
TEST(KernelCases, Run) {
  double seconds = -1;
  for (const KernelCase& each : AllKernelCases()) {
    if (each.kernel == "rms_norm") {
      seconds = SecondsPerCall(each, 1e-4);
    } else if (!each.cold && each.bytes < 1e6) {
      each.prepare()();
    }
  }
  EXPECT_GT(seconds, 0);
  EXPECT_LT(seconds, 1);
}

}  // namespace
}  // namespace ashlar
