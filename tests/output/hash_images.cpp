// perceptual_hash() of images from stdin, each as width, height (int32) and its bytes; a line each.
#include <array>
#include <cstdio>
#include <vector>

#include "output/perceptual_hash.hpp"

int main() {
  std::array<std::int32_t, 2> size{};
  while (std::fread(size.data(), sizeof size, 1, stdin) == 1) {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size[0]) *
                                     static_cast<std::size_t>(size[1]) * 3);
    if (std::fread(pixels.data(), 1, pixels.size(), stdin) != pixels.size()) return 1;
    std::printf("%016llx\n", static_cast<unsigned long long>(
                                 ditbatch::perceptual_hash(pixels, size[0], size[1])));
  }
  return 0;
}
