#include "ashlar/kinds/linear_attention/linear_attention.h"

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

constexpr std::int64_t kDeltaWidth = 32;
constexpr std::int64_t kDeltaRows = 37;  // three pages, the last one in part

const AttributeMap kPlainDelta = {{"width", kDeltaWidth},          {"heads", std::int64_t{4}},
                                  {"key_heads", std::int64_t{2}},  {"key_dim", std::int64_t{6}},
                                  {"value_dim", std::int64_t{16}}, {"conv_taps", std::int64_t{4}},
                                  {"activation", "silu"}};
const AttributeMap kQwenDelta =
    Changed(kPlainDelta,
            {{"norm", "rms"}, {"value_norm", "rms"}, {"norm_eps", 1e-6}, {"norm_offset", 1.0}});

double SiluOfDelta(double x) {
  return x / (1 + std::exp(-x));
}

// The block on one sequence, as the paper writes it: each head's matrix from the first row on.
class DeltaFormula {
 public:
  explicit DeltaFormula(const TestBlock& block) : block_(block), attributes_(block.attributes()) {}

  Doubles operator()(const std::vector<float>& input) {
    const std::int64_t heads = Integer("heads");
    const std::int64_t key_dim = Integer("key_dim");
    const std::int64_t value_dim = Integer("value_dim");
    std::vector<std::vector<Doubles>> states(heads,
                                             std::vector<Doubles>(key_dim, Doubles(value_dim)));
    Doubles all;
    for (std::int64_t row = 0; row < kDeltaRows; ++row) {
      Doubles n = testing::RowOf(input, row, kDeltaWidth);
      if (attributes_.Choice("norm") == "rms") {
        n = testing::RmsNormed(n, Values("norm.weight"), attributes_.Real("norm_offset"),
                               attributes_.Real("norm_eps"));
      }
      const Doubles q = Convolved("q", n);
      const Doubles k = Convolved("k", n);
      const Doubles v = Convolved("v", n);
      const Doubles writes = Project("write", n);
      const Doubles steps = Project("step", n);
      const Doubles gate = Project("gate", n);
      Doubles y;
      for (std::int64_t head = 0; head < heads; ++head) {
        std::vector<Doubles>& state = states[head];
        const Doubles query = Unit(q, head, 1 / std::sqrt(static_cast<double>(key_dim)));
        const Doubles key = Unit(k, head, 1);
        const double keep =
            std::exp(-std::exp(Values("decay_log")[head]) *
                     std::log1p(std::exp(steps[head] + Values("step_offset")[head])));
        const double write = 1 / (1 + std::exp(-writes[head]));
        Doubles out(value_dim);
        for (std::int64_t j = 0; j < value_dim; ++j) {
          double found = 0;
          for (std::int64_t i = 0; i < key_dim; ++i) {
            state[i][j] *= keep;
            found += key[i] * state[i][j];
          }
          for (std::int64_t i = 0; i < key_dim; ++i) {
            state[i][j] += key[i] * write * (v[head * value_dim + j] - found);
            out[j] += query[i] * state[i][j];
          }
        }
        if (attributes_.Choice("value_norm") == "rms") {
          out =
              testing::RmsNormed(out, Values("value_norm.weight"), 0, attributes_.Real("norm_eps"));
        }
        for (std::int64_t j = 0; j < value_dim; ++j) {
          y.push_back(out[j] * SiluOfDelta(gate[head * value_dim + j]));
        }
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
  Doubles Project(const std::string& name, const Doubles& x) const {
    return testing::MatVec(block_.tensor(name), nullptr, x);
  }
  // The head's query or key, of the given length.
  Doubles Unit(const Doubles& all, std::int64_t head, double length) const {
    const std::int64_t key_head = head / (Integer("heads") / Integer("key_heads"));
    const auto first = all.begin() + key_head * Integer("key_dim");
    Doubles unit(first, first + Integer("key_dim"));
    double squares = attributes_.Real("qk_eps");
    for (const double value : unit) {
      squares += value * value;
    }
    for (double& value : unit) {
      value *= length / std::sqrt(squares);
    }
    return unit;
  }
  Doubles Convolved(const std::string& name, const Doubles& n) {
    std::vector<Doubles>& rows = convolved_[name];
    rows.push_back(Project(name, n));
    const Doubles& weight = Values("conv." + name);
    const auto taps = static_cast<std::size_t>(Integer("conv_taps"));
    Doubles y(rows.back().size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = Integer("conv_bias") == 1 ? Values("conv." + name + ".bias")[i] : 0;
      for (std::size_t back = 0; back < std::min(taps, rows.size()); ++back) {
        y[i] += weight[i * taps + taps - 1 - back] * rows[rows.size() - 1 - back][i];
      }
      y[i] = SiluOfDelta(y[i]);
    }
    return y;
  }

  const TestBlock& block_;
  const Attributes& attributes_;
  std::map<std::string, std::vector<Doubles>> convolved_;
};

void ExpectDeltaRows(const AttributeMap& attributes, std::string_view codec = "f32",
                     double bound = 5e-6) {
  TestBlock block(kLinearAttention, attributes, codec, 1);
  const Interface interface = kLinearAttention.interface(block.attributes());
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(kDeltaRows * kDeltaWidth, random)};
  const Doubles expected = DeltaFormula(block)(batch.x);
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const TestPages pages(interface);
    batch.segments.clear();
    batch.rows = 0;
    batch.Add(kDeltaRows, 0, pages.get());
    const auto y = testing::Run(*block.Bind(isa), interface, batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(LinearAttention, IsTheGatedDeltaRule) {
  ExpectDeltaRows(kPlainDelta);
  ExpectDeltaRows(kQwenDelta);
  ExpectDeltaRows(Changed(kQwenDelta, {{"conv_bias", std::int64_t{1}},
                                       {"key_heads", std::int64_t{4}},
                                       {"qk_eps", 0.5},
                                       {"multiplier", 0.5}}));
}

TEST(LinearAttention, ComputesOnInt8RowsWithinTheirRounding) {
  ExpectDeltaRows(kQwenDelta, "q8", 0.05);
}

TEST(LinearAttention, CarriesAMatrixForEachHeadAndTheRowsOfItsConvolutions) {
  const Interface interface =
      kLinearAttention.interface(*Attributes::Make(kLinearAttention.attributes, kPlainDelta));
  EXPECT_EQ(interface.state_floats, 0);
  EXPECT_EQ(interface.carried_floats, 4 * 6 * 16 + (2 * 12 + 64) * 3);
  EXPECT_EQ(interface.state_shape, "delta:4x6x16+88x3");
}

TEST(LinearAttention, CostsItsMatricesItsConvolutionsAndItsState) {
  const Cost cost =
      kLinearAttention.cost(*Attributes::Make(kLinearAttention.attributes, kPlainDelta));
  EXPECT_EQ(cost.flops, 2 * (32 * (2 * 12 + 3 * 64 + 2 * 4) + 88 * 4) + 7 * 4 * 6 * 16);
}

TEST(LinearAttention, RefusesAttributesByName) {
  const auto error = [](const AttributeMap& changes) {
    return ErrorOf(kLinearAttention, Changed(kQwenDelta, changes));
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({{"key_heads", std::int64_t{3}}}), "heads 4 is no multiple of key_heads 3");
  EXPECT_EQ(error({{"qk_eps", -1.0}}), "attribute \"qk_eps\" must be at least 0, found -1");
  EXPECT_EQ(
      error({{"norm_bias", std::int64_t{1}}}),
      "attribute \"norm_bias\" has no meaning when the block has no layer norm; leave it out");
}

TEST(LinearAttention, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kLinearAttention, kPlainDelta).digest().ToString(),
            "sha256:da09646616af977704b5053e8402b4fc87751816bbcf54177ff67fe763136c72");
  EXPECT_EQ(testing::LiteralBlock(kLinearAttention, kQwenDelta).digest().ToString(),
            "sha256:3bd8cee517241a78412d7fa6d95323a20bb61789c811e276a8ac0fb9d3bca7c6");
}

}  // namespace
}  // namespace ashlar
