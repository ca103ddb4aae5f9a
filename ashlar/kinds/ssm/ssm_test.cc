#include "ashlar/kinds/ssm/ssm.h"

#include <algorithm>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestPages;

constexpr std::int64_t kSsmWidth = 32;
constexpr std::int64_t kSsmRows = 37;  // three pages, the last one in part

const AttributeMap kMambaBlock = {{"width", kSsmWidth},
                                  {"heads", std::int64_t{48}},
                                  {"head_dim", std::int64_t{1}},
                                  {"groups", std::int64_t{1}},
                                  {"state_dim", std::int64_t{5}},
                                  {"conv_taps", std::int64_t{4}},
                                  {"conv_bias", std::int64_t{1}},
                                  {"step_rank", std::int64_t{3}},
                                  {"decay_per_state", std::int64_t{1}},
                                  {"activation", "silu"},
                                  {"norm", "rms"},
                                  {"norm_eps", 1e-5}};
const AttributeMap kMamba2Block = {
    {"width", kSsmWidth},        {"heads", std::int64_t{6}},     {"head_dim", std::int64_t{16}},
    {"groups", std::int64_t{2}}, {"state_dim", std::int64_t{5}}, {"conv_taps", std::int64_t{3}},
    {"activation", "silu"},      {"gate_norm", "rms"},           {"norm", "rms"},
    {"norm_eps", 1e-5}};

double SiluOf(double x) {
  return x / (1 + std::exp(-x));
}

// The block on one sequence, as the papers write it: each channel's state from the first row on.
class SsmFormula {
 public:
  explicit SsmFormula(const TestBlock& block) : block_(block), attributes_(block.attributes()) {}

  Doubles operator()(const std::vector<float>& input) {
    const std::int64_t heads = Integer("heads");
    const std::int64_t head_dim = Integer("head_dim");
    const std::int64_t state_dim = Integer("state_dim");
    const bool per_state = Integer("decay_per_state") == 1;
    std::vector<Doubles> h(heads * head_dim, Doubles(state_dim));
    Doubles all;
    for (std::int64_t row = 0; row < kSsmRows; ++row) {
      const Doubles n = testing::RmsNormed(testing::RowOf(input, row, kSsmWidth),
                                           Values("norm.weight"), 0, attributes_.Real("norm_eps"));
      const Doubles x = Convolved("conv.x", Project("x", n));
      const bool convolved = Integer("step_rank") > 0;
      const Doubles b = convolved ? Project("b", x) : Convolved("conv.b", Project("b", n));
      const Doubles c = convolved ? Project("c", x) : Convolved("conv.c", Project("c", n));
      const Doubles steps = Project("step", convolved ? Project("step_down", x) : n);
      const Doubles gate = Project("gate", n);
      Doubles y(x.size());
      for (std::int64_t head = 0; head < heads; ++head) {
        double step = std::log1p(std::exp(steps[head] + Values("step_offset")[head]));
        step = std::max(step, attributes_.Real("step_min"));
        if (attributes_.Real("step_max") > 0) {
          step = std::min(step, attributes_.Real("step_max"));
        }
        const std::int64_t group = head / (heads / Integer("groups"));
        for (std::int64_t i = head * head_dim; i < (head + 1) * head_dim; ++i) {
          y[i] = Values("skip")[head] * x[i];
          for (std::int64_t s = 0; s < state_dim; ++s) {
            const double rate =
                -std::exp(Values("decay_log")[per_state ? head * state_dim + s : head]);
            h[i][s] = std::exp(step * rate) * h[i][s] + step * b[group * state_dim + s] * x[i];
            y[i] += c[group * state_dim + s] * h[i][s];
          }
          y[i] *= SiluOf(gate[i]);
        }
      }
      if (attributes_.Choice("gate_norm") != "none") {
        y = GateNormed(y, Integer("gate_norm_by_group") == 1 ? Integer("groups") : 1);
      }
      for (const double out : Project("o", y)) {
        all.push_back(out * attributes_.Real("multiplier"));
      }
    }
    return all;
  }

 private:
  std::int64_t Integer(const char* name) const { return attributes_.Integer(name); }
  const std::vector<double>& Values(const std::string& name) const {
    return block_.tensor(name).values;
  }
  // Each of `parts` equal parts of y by itself.
  Doubles GateNormed(const Doubles& y, std::int64_t parts) const {
    const std::vector<double>& weight = Values("gate_norm.weight");
    const std::size_t size = y.size() / parts;
    Doubles all;
    for (std::size_t at = 0; at < y.size(); at += size) {
      const auto part = [&](const auto& values) {
        return Doubles(values.begin() + at, values.begin() + at + size);
      };
      const Doubles normed =
          testing::RmsNormed(part(y), part(weight), 0, attributes_.Real("norm_eps"));
      all.insert(all.end(), normed.begin(), normed.end());
    }
    return all;
  }
  Doubles Project(const std::string& name, const Doubles& x) const {
    return testing::MatVec(block_.tensor(name),
                           block_.has(name + ".bias") ? &block_.tensor(name + ".bias") : nullptr,
                           x);
  }
  // Of the rows that went through the convolution of that name so far, this one the last.
  Doubles Convolved(const std::string& name, const Doubles& x) {
    std::vector<Doubles>& rows = convolved_[name];
    rows.push_back(x);
    const auto taps = static_cast<std::size_t>(Integer("conv_taps"));
    Doubles y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = Integer("conv_bias") == 1 ? Values(name + ".bias")[i] : 0;
      for (std::size_t back = 0; back < std::min(taps, rows.size()); ++back) {
        y[i] += Values(name)[i * taps + taps - 1 - back] * rows[rows.size() - 1 - back][i];
      }
      y[i] = SiluOf(y[i]);
    }
    return y;
  }

  const TestBlock& block_;
  const Attributes& attributes_;
  std::map<std::string, std::vector<Doubles>> convolved_;
};

void ExpectSsmRows(const AttributeMap& attributes, std::string_view codec = "f32",
                   double bound = 3e-6) {
  TestBlock block(kSsm, attributes, codec, 1);
  const Interface interface = kSsm.interface(block.attributes());
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(kSsmRows * kSsmWidth, random)};
  const Doubles expected = SsmFormula(block)(batch.x);
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const TestPages pages(interface);
    batch.segments.clear();
    batch.rows = 0;
    batch.Add(kSsmRows, 0, pages.get());
    const auto y = testing::Run(*block.Bind(isa), interface, batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(Ssm, IsTheRecurrenceOfMamba) {
  ExpectSsmRows(kMambaBlock);
  ExpectSsmRows(Changed(kMambaBlock, {{"bias", std::int64_t{1}}, {"multiplier", 0.5}}));
  ExpectSsmRows(Changed(kMambaBlock, {{"conv_taps", std::int64_t{1}}}));
}

TEST(Ssm, IsTheRecurrenceOfMamba2) {
  ExpectSsmRows(kMamba2Block);
  ExpectSsmRows(Changed(kMamba2Block, {{"bias", std::int64_t{1}},
                                       {"conv_bias", std::int64_t{1}},
                                       {"step_min", 0.5},
                                       {"step_max", 0.9}}));
  ExpectSsmRows(Changed(kMamba2Block, {{"groups", std::int64_t{1}}, {"gate_norm", "none"}}));
}

TEST(Ssm, NormsTheGatedChannelsOfEachGroupByThemselves) {
  ExpectSsmRows(Changed(kMamba2Block, {{"gate_norm_by_group", std::int64_t{1}}}));
  ExpectSsmRows(Changed(kMamba2Block,
                        {{"groups", std::int64_t{3}}, {"gate_norm_by_group", std::int64_t{1}}}));
}

TEST(Ssm, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectSsmRows(kMamba2Block, "q8", 0.03);
}

TEST(Ssm, CarriesTheStateOfEachChannelAndTheRowsOfItsConvolutions) {
  const auto interface = [](const AttributeMap& attributes) {
    return kSsm.interface(*Attributes::Make(kSsm.attributes, attributes));
  };
  EXPECT_EQ(interface(kMambaBlock).state_floats, 0);
  EXPECT_EQ(interface(kMambaBlock).carried_floats, 48 * 5 + 48 * 3);
  EXPECT_EQ(interface(kMambaBlock).state_shape, "ssm:48x5+48x3");
  EXPECT_EQ(interface(kMamba2Block).carried_floats, 96 * 5 + (96 + 2 * 10) * 2);
}

TEST(Ssm, CostsItsMatricesItsConvolutionsAndItsState) {
  const auto flops = [](const AttributeMap& attributes) {
    return kSsm.cost(*Attributes::Make(kSsm.attributes, attributes)).flops;
  };
  EXPECT_EQ(flops(kMambaBlock), 2 * (3 * 32 * 48 + 48 * (10 + 3) + 3 * 48 + 48 * 4 + 3 * 48 * 5));
  EXPECT_EQ(flops(kMamba2Block), 2 * (3 * 32 * 96 + 32 * (20 + 6) + 116 * 3 + 3 * 96 * 5));
}

TEST(Ssm, RefusesAttributesByName) {
  const auto error = [](const AttributeMap& changes) {
    return ErrorOf(kSsm, Changed(kMamba2Block, changes));
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({{"groups", std::int64_t{4}}}), "heads 6 is no multiple of groups 4");
  EXPECT_EQ(error({{"step_min", -1.0}}), "attribute \"step_min\" must be at least 0, found -1");
  EXPECT_EQ(error({{"step_min", 2.0}, {"step_max", 1.0}}),
            "attribute \"step_max\" must be at least step_min 2, found 1");
  EXPECT_EQ(error({{"heads", std::int64_t{1} << 20}, {"head_dim", std::int64_t{1} << 12}}),
            "heads 1048576 of 4096 channels, and groups 2 of 5 floats of state: at most 16777216 "
            "each");
  EXPECT_EQ(error({{"norm", "none"}, {"gate_norm", "none"}}),
            "attribute \"norm_eps\" has no meaning when the block has no norm; leave it out");
  // A slice takes whole groups.
  const Attributes whole = *Attributes::Make(kSsm.attributes, kMamba2Block);
  EXPECT_TRUE(kSsm.tensors(kSsm.apply_slice(whole, {{"heads", 3}})).ok());
  EXPECT_EQ(kSsm.tensors(kSsm.apply_slice(whole, {{"heads", 4}})).error().message,
            "heads 4 is no multiple of groups 6");
  // Of one group, the norm by group is that of the row.
  EXPECT_EQ(
      error({{"groups", std::int64_t{1}}, {"gate_norm_by_group", std::int64_t{1}}}),
      "attribute \"gate_norm_by_group\" has no meaning when groups is 1 or gate_norm is none; "
      "leave it out");
  EXPECT_EQ(
      error({{"gate_norm", "none"}, {"gate_norm_by_group", std::int64_t{1}}}),
      "attribute \"gate_norm_by_group\" has no meaning when groups is 1 or gate_norm is none; "
      "leave it out");
  const Attributes by_group = whole.With("gate_norm_by_group", 1);
  EXPECT_EQ(kSsm.apply_slice(by_group, {{"heads", 3}}).Integer("gate_norm_by_group"), 0);
}

TEST(Ssm, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kSsm, kMambaBlock).digest().ToString(),
            "sha256:0f6a22e2d3970b880e81170ed4b033d3d89c1b8c4b49da62a84a5ff912a80c49");
  EXPECT_EQ(testing::LiteralBlock(kSsm, kMamba2Block).digest().ToString(),
            "sha256:b912795b14f54423234418545cb4dfef11835f62777af0102d2ab0cfa29dd204");
  EXPECT_EQ(
      testing::LiteralBlock(kSsm, Changed(kMamba2Block, {{"gate_norm_by_group", std::int64_t{1}}}))
          .digest()
          .ToString(),
      "sha256:e6e41603ba5e15dab0459fc2b470e279d135c78a0c16f4f25807402a42168c98");
}

}  // namespace
}  // namespace ashlar
