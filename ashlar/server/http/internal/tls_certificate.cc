#include "ashlar/server/http/internal/tls_certificate.h"

namespace ashlar::internal {

using boost::asio::ssl::context_base;

TlsCertificate::TlsCertificate(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

Result<std::unique_ptr<TlsCertificate>> TlsCertificate::Open(std::string certificate_file,
                                                             std::string key_file) {
  std::unique_ptr<TlsCertificate> certificate(
      new TlsCertificate(std::move(certificate_file), std::move(key_file)));
  ASHLAR_TRY(certificate->ReloadIfChanged());
  return certificate;
}

std::shared_ptr<TlsCertificate::Context> TlsCertificate::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

Result<bool> TlsCertificate::ReloadIfChanged() {
  const std::lock_guard lock(mutex_);
  const Versions now = {VersionOf(certificate_file_), VersionOf(key_file_)};
  if (context_ != nullptr && now == versions_) {
    return false;
  }
  versions_ = now;
  ASHLAR_TRY(Load());
  return true;
}

Status TlsCertificate::Load() {
  auto context = std::make_shared<Context>(context_base::tls_server);
  boost::system::error_code error;
  context->set_options(context_base::default_workarounds | context_base::no_tlsv1 |
                           context_base::no_tlsv1_1 | context_base::no_compression,
                       error);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  // Else a key with a password would wait for somebody at the terminal.
  context->set_password_callback(
      [](std::size_t, context_base::password_purpose) { return std::string(); }, error);
  if (context->use_certificate_chain_file(certificate_file_, error)) {
    return Invalid("{}: no certificate in PEM form: {}", certificate_file_, error.message());
  }
  if (context->use_private_key_file(key_file_, context_base::pem, error)) {
    return Invalid("{}: no key of that certificate in PEM form, without a password: {}", key_file_,
                   error.message());
  }
  context_ = std::move(context);
  return {};
}

}  // namespace ashlar::internal
