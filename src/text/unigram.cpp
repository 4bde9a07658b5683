#include "text/unigram.hpp"

#include <algorithm>

#include "text/unicode_text.hpp"

namespace ditbatch::text {

Unigram::Unigram(std::vector<UnigramPiece> pieces, std::int64_t unknown)
    : pieces_(std::move(pieces)), unknown_(unknown) {
  constexpr double unknown_penalty = 10.0;
  double least = 0;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    ids_[pieces_[i].text] = static_cast<std::int64_t>(i);  // of equal texts the last counts
    longest_bytes_ = std::max(longest_bytes_, pieces_[i].text.size());
    least = i == 0 ? pieces_[i].score : std::min(least, pieces_[i].score);
  }
  unknown_score_ = least - unknown_penalty;
}

void Unigram::encode(std::string_view word, std::vector<std::int64_t>& ids) const {
  struct Node {
    double score = 0;
    std::ptrdiff_t begin = -1;  // -1: not reached
    std::int64_t id = 0;
  };
  std::vector<Node> best(word.size() + 1);  // best path that ends at each byte
  std::vector<CodePoint> const points = code_points(word);
  std::string piece;
  for (CodePoint const& point : points) {
    double const here = best[point.offset].score;
    bool has_single = false;
    auto const reach = [&](std::size_t end, double score, std::int64_t id) {
      Node& node = best[end];
      if (node.begin < 0 || score > node.score)
        node = {score, static_cast<std::ptrdiff_t>(point.offset), id};
    };
    std::size_t const longest = std::min(longest_bytes_, word.size() - point.offset);
    for (std::size_t size = point.size; size <= longest; ++size) {
      bool const at_boundary =
          point.offset + size == word.size() ||
          (static_cast<unsigned char>(word[point.offset + size]) & 0xC0U) != 0x80U;
      if (!at_boundary) continue;
      piece.assign(word, point.offset, size);
      auto const found = ids_.find(piece);
      if (found == ids_.end()) continue;
      reach(point.offset + size, here + pieces_[static_cast<std::size_t>(found->second)].score,
            found->second);
      has_single = has_single || size == point.size;
    }
    if (!has_single) reach(point.offset + point.size, here + unknown_score_, unknown_);
  }

  struct Span {
    std::size_t begin, end;
  };
  std::vector<Span> spans;  // from the end
  bool in_unknown = false;
  for (std::size_t end = word.size(); end > 0;) {
    Node const& node = best[end];
    auto const begin = static_cast<std::size_t>(node.begin);
    bool const unknown = node.id == unknown_;
    if (unknown && in_unknown) {
      spans.back().begin = begin;
    } else {
      spans.push_back({begin, end});
    }
    in_unknown = unknown;
    end = begin;
  }
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    auto const found = ids_.find(std::string(word.substr(span->begin, span->end - span->begin)));
    ids.push_back(found == ids_.end() ? unknown_ : found->second);
  }
}

}  // namespace ditbatch::text
