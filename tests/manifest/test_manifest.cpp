#define BOOST_TEST_MODULE manifest
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/marked_text.hpp"
#include "manifest/input_path.hpp"
#include "manifest/read_manifest.hpp"
#include "manifest/record_identity.hpp"
#include "manifest/record_message.hpp"

using namespace ditbatch;
using test::Due;
using test::MarkedText;
namespace fs = std::filesystem;

namespace {

RecordRules const rules{{}, 16, 512};

std::vector<ImageRecord> parse(std::string const& text, Problems& problems,
                               RunConfig const& config = {}) {
  return parse_manifest("m.jsonl", text, config, rules, problems);
}

std::vector<ImageRecord> parse_good(std::string const& text) {
  Problems problems;
  auto records = parse(text, problems);
  BOOST_TEST_REQUIRE(problems.empty(), test::listed(problems));
  return records;
}

void check(std::string const& marked, std::vector<Due> const& due) {
  MarkedText const text(marked);
  Problems problems;
  (void)parse(text.text, problems);
  test::check_problems(text, due, problems);
}

}  // namespace

BOOST_AUTO_TEST_CASE(defaults_come_from_sampling) {
  RunConfig config;
  config.sampling = {512, 256, 4, 1.5, 2.0, "auto", 77};
  Problems problems;
  auto const records = parse(
      "{\"id\":\"a\",\"prompt\":\"\"}\n{\"id\":\"b\",\"prompt\":\"x\",\"steps\":9,\"seed\":null}",
      problems, config);
  BOOST_TEST_REQUIRE(records.size() == 2U);
  BOOST_TEST((records[0].width_px == 512 && records[0].height_px == 256 && records[0].steps == 4));
  BOOST_TEST((records[0].guidance_scale == 1.5 && records[0].true_cfg_scale == 2.0 &&
              records[0].max_sequence_length == 77));
  BOOST_TEST((!records[0].prompt_2 && !records[0].negative_prompt && records[0].metadata == "{}"));
  BOOST_TEST((records[1].steps == 9 && records[1].line == 2U));
}

BOOST_AUTO_TEST_CASE(lines_may_end_in_crlf_be_blank_or_lack_their_newline) {
  auto const records = parse_good(
      "\r\n{\"id\":\"a\",\"prompt\":\"p\"}\r\n \t \n\n { \"id\" : \"b\" , \"prompt\" : \"q\" } ");
  BOOST_TEST_REQUIRE(records.size() == 2U);
  BOOST_TEST((records[0].line == 2U && records[1].line == 5U));
}

BOOST_AUTO_TEST_CASE(seeds_of_several_images_count_up_modulo_2_to_64) {
  auto const records =
      parse_good("{\"id\":\"a\",\"prompt\":\"p\",\"seed\":18446744073709551614,\"num_images\":4}");
  BOOST_TEST_REQUIRE(records.size() == 4U);
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(records[i].index == i);
  BOOST_TEST((records[0].seed == ~std::uint64_t{0} - 1 && records[1].seed == ~std::uint64_t{0}));
  BOOST_TEST((records[2].seed == 0U && records[3].seed == 1U));
}

// pandas writes a column of whole numbers with an empty cell so; spreadsheets begin with a BOM.
BOOST_AUTO_TEST_CASE(what_tables_write_is_understood) {
  auto const records = parse_good(
      "\xEF\xBB\xBF{\"id\":\"a\",\"prompt\":\"p\",\"seed\":7.0,\"steps\":4.0,\"width\":512.0,"
      "\"num_images\":2e0}\n{\"id\":\"b\",\"prompt\":\"p\",\"steps\":null,\"seed\":null}\n");
  BOOST_TEST_REQUIRE(records.size() == 3U);
  BOOST_TEST((records[1].seed == 8U && records[0].steps == 4 && records[0].width_px == 512));
}

BOOST_AUTO_TEST_CASE(metadata_keeps_its_numbers_and_loses_its_spaces) {
  auto const records = parse_good(
      "{\"metadata\" : { \"a b\" : [ 1.0 , 1e2,\t\"x \\\" y\" ] } ,\"id\":\"a\",\"prompt\":\"p\"}\n"
      "{\"id\":\"b\",\"prompt\":\"p\",\"metadata\":12345678901234567890}\n"
      "{\"id\":\"c\",\"prompt\":\"p\",\"metadata\":[]}\n"
      "{\"id\":\"d\",\"prompt\":\"p\",\"metadata\":null,\"tags\":[]}");
  BOOST_TEST_REQUIRE(records.size() == 4U);
  BOOST_TEST(records[0].metadata == "{\"a b\":[1.0,1e2,\"x \\\" y\"]}");
  BOOST_TEST(records[1].metadata == "12345678901234567890");
  BOOST_TEST(records[2].metadata == "[]");
  BOOST_TEST(records[3].metadata == "{}");
}

BOOST_AUTO_TEST_CASE(each_value_is_refused_at_its_place) {
  struct Case {
    char const* fields = "";  // of one record, with its mark
    Due due;
  };
  for (Case const& c : std::initializer_list<Case>{
           {R"("width":@@1000)",
            {"width", "is 1000 (this checkpoint needs a multiple of 16) use 992 or 1008"}},
           {R"("height" : @@8)", {"height", "use 16"}},
           {R"("height":@@65535)", {"height", "use 65520"}},
           {R"("width":@@65536)", {"width", "from 1 to 65535"}},
           {R"("width":@@"512")", {"width", "is '\"512\"'"}},
           {R"("width":@@512.5)", {"width", "whole number"}},
           {R"("width":@@-512)", {"width", "whole number"}},
           {R"("width":@@99999999999999999999)", {"width", "whole number"}},
           {R"("steps":@@0)", {"steps", "1 to 1000"}},
           {R"("steps":@@true)", {"steps", "is 'true'"}},
           {R"("num_images":@@10001)", {"num_images", "1 to 10000"}},
           {R"("num_images":@@0)", {"num_images", "1 to 10000"}},
           {R"("guidance_scale":@@"3.5")", {"guidance_scale", "must be a number"}},
           {R"("guidance_scale":@@-1e-9)", {"guidance_scale", "0 to 1000"}},
           {R"("guidance_scale":@@NaN)", {"guidance_scale", "NaN and infinity are no JSON"}},
           {R"("guidance_scale": @@-Infinity)", {"guidance_scale", "NaN and infinity are no JSON"}},
           {R"("true_cfg_scale":@@1e999)", {"true_cfg_scale", "no double holds it"}},
           {R"("max_sequence_length":@@513)", {"max_sequence_length", "1 to 512"}},
           {R"("guidance_scale":@@1e-999)", {"guidance_scale", "must be a number"}},
           {R"("steps":@@4e9)", {"steps", "whole number"}},
           {R"("seed":@@-1)", {"seed", "0 to 18446744073709551615"}},
           {R"("seed":@@18446744073709551616)", {"seed", "0 to 18446744073709551615"}},
           {R"("seed":@@1.5)", {"seed", "whole number"}},
           {R"("seed":@@9007199254740992.0)", {"seed", "whole number"}},  // 2^53, or one more
           {R"("seed":@@"7")", {"seed", "without quotes"}},
           {R"("prompt_2":@@["x"])", {"prompt_2", "a text is needed"}},
           {R"("negative_prompt":@@"a\u0000b")", {"negative_prompt", "NUL"}},
           {R"("tags":@@"fox")", {"tags", "write [\"a\", \"b\"]"}},
           {R"("tags":@@["a",1])", {"tags", "list of texts"}},
           {R"("tags":@@["a",["b"]])", {"tags", "list of texts"}},
           {R"("tags":@@{"a":"b"})", {"tags", "list of texts"}},
           {R"("scheduler":@@"dpm")", {"scheduler", "not supported yet"}},
           {R"(@@"loras":[])", {"loras", "not supported yet"}},
           {R"(@@"control":{"image":"x.png"})", {"control", "not supported yet"}},
           {R"(@@"num_inference_steps":4)", {"num_inference_steps", "tools call so is 'steps'"}},
           {R"(@@"caption":"x")", {"caption", "tools call so is 'prompt'"}},
           {R"(@@"size":"512x512")", {"size", "'width and height'"}},
           {R"(@@"stesp":4)", {"stesp", "did you mean 'steps'?"}},
           {R"("metadata":{"a":[1]} , @@"colour_of_the_sky":"red")",
            {"colour_of_the_sky", "put it under metadata"}},
           {R"(@@"st\"esp":4)", {"'st\"esp'", "unknown field"}},
           {R"(@@"\u0073teps2":4)", {"steps2", "did you mean 'steps'?"}},
           {R"(@@"":4)", {"''", "unknown field"}},
           {R"("steps":4,@@"steps":5)", {"steps", "given twice"}},
           {R"("prompt_2":"\ud83d\ude00 @@\ud83d")", {"prompt_2", "surrogate"}},
           {R"("prompt_2":"\\ud83d @@\ude00")", {"prompt_2", "half a surrogate"}},
           {R"("metadata":{"a":"@@\udc00"})", {"metadata", "half a surrogate"}},
           {R"("prompt_2":"ab@@\x")", {"prompt_2", "not valid JSON"}},
           {"\"prompt_2\":\"ab@@\x01\"", {"prompt_2", "not valid JSON"}},
           {R"("prompt_2":@@'x')", {"prompt_2", "not valid JSON"}}}) {
    std::string const fields(c.fields);
    check("{\"id\":\"a\",\"prompt\":\"\xC3\xBC\"}\n{\"id\":\"b\", \"prompt\":\"\xC3\xBC\"," +
              fields + "}\n",
          {c.due});
  }
}

BOOST_AUTO_TEST_CASE(all_problems_of_all_lines_come_at_once) {
  check(R"(@@{"id":@@"a b","steps":@@0}
{"id":"fox","prompt":"x"}
@@{"prompt":"x"}

{"id":@@"fox","prompt":"x","width":@@17}
{"id":@@7,"prompt":@@null}
{"id":@@"..","prompt":"x"}
{"id":@@"","prompt":"x"}
@@[1]
  @@"text"
{"id":"last","prompt":"x"} @@x
{"id":"cut","prompt":"x"@@
{"id":"good","prompt":"x"}
)",
        {{"prompt", "missing"},
         {"id", "is 'a b' (1 to 128 of"},
         {"steps", "1 to 1000"},
         {"id", "missing"},
         {"id", "'fox' was used in line 2"},
         {"width", "use 16 or 32"},
         {"id", "a text is needed"},
         {"prompt", "each record needs a text"},
         {"id", "is '..'"},
         {"id", "is ''"},
         {"", "not a JSON object"},
         {"", "not a JSON object"},
         {"", "not valid JSON"},
         {"", "not valid JSON"}});
}

BOOST_AUTO_TEST_CASE(a_manifest_without_records_is_refused) {
  for (char const* text : {"", "\n", "\r\n \n"}) {
    Problems problems;
    (void)parse(text, problems);
    BOOST_TEST(test::listed(problems) ==
               "m.jsonl: holds no records (there is nothing to do) name another manifest\n");
  }
  Problems problems;
  RunConfig config;
  config.set_at["job.manifest"] = {"a.toml", 2, 12};
  for (char const* path : {"/nowhere/m.jsonl", "/", "/dev/zero"}) {
    BOOST_TEST(read_manifest(path, config, rules, problems).empty());
    BOOST_TEST(to_string(problems.all().back())
                   .find("a.toml:2:12: job.manifest: '" + std::string(path) + "'") == 0U);
  }
}

BOOST_AUTO_TEST_CASE(defaults_that_the_checkpoint_does_not_allow_are_named_in_the_config) {
  RunConfig config;
  config.sampling.width_px = 1000;
  config.sampling.max_sequence_length = 513;
  config.set_at["sampling.width"] = {"a.toml", 7, 9};
  Problems problems;
  (void)parse("{\"id\":\"a\",\"prompt\":\"p\"}", problems, config);
  BOOST_TEST_REQUIRE(problems.all().size() == 2U);
  BOOST_TEST(to_string(problems.all()[0]) ==
             "a.toml:7:9: sampling.width: is 1000 (this checkpoint needs a multiple of 16) use 992 "
             "or 1008");
  BOOST_TEST(problems.all()[1].field == "sampling.max_sequence_length");
}

BOOST_AUTO_TEST_CASE(after_a_thousand_problems_the_rest_is_counted) {
  std::string text;
  for (int i = 0; i < 1500; ++i)
    text += "{\"id\":\"r" + std::to_string(i) + "\",\"prompt\":1,\"steps\":0}\n";
  Problems problems;
  BOOST_TEST(parse(text, problems).empty());
  BOOST_TEST(problems.all().size() == 1001U);
  BOOST_TEST(problems.all().back().text.find("has 2000 more problems") == 0U);
}

BOOST_AUTO_TEST_CASE(a_message_loses_nothing) {
  ImageRecord record;
  record.id = "a";
  record.index = 65535;
  record.prompt = "\xF0\x9F\x98\x80 \"\n\x01";
  record.prompt_2 = "";
  record.negative_prompt = "no";
  record.seed = ~std::uint64_t{0};
  record.width_px = 65535;
  record.guidance_scale = 0.1;
  record.true_cfg_scale = 1.0 / 3.0;
  record.tags = {"x", ""};
  record.metadata = "[1.0]";
  record.line = 4000000000U;
  nlohmann::json const message = to_json(record);
  ImageRecord const back = record_from_json(message);
  BOOST_TEST((to_json(back) == message));
  BOOST_TEST((back.id == record.id && back.index == record.index && back.prompt == record.prompt));
  BOOST_TEST((back.prompt_2 == "" && back.negative_prompt == "no" && !back.negative_prompt_2));
  BOOST_TEST(
      (back.seed == record.seed && back.guidance_scale == 0.1 && back.true_cfg_scale == 1.0 / 3.0));
  BOOST_TEST((back.tags == record.tags && back.metadata == "[1.0]" && back.line == 4000000000U));
  BOOST_TEST(image_name(back.key()) == "a[65535]");
}

BOOST_AUTO_TEST_CASE(the_identity_of_a_record_sees_what_makes_the_image_and_nothing_else) {
  ImageRecord const record = parse_good("{\"id\":\"a\",\"prompt\":\"p\",\"seed\":1}").front();
  ModelIdentity const model{{}, {{"transformer", "bf16"}, {"vae", "fp32"}}};
  for (int const version : {1, 2}) {
    auto const changed = [&](auto change) {
      ImageRecord other = record;
      change(other);
      return record_sha256(other, model, version) != record_sha256(record, model, version);
    };
    BOOST_TEST(changed([](ImageRecord& r) { r.id = "b"; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.index = 1; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.prompt += " "; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.prompt_2 = "x"; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.negative_prompt = ""; }));  // switches guidance on
    BOOST_TEST(changed([](ImageRecord& r) { r.seed = 2; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.width_px += 16; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.height_px += 16; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.steps += 1; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.guidance_scale += 1e-12; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.true_cfg_scale = 2; }));
    BOOST_TEST(changed([](ImageRecord& r) { r.max_sequence_length = 256; }));
    BOOST_TEST(!changed([](ImageRecord& r) { r.prompt_2 = ""; }));
    BOOST_TEST(!changed([](ImageRecord& r) { r.tags = {"x"}; }));
    BOOST_TEST(!changed([](ImageRecord& r) { r.metadata = "1"; }));
    BOOST_TEST(!changed([](ImageRecord& r) { r.line = 9; }));
    ModelIdentity other = model;
    other.checkpoint_id[31] = 1;
    BOOST_TEST((record_sha256(record, other, version) != record_sha256(record, model, version)));
    BOOST_TEST((record_sha256(record, model, version, "pipefusion") !=
                record_sha256(record, model, version)));
    other = model;
    other.dtypes["vae"] = "fp16";
    BOOST_TEST((record_sha256(record, other, version) != record_sha256(record, model, version)) ==
               (version == 2));
  }
  BOOST_TEST((record_sha256(record, model, 1) != record_sha256(record, model, 2)));
}

BOOST_AUTO_TEST_CASE(paths_of_a_manifest_stay_beneath_the_input_root) {
  fs::path const base = fs::temp_directory_path() / ("ditbatch_input_" + std::to_string(getpid()));
  fs::path const root = base / "root";
  fs::create_directories(root / "in" / "deep");
  std::ofstream(root / "in" / "deep" / "a..b.png") << "x";
  std::ofstream(base / "secret") << "x";
  fs::create_symlink(base / "secret", root / "link");
  fs::create_symlink(base, root / "up");
  fs::create_symlink("in", root / "same");
  fs::create_symlink(root, base / "linked_root");
  BOOST_TEST_REQUIRE(mkfifo((root / "pipe").c_str(), 0600) == 0);
  auto const words = [&](std::string const& path) {
    Problems problems;
    BOOST_TEST(resolve_input_path(root, path, {"m.jsonl", 3, 9}, "control", problems).empty());
    BOOST_TEST_REQUIRE(problems.all().size() == 1U);
    BOOST_TEST(to_string(problems.all()[0]).find("m.jsonl:3:9: control: ") == 0U);
    return problems.all()[0].text;
  };
  auto const has = [](std::string const& text, char const* word) {
    return text.find(word) != std::string::npos;
  };
  Problems none;
  for (fs::path const& where : {root, base / "linked_root"}) {  // the root itself is the user's own
    BOOST_TEST(resolve_input_path(where, "in/./deep/a..b.png", {"m.jsonl"}, "control", none) ==
               (where / "in/deep/a..b.png").string());
  }
  BOOST_TEST(none.empty());
  BOOST_TEST(has(words("../secret"), "holds .."));
  BOOST_TEST(has(words("in/../in/deep/a..b.png"), "holds .."));
  BOOST_TEST(has(words("/etc/passwd"), "is absolute"));
  BOOST_TEST(has(words((root / "in/deep/a..b.png").string()), "is absolute"));
  BOOST_TEST(has(words("link"), "symbolic link"));
  BOOST_TEST(has(words("up/secret"), "symbolic link"));
  BOOST_TEST(has(words("same/deep/a..b.png"), "symbolic link"));
  BOOST_TEST(has(words("pipe"), "no regular file"));
  BOOST_TEST(has(words("in"), "no regular file"));
  BOOST_TEST(has(words("in/none.png"), "does not exist"));
  BOOST_TEST(has(words("in/deep/a..b.png/x"), "does not exist"));
  BOOST_TEST(has(words(""), "is no path"));
  BOOST_TEST(has(words(std::string("in\0x", 4)), "is no path"));
  Problems devices;
  BOOST_TEST(resolve_input_path("/dev", "zero", {"m.jsonl"}, "control", devices).empty());
  fs::remove_all(base);
}

// Says how long it takes; a shared machine is no place to insist.
BOOST_AUTO_TEST_CASE(a_large_manifest_with_fifty_errors) {
  std::string marked;
  std::vector<std::size_t> lines;
  std::string const prompt =
      "a red fox on a hill at dawn, oil on canvas, wide view, soft light, by nobody in particular";
  for (std::size_t i = 0; i < 100000; ++i) {
    bool const planted = i % 2000 == 1234;
    if (planted) lines.push_back(i + 1);
    marked += "{\"id\":\"fox-" + std::to_string(i) + "\",\"prompt\":\"" + prompt +
              "\",\"width\":" + (planted ? "1001" : "1024") +
              ",\"height\":768,\"tags\":[\"a\",\"b\"],\"metadata\":{\"source\":\"x\",\"n\":" +
              std::to_string(i) + "}}\n";
  }
  auto const begin = std::chrono::steady_clock::now();
  Problems problems;
  auto const records = parse(marked, problems);
  std::chrono::duration<double> const took_s = std::chrono::steady_clock::now() - begin;
  BOOST_TEST_MESSAGE("100000 lines, " << marked.size() / 1000000 << " MB: " << took_s.count()
                                      << " s");
  BOOST_TEST_REQUIRE(lines.size() == 50U);
  BOOST_TEST_REQUIRE(problems.all().size() == 50U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    BOOST_TEST(problems.all()[i].where.line == lines[i]);
    BOOST_TEST(problems.all()[i].field == "width");
  }
  BOOST_TEST(records.size() == 99950U);
}
