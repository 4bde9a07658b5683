#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/problem.hpp"

namespace ditbatch {

/// Turns prompts into the token ids that transformers would make of them.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids of a prompt with its special tokens, truncated and padded to `length`, as
  /// diffusers' pipelines ask for.
  [[nodiscard]] std::vector<std::int64_t> encode(std::string_view prompt, std::size_t length) const;
  /// Tokens of a prompt before it is truncated, special ones included.
  [[nodiscard]] std::size_t count(std::string_view prompt) const;
  /// The file that was read; the one that transformers prefers where there are two.
  [[nodiscard]] std::string const& source() const { return source_; }

 protected:
  struct Frame {
    std::vector<std::int64_t> before;  // special tokens around the text
    std::vector<std::int64_t> after;
    std::int64_t pad = 0;
  };
  Tokenizer(std::string source, Frame frame)
      : source_(std::move(source)), frame_(std::move(frame)) {}
  Tokenizer(Tokenizer const&) = default;
  Tokenizer& operator=(Tokenizer const&) = default;
  [[nodiscard]] virtual std::vector<std::int64_t> text_ids(std::string_view prompt) const = 0;

 private:
  std::string source_;
  Frame frame_;
};

/// CLIP: vocab.json and merges.txt, or tokenizer.json. Null with problems where the folder has no
/// sound one.
[[nodiscard]] std::unique_ptr<Tokenizer> open_clip_tokenizer(std::string const& folder,
                                                             Problems& problems);

/// T5: tokenizer.json, or spiece.model.
[[nodiscard]] std::unique_ptr<Tokenizer> open_t5_tokenizer(std::string const& folder,
                                                           Problems& problems);

}  // namespace ditbatch
