// Manifests that are broken on purpose: each must be refused with a place, and nothing may crash.
#define BOOST_TEST_MODULE hostile_manifest
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "config/marked_text.hpp"
#include "core/json_text.hpp"
#include "core/utf8.hpp"
#include "manifest/read_manifest.hpp"
#include "manifest/record_message.hpp"

using namespace ditbatch;

namespace {

std::string times(std::size_t count, std::string const& text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

// Through a file, as the program does.
Problems load(std::string const& bytes) {
  namespace fs = std::filesystem;
  fs::path const path =
      fs::temp_directory_path() / ("ditbatch_hostile_" + std::to_string(getpid()) + ".jsonl");
  std::ofstream(path, std::ios::binary) << bytes;
  Problems problems;
  (void)read_manifest(path, RunConfig{}, {{}, 16, 512}, problems);
  fs::remove(path);
  return problems;
}

std::string const good = "{\"id\":\"good\",\"prompt\":\"p\"}\n";

struct Hostile {
  char const* name;
  std::string marked;  // one mark: where the problem is due
  char const* words;
};

}  // namespace

BOOST_AUTO_TEST_CASE(each_hostile_line_is_refused_at_its_place) {
  std::string const begin = good + "{\"id\":\"a\",\"prompt\":\"";
  std::size_t const mebibyte = std::size_t{1} << 20U;
  std::vector<Hostile> const files{
      {"cut in a text", begin + "abc@@", "not valid JSON"},
      {"cut in an escape", begin + "abc@@\\", "not valid JSON"},
      {"cut in a code point", begin + "abc@@\\u12", "not valid JSON"},
      {"cut behind a high surrogate", begin + "@@\\ud83d", "not valid JSON"},
      {"cut in a low surrogate", begin + "@@\\ud83d\\ude", "not valid JSON"},
      {"cut behind a key", good + "{\"id\"@@", "not valid JSON"},
      {"cut behind a colon", good + "{\"id\":@@", "not valid JSON"},
      {"cut in a number", good + "{\"id\":\"a\",\"prompt\":\"p\",\"steps\":1e@@", "not valid JSON"},
      {"cut in a word", good + "{\"id\":\"a\",\"prompt\":\"p\",\"seed\":nul@@", "not valid JSON"},
      {"high surrogate twice", begin + "@@\\ud83d\\ud83d\"}", "surrogate"},
      {"low surrogate alone", begin + "@@\\ude00\"}", "half a surrogate"},
      {"surrogates the wrong way round", begin + "@@\\ude00\\ud83d\\ude00\"}", "half a surrogate"},
      {"surrogate as a key", begin + "p\",\"@@\\udead\":1}", "half a surrogate"},
      {"surrogate as bytes", begin + "@@\xED\xA0\x80\"}", "bad UTF-8"},
      {"overlong", begin + "@@\xC0\xAF\"}", "bad UTF-8"},
      {"Latin-1", begin + "M@@\xFCller\"}", "bad UTF-8"},
      {"UTF-16", std::string("@@\xFF\xFE{\0", 6), "is UTF-16"},
      {"gzip", "@@\x1F\x8B\x08", "is gzip"},
      {"Parquet", "@@PAR1\x15", "is Parquet"},
      {"TSV", "@@id\tprompt\na\tb\n", "is TSV"},
      {"a prompt a line", "@@a fox\na wolf, and a fox\n", "is plain text"},
      {"JSON of many lines", "@@{\n  \"id\": \"a\"\n}\n", "is one JSON object of many lines"},
      {"NUL byte in a text", begin + "a@@" + std::string(1, '\0') + "\"}", "NUL byte"},
      {"NUL byte behind the record", begin + "a\"}@@" + std::string(1, '\0') + "{\"id\":1}",
       "NUL byte"},
      {"nothing but NULs", "@@" + std::string(4096, '\0'), "NUL byte"},
      {"two records in a line", begin + "a\"}@@{\"id\":\"b\",\"prompt\":\"\"}", "not valid JSON"},
      {"a comment", good + "@@// a comment", "not valid JSON"},
      {"a comma too many", begin + "a\",@@}", "not valid JSON"},
      {"no quotes around a key", good + "{@@id:\"a\"}", "not valid JSON"},
      {"a JSON list", "@@[\n", "is a JSON array"},
      {"CSV", "@@id,prompt\na,\"b, c\"\n", "is CSV"},
      {"CSV among records", good + "@@id,prompt\n", "not valid JSON"},
      {"a raw new line in a text", begin + "abc@@\n", "not valid JSON"},
      {"deep lists", begin + "p\",\"metadata\":" + times(62, "[") + "[@@[" + times(100000, "["),
       "nested deeper than 64"},
      {"deep objects", begin + "p\",\"metadata\":" + times(62, "{\"a\":") + "{\"a\":@@{\"a\":",
       "nested deeper than 64"},
      {"just over 1 MiB",
       good + "@@{\"id\":\"a\",\"prompt\":\"" + std::string(mebibyte, 'x') + "\"}\n",
       "longer than 1 MiB"},
      {"64 MiB without a line", "@@" + std::string(64 * mebibyte, 'x'), "longer than 1 MiB"},
      {"very many fields", begin + "p\"" + times(200, ",\"x\":1"), "more than 100 fields"},
      {"a number without end", begin + "p\",\"metadata\":@@" + std::string(100000, '9') + "}",
       "too large"},
      {"zeros without end", begin + "p\",\"steps\":@@0." + std::string(1000, '0') + "e5}",
       "whole number"},
      {"control characters in an id", good + "{\"prompt\":\"p\",\"id\":@@\"a\\u001b[31m\\u202e\"}",
       "1 to 128 of A-Z"},
      {"a path as an id", good + "{\"prompt\":\"p\",\"id\":@@\"../../x\"}", "1 to 128 of A-Z"},
      {"an id of 129 characters",
       good + "{\"prompt\":\"p\",\"id\":@@\"" + std::string(129, 'x') + "\"}", "1 to 128 of A-Z"},
      {"an escape as an unknown field", begin + "p\",@@\"\\u001b]0;x\\u0007\":1}", "unknown field"},
      {"images without end", begin + "p\",\"num_images\":@@99999999}", "1 to 10000"},
  };
  for (Hostile const& file : files) {
    test::MarkedText const marked(file.marked);
    Problems const problems = load(marked.text);
    BOOST_TEST_CONTEXT(file.name << "\n" << test::listed(problems).substr(0, 1000)) {
      BOOST_TEST_REQUIRE(!problems.empty());
      Problem const& first = problems.all().front();
      BOOST_TEST(first.text.find(file.words) != std::string::npos);
      if (!marked.places.empty()) {
        BOOST_TEST(first.where.line == marked.places[0].line);
        BOOST_TEST(first.where.column == marked.places[0].column);
      }
      test::check_printable(problems);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_large_but_right_is_read) {
  Problems problems;
  std::string const line =
      "{\"id\":\"a\",\"prompt\":\"" + std::string((std::size_t{1} << 20U) - 23, 'x') + "\"}";
  BOOST_TEST_REQUIRE(line.size() <= std::size_t{1} << 20U);
  auto const records = parse_manifest("m", line, RunConfig{}, {{}, 16, 512}, problems);
  BOOST_TEST(problems.empty(), test::listed(problems));
  BOOST_TEST_REQUIRE(records.size() == 1U);
  BOOST_TEST(record_from_json(to_json(records[0])).prompt.size() == records[0].prompt.size());
  // 63 levels of metadata in the record's own make 64.
  std::string const deep =
      "{\"id\":\"a\",\"prompt\":\"\",\"metadata\":" + times(63, "[") + times(63, "]") + "}";
  BOOST_TEST(parse_manifest("m", deep, RunConfig{}, {{}, 16, 512}, problems).size() == 1U);
  BOOST_TEST(problems.empty(), test::listed(problems));
}

BOOST_AUTO_TEST_CASE(copies_of_large_records_do_not_fill_the_memory) {
  std::string text;  // 2 MB that ask for 20 GB
  for (char const* id : {"a", "b"}) {
    text += "{\"id\":\"" + std::string(id) + "\",\"num_images\":10000,\"prompt\":\"" +
            std::string(1000000, 'x') + "\"}\n";
  }
  Problems problems;
  (void)parse_manifest("m", text, RunConfig{}, {{}, 16, 512}, problems);
  BOOST_TEST(test::listed(problems) ==
             "m: num_images: makes more than 16 GiB of records (they are held in memory) split the "
             "manifest\n");
}

BOOST_AUTO_TEST_CASE(lines_changed_at_random_never_crash_it) {
  std::string const seed =
      "{\"id\":\"a.b-c_1\",\"prompt\":\"a fox \\ud83d\\ude00 "
      "\xC3\xBC\",\"prompt_2\":\"\",\"negative_prompt\":\"no\\n\",\"seed\":18446744073709551615,"
      "\"num_images\":2,\"width\":512,\"height\":768,\"steps\":4,\"guidance_scale\":3.5,\"true_cfg_"
      "scale\":1e0,\"max_sequence_length\":77,"
      "\"scheduler\":\"auto\",\"tags\":[\"a\",\"b\"],\"metadata\":{\"k\":[1,2.5,null,{\"x\":\"y "
      "\\\\ z\"}]}}";
  std::mt19937 random(13);
  std::vector<std::string> const pieces{"\"",
                                        "\\",
                                        "\\u",
                                        "\\ud800",
                                        "\\udc00",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        ":",
                                        ",",
                                        "null",
                                        "NaN",
                                        "-",
                                        "1e999",
                                        "\n",
                                        "\r",
                                        "\xC3",
                                        "\xF0\x9F\x98\x80",
                                        std::string(1, '\0'),
                                        "\"id\":",
                                        "18446744073709551616",
                                        "\\u0000",
                                        "\t"};
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
      std::size_t const at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0:
          text.insert(at, pieces[random() % pieces.size()]);
          break;
        case 1:
          text.erase(at, random() % 6);
          break;
        case 2:
          if (at < text.size()) text[at] = static_cast<char>(random() % 256);
          break;
        default:
          text.insert(at, text.substr(random() % (text.size() + 1), random() % 40));
          break;
      }
    }
    Problems problems;
    auto const records = parse_manifest("m", text, RunConfig{}, {{}, 16, 512}, problems);
    test::check_printable(problems);
    BOOST_TEST_REQUIRE((!problems.empty() || !records.empty()));
    for (ImageRecord const& record : records) {
      ++accepted;
      // Whatever is accepted can travel and be stored.
      std::string const message = to_text(to_json(record));
      BOOST_TEST_REQUIRE(to_text(to_json(record_from_json(json_of(message)))) == message);
      BOOST_TEST_REQUIRE(find_bad_utf8(record.metadata) == std::string::npos);
      BOOST_TEST_REQUIRE(record.prompt.find('\0') == std::string::npos);
    }
  }
  BOOST_TEST(accepted > 500);
}
