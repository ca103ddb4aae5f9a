// A TlsCertificate is what new connections prove who the server is with; another can take its place
// while the server runs.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <boost/asio/ssl/context.hpp>

#include "ashlar/base/file_version.h"

namespace ashlar::internal {

// Thread-safe.
class TlsCertificate {
 public:
  using Context = boost::asio::ssl::context;

  // From files in PEM form: a chain, and its key without a password. kInvalid names the one that is
  // not.
  static Result<std::unique_ptr<TlsCertificate>> Open(std::string certificate_file,
                                                      std::string key_file);

  // For a new connection, which keeps it.
  std::shared_ptr<Context> context() const;

  // Reads the files again when one of them has changed: true when new connections have what they
  // say now. An error, once for each change, leaves all as it was: between the change of one file
  // and that of the other they do not fit.
  Result<bool> ReloadIfChanged();

 private:
  using Versions = std::pair<FileVersion, FileVersion>;
  TlsCertificate(std::string certificate_file, std::string key_file);
  Status Load();

  const std::string certificate_file_;
  const std::string key_file_;
  mutable std::mutex mutex_;  // of what follows
  Versions versions_;
  std::shared_ptr<Context> context_;
};

}  // namespace ashlar::internal
