// What every kind promises, over the examples of each, every codec that has a kernel, and every
// instruction set that this processor has.
#include <algorithm>
#include <set>

#include "ashlar/kinds/internal/examples.h"

namespace ashlar {
namespace {

using testing::AttributeMap;
using testing::Encoding;
using testing::Example;
using testing::Examples;
using testing::Run;
using testing::SameBits;
using testing::SupportedIsas;
using testing::TestBatch;
using testing::TestBlock;
using testing::TestPages;

const Encoding kEncodings[] = {"f32", "f16", "bf16", "q8", "q4", {"bitplane", 0, "q8"}};

class EveryKind : public ::testing::TestWithParam<Example> {
 protected:
  const BlockKind& kind() const { return *GetParam().kind; }
  // Whether the codec says anything about the example: a norm has no matrix.
  bool HasMatrix(const Attributes& attributes) const {
    const auto specs = kind().tensors(attributes);
    return std::ranges::any_of(
        *specs, [](const TensorSpec& spec) { return spec.role == TensorRole::kMatrix; });
  }
  // Calls body(block, isa) for every combination that can be.
  template <class Body>
  void ForEachEncodingAndIsa(std::span<const Encoding> encodings, const Body& body) {
    for (const Encoding& encoding : encodings) {
      TestBlock block(kind(), GetParam().attributes, encoding, /*seed=*/1);
      for (const Isa isa : SupportedIsas()) {
        SCOPED_TRACE(fmt::format("{} {}", encoding.name(), IsaName(isa)));
        body(block, isa);
      }
      if (!HasMatrix(block.attributes())) {
        return;
      }
    }
  }
};

// Three sequences of different lengths, each cut into calls.
struct Sequence {
  std::int64_t first_row;  // in the whole input
  std::int64_t length;
};
constexpr Sequence kSequences[] = {{0, 1}, {1, 37}, {38, 20}};
constexpr std::int64_t kRows = 58;

// Computes all rows of the sequences in calls of random composition: each call takes a chunk of
// at most `max_chunk` rows of some of them, in random order.
std::vector<float> RunInChunks(const BoundBlock& block, const Interface& interface,
                               const TestBatch& input, std::int64_t max_chunk, ThreadPool& pool,
                               std::mt19937& random) {
  TestPages pages[] = {TestPages(interface), TestPages(interface), TestPages(interface)};
  std::int64_t done[std::size(kSequences)] = {};
  std::vector<float> y(kRows * interface.width_out);
  for (;;) {
    TestBatch call;
    std::vector<std::int64_t> rows;  // of the input, by row of the call
    std::vector<std::size_t> order = {0, 1, 2};
    std::ranges::shuffle(order, random);
    for (const std::size_t s : order) {
      const std::int64_t left = kSequences[s].length - done[s];
      const std::int64_t take = std::min<std::int64_t>(
          left, std::uniform_int_distribution<std::int64_t>(0, max_chunk)(random));
      if (take == 0) {
        continue;
      }
      for (std::int64_t i = 0; i < take; ++i) {
        rows.push_back(kSequences[s].first_row + done[s] + i);
      }
      call.Add(take, done[s], interface.stateful() ? pages[s].get() : nullptr);
      done[s] += take;
    }
    for (const std::int64_t row : rows) {
      if (interface.width_in > 0) {
        const auto from = input.x.begin() + row * interface.width_in;
        call.x.insert(call.x.end(), from, from + interface.width_in);
      } else {
        call.tokens.push_back(input.tokens[row]);
      }
    }
    if (!rows.empty()) {
      const std::vector<float> part = Run(block, interface, call, pool);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        std::copy_n(part.begin() + static_cast<std::int64_t>(i) * interface.width_out,
                    interface.width_out, y.begin() + rows[i] * interface.width_out);
      }
    }
    if (std::ranges::equal(done, kSequences, {}, {}, &Sequence::length)) {
      return y;
    }
  }
}

TEST_P(EveryKind, ARowDoesNotDependOnItsCallTheChunksOrTheThreadsToTheBit) {
  const std::uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  ForEachEncodingAndIsa(kEncodings, [&](TestBlock& block, Isa isa) {
    std::mt19937 random(seed);
    const Interface interface = kind().interface(block.attributes());
    const TestBatch input = testing::RandomInput(interface, kRows, random);
    const auto bound = block.Bind(isa);
    ThreadPool alone(1);
    const auto one_by_one = RunInChunks(*bound, interface, input, 1, alone, random);
    ASSERT_TRUE(std::ranges::all_of(one_by_one, [](float y) { return std::isfinite(y); }));
    ASSERT_TRUE(SameBits(one_by_one, RunInChunks(*bound, interface, input, kRows, alone, random)));
    struct Way {
      int threads;
      std::int64_t max_chunk;
    };
    for (const Way way : {Way{2, 17}, Way{3, 5}, Way{3, kRows}}) {
      ThreadPool pool(way.threads);
      ASSERT_TRUE(
          SameBits(one_by_one, RunInChunks(*bound, interface, input, way.max_chunk, pool, random)))
          << way.threads << " threads, chunks of at most " << way.max_chunk;
    }
  });
}

// Remembers the shape of what each matrix was shown to read, and the experts that rows were sent
// to.
class SeenInputs final : public InputObserver, public ExpertObserver {
 public:
  void OnInput(std::span<const std::string_view> matrices, const float* x, std::int64_t rows,
               std::int64_t width) override {
    for (const std::string_view matrix : matrices) {
      widths[std::string(matrix)] = width;
      finite = finite && std::all_of(x, x + rows * width, [](float v) { return std::isfinite(v); });
    }
  }
  void OnLookup(std::string_view matrix, std::span<const std::int32_t> rows) override {
    looked_up[std::string(matrix)] += static_cast<std::int64_t>(rows.size());
  }
  void OnChosen(std::int64_t, std::span<const std::int32_t> experts) override {
    for (const std::int32_t expert : experts) {
      chosen.insert(fmt::format("experts.{}.", expert));
    }
  }
  // An expert that no row was sent to has no inputs.
  bool Idle(const std::string& tensor) const {
    return tensor.starts_with("experts.") &&
           !chosen.contains(tensor.substr(0, tensor.find('.', 8) + 1));
  }
  std::set<std::string> chosen;
  std::map<std::string, std::int64_t> widths;
  std::map<std::string, std::int64_t> looked_up;
  bool finite = true;
};

TEST_P(EveryKind, ShowsTheInputsOfEveryMatrixAndComputesTheSame) {
  TestBlock block(kind(), GetParam().attributes, "f32", 1);
  const Interface interface = kind().interface(block.attributes());
  std::mt19937 random(3);
  TestBatch batch = testing::RandomInput(interface, kRows, random);
  TestPages pages(interface);
  batch.Add(kRows, 0, interface.stateful() ? pages.get() : nullptr);
  ThreadPool pool(1);
  const auto bound = block.Bind(Isa::kReference);
  SeenInputs seen;
  Arena counting;
  bound->Forward({.rows = kRows}, nullptr, nullptr,
                 {.pool = &pool, .arena = &counting, .inputs = &seen});
  testing::AlignedBytes scratch(counting.peak());
  Arena arena(scratch.span());
  std::vector<float> y(static_cast<std::size_t>(kRows * interface.width_out));
  bound->Forward(batch.View(), batch.x.data(), y.data(),
                 {.pool = &pool, .arena = &arena, .experts = &seen, .inputs = &seen});
  TestPages other_pages(interface);
  batch.segments.front().pages = interface.stateful() ? other_pages.get() : nullptr;
  EXPECT_TRUE(SameBits(y, testing::Run(*bound, interface, batch, pool)));
  EXPECT_TRUE(seen.finite);
  for (const TensorSpec& spec : testing::TensorsOf(kind(), block.attributes())) {
    if (spec.role != TensorRole::kMatrix || seen.Idle(spec.name)) {
      continue;
    }
    if (const auto rows = seen.looked_up.find(spec.name); rows != seen.looked_up.end()) {
      EXPECT_EQ(rows->second, kRows) << spec.name;
    } else {
      EXPECT_EQ(seen.widths[spec.name], spec.shape[1]) << spec.name;
    }
  }
}

class EverySlice : public EveryKind {};

TEST_P(EverySlice, IsTheBlockThatIsCutOutToTheBit) {
  // (What a residual codec makes of a part is not a part of what it makes of the whole.)
  const auto encodings = std::span(kEncodings).first(5);
  ForEachEncodingAndIsa(encodings, [&](TestBlock& block, Isa isa) {
    std::mt19937 random(7);
    for (const Slice& slice : GetParam().slices) {
      TestBlock cut = block.Cut(slice);
      const Interface interface = kind().interface(cut.attributes());
      const TestBatch input = testing::RandomInput(interface, kRows, random);
      ThreadPool pool(2);
      std::mt19937 chunks(1);
      std::mt19937 same_chunks(1);
      ASSERT_TRUE(
          SameBits(RunInChunks(*block.Bind(isa, slice), interface, input, kRows, pool, chunks),
                   RunInChunks(*cut.Bind(isa), interface, input, kRows, pool, same_chunks)));
    }
  });
}

// Whole and sliced, at each number of levels, with several in one matrix, as a difference.
TEST_P(EveryKind, ComputesOnResidualTensorsAsOnTheNumbersThatTheyDecodeTo) {
  std::vector<Encoding> encodings = {
      {"bitplane", 0}, {"bitplane", 3, "q8"}, {"bitplane", 0, "bf16"}};
  for (int levels = 1; levels <= (*FindCodec("bitplane"))->levels(); ++levels) {
    encodings.emplace_back("bitplane", levels);
  }
  std::vector<Slice> parts = GetParam().slices;
  parts.emplace_back();
  ThreadPool pool(2);
  const Isa isa = SupportedIsas().back();
  for (const Encoding& encoding : encodings) {
    SCOPED_TRACE(encoding.name());
    const TestBlock block(kind(), GetParam().attributes, encoding, /*seed=*/1);
    for (const Slice& slice : parts) {
      const TestBlock decoded = block.Decoded(slice);
      const Interface interface = kind().interface(decoded.attributes());
      std::mt19937 random(11);
      const TestBatch input = testing::RandomInput(interface, kRows, random);
      std::mt19937 chunks(1);
      std::mt19937 same_chunks(1);
      const std::vector<float> y =
          RunInChunks(*block.Bind(isa, slice), interface, input, kRows, pool, chunks);
      const std::vector<float> expected =
          RunInChunks(*decoded.Bind(isa), interface, input, kRows, pool, same_chunks);
      // Activations are rounded to int8.
      EXPECT_LT(testing::RelativeError(y, {expected.begin(), expected.end()}), 0.02);
    }
  }
}

TEST_P(EveryKind, InstructionSetsAgree) {
  for (const Encoding& encoding : kEncodings) {
    TestBlock block(kind(), GetParam().attributes, encoding, 1);
    const Interface interface = kind().interface(block.attributes());
    std::mt19937 random(3);
    const TestBatch input = testing::RandomInput(interface, kRows, random);
    ThreadPool pool(1);
    const auto run = [&](Isa isa) {
      std::mt19937 chunks(1);
      return RunInChunks(*block.Bind(isa), interface, input, kRows, pool, chunks);
    };
    const std::vector<float> reference = run(Isa::kReference);
    const testing::Doubles expected(reference.begin(), reference.end());
    for (const Isa isa : SupportedIsas()) {
      SCOPED_TRACE(fmt::format("{} {}", encoding.name(), IsaName(isa)));
      // A last place of difference in f32 may round an activation to the int8 next door.
      const bool rounds =
          FindLinear(**FindCodec(encoding.codec), isa)->activations == Activations::kQuantized;
      EXPECT_LT(testing::RelativeError(run(isa), expected), rounds ? 2e-3 : 1e-5);
    }
  }
}

TEST_P(EveryKind, DeclaresEachTensorOnceAndShapesThatTheExampleFits) {
  const Attributes attributes = *Attributes::Make(kind().attributes, GetParam().attributes);
  const auto specs = kind().tensors(attributes);
  ASSERT_TRUE(specs.ok());
  std::set<std::string> names;
  for (const TensorSpec& spec : *specs) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_EQ(spec.shape.rank(), spec.role == TensorRole::kVector ? 1 : 2) << spec.name;
  }
  const Interface interface = kind().interface(attributes);
  EXPECT_GT(interface.width_out, 0);
  EXPECT_TRUE(interface.width_in > 0 || interface.vocabulary > 0);
  EXPECT_EQ(interface.stateful(), !interface.state_shape.empty());
  EXPECT_TRUE(interface.state_floats == 0 || interface.carried_floats == 0);
  EXPECT_GE(kind().cost(attributes).flops, 0);
}

TEST_P(EveryKind, AValueThatIsTheDefaultDoesNotChangeTheManifest) {
  const Attributes attributes = *Attributes::Make(kind().attributes, GetParam().attributes);
  AttributeMap spelled_out = attributes.values();
  EXPECT_EQ(CanonicalJson(Attributes::Make(kind().attributes, spelled_out)->ToJson()),
            CanonicalJson(attributes.ToJson()));
}

INSTANTIATE_TEST_SUITE_P(Examples, EveryKind, ::testing::ValuesIn(Examples()),
                         [](const auto& info) { return info.param.name; });

std::vector<Example> ExamplesWithSlices() {
  std::vector<Example> examples = Examples();
  std::erase_if(examples, [](const Example& example) { return example.slices.empty(); });
  return examples;
}
INSTANTIATE_TEST_SUITE_P(Examples, EverySlice, ::testing::ValuesIn(ExamplesWithSlices()),
                         [](const auto& info) { return info.param.name; });

TEST(AllKinds, EachHasAnExample) {
  for (const CpuKind* kind : AllCpuKinds()) {
    EXPECT_TRUE(std::ranges::any_of(Examples(), [&](const Example& example) {
      return example.kind == kind->declaration;
    })) << kind->declaration->name;
  }
}

TEST(AllKinds, AreFoundByName) {
  EXPECT_EQ(AllKinds().all().size(), AllCpuKinds().size());
  for (const CpuKind* kind : AllCpuKinds()) {
    const auto found = AllKinds().Find(kind->declaration->name);
    ASSERT_TRUE(found.ok());
    EXPECT_EQ(*found, kind->declaration);
    EXPECT_EQ(&CpuKindOf(**found), kind);
  }
  EXPECT_EQ(AllKinds().Find("perceptron").error().code, ErrorCode::kUnsupported);
}

TEST(AllKinds, DocumentEveryAttributeAndAxis) {
  for (const BlockKind* kind : AllKinds().all()) {
    EXPECT_FALSE(kind->summary.empty());
    for (const AttributeSpec& spec : kind->attributes) {
      EXPECT_FALSE(spec.doc.empty()) << kind->name << ' ' << spec.name;
    }
    for (const SliceAxis& axis : kind->slices) {
      EXPECT_FALSE(axis.doc.empty()) << kind->name << ' ' << axis.attribute;
    }
    EXPECT_EQ(kind->slices.empty(), kind->apply_slice == nullptr) << kind->name;
  }
}

TEST(KernelForm, NamesTheInstructionSetAndAVersion) {
  EXPECT_EQ(KernelForm(Isa::kReference), "reference.5");
  EXPECT_EQ(KernelForm(Isa::kAvx512), "avx512.5");
}

}  // namespace
}  // namespace ashlar
