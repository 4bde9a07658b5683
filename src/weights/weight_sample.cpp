#include "weights/weight_sample.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "weights/open_file.hpp"

namespace ditbatch {

namespace {

constexpr std::uint64_t bytes_a_tensor = 256;

}  // namespace

std::string sample_weights(SafetensorsHeader const& header, Problems& problems) {
  std::string samples;
  UniqueFile const file(::open(header.path.c_str(), O_RDONLY | O_CLOEXEC));
  for (auto const& [name, entry] : header.tensors) {
    std::uint64_t const count = std::min(bytes_a_tensor, entry.size_bytes);
    std::uint64_t const first = entry.offset + (entry.size_bytes - count) / 2;
    std::string bytes(count, '\0');
    errno = 0;
    if (::pread(file.get(), bytes.data(), count, static_cast<off_t>(first)) !=
        static_cast<ssize_t>(count)) {
      problems.add({header.path}, in_quotes(name),
                   std::string("cannot be read (") +
                       (errno != 0 ? std::strerror(errno) : "the file ends early") +
                       ") fetch the folder again");
      return {};
    }
    samples += bytes;
  }
  return samples;
}

}  // namespace ditbatch
