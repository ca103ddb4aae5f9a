#include <fmt/format.h>

#include "ashlar/kernels/attention/attention.h"
#include "ashlar/kernels/kernel_cases.h"

namespace ashlar {
namespace {

// Llama 3.2 1B: 32 heads in groups of 4.
constexpr AttentionShape kLlama1B = {.heads = 32,
                                     .kv_heads = 8,
                                     .key_dim = 64,
                                     .value_dim = 64,
                                     .scale = 0.125F,
                                     .soft_cap = 0,
                                     .window = 0};
// DeepSeek-V2-Lite: 16 heads over one latent.
constexpr AttentionShape kLatentLite = {.heads = 16,
                                        .kv_heads = 1,
                                        .key_dim = 576,
                                        .value_dim = 512,
                                        .scale = 0.07F,
                                        .soft_cap = 0,
                                        .window = 0,
                                        .latent = true};

struct AttentionModel {
  const char* suffix;  // of the kernel's name
  const AttentionShape& shape;
};
constexpr AttentionModel kAttentionModels[] = {{"", kLlama1B}, {"_latent", kLatentLite}};

// Pages full of random numbers.
class CasePages {
 public:
  CasePages(const AttentionForm& form, const AttentionShape& shape, std::int64_t count)
      : shape_(shape),
        k_(MakeRandom(shape.kv_heads * shape.key_dim)),
        v_(MakeRandom(shape.kv_heads * shape.value_dim)) {
    const std::int64_t bytes = PageBytes(shape, form.kv_format);
    storage_ = MakeAligned<std::byte>(count * bytes);
    for (std::int64_t i = 0; i < count; ++i) {
      pages_.push_back(storage_.get() + i * bytes);
      Fill(form, i);
    }
  }
  // Stores a page's keys and values, one position after the other, as a prompt does.
  void Fill(const AttentionForm& form, std::int64_t page) const {
    for (int slot = 0; slot < kPageLength; ++slot) {
      form.store(shape_, k_.get(), v_.get(), slot, pages_[static_cast<std::size_t>(page)]);
    }
  }
  std::byte* const* pages() const { return pages_.data(); }

 private:
  const AttentionShape& shape_;
  std::shared_ptr<float[]> k_, v_;
  std::shared_ptr<std::byte[]> storage_;
  std::vector<std::byte*> pages_;
};

struct AttentionSize {
  const char* name;
  std::int64_t rows, context;
  int sequences;  // each call is the next one's; so many are cold that no cache holds their pages
};
constexpr AttentionSize kAttentionSizes[] = {
    {"1 row after 127", 1, 127, 1},          {"1 row after 2047", 1, 2047, 1},
    {"1 row after 2047, cold", 1, 2047, 64}, {"128 rows", 128, 0, 1},
    {"128 rows after 1024", 128, 1024, 1},
};

std::function<void()> PrepareAttention(const AttentionForm& form, const AttentionShape& shape,
                                       const AttentionSize& size) {
  const std::int64_t query_width = shape.heads * shape.key_dim;
  const std::int64_t out_width = shape.heads * shape.value_dim;
  const std::int64_t pages_each = (size.context + size.rows + kPageLength - 1) / kPageLength;
  const auto storage = std::make_shared<CasePages>(form, shape, pages_each * size.sequences);
  const auto q = MakeRandom(size.rows * query_width);
  const auto out = MakeAligned<float>(size.rows * out_width);
  return [=, &form, &shape, &size, sequence = 0]() mutable {
    form.fn({.shape = shape,
             .q = q.get(),
             .q_stride = query_width,
             .out = out.get(),
             .out_stride = out_width,
             .pages = storage->pages() + sequence * pages_each,
             .sinks = nullptr,
             .slopes = nullptr,
             .first_position = size.context,
             .rows = size.rows,
             .kv_begin = 0,
             .kv_end = shape.kv_heads});
    sequence = (sequence + 1) % size.sequences;
  };
}

void AddCases(const AttentionForm& form, const AttentionModel& model,
              std::vector<KernelCase>& cases) {
  const AttentionShape& shape = model.shape;
  const std::string format = fmt::format("{}/{}", model.suffix, KvFormatName(form.kv_format));
  const auto numbers_each = static_cast<double>(PageNumbers(shape) / kPageLength);
  const double bytes_each =
      static_cast<double>(PageBytes(shape, form.kv_format)) / static_cast<double>(kPageLength);
  for (const AttentionSize& size : kAttentionSizes) {
    if (form.isa == Isa::kReference && size.rows * size.context > 2048) {
      continue;  // seconds for a call
    }
    // Two multiply-adds for each query, position that it sees, and dim.
    const auto rows = static_cast<double>(size.rows);
    const double visible = rows * static_cast<double>(size.context) + rows * (rows + 1) / 2;
    cases.push_back(
        {.kernel = "attention" + format,
         .size = size.name,
         .isa = form.isa,
         .bytes = bytes_each * static_cast<double>(size.context + size.rows),
         .operations = visible * 2 * static_cast<double>(shape.heads) *
                       static_cast<double>(shape.key_dim + shape.value_dim),
         .arithmetic = Arithmetic::kF32,
         .cold = size.sequences > 1,
         .prepare = [&form, &shape, &size] { return PrepareAttention(form, shape, size); }});
  }
  cases.push_back({.kernel = "attention_store" + format,
                   .size = std::to_string(kPageLength) + " rows",
                   .isa = form.isa,
                   .bytes = kPageLength * (4.0 * numbers_each + bytes_each),
                   .prepare = [&form, &shape] {
                     return [&form, pages = CasePages(form, shape, 1)] { pages.Fill(form, 0); };
                   }});
}

}  // namespace

std::vector<KernelCase> AttentionCases() {
  std::vector<KernelCase> cases;
  for (const AttentionModel& model : kAttentionModels) {
    for (const KvFormat format : KvFormats()) {
      for (const AttentionForm& form : AttentionForms(format)) {
        AddCases(form, model, cases);
      }
    }
  }
  return cases;
}

}  // namespace ashlar
