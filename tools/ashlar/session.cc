#include "tools/ashlar/verb.h"

namespace ashlar::cli {

Result<std::unique_ptr<BlobStore>> Session::OpenStore(bool create) const {
  auto store = OpenDiskStore(store_path, {.create = create});
  if (!store.ok() && store.error().code == ErrorCode::kNotFound && !create) {
    return NotFound(
        "there is no store at {}; make one with 'ashlar import', or name another with "
        "--store",
        store_path.string());
  }
  return store;
}

Json ErrorJson(const Error& error) {
  return Json::Of({{"code", ErrorCodeName(error.code)}, {"message", error.message}});
}

Error BlameFile(Error error) {
  if (error.code == ErrorCode::kInvalid) {
    error.code = ErrorCode::kCorrupt;
  }
  return error;
}

}  // namespace ashlar::cli
