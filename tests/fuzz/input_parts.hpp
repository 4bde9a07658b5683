#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace ditbatch::test {

/// An input that stands for several texts: cut at byte FF, which no UTF-8 holds. At least one part.
inline std::vector<std::string> input_parts(std::string const& bytes) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= bytes.size()) {
    std::size_t const end = std::min(bytes.find('\xFF', begin), bytes.size());
    parts.push_back(bytes.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace ditbatch::test
