#include "text/tokenizer.hpp"

#include <algorithm>

namespace ditbatch {

std::size_t Tokenizer::count(std::string_view prompt) const {
  return frame_.before.size() + text_ids(prompt).size() + frame_.after.size();
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view prompt, std::size_t length) const {
  std::vector<std::int64_t> const text = text_ids(prompt);
  std::size_t const around = frame_.before.size() + frame_.after.size();
  std::size_t const room = length > around ? length - around : 0;
  std::vector<std::int64_t> ids = frame_.before;
  ids.insert(ids.end(), text.begin(),
             text.begin() + static_cast<std::ptrdiff_t>(std::min(room, text.size())));
  ids.insert(ids.end(), frame_.after.begin(), frame_.after.end());
  ids.resize(std::max(length, around), frame_.pad);
  ids.resize(length);
  return ids;
}

}  // namespace ditbatch
