// GGUF files of every architecture, changed field by field, as far as an import goes before it
// stores anything: metadata -> configuration -> row of the family -> blocks, with a tensor of the
// file for each of theirs; and the tokenizer.
#include "ashlar/formats/gguf_import.h"
#include "ashlar/kinds/cpu_kind.h"
#include "tests/support/mutate_gguf.h"

namespace ashlar {
namespace {

struct GgufFormat {
  static std::optional<GgufLies> Read(std::span<const std::uint8_t> input) {
    return testing::ReadGguf(std::as_bytes(input));
  }
  static std::string Write(GgufLies file) { return testing::WriteGgufFields(std::move(file)); }
  static void Mutate(GgufLies& file, testing::Chance& chance) { testing::MutateGguf(file, chance); }
  static void Cross(GgufLies& file, GgufLies from, testing::Chance& chance) {
    testing::CrossGguf(file, std::move(from), chance);
  }
};

}  // namespace
}  // namespace ashlar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ashlar;
  const auto input = std::as_bytes(std::span(data, size));
  auto fields = testing::ReadGguf(input);
  std::string bytes(AsText(input));
  if (fields) {
    testing::FillGguf(*fields);
    bytes = fields->Write();
  }
  const auto file = GgufFile::Parse(AsBytes(bytes), "fuzz");
  const Status status = file.ok() ? CheckGgufImport(*file, AllKinds()) : Status(file.error());
  if (!status.ok()) {
    CHECK(!status.error().message.empty());
    CHECK_LT(status.error().message.size(), 4000u);
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return ashlar::testing::MutateAs<ashlar::GgufFormat>(data, size, max_size, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_size, unsigned seed) {
  return ashlar::testing::CrossAs<ashlar::GgufFormat>({first, first_size}, {second, second_size},
                                                      out, max_size, seed);
}
