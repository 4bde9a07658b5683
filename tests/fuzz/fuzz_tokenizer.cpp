// The first byte of an input says which files of a tokenizer follow, cut at byte FF:
//   C  CLIP: tokenizer.json, tokenizer_config.json    V  CLIP: vocab.json, merges.txt,
//   tokenizer_config.json T  T5: tokenizer.json, tokenizer_config.json      S  T5: spiece.model
//   (all bytes that follow)
// A tokenizer that was accepted encodes a few prompts.
#include <filesystem>

#include "fuzz/input_parts.hpp"
#include "fuzz/parse_input.hpp"
#include "support/scratch_folder.hpp"
#include "text/tokenizer.hpp"

namespace ditbatch::test {

namespace {

void write_tokenizer(ScratchFolder const& folder, char kind, std::string const& bytes) {
  for (auto const& entry : std::filesystem::directory_iterator(folder.path()))
    std::filesystem::remove(entry.path());
  if (kind == 'S') return write_file(folder / "spiece.model", bytes);
  std::vector<std::string> names{"tokenizer.json", "tokenizer_config.json"};
  if (kind == 'V') names = {"vocab.json", "merges.txt", "tokenizer_config.json"};
  std::vector<std::string> const parts = input_parts(bytes);
  for (std::size_t i = 0; i < std::min(names.size(), parts.size()); ++i)
    write_file(folder / names[i], parts[i]);
}

}  // namespace

void parse_input(std::string const& bytes) {
  if (bytes.empty() || std::string_view("CVTS").find(bytes[0]) == std::string_view::npos) return;
  static ScratchFolder const folder("fuzz-tokenizer");
  write_tokenizer(folder, bytes[0], bytes.substr(1));
  bool const is_clip = bytes[0] == 'C' || bytes[0] == 'V';
  Problems problems;
  auto const tokenizer = is_clip ? open_clip_tokenizer(folder.path(), problems)
                                 : open_t5_tokenizer(folder.path(), problems);
  problems.throw_if_any();
  ensure(tokenizer != nullptr, "without a problem there is a tokenizer");
  for (char const* prompt :
       {"", "ab ba  a</s>b <|endoftext|> x_1'll",
        "\xE2\x96\x81 a\xCC\x81 \xE2\x91\xA0\xEF\xAC\x81 \xF0\x9F\x99\x82\xF0\x9F\x99\x82"})
    ensure(tokenizer->encode(prompt, 77).size() == 77, "ids have the length that was asked for");
}

}  // namespace ditbatch::test
