// Broken and hostile checkpoint files: each is a named problem, and never a crash.
#define BOOST_TEST_MODULE hostile_weights
#include <sys/stat.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>

#include "support/bad_input.hpp"
#include "weights/checkpoint.hpp"
#include "weights/json_document.hpp"
#include "weights/safetensors.hpp"
#include "weights/safetensors_index.hpp"

using namespace ditbatch;
using test::check_refused;
using test::ScratchFolder;
using test::write_file;

namespace {

std::string length_bytes(std::uint64_t length) {
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i)
    bytes[static_cast<std::size_t>(i)] = static_cast<char>(length >> (8 * i));
  return bytes;
}

std::string safetensors(std::string const& header, std::size_t data_bytes) {
  return length_bytes(header.size()) + header + std::string(data_bytes, 'x');
}

std::string const sound_header =
    R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}})";

struct BadFile {
  char const* what;
  std::string bytes;
  char const* says;
};

std::vector<BadFile> const bad_files{
    {"empty", "", "truncated"},
    {"seven bytes", "1234567", "truncated"},
    {"header longer than the file", length_bytes(1000) + "{}", "claims 1000 bytes"},
    {"header of 2^63 bytes", length_bytes(std::uint64_t{1} << 63U) + "{}", "claims"},
    {"header of 2^64 - 1 bytes", length_bytes(~std::uint64_t{0}) + "{}", "claims"},
    {"cut off in the header", safetensors(sound_header, 22).substr(0, 40), "claims"},
    {"cut off in the data", safetensors(sound_header, 21), "of 21 bytes of data"},
    {"data behind the tensors", safetensors(sound_header, 23), "cover the data exactly"},
    {"no JSON", safetensors("hello, world", 0), "not valid JSON"},
    {"a list", safetensors("[]", 0), "not a JSON object"},
    {"empty header", safetensors("", 0), "not valid JSON"},
    {"two documents", safetensors("{}{}", 0), "not valid JSON"},
    {"bad UTF-8", safetensors("{\"\xFF\":1}", 0), "bad UTF-8"},
    {"half a surrogate pair in a name", safetensors(R"({"\udc00":1})", 0), "half a surrogate"},
    {"half a surrogate pair in a value", safetensors(R"({"a":["\udeadx"]})", 0),
     "half a surrogate"},
    {"duplicate tensor",
     safetensors(
         R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
         1),
     "duplicate key"},
    {"entry is a number", safetensors(R"({"a":1})", 0), "not an object"},
    {"no dtype", safetensors(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1), "has no dtype"},
    {"no shape", safetensors(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1), "has no shape"},
    {"no offsets", safetensors(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "has no data_offsets"},
    {"one offset", safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}})", 1),
     "has no data_offsets"},
    {"negative offset", safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})", 1),
     "has no data_offsets"},
    {"fractional offset",
     safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.0]}})", 1),
     "has no data_offsets"},
    {"unknown dtype", safetensors(R"({"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}})", 4),
     "unknown dtype 'F31'"},
    {"negative dimension",
     safetensors(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1), "not a size"},
    {"huge dimension",
     safetensors(R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]}})", 1),
     "not a size"},
    {"overflowing shape",
     safetensors(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,16]}})",
                 16),
     "overflows"},
    {"shape that overflows to the right size",
     safetensors(R"({"a":{"dtype":"U8","shape":[9223372036854775807,2,9],"data_offsets":[0,2]}})",
                 2),
     "overflows"},
    {"17 dimensions",
     safetensors(
         R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})",
         1),
     "16 dimensions"},
    {"size is not that of the shape",
     safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "need 8"},
    {"ends before it begins",
     safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[4,3]}})", 4),
     "ends before it begins"},
    {"beyond the end", safetensors(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})", 4),
     "of 4 bytes of data"},
    {"offsets that wrap around",
     safetensors(
         R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[18446744073709551614,18446744073709551615]}})",
         2),
     "takes 1 bytes"},
    {"overlapping tensors",
     safetensors(
         R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
         6),
     "overlaps"},
    {"a gap",
     safetensors(
         R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
         6),
     "gap"},
    {"a gap at the start",
     safetensors(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", 4), "gap"},
    {"metadata is a list", safetensors(R"({"__metadata__":[1]})", 0), "not a map of texts"},
    {"metadata of numbers", safetensors(R"({"__metadata__":{"a":1}})", 0), "not a map of texts"},
    {"control characters in a name",
     safetensors(R"({"a\u0007":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
     "control characters"},
    {"nested a thousand deep",
     safetensors("{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}", 0),
     "nested deeper"},
    {"a number that no double holds", safetensors(R"({"a":-1e-999})", 0), "no double holds it"},
    {"zeros without end", safetensors("{\"a\":0." + std::string(1000, '0') + "e5}", 0),
     "not an object"},
    {"a million brackets", safetensors(std::string(1'000'000, '['), 0), "nested deeper"},
};

// Wrong in very many places.
std::string many_faults(char const* begin, char const* entry) {
  std::string text = begin;
  for (int i = 0; i < 100'000; ++i) text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + entry;
  return text + "}";
}

// A checkpoint folder that is sound but for what a test changes in it.
void write_folder(ScratchFolder const& folder) {
  write_file(
      folder / "model_index.json",
      R"({"_class_name":"FluxPipeline","scheduler":["diffusers","FlowMatchEulerDiscreteScheduler"],
    "text_encoder":["transformers","CLIPTextModel"],"text_encoder_2":["transformers","T5EncoderModel"],"tokenizer":["transformers","CLIPTokenizer"],
    "tokenizer_2":["transformers","T5TokenizerFast"],"transformer":["diffusers","FluxTransformer2DModel"],"vae":["diffusers","AutoencoderKL"]})");
  write_file(folder / "scheduler/scheduler_config.json", "{}");
  for (char const* name : {"tokenizer", "tokenizer_2"})
    write_file(folder / (std::string(name) + "/tokenizer_config.json"), "{}");
  for (char const* name : {"text_encoder", "text_encoder_2", "transformer", "vae"}) {
    write_file(folder / (std::string(name) + "/config.json"), "{}");
    write_file(folder / (std::string(name) + "/model.safetensors"), safetensors(sound_header, 22));
  }
}

constexpr std::array components{"scheduler", "text_encoder", "text_encoder_2",
                                "tokenizer", "tokenizer_2",  "transformer",
                                "vae"};

Checkpoint open_folder(std::string const& folder, Problems& problems) {
  auto const index = open_model_index(folder, problems);
  return index ? open_checkpoint(*index, components, WeightFiles::required, problems)
               : Checkpoint();
}

struct BadFolder {
  char const* what;
  std::function<void(ScratchFolder const&)> change;
  char const* file;
  char const* says;
};

std::vector<BadFolder> const bad_folders{
    {"no model_index.json", [](auto& f) { std::filesystem::remove(f / "model_index.json"); },
     "model_index.json", "cannot be read"},
    {"no class", [](auto& f) { write_file(f / "model_index.json", "{}"); }, "model_index.json",
     "missing"},
    {"a component too few",
     [](auto& f) { write_file(f / "model_index.json", R"({"_class_name":"FluxPipeline"})"); },
     "model_index.json", "vae: missing"},
    {"a folder too few", [](auto& f) { std::filesystem::remove_all(f / "vae"); }, "vae",
     "is no folder"},
    {"no config", [](auto& f) { std::filesystem::remove(f / "vae/config.json"); },
     "vae/config.json", "cannot be read"},
    {"a config that is a list", [](auto& f) { write_file(f / "vae/config.json", "[1]"); },
     "vae/config.json", "not a JSON object"},
    {"a config with a duplicate key",
     [](auto& f) { write_file(f / "vae/config.json", "{\"a\":1,\n \"a\":2}"); }, "vae/config.json",
     ":2:"},
    {"a config with NaN", [](auto& f) { write_file(f / "vae/config.json", "{\"a\":NaN}"); },
     "vae/config.json", "not valid JSON"},
    {"a config in UTF-16",
     [](auto& f) { write_file(f / "vae/config.json", std::string("\xFF\xFE{\0}\0", 6)); },
     "vae/config.json", "bad UTF-8"},
    {"no weights", [](auto& f) { std::filesystem::remove(f / "vae/model.safetensors"); }, "vae",
     "holds no weights"},
    {"pickled weights",
     [](auto& f) { std::filesystem::rename(f / "vae/model.safetensors", f / "vae/model.bin"); },
     "model.bin", "can run code"},
    {"a .ckpt",
     [](auto& f) { std::filesystem::rename(f / "vae/model.safetensors", f / "vae/model.ckpt"); },
     "model.ckpt", "can run code"},
    {"a pipe for a file",
     [](auto& f) {
       std::filesystem::remove(f / "vae/model.safetensors");
       ::mkfifo((f / "vae/model.safetensors").c_str(), 0600);
     },
     "model.safetensors", "pipe"},
    {"a pipe for a config",
     [](auto& f) {
       std::filesystem::remove(f / "vae/config.json");
       ::mkfifo((f / "vae/config.json").c_str(), 0600);
     },
     "config.json", "pipe"},
    {"a link that leads to itself",
     [](auto& f) {
       std::filesystem::remove(f / "vae/model.safetensors");
       std::filesystem::create_symlink("model.safetensors", f / "vae/model.safetensors");
     },
     "model.safetensors", "no file that can be read"},
    {"an index without a map",
     [](auto& f) { write_file(f / "vae/model.safetensors.index.json", "{}"); }, "index.json",
     "weight_map: missing"},
    {"an index that leaves the folder",
     [](auto& f) {
       write_file(f / "vae/model.safetensors.index.json",
                  R"({"weight_map":{"a":"../vae/model.safetensors"}})");
     },
     "index.json", "beside the index"},
    {"an index of a missing file",
     [](auto& f) {
       write_file(f / "vae/model.safetensors.index.json",
                  R"({"weight_map":{"a":"gone.safetensors"}})");
     },
     "gone.safetensors", "no file that can be read"},
    {"an index of a missing tensor",
     [](auto& f) {
       write_file(
           f / "vae/model.safetensors.index.json",
           R"({"weight_map":{"a":"model.safetensors","b":"model.safetensors","c":"model.safetensors"}})");
     },
     "model.safetensors", "'c': missing"},
    {"a tensor that the index lacks",
     [](auto& f) {
       write_file(f / "vae/model.safetensors.index.json",
                  R"({"weight_map":{"a":"model.safetensors"}})");
     },
     "model.safetensors", "'b': is not in"},
};

}  // namespace

// Each problem's line is counted from the start of the text: a hundred thousand would take minutes.
BOOST_AUTO_TEST_CASE(very_many_faults_are_cut_short) {
  ScratchFolder const folder("many-faults");
  write_file(folder / "model.safetensors", safetensors(many_faults("{", "\":1"), 0));
  write_file(folder / "index.json", many_faults("{\"weight_map\":{", "\":1") + "}");
  Problems header_problems, index_problems;
  BOOST_TEST(!read_safetensors_header(folder / "model.safetensors", header_problems));
  BOOST_TEST(header_problems.all().size() == 100U);
  (void)read_safetensors_index(folder / "index.json", index_problems);
  BOOST_TEST(index_problems.all().size() == 100U);
}

BOOST_AUTO_TEST_CASE(a_long_outer_key_is_not_kept_for_each_inner_one) {
  Problems problems;
  std::string const text =
      many_faults(("{\"" + std::string(1'000'000, 'k') + "\":{").c_str(), "\":1") + "}";
  auto const document = parse_json("x.json", text, problems);
  BOOST_TEST_REQUIRE(document.has_value());
  BOOST_TEST(document->offsets.size() == 1U);  // and not 100 GB
}

BOOST_AUTO_TEST_CASE(a_sound_file_is_read) {
  ScratchFolder const folder("sound");
  write_file(folder / "x.safetensors", safetensors(sound_header, 22));
  Problems problems;
  auto const header = read_safetensors_header(folder / "x.safetensors", problems);
  BOOST_REQUIRE(header.has_value());
  BOOST_TEST(header->tensors.at("b").offset == 8 + sound_header.size() + 16);
  BOOST_TEST(problems.empty());
}

BOOST_AUTO_TEST_CASE(every_bad_file_is_refused_by_name) {
  ScratchFolder const folder("bad-files");
  for (BadFile const& bad : bad_files) {
    write_file(folder / "x.safetensors", bad.bytes);
    Problems problems;
    BOOST_TEST(!read_safetensors_header(folder / "x.safetensors", problems).has_value(), bad.what);
    check_refused(problems, "x.safetensors", bad.says, bad.what);
  }
}

BOOST_AUTO_TEST_CASE(every_bad_folder_is_refused_by_name) {
  {
    ScratchFolder const folder("sound-folder");
    write_folder(folder);
    Problems problems;
    (void)open_folder(folder.path(), problems);
    BOOST_TEST(problems.empty());
  }
  for (BadFolder const& bad : bad_folders) {
    ScratchFolder const folder("bad-folder");
    write_folder(folder);
    bad.change(folder);
    Problems problems;
    (void)open_folder(folder.path(), problems);
    check_refused(problems, bad.file, bad.says, bad.what);
  }
}

BOOST_AUTO_TEST_CASE(a_file_in_place_of_a_folder_is_refused) {
  ScratchFolder const folder("file");
  write_file(folder / "flux.ckpt", "x");
  Problems problems;
  (void)open_folder(folder / "flux.ckpt", problems);
  check_refused(problems, "flux.ckpt", "can run code", "a .ckpt as model.path");
}

BOOST_AUTO_TEST_CASE(no_mutation_of_a_file_crashes) {
  ScratchFolder const folder("mutations");
  std::string const sound = safetensors(sound_header, 22);
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = sound;
    for (unsigned i = 0; i <= random() % 3; ++i) {
      std::size_t const at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        default:
          bytes.insert(at, 1, "0123456789[]{},:\"-"[random() % 18]);
      }
    }
    write_file(folder / "x.safetensors", bytes);
    Problems problems;
    auto const header = read_safetensors_header(folder / "x.safetensors", problems);
    BOOST_TEST(header.has_value() == problems.empty());
    refused += header.has_value() ? 0 : 1;
  }
  BOOST_TEST(refused > 2000);
}
