#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ditbatch {

using Sha256Digest = std::array<std::uint8_t, 32>;

/// Incremental SHA-256 (FIPS 180-4), by OpenSSL.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  Sha256& update(void const* data, std::size_t size_bytes);
  Sha256& update(std::string_view text) { return update(text.data(), text.size()); }
  /// The digest of all that was added; the object must not be used afterwards.
  [[nodiscard]] Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] Sha256Digest sha256(std::string_view bytes);
[[nodiscard]] Sha256Digest sha256(void const* data, std::size_t size_bytes);
/// Of a whole file, read in large blocks. Throws Error(io).
[[nodiscard]] Sha256Digest sha256_of_file(std::string const& path);
[[nodiscard]] std::string to_hex(Sha256Digest const& digest);
/// The first 8 bytes, little endian.
[[nodiscard]] std::uint64_t first_u64(Sha256Digest const& digest);

}  // namespace ditbatch
