// Config files that are broken on purpose: each must be refused with a place, and nothing may
// crash.
#define BOOST_TEST_MODULE hostile_config
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "config/load_run_config.hpp"
#include "config/marked_text.hpp"

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
      fs::temp_directory_path() / ("ditbatch_hostile_" + std::to_string(getpid()) + ".toml");
  std::ofstream(path, std::ios::binary) << bytes;
  Problems problems;
  (void)load_run_config(path, {}, problems);
  fs::remove(path);
  return problems;
}

std::string const good = "[job]\nmanifest = 'm'\nrun_dir = 'r'\n[model]\npath = 'p'\n";

struct Hostile {
  char const* name;
  std::string marked;  // one mark: where the first problem is due
  char const* words;
};

}  // namespace

BOOST_AUTO_TEST_CASE(each_hostile_file_is_refused_at_its_place) {
  std::vector<Hostile> const files{
      {"no value", "[job]\nname =@@\n", "not valid TOML"},
      {"no closing quote", "[job]\nname = \"abc@@\nx = 1\n", "not valid TOML"},
      {"end of file in a text", "[job]\nname = \"abc@@", "not valid TOML"},
      {"end of file in an escape", "[job]\nname = \"\\u12@@", "not valid TOML"},
      {"an unknown escape", "[job]\nname = \"\\@@q\"\n", "not valid TOML"},
      {"a surrogate as an escape", "[job]\nname = \"\\ud800@@\"\n", "not valid TOML"},
      {"beyond Unicode", "[job]\nname = \"\\U00110000@@\"\n", "not valid TOML"},
      {"no closing bracket", "[job@@\nname = 'x'\n", "not valid TOML"},
      {"a key twice", "[job]\nname = 'a'\nname = @@'b'\n", "not valid TOML"},
      {"a table twice", "[job]\n[model]\n@@[job]\n", "not valid TOML"},
      {"an integer too large", "[job]\nseed = 9223372036854775808@@\n", "not valid TOML"},
      {"a number with two dots", "[sampling]\nguidance_scale = 1.2@@.3\n", "not valid TOML"},
      {"JSON", "@@{\"job\": {}}\n", "not valid TOML"},
      {"YAML", "job@@:\n  manifest: x\n", "not valid TOML"},
      {"a NUL byte", std::string("[job]\nname = 'a@@\0b'\n", 22), "not valid TOML"},
      {"a control character", "[job]\nname = 'a@@\x01'\n", "not valid TOML"},
      {"nothing but NULs", "@@" + std::string(4096, '\0'), "not valid TOML"},
      {"bad UTF-8", "[job]\nname = 'a@@\xFF'\n", "bad UTF-8"},
      {"overlong UTF-8", "[job]\nname = '@@\xC0\x80'\n", "bad UTF-8"},
      {"UTF-8 cut off", "[job]\nname = '@@\xE2\x82", "bad UTF-8"},
      {"Latin-1", "# M@@\xFCller\n[job]\n", "bad UTF-8"},
      {"UTF-16", std::string("@@\xFF\xFE[\0j\0", 8), "bad UTF-8"},
      {"a byte order mark", "@@\xEF\xBB\xBF[job]\n", "byte order mark"},
      {"a letter of Latin-1 as a key", "[job]\n@@\xC3\xA9 = 1\n", "not valid TOML"},
      {"a ligature as a key", "[job]\n@@\xEF\xBB\xBB = 1\n", "not valid TOML"},
      {"a bidirectional override as a key", "@@\xE2\x80\xAE = 1\n", "not valid TOML"},
  };
  for (Hostile const& file : files) {
    test::MarkedText const marked(file.marked);
    Problems const problems = load(marked.text);
    BOOST_TEST_CONTEXT(file.name << "\n" << test::listed(problems)) {
      BOOST_TEST_REQUIRE(!problems.empty());
      Problem const& first = problems.all().front();
      BOOST_TEST(first.text.find(file.words) != std::string::npos);
      BOOST_TEST_REQUIRE(marked.places.size() == 1U);
      BOOST_TEST(first.where.line == marked.places[0].line);
      BOOST_TEST(first.where.column == marked.places[0].column);
      test::check_printable(problems);
    }
  }
}

BOOST_AUTO_TEST_CASE(depth_and_length_do_not_break_it) {
  for (std::string const& text : {
           std::string(),
           good + "x = " + times(200000, "["),
           good + "x = " + times(255, "[") + times(255, "]"),
           good + "x = " + times(100000, "{a="),
           good + times(500000, "a."),
           good + times(4000, "a.") + "a = 1\n",
           "[" + times(4000, "a.") + "a]\n" + good,
           good + times(1000, "[[a.b]]\n"),
           good + "x = [" + times(300000, "1,") + "]\n",
           good + times(50000, "[") + "\n",
           good + "x = \"" + std::string(1000000, 'y') + "\"\n",
           good + std::string(1000000, 'k') + " = 1\n",
           good + "'" + std::string(100000, '\x7E') + "' = 1\n",
           good + "x = 0b" + std::string(1000, '1') + "\n",
           good + "x = 1e" + std::string(1000, '9') + "\n",
           std::string(2000000, '#'),
       }) {
    Problems const problems = load(text);
    BOOST_TEST(!problems.empty(), text.substr(0, 100));
    test::check_printable(problems);
  }
  std::string many = good;
  for (int i = 0; i < 30000; ++i) many += "[t" + std::to_string(i) + "]\n";
  BOOST_TEST(load(many).all().size() == 1001U);  // the first thousand, and how many more
  BOOST_TEST(load(many).all().back().text.find("has 29000 more problems") == 0U);
}

BOOST_AUTO_TEST_CASE(files_changed_at_random_never_crash_it) {
  setenv("MODELS", "/models", 1);
  std::vector<std::string> seeds{good};
  for (auto const& entry : std::filesystem::directory_iterator(std::getenv("DITBATCH_CONFIGS"))) {
    seeds.push_back(test::read_text(entry.path()));
  }
  std::mt19937 random(11);
  std::vector<std::string> const pieces{"\"",
                                        "'",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "=",
                                        ".",
                                        "\n",
                                        "\\u",
                                        "\"\"\"",
                                        "nan",
                                        "inf",
                                        "-",
                                        "1e999",
                                        "auto",
                                        "${",
                                        "}",
                                        "\xC3",
                                        "\xF0\x9F\x98\x80",
                                        std::string(1, '\0'),
                                        "[job]\n",
                                        "mesh.cfg = 2\n",
                                        "1979-05-27T07:32:00Z",
                                        "0x",
                                        "#"};
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      std::size_t const at = random() % (text.size() + 1);
      switch (random() % 4) {
        case 0:
          text.insert(at, pieces[random() % pieces.size()]);
          break;
        case 1:
          text.erase(at, random() % 8);
          break;
        case 2:
          if (at < text.size()) text[at] = static_cast<char>(random() % 256);
          break;
        default:
          text.insert(at, text.substr(random() % (text.size() + 1), random() % 60));
          break;
      }
    }
    Problems problems;
    RunConfig const config = parse_run_config("/x/a.toml", text, {}, problems);
    test::check_printable(problems);
    refused += problems.empty() ? 0 : 1;
    if (problems.empty()) {  // whatever is accepted can be written and read again
      Problems again;
      std::string const written = to_toml(config);
      BOOST_TEST_REQUIRE(to_toml(parse_run_config("/x/a.toml", written, {}, again)) == written);
      BOOST_TEST_REQUIRE(again.empty(), test::listed(again) + written);
    }
  }
  BOOST_TEST((refused > 1000 && refused < 4000));
}
