#include "ashlar/kinds/latent_attention/latent_attention.h"

#include <algorithm>

#include "ashlar/kinds/internal/testing.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Changed;
using testing::Doubles;
using testing::ErrorOf;
using testing::MatVec;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestPages;

constexpr std::int64_t kLatentWidth = 64;
constexpr std::int64_t kLatentRows = 41;  // three pages, the last one in part

const AttributeMap kOfTheInput = {{"width", kLatentWidth},          {"heads", std::int64_t{3}},
                                  {"latent_dim", std::int64_t{32}}, {"plain_dim", std::int64_t{64}},
                                  {"value_dim", std::int64_t{32}},  {"latent_norm_eps", 1e-6},
                                  {"rope_dims", std::int64_t{8}}};
const AttributeMap kDeepSeekAttention = Changed(
    kOfTheInput, {{"query_latent_dim", std::int64_t{96}}, {"norm", "rms"}, {"norm_eps", 1e-5}});

// The block on one sequence as the paper writes it: with the keys and values of every head, which
// the block never makes.
class LatentFormula {
 public:
  explicit LatentFormula(const TestBlock& block) : block_(block), attributes_(block.attributes()) {}

  Doubles operator()(const std::vector<float>& x) {
    Doubles all;
    for (std::int64_t row = 0; row < kLatentRows; ++row) {
      Doubles n = testing::RowOf(x, row, kLatentWidth);
      if (attributes_.Choice("norm") == "rms") {
        n = Normed("norm", attributes_.Real("norm_eps"), n);
      }
      const Doubles kv = Project("kv_down", n);
      const auto split = kv.begin() + Integer("latent_dim");
      latents_.push_back(
          Normed("kv_norm", attributes_.Real("latent_norm_eps"), Doubles(kv.begin(), split)));
      rotated_.push_back(Turned(Doubles(split, kv.end()), row));
      keys_.emplace_back();
      values_.emplace_back();
      for (std::int64_t head = 0; head < Integer("heads"); ++head) {
        const std::string name = "heads." + std::to_string(head) + ".";
        keys_.back().push_back(Key(name));
        values_.back().push_back(Project(name + "v", latents_.back()));
      }
      Doubles q = n;
      if (Integer("query_latent_dim") > 0) {
        q = Normed("q_norm", attributes_.Real("latent_norm_eps"), Project("q_down", n));
      }
      q = Project("q", q);
      Doubles values;
      for (std::int64_t head = 0; head < Integer("heads"); ++head) {
        const Doubles value = Attended(head, row, q);
        values.insert(values.end(), value.begin(), value.end());
      }
      for (const double y : Project("o", values)) {
        all.push_back(y * attributes_.Real("multiplier"));
      }
    }
    return all;
  }

 private:
  std::int64_t Integer(const char* name) const { return attributes_.Integer(name); }
  Doubles Normed(const std::string& name, double eps, const Doubles& x) const {
    return testing::RmsNormed(x, block_.tensor(name + ".weight").values, 0, eps);
  }
  Doubles Project(const std::string& name, const Doubles& x) const {
    return MatVec(block_.tensor(name),
                  block_.has(name + ".bias") ? &block_.tensor(name + ".bias") : nullptr, x);
  }
  Doubles Turned(const Doubles& x, std::int64_t position) const {
    const bool neighbours = attributes_.Choice("rope_pairs") == "neighbours";
    const std::size_t pairs = x.size() / 2;
    Doubles y = x;
    for (std::size_t i = 0; i < pairs; ++i) {
      const double angle = static_cast<double>(position) *
                           std::pow(attributes_.Real("rope_theta"),
                                    -static_cast<double>(i) / static_cast<double>(pairs));
      const std::size_t a = neighbours ? 2 * i : i;
      const std::size_t b = neighbours ? 2 * i + 1 : i + pairs;
      y[a] = x[a] * std::cos(angle) - x[b] * std::sin(angle);
      y[b] = x[b] * std::cos(angle) + x[a] * std::sin(angle);
    }
    return y;
  }
  // The last position's key without its rotated part: the transposed q_latent of the latent.
  Doubles Key(const std::string& head) const {
    const testing::TestTensor& weight = block_.tensor(head + "q_latent");
    Doubles key(static_cast<std::size_t>(Integer("plain_dim")));
    for (std::size_t i = 0; i < key.size(); ++i) {
      for (std::size_t j = 0; j < latents_.back().size(); ++j) {
        key[i] += weight.values[j * key.size() + i] * latents_.back()[j];
      }
    }
    return key;
  }
  Doubles Attended(std::int64_t index, std::int64_t row, const Doubles& q) const {
    const std::int64_t plain = Integer("plain_dim");
    const std::int64_t query_dim = plain + Integer("rope_dims");
    const auto at = q.begin() + index * query_dim;
    const Doubles turned = Turned(Doubles(at + plain, at + query_dim), row);
    const double scale = attributes_.Real("scale") == 0
                             ? 1 / std::sqrt(static_cast<double>(query_dim))
                             : attributes_.Real("scale");
    Doubles out(static_cast<std::size_t>(Integer("value_dim")));
    double sum = 0;
    for (std::size_t t = 0; t <= static_cast<std::size_t>(row); ++t) {
      const Doubles& key = keys_[t][static_cast<std::size_t>(index)];
      double score = 0;
      for (std::size_t i = 0; i < key.size(); ++i) {
        score += at[static_cast<std::ptrdiff_t>(i)] * key[i];
      }
      for (std::size_t i = 0; i < turned.size(); ++i) {
        score += turned[i] * rotated_[t][i];
      }
      const double weight = std::exp(scale * score);
      const Doubles& value = values_[t][static_cast<std::size_t>(index)];
      sum += weight;
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] += weight * value[i];
      }
    }
    for (double& v : out) {
      v /= sum;
    }
    return out;
  }

  const TestBlock& block_;
  const Attributes& attributes_;
  std::vector<Doubles> latents_;
  std::vector<Doubles> rotated_;
  std::vector<std::vector<Doubles>> keys_;  // [position][head]
  std::vector<std::vector<Doubles>> values_;
};

void ExpectLatentRows(const AttributeMap& attributes, std::string_view codec = "f32",
                      double bound = 3e-6, KvFormat kv_format = KvFormat::kF32) {
  TestBlock block(kLatentAttention, attributes, codec, 1);
  const Interface interface = kLatentAttention.interface(block.attributes());
  std::mt19937 random(2);
  TestBatch batch{.x = testing::RandomFloats(kLatentRows * kLatentWidth, random)};
  const Doubles expected = LatentFormula(block)(batch.x);
  ThreadPool pool(2);
  for (const Isa isa : testing::SupportedIsas()) {
    const TestPages pages(interface, kv_format);
    batch.segments.clear();
    batch.rows = 0;
    batch.Add(kLatentRows, 0, pages.get());
    const auto y = testing::Run(*block.Bind(isa, {}, kv_format), interface, batch, pool);
    EXPECT_LT(testing::RelativeError(y, expected), bound) << IsaName(isa);
  }
}

TEST(LatentAttention, IsAttentionWithTheKeysAndValuesThatTheLatentStandsFor) {
  ExpectLatentRows(kOfTheInput);
  ExpectLatentRows(kDeepSeekAttention);
  ExpectLatentRows(Changed(kDeepSeekAttention, {{"rope_pairs", "neighbours"}}));
  ExpectLatentRows(Changed(kDeepSeekAttention, {{"heads", std::int64_t{17}},
                                                {"down_bias", std::int64_t{1}},
                                                {"o_bias", std::int64_t{1}},
                                                {"scale", 0.3},
                                                {"multiplier", 0.5}}));
  ExpectLatentRows(Changed(kOfTheInput, {{"rope_dims", std::int64_t{0}}}));
}

TEST(LatentAttention, ComputesOnInt8RowsAndHalvesWithinTheirRounding) {
  ExpectLatentRows(kDeepSeekAttention, "q8", 0.03);
  ExpectLatentRows(kDeepSeekAttention, "f32", 5e-4, KvFormat::kF16);
}

TEST(LatentAttention, KeepsTheLatentAndTheRotatedPartOnly) {
  const Interface interface = kLatentAttention.interface(
      *Attributes::Make(kLatentAttention.attributes, kDeepSeekAttention));
  EXPECT_EQ(interface.state_floats, 32 + 8);
  EXPECT_EQ(interface.state_shape, "latent:32+8");
}

TEST(LatentAttention, CostsItsMatricesAndItsContext) {
  const Cost cost =
      kLatentAttention.cost(*Attributes::Make(kLatentAttention.attributes, kDeepSeekAttention));
  EXPECT_EQ(cost.flops, 2 * (64 * 96 + 96 * 3 * 72 + 64 * 40 + 3 * 32 * (64 + 32) + 3 * 32 * 64));
  EXPECT_EQ(cost.flops_per_position, 2 * 3 * (40 + 32));
}

TEST(LatentAttention, RefusesAttributesByName) {
  const auto error = [](const AttributeMap& changes) {
    return ErrorOf(kLatentAttention, Changed(kDeepSeekAttention, changes));
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({{"latent_dim", std::int64_t{4090}}}),
            "latent_dim 4090 and rope_dims 8 are together more than 4096");
  EXPECT_EQ(error({{"latent_norm_eps", 0.0}}),
            "attribute \"latent_norm_eps\" must be above 0, found 0");
  EXPECT_EQ(error({{"scale", -1.0}}), "attribute \"scale\" must be at least 0, found -1");
  EXPECT_EQ(
      error({{"rope_fractional_ramp", std::int64_t{1}}}),
      "attribute \"rope_fractional_ramp\" has no meaning when rope_scaling is none; leave it out");
}

TEST(LatentAttention, HasTheIdentityThatItAlwaysHad) {
  EXPECT_EQ(testing::LiteralBlock(kLatentAttention, kOfTheInput).digest().ToString(),
            "sha256:cd89001423e471193861f896c777893516180db82e97025073b605d2fd97292c");
  EXPECT_EQ(testing::LiteralBlock(kLatentAttention, kDeepSeekAttention).digest().ToString(),
            "sha256:7e246347076e76ac441a856e1ca2514e044b8b1a4ed25709aec326ecc3b690ea");
}

}  // namespace
}  // namespace ashlar
