#include "ashlar/graph/statistics.h"

#include <cmath>
#include <limits>

#include "ashlar/graph/testing_fixture.h"
#include "ashlar/store/housekeeping.h"

namespace ashlar {
namespace {

using ::testing::HasSubstr;
using testing::MessageOf;
using testing::Must;
using testing::ToyNetwork;

// All levels; the last loss stands for those after it.
TensorStatistics SomeTensor(std::string_view name, std::vector<double> losses) {
  losses.resize(static_cast<std::size_t>(Must(FindCodec("bitplane"))->levels()), losses.back());
  TensorStatistics tensor{.source = Sha256("source"),
                          .tensor = {.shape = {64, 32}, .codec = Must(FindCodec("bitplane"))},
                          .rows = 100,
                          .losses = std::move(losses),
                          .bands = Sha256("bands")};
  for (std::size_t l = 0; l < tensor.losses.size(); ++l) {
    tensor.tensor.levels.push_back(
        {Sha256(fmt::format("{} {}", name, l)), 0,
         Must(LevelBytes(*tensor.tensor.codec, tensor.tensor.shape, static_cast<int>(l)))});
  }
  return tensor;
}

class StatisticsTest : public testing::GraphTest {
 protected:
  static Statistics Some() {
    Statistics statistics{
        .job = Sha256("job"), .tokens = 100, .joint = {{0.01, 0.0125}, {0.5, 0.75}}};
    statistics.tensors = {SomeTensor("a", {0.5, 0.25, 1e-7}), SomeTensor("b", {0.125, 0})};
    Sort(statistics);
    return statistics;
  }
};

TEST_F(StatisticsTest, ReadBackWhatWasWritten) {
  Statistics written = Some();
  written.tensors.front().inputs = Sha256("inputs");
  written.tensors.back().lookups = Sha256("lookups");
  const Statistics read = Must(ParseStatistics(written.CanonicalManifest()));
  EXPECT_EQ(read, written);
  for (const TensorStatistics& tensor : read.tensors) {
    EXPECT_EQ(read.Find(tensor.tensor.levels.front()), &tensor);
  }
  EXPECT_EQ(read.Find({Sha256("other"), 0, 64}), nullptr);
  written.joint.clear();  // as they were before anybody measured it
  EXPECT_EQ(Must(ParseStatistics(written.CanonicalManifest())), written);
}

TEST_F(StatisticsTest, RefuseJointLossesThatDoNotAscend) {
  const auto error_of = [](const std::vector<JointLoss>& joint) {
    Statistics statistics = Some();
    statistics.joint = joint;
    return MessageOf(ParseStatistics(statistics.CanonicalManifest()));
  };
  EXPECT_EQ(error_of({{0.1, 0.1}, {0.2, 0.1}}),
            "$.joint[1]: joint losses are positive and ascend, found 0.2 and 0.1");
  EXPECT_EQ(error_of({{0.1, 0.1}, {0.1, 0.2}}),
            "$.joint[1]: joint losses are positive and ascend, found 0.1 and 0.2");
  EXPECT_EQ(error_of({{0, 0.1}}),
            "$.joint[0]: joint losses are positive and ascend, found 0 and 0.1");
  std::string none = Some().CanonicalManifest();
  const std::size_t at = none.find("[[");
  none.erase(at + 1, none.find("]]") - at);
  EXPECT_EQ(MessageOf(ParseStatistics(none)),
            "$.joint: without joint losses there is no such member");
}

TEST_F(StatisticsTest, RefuseLossesThatRiseAreNegativeOrTooFew) {
  const auto error_of = [](const std::vector<double>& losses) {
    Statistics statistics = Some();
    statistics.tensors = {SomeTensor("a", {0})};
    statistics.tensors.front().losses = losses;
    return MessageOf(ParseStatistics(statistics.CanonicalManifest()));
  };
  EXPECT_EQ(error_of({0.5, 0.6, 0, 0, 0, 0, 0}),
            "$.tensors[0].losses[1]: losses are not negative and never rise, found 0.6");
  EXPECT_EQ(error_of({-0.5, -1, -1, -1, -1, -1, -1}),
            "$.tensors[0].losses[0]: losses are not negative and never rise, found -0.5");
  EXPECT_EQ(error_of({0.5}), "$.tensors[0].losses: the tensor has 7 levels, found 1 losses");
}

TEST_F(StatisticsTest, RefuseATensorTwice) {
  Statistics statistics = Some();
  statistics.tensors.push_back(statistics.tensors.back());
  EXPECT_THAT(MessageOf(ParseStatistics(statistics.CanonicalManifest())),
              HasSubstr("ascending order of their first levels, each once"));
}

TEST_F(StatisticsTest, AreFoundByTheNetworksNameAndDigestAndKeptAsLongAsItIs) {
  const Network network = ToyNetwork(*store_);
  Must(catalog_.Save(network, "toy", Json::Array{}));
  EXPECT_FALSE(Must(LoadStatistics(catalog_, "toy")).has_value());
  const std::vector<float> numbers = {0, 0.5f, 2};
  Statistics statistics = Some();
  const Digest blob = Must(store_->Put(std::as_bytes(std::span<const float>(numbers))));
  for (TensorStatistics& tensor : statistics.tensors) {
    tensor.bands = blob;
  }
  Must(AttachStatistics(catalog_, "toy", statistics));
  Must(catalog_.Tag("toy", "same"));
  Must(catalog_.Save(ToyNetwork(*store_, {.seed = 2}), "other", Json::Array{}));
  Must(catalog_.Remove({"toy"}));
  Must(CollectGarbage(*store_, Gc::kRemove));
  for (const std::string& name : {std::string("same"), network.digest().ToString()}) {
    EXPECT_EQ(Must(LoadStatistics(catalog_, name)), statistics);
  }
  EXPECT_EQ(Must(LoadVector(*store_, blob, 3)), numbers);
  EXPECT_FALSE(Must(LoadStatistics(catalog_, "other")).has_value());
  EXPECT_TRUE(Must(CheckStore(*store_, {})).damage.empty());

  Must(catalog_.Remove({"same"}));
  Must(CollectGarbage(*store_, Gc::kRemove));
  EXPECT_FALSE(Must(store_->Stat(blob)).has_value());
}

TEST_F(StatisticsTest, RefuseABlobThatIsNotThere) {
  Must(catalog_.Save(ToyNetwork(*store_), "toy", Json::Array{}));
  Statistics statistics = Some();
  statistics.tensors.front().bands = Sha256("nowhere");
  EXPECT_THAT(MessageOf(AttachStatistics(catalog_, "toy", statistics)),
              HasSubstr("of the statistics is not in the store"));
}

TEST_F(StatisticsTest, AVectorHasSoManyFiniteNumbersOfWhichNoneIsNegative) {
  const auto error_of = [&](std::vector<float> numbers) {
    const Digest blob = Must(store_->Put(std::as_bytes(std::span<const float>(numbers))));
    return MessageOf(LoadVector(*store_, blob, 2));
  };
  EXPECT_THAT(error_of({1}), HasSubstr("has 4 bytes; 2 numbers take 8"));
  EXPECT_THAT(error_of({1, -1}), HasSubstr("number 1 is -1"));
  EXPECT_THAT(error_of({std::numeric_limits<float>::infinity(), 1}), HasSubstr("number 0 is inf"));
}

}  // namespace
}  // namespace ashlar
