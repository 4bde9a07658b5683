// Broken and hostile tokenizer files: each is a named problem, and never a crash.
#define BOOST_TEST_MODULE hostile_tokenizers
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstring>
#include <random>

#include "support/bad_input.hpp"
#include "text/character_map.hpp"
#include "text/sentencepiece_model.hpp"
#include "text/tokenizer.hpp"

using namespace ditbatch;
using test::check_refused;
using test::ScratchFolder;
using test::write_file;

namespace {

std::string const vocab =
    R"({"a":0,"b":1,"ab":2,"a</w>":3,"b</w>":4,"ab</w>":5,"<|startoftext|>":6,"<|endoftext|>":7})";
std::string const merges = "#version: 0.2\na b\na b</w>\n";
std::string const extra = [] {
  std::string pieces;
  for (int i = 99; i >= 0; --i) pieces += ",[\"<extra_id_" + std::to_string(i) + ">\",0.0]";
  return pieces;
}();

std::string t5_json(std::string const& vocabulary, std::string const& normalizer = "null") {
  return R"({"normalizer":)" + normalizer + R"(,"model":{"type":"Unigram","unk_id":2,"vocab":)" +
         vocabulary + "}}";
}
std::string const t5_vocab =
    R"([["<pad>",0.0],["</s>",0.0],["<unk>",0.0],["▁",-2.0],["a",-3.0])" + extra + "]";

// One field of a protobuf message with bytes in it.
std::string field(int number, std::string const& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(bytes.size()) +
         bytes;
}
std::string piece(std::string const& text, float score) {
  std::string bits(4, '\0');
  std::memcpy(bits.data(), &score, 4);
  return field(1, field(1, text) + "\x15" + bits);
}
std::string const spiece = piece("<pad>", 0) + piece("</s>", 0) + piece("<unk>", 0) +
                           piece("\xE2\x96\x81", -2) + piece("a", -3);

struct Bad {
  char const* what;
  std::string file;
  std::string bytes;
  char const* says;
};

std::vector<Bad> const bad_clip{
    {"no JSON", "vocab.json", "hello", "not valid JSON"},
    {"a list", "vocab.json", "[]", "no vocabulary"},
    {"empty", "vocab.json", "{}", "no vocabulary"},
    {"a negative id", "vocab.json", R"({"a":-1})", "has no id"},
    {"a fractional id", "vocab.json", R"({"a":1.5})", "has no id"},
    {"a huge id", "vocab.json", R"({"a":99999999999})", "has no id"},
    {"an id used twice", "vocab.json", R"({"a":1,"b":1})", "another token has too"},
    {"a text as id", "vocab.json", R"({"a":"1"})", "has no id"},
    {"a duplicate key", "vocab.json", R"({"a":1,"a":2})", "duplicate key"},
    {"bad UTF-8", "vocab.json", "{\"\xC3\x28\":1}", "bad UTF-8"},
    {"no special tokens", "vocab.json", R"({"a":0,"b":1,"ab":2,"a</w>":3,"b</w>":4,"ab</w>":5})",
     "not in the vocabulary"},
    {"a merge of one text", "merges.txt", "#version: 0.2\na\n", "not a merge"},
    {"a merge of three texts", "merges.txt", "a b c\n", "not a merge"},
    {"a merge of unknown texts", "merges.txt", "a x\n", "not a merge"},
    {"a merge whose result is unknown", "merges.txt", "b a\n", "not a merge"},
    {"a config that is a list", "tokenizer_config.json", "[]", "not a JSON object"},
    {"a token that is a number", "tokenizer_config.json", R"({"eos_token":3})", "not a token"},
    {"an empty special token", "tokenizer_config.json", R"({"eos_token":""})", "an empty token"},
    {"an added token without content", "tokenizer_config.json",
     R"({"added_tokens_decoder":{"6":{}}})", "not usable"},
    {"an added token with a name for an id", "tokenizer_config.json",
     R"({"added_tokens_decoder":{"six":{"content":"x"}}})", "not usable"},
    {"an added token with a huge id", "tokenizer_config.json",
     R"({"added_tokens_decoder":{"99999999":{"content":"x"}}})", "not usable"},
    {"a tokenizer.json without a model", "tokenizer.json", "{}", "no BPE model"},
    {"a tokenizer.json of another kind", "tokenizer.json",
     R"({"model":{"type":"WordPiece","vocab":{"a":1}}})", "no BPE model"},
    {"merges that are a text", "tokenizer.json",
     R"({"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":"a b"}})",
     "byte pair encoding needs them"},
    {"a merge that is a number", "tokenizer.json",
     R"({"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":[1]}})", "not a merge"},
    {"nested a million deep", "tokenizer.json", std::string(1'000'000, '['), "nested deeper"},
};

std::vector<Bad> const bad_t5{
    {"no JSON", "tokenizer.json", "{", "not valid JSON"},
    {"no model", "tokenizer.json", "{}", "no Unigram model"},
    {"another kind", "tokenizer.json", R"({"model":{"type":"BPE","vocab":[]}})",
     "no Unigram model"},
    {"a vocabulary that is an object", "tokenizer.json", t5_json("{}"), "no Unigram model"},
    {"an empty vocabulary", "tokenizer.json", t5_json("[]"), "holds 0 pieces"},
    {"a piece without a score", "tokenizer.json", t5_json(R"([["a"]])"), "not a piece"},
    {"a score that is a text", "tokenizer.json", t5_json(R"([["a","b"]])"), "not a piece"},
    {"an empty piece", "tokenizer.json", t5_json(R"([["<pad>",0],["</s>",0],["<unk>",0],["",0]])"),
     "not a piece"},
    {"no end token", "tokenizer.json",
     t5_json(R"([["<pad>",0],["x",0],["<unk>",0],["a",0])" + extra + "]"), "not in the vocabulary"},
    {"a character map that is no base64", "tokenizer.json",
     t5_json(t5_vocab, R"({"type":"Precompiled","precompiled_charsmap":"!!!!"})"), "not base64"},
    {"a character map that is a number", "tokenizer.json",
     t5_json(t5_vocab, R"({"type":"Precompiled","precompiled_charsmap":7})"), "not base64"},
    {"a character map cut off", "tokenizer.json",
     t5_json(t5_vocab, R"({"type":"Precompiled","precompiled_charsmap":"/////w=="})"),
     "character map is broken"},
    {"an empty model", "spiece.model", "", "truncated"},
    {"a text for a model", "spiece.model", "this is not a protobuf", "truncated"},
    {"a model cut off", "spiece.model", spiece.substr(0, spiece.size() - 3), "truncated"},
    {"a piece with bad UTF-8", "spiece.model", spiece + piece("\xFF", -1), "not a piece"},
    {"a piece with an infinite score", "spiece.model",
     spiece + piece("b", std::numeric_limits<float>::infinity()), "not a piece"},
    {"a model of another kind", "spiece.model", spiece + field(2, "\x18\x02"), "no Unigram model"},
    {"a field that claims 2^63 bytes", "spiece.model", "\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
     "truncated"},
};

void write_clip(ScratchFolder const& folder) {
  write_file(folder / "vocab.json", vocab);
  write_file(folder / "merges.txt", merges);
}

}  // namespace

BOOST_AUTO_TEST_CASE(sound_files_are_read) {
  ScratchFolder const folder("sound-tokenizers");
  write_clip(folder);
  write_file(folder / "t5/spiece.model", spiece);
  write_file(folder / "t5json/tokenizer.json", t5_json(t5_vocab));
  Problems problems;
  auto const clip = open_clip_tokenizer(folder.path(), problems);
  auto const t5 = open_t5_tokenizer(folder / "t5", problems);
  auto const json = open_t5_tokenizer(folder / "t5json", problems);
  problems.throw_if_any();
  BOOST_TEST((clip->encode("ab", 5) == std::vector<std::int64_t>{6, 5, 7, 7, 7}));
  BOOST_TEST((t5->encode("a", 4) == std::vector<std::int64_t>{3, 4, 1, 0}));
  BOOST_TEST((json->encode("a", 4) == std::vector<std::int64_t>{3, 4, 1, 0}));
}

BOOST_AUTO_TEST_CASE(bad_clip_files_are_refused_by_name) {
  for (Bad const& bad : bad_clip) {
    ScratchFolder const folder("bad-clip");
    write_clip(folder);
    write_file(folder / bad.file, bad.bytes);
    Problems problems;
    BOOST_TEST(open_clip_tokenizer(folder.path(), problems) == nullptr, bad.what);
    check_refused(problems, bad.file, bad.says, bad.what);
  }
}

BOOST_AUTO_TEST_CASE(bad_t5_files_are_refused_by_name) {
  for (Bad const& bad : bad_t5) {
    ScratchFolder const folder("bad-t5");
    write_file(folder / bad.file, bad.bytes);
    Problems problems;
    BOOST_TEST(open_t5_tokenizer(folder.path(), problems) == nullptr, bad.what);
    check_refused(problems, bad.file, bad.says, bad.what);
  }
}

// A prompt may be 1 MiB: with time that grows as its square these would take minutes.
BOOST_AUTO_TEST_CASE(long_prompts_do_not_hang) {
  ScratchFolder const folder("long-prompts");
  write_clip(folder);
  write_file(folder / "tokenizer_config.json",
             R"({"added_tokens_decoder":{"0":{"content":"a","single_word":true},)"
             R"("1":{"content":"b","lstrip":true,"rstrip":true}}})");
  write_file(folder / "t5/spiece.model", spiece);
  Problems problems;
  auto const clip = open_clip_tokenizer(folder.path(), problems);
  auto const t5 = open_t5_tokenizer(folder / "t5", problems);
  problems.throw_if_any();
  std::string unknown, tokens;
  for (int i = 0; i < 250'000; ++i) unknown += "\xF0\x9F\xA6\x8A";
  for (int i = 0; i < 500'000; ++i) tokens += "b ";
  auto const start = std::chrono::steady_clock::now();
  BOOST_TEST(t5->count(unknown) == 3U);  // the mark, one unknown token, the end
  BOOST_TEST(clip->count(std::string(1'000'000, 'a')) > 0U);
  BOOST_TEST(clip->count(tokens) == 500'002U);
  std::chrono::duration<double> const taken_s = std::chrono::steady_clock::now() - start;
  BOOST_TEST(taken_s.count() < 30);
}

BOOST_AUTO_TEST_CASE(a_character_map_neither_breaks_nor_floods_a_text) {
  auto const map_to = [](std::string const& replacement) {
    std::vector<std::uint32_t> units(256);
    units[0] = 1U << 10U;  // the root's children start at 1
    std::uint32_t const node = 1U ^ 'a';
    units[node] = 'a' | 1U << 8U | (node ^ 2U) << 10U;  // the leaf is unit 2: offset 0
    std::string bytes(4 + 4 * units.size(), '\0');
    auto const trie_bytes = static_cast<std::uint32_t>(4 * units.size());
    std::memcpy(bytes.data(), &trie_bytes, 4);
    std::memcpy(bytes.data() + 4, units.data(), trie_bytes);
    return text::CharacterMap::parse(bytes + replacement + '\0').value();
  };
  BOOST_TEST(map_to("xy").normalize("ab") == "xyb");
  BOOST_TEST(map_to("\xFF").normalize("ab") == "ab");
  BOOST_TEST(map_to(std::string(1'000'000, 'x')).normalize("ab") == "ab");
}

BOOST_AUTO_TEST_CASE(a_missing_tokenizer_is_a_problem) {
  ScratchFolder const folder("no-tokenizer");
  Problems problems;
  BOOST_TEST(open_clip_tokenizer(folder.path(), problems) == nullptr);
  BOOST_TEST(open_t5_tokenizer(folder.path(), problems) == nullptr);
  check_refused(problems, "vocab.json", "cannot be read", "no CLIP tokenizer");
  check_refused(problems, "spiece.model", "cannot be read", "no T5 tokenizer");
}

BOOST_AUTO_TEST_CASE(no_character_map_or_model_crashes) {
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    (void)text::parse_sentencepiece_model(bytes);
    std::uint32_t const trie_bytes = static_cast<std::uint32_t>(4 * (random() % 40));
    std::string map(4, '\0');
    std::memcpy(map.data(), &trie_bytes, 4);
    if (auto const parsed = text::CharacterMap::parse(map + bytes))
      (void)parsed->normalize("A text: \xE2\x91\xA0 e\xCC\x81 \xF0\x9F\x99\x82");
  }
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = spiece;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)text::parse_sentencepiece_model(bytes);
  }
}
