#include "ashlar/tensor/kv_format.h"

#include "ashlar/base/check.h"

namespace ashlar {

std::span<const KvFormat> KvFormats() {
  static constexpr KvFormat kAll[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8};
  return kAll;
}

std::string_view KvFormatName(KvFormat format) {
  switch (format) {
    case KvFormat::kF32:
      return "f32";
    case KvFormat::kF16:
      return "f16";
    case KvFormat::kQ8:
      return "q8";
  }
  CHECK(false);
}

Result<KvFormat> ParseKvFormat(std::string_view name) {
  for (const KvFormat format : KvFormats()) {
    if (KvFormatName(format) == name) {
      return format;
    }
  }
  return Invalid("unknown KV format \"{}\"; the known ones are f32, f16 and q8",
                 name.substr(0, 40));
}

}  // namespace ashlar
