// What libFuzzer calls with each input it makes up.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/problem.hpp"
#include "fuzz/parse_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    ditbatch::test::parse_input({reinterpret_cast<char const*>(data), size});
  } catch (ditbatch::BadInput const&) {
  }
  return 0;
}
