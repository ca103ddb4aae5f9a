// GGUF files of every architecture, changed field by field, as far as an import goes before it
// stores anything: metadata -> configuration -> row of the family -> blocks, with a tensor of the
// file for each of theirs; and the tokenizer.
#include <algorithm>
#include <cstring>

#include "ashlar/formats/gguf_import.h"
#include "ashlar/kinds/cpu_kind.h"
#include "tests/support/mutate_gguf.h"

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
  using namespace ashlar;
  testing::Chance chance(seed);
  auto file = testing::ReadGguf(std::as_bytes(std::span(data, size)));
  if (!file || chance.OneIn(20)) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  do {
    testing::MutateGguf(*file, chance);
  } while (!chance.OneIn(2));
  const std::string bytes = testing::WriteGgufFields(*std::move(file));
  const std::size_t length = std::min(bytes.size(), max_size);
  std::memcpy(data, bytes.data(), length);
  return length;
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* first, std::size_t first_size,
                                                 const std::uint8_t* second,
                                                 std::size_t second_size, std::uint8_t* out,
                                                 std::size_t max_size, unsigned seed) {
  using namespace ashlar;
  testing::Chance chance(seed);
  auto file = testing::ReadGguf(std::as_bytes(std::span(first, first_size)));
  auto from = testing::ReadGguf(std::as_bytes(std::span(second, second_size)));
  if (!file || !from) {
    return 0;
  }
  testing::CrossGguf(*file, *std::move(from), chance);
  const std::string bytes = testing::WriteGgufFields(*std::move(file));
  const std::size_t length = std::min(bytes.size(), max_size);
  std::memcpy(out, bytes.data(), length);
  return length;
}
