#include "core/sha256.hpp"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "core/error.hpp"
#include "core/file_calls.hpp"

namespace ditbatch {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    ensure(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1,
           "OpenSSL offers SHA-256");
  }
  State(State const&) = delete;
  State& operator=(State const&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

Sha256& Sha256::update(void const* data, std::size_t size_bytes) {
  ensure(EVP_DigestUpdate(state_->context, data, size_bytes) == 1, "SHA-256 takes more data");
  return *this;
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  ensure(EVP_DigestFinal_ex(state_->context, digest.data(), nullptr) == 1, "SHA-256 finishes");
  return digest;
}

Sha256Digest sha256(std::string_view bytes) { return sha256(bytes.data(), bytes.size()); }

Sha256Digest sha256(void const* data, std::size_t size_bytes) {
  return Sha256().update(data, size_bytes).finish();
}

Sha256Digest sha256_of_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), ExitCode::io, "cannot open " + path + " (" + std::strerror(errno) + ")");
  std::vector<char> block(std::size_t{1} << 22);
  Sha256 hash;
  while (file) {
    FileCall const call("read", path);
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    hash.update(block.data(), static_cast<std::size_t>(file.gcount()));
  }
  require(file.eof(), ExitCode::io, "cannot read " + path + " (" + std::strerror(errno) + ")");
  return hash.finish();
}

std::string to_hex(Sha256Digest const& digest) {
  constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (std::uint8_t byte : digest) {
    hex += digits[byte >> 4U];
    hex += digits[byte & 15U];
  }
  return hex;
}

std::uint64_t first_u64(Sha256Digest const& digest) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{digest[i]} << (8 * i);
  return value;
}

}  // namespace ditbatch
