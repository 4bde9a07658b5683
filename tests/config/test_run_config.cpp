#define BOOST_TEST_MODULE run_config
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "config/load_run_config.hpp"
#include "config/marked_text.hpp"
#include "config/parse_text.hpp"
#include "config/quantities.hpp"

using namespace ditbatch;
using test::check_problems;
using test::Due;
using test::least;
using test::MarkedText;
using test::parse;
using test::parse_good;
using test::with;

namespace {

void check(std::string const& marked, std::vector<Due> const& due) {
  MarkedText const text(marked);
  Problems problems;
  (void)parse(text.text, problems);
  check_problems(text, due, problems);
}

std::string const every_key = R"([job]
name = "fjords"
manifest = "prompts.jsonl"
input_root = "in"
run_dir = "/runs/fjords"
seed = 9223372036854775807
[model]
path = "models/x"
dtype = "fp16"
random_weights = true
loras = []
[mesh]
weights = "sharded"
replicas = 3
cfg = 2
ulysses = 4
ring = 5
ring_kind = "p2p"
pipefusion = 6
[sampling]
width = 1344
height = 768
steps = 9
guidance_scale = 3
true_cfg_scale = 1.1
scheduler = "auto"
max_sequence_length = 77
[output]
shard_bytes = "1.5GiB"
shard_s = 0.1e2
flush_s = 0
images_per_shard = 7
compression = 9
[limits]
retries = 0
allow_failed = "0.1%"
abort_failed = 12
start_s = 1
phase_s = 2.5
io_s = 3
drain_s = 4
[runtime]
device = "cpu"
share_gpu = true
allow_mixed = true
batch_size = 3
cuda_graphs = false
peer_memory = false
[bench]
layouts = [{}, { ranks = 4, cfg = 2, ulysses = 3, ring = 5, pipefusion = 6, true_cfg = true }]
sizes = ["1024x768", "16x16"]
steps = 4
batch_sizes = [1, 8]
repetitions = 20
warm_up_s = 0.5
)";

}  // namespace

BOOST_AUTO_TEST_CASE(every_key_is_read) {
  RunConfig const c = parse_good(every_key);
  BOOST_TEST(c.job.name == "fjords");
  BOOST_TEST(c.job.manifest == "/data/jobs/prompts.jsonl");
  BOOST_TEST(c.job.input_root == "/data/jobs/in");
  BOOST_TEST(c.job.run_dir == "/runs/fjords");
  BOOST_TEST(c.job.seed == 9223372036854775807U);
  BOOST_TEST(c.model.path == "/data/jobs/models/x");
  BOOST_TEST((c.model.dtype == Dtype::fp16 && c.model.random_weights));
  BOOST_TEST((c.mesh.weights == WeightPlacement::sharded && c.mesh.ring_kind == RingKind::p2p));
  BOOST_TEST((c.mesh.replicas == 3 && c.mesh.cfg == 2 && c.mesh.ulysses == 4));
  BOOST_TEST((c.mesh.ring == 5 && c.mesh.pipefusion == 6));
  BOOST_TEST((c.sampling.width_px == 1344 && c.sampling.height_px == 768 && c.sampling.steps == 9));
  BOOST_TEST((c.sampling.guidance_scale == 3.0 && c.sampling.true_cfg_scale == 1.1));
  BOOST_TEST((c.sampling.scheduler == "auto" && c.sampling.max_sequence_length == 77));
  BOOST_TEST(c.output.shard_bytes == 1610612736U);
  BOOST_TEST((c.output.shard_s == 10.0 && c.output.flush_s == 0.0));
  BOOST_TEST((c.output.images_per_shard == 7U && c.output.compression == 9));
  BOOST_TEST((c.limits.retries == 0 && c.limits.allow_failed.value == 0.1));
  BOOST_TEST((c.limits.allow_failed.unit == RecordLimit::Unit::percent));
  BOOST_TEST((c.limits.abort_failed.value == 12 &&
              c.limits.abort_failed.unit == RecordLimit::Unit::records));
  BOOST_TEST((c.limits.start_s == 1 && c.limits.phase_s == 2.5 && c.limits.io_s == 3 &&
              c.limits.drain_s == 4));
  BOOST_TEST((c.runtime.device == DeviceKind::cpu && c.runtime.share_gpu && c.runtime.allow_mixed));
  BOOST_TEST((c.runtime.batch_size == 3 && !c.runtime.cuda_graphs && !c.runtime.peer_memory));
  BOOST_TEST_REQUIRE((c.bench.layouts.size() == 2U && c.bench.sizes.size() == 2U));
  BenchLayout const& plain = c.bench.layouts[0];
  BOOST_TEST((plain.ranks == 0 && plain.ulysses == 1 && !plain.true_cfg));
  BenchLayout const& layout = c.bench.layouts[1];
  BOOST_TEST((layout.ranks == 4 && layout.cfg == 2 && layout.ulysses == 3 && layout.ring == 5));
  BOOST_TEST((layout.pipefusion == 6 && layout.true_cfg));
  BOOST_TEST((c.bench.sizes[0].width_px == 1024 && c.bench.sizes[0].height_px == 768));
  BOOST_TEST((c.bench.batch_sizes == std::vector<int>{1, 8} && c.bench.steps == 4));
  BOOST_TEST((c.bench.repetitions == 20 && c.bench.warm_up_s == 0.5));
}

BOOST_AUTO_TEST_CASE(three_keys_are_enough) {
  RunConfig const c = parse_good(least);
  BOOST_TEST(c.job.name == "a");
  BOOST_TEST(c.job.input_root == "/data/jobs");
  BOOST_TEST(!c.mesh.replicas.has_value());
  BOOST_TEST((!c.runtime.batch_size.has_value() && c.runtime.cuda_graphs));
  BOOST_TEST(c.output.shard_bytes == 2147483648U);
  BOOST_TEST((c.limits.abort_failed.value == 5 &&
              c.limits.abort_failed.unit == RecordLimit::Unit::percent));
}

BOOST_AUTO_TEST_CASE(the_effective_config_reads_back_the_same) {
  std::string const odd = with("job", R"(name = 'a "b" \c ü')") + R"([sampling]
guidance_scale = 0.1
true_cfg_scale = 1e-7
[limits]
allow_failed = "0.1234567890123%"
abort_failed = 1000000
[output]
shard_bytes = 1000000000000000000
)";
  for (std::string const& text : {every_key, least, odd}) {
    RunConfig const first = parse_good(text);
    std::string const written = to_toml(first);
    Problems problems;
    // From another folder: the written paths are absolute.
    RunConfig const second = parse_run_config("/elsewhere/b.toml", written, {}, problems);
    BOOST_TEST(problems.empty(), test::listed(problems) + written);
    BOOST_TEST(to_toml(second) == written);
    BOOST_TEST(second.job.name == first.job.name);
    BOOST_TEST(second.job.run_dir == first.job.run_dir);
    BOOST_TEST(second.sampling.true_cfg_scale == first.sampling.true_cfg_scale);
    BOOST_TEST(second.limits.allow_failed.value == first.limits.allow_failed.value);
    BOOST_TEST(second.output.shard_bytes == first.output.shard_bytes);
    BOOST_TEST((second.mesh.replicas == first.mesh.replicas));
    BOOST_TEST((second.runtime.batch_size == first.runtime.batch_size));
  }
}

BOOST_AUTO_TEST_CASE(each_value_is_refused_at_its_place) {
  struct Case {
    char const* table = "";
    char const* line = "";  // with its mark
    Due due;
  };
  for (Case const& c : std::initializer_list<Case>{
           {"sampling", "width = @@'1024'", {"sampling.width", "the text '1024'"}},
           {"sampling", "width = @@1024.0", {"sampling.width", "whole number from 1 to 65535"}},
           {"sampling", "width = @@0", {"sampling.width", "whole number"}},
           {"sampling", "  height   =   @@-16", {"sampling.height", "is -16"}},
           {"sampling", "steps = @@1001", {"sampling.steps", "1 to 1000"}},
           {"sampling",
            "guidance_scale = @@nan",
            {"sampling.guidance_scale", "must be a number from 0 to 1000"}},
           {"sampling", "guidance_scale = @@-inf", {"sampling.guidance_scale", "must be a number"}},
           {"sampling", "guidance_scale = @@true", {"sampling.guidance_scale", "is true"}},
           {"sampling", "true_cfg_scale = @@-0.5", {"sampling.true_cfg_scale", "is -0.5"}},
           {"sampling", "scheduler = @@'dpm'", {"sampling.scheduler", "not supported yet"}},
           {"job", "seed = @@-1", {"job.seed", "whole number from 0"}},
           {"job", "name = @@5", {"job.name", "put it in quotes"}},
           {"job", "name = @@\"a\\nb\"", {"job.name", "control characters"}},
           {"model", "dtype = @@'bf61'", {"model.dtype", "did you mean 'bf16'?"}},
           {"model", "random_weights = @@'true'", {"model.random_weights", "without quotes"}},
           {"model", "loras = @@[{ path = 'x' }]", {"model.loras", "not supported yet"}},
           {"mesh", "cfg = @@3", {"mesh.cfg", "1 to 2"}},
           {"mesh", "replicas = @@'many'", {"mesh.replicas", "\"auto\""}},
           {"mesh", "replicas = @@0", {"mesh.replicas", "whole number"}},
           {"mesh", "ring_kind = @@1", {"mesh.ring_kind", "\"gather\", \"p2p\""}},
           {"output", "shard_bytes = @@'2 GiBi'", {"output.shard_bytes", "2GiB"}},
           {"output", "shard_bytes = @@'0x10'", {"output.shard_bytes", "2GiB"}},
           {"output", "shard_bytes = @@0", {"output.shard_bytes", "is 0"}},
           {"output", "shard_bytes = @@'-1GiB'", {"output.shard_bytes", "2GiB"}},
           {"output", "compression = @@10", {"output.compression", "0 to 9"}},
           {"output", "shard_s = @@1979-05-27", {"output.shard_s", "1979-05-27"}},
           {"limits", "allow_failed = @@'0,1%'", {"limits.allow_failed", "0.1%"}},
           {"limits", "allow_failed = @@'101%'", {"limits.allow_failed", "0.1%"}},
           {"limits", "allow_failed = @@'nan%'", {"limits.allow_failed", "0.1%"}},
           {"limits", "abort_failed = @@0.5", {"limits.abort_failed", "is 0.5"}},
           {"limits", "retries = @@[2]", {"limits.retries", "is a list"}},
           {"runtime", "device = @@'gpu'", {"runtime.device", "\"cuda\""}},
           {"runtime", "batch_size = @@0", {"runtime.batch_size", "1 to 64"}},
           {"runtime", "batch_size = @@65", {"runtime.batch_size", "1 to 64"}},
           {"runtime", "batch_size = @@'4'", {"runtime.batch_size", "\"auto\""}},
           {"runtime", "cuda_graphs = @@1", {"runtime.cuda_graphs", "is 1"}},
           {"runtime", "@@shared_gpu = true", {"runtime.shared_gpu", "did you mean 'share_gpu'?"}},
           {"mesh", "@@ulyses = 4", {"mesh.ulyses", "did you mean 'ulysses'?"}},
           {"job", "@@width = 512", {"job.width", "did you mean '[sampling] width'?"}},
           {"job", "@@zzzzzz = 512", {"job.zzzzzz", "remove it"}},
           {"bench", "layouts = @@[]", {"bench.layouts", "is an empty list"}},
           {"bench", "layouts = @@'ulysses'", {"bench.layouts", "is no list"}},
           {"bench", "layouts = [{}, @@2]", {"bench.layouts", "write, for example"}},
           {"bench", "layouts = [{ cfg = @@3 }]", {"bench.layouts.cfg", "1 to 2"}},
           {"bench",
            "layouts = [{ @@ulises = 2 }]",
            {"bench.layouts.ulises", "did you mean 'ulysses'?"}},
           {"bench", "sizes = ['64x64', @@'64x']", {"bench.sizes", "\"1024x768\""}},
           {"bench", "sizes = [@@'0x64']", {"bench.sizes", "\"1024x768\""}},
           {"bench", "sizes = [@@'64x65536']", {"bench.sizes", "up to 65535"}},
           {"bench", "sizes = [@@'-64x64']", {"bench.sizes", "\"1024x768\""}},
           {"bench", "sizes = [@@1024]", {"bench.sizes", "\"1024x768\""}},
           {"bench", "batch_sizes = [1, @@0]", {"bench.batch_sizes", "1 to 1024"}},
           {"bench", "batch_sizes = @@2", {"bench.batch_sizes", "is no list"}},
           {"bench", "repetitions = @@0", {"bench.repetitions", "whole number"}}}) {
    check(with(c.table, c.line), {c.due});
  }
}

BOOST_AUTO_TEST_CASE(all_problems_come_at_once_in_the_order_of_the_file) {
  check(R"(sampling = { scheduler = @@"üü", width = @@5.5 }  # columns count bytes, as editors do
@@ring = 2
@@[job]
manifest = @@5
[model]
path = @@"~/FLUX"
@@"üü" = 1
[@@samplings]
steps = 4
)",
        {{"sampling.scheduler", "not supported yet"},
         {"sampling.width", "is 5.5"},
         {"ring", "did you mean '[mesh] ring'?"},
         {"job.run_dir", "missing"},
         {"job.manifest", "a path is needed"},
         {"model.path", "${HOME}"},
         {"'model.\xC3\xBC\xC3\xBC'", "unknown key"},
         {"samplings", "did you mean 'sampling'?"}});
}

BOOST_AUTO_TEST_CASE(a_missing_table_names_its_required_keys) {
  Problems problems;
  (void)parse("job = 5\n", problems);
  BOOST_TEST(
      test::listed(problems) ==
      "/data/jobs/a.toml: job.manifest: missing (a run needs it) add manifest = \"...\" to [job]\n"
      "/data/jobs/a.toml: job.run_dir: missing (a run needs it) add run_dir = \"...\" to [job]\n"
      "/data/jobs/a.toml: model.path: missing (a run needs it) add path = \"...\" to [model]\n"
      "/data/jobs/a.toml:1:7: job: is 5 (it must be a table) write [job]\n");
}

BOOST_AUTO_TEST_CASE(paths_expand_variables_and_start_at_the_file) {
  setenv("DITBATCH_TEST_DIR", "/scratch/u", 1);
  setenv("DITBATCH_TEST_EMPTY", "", 1);
  unsetenv("DITBATCH_TEST_NONE");
  RunConfig const c = parse_good(
      "[job]\nmanifest = '${DITBATCH_TEST_DIR}/m.jsonl'\nrun_dir = 'a/./${DITBATCH_TEST_DIR}$x'\n"
      "[model]\npath = '../p'\n");
  BOOST_TEST(c.job.manifest == "/scratch/u/m.jsonl");
  BOOST_TEST(c.job.input_root == "/scratch/u");
  BOOST_TEST(c.job.run_dir == "/data/jobs/a/scratch/u$x");
  BOOST_TEST(c.model.path ==
             "/data/jobs/../p");  // unresolved: .. over a symbolic link leads elsewhere
  check(
      "[job]\nmanifest = @@'${DITBATCH_TEST_NONE}/m'\nrun_dir = @@'${DITBATCH_TEST_EMPTY}/r'\n"
      "input_root = @@'${HOME'\n[model]\npath = @@\"a\\u0000b\"\n",
      {{"job.manifest", "'DITBATCH_TEST_NONE' is not set"},
       {"job.run_dir", "'DITBATCH_TEST_EMPTY' is empty"},
       {"job.input_root", "without }"},
       {"model.path", "NUL"}});
}

BOOST_AUTO_TEST_CASE(sizes_and_limits) {
  using config::parse_limit;
  using config::parse_size;
  BOOST_TEST((parse_size("1kB") == 1000U && parse_size("1KiB") == 1024U &&
              parse_size("512 MiB") == 536870912U));
  BOOST_TEST((parse_size("4096") == 4096U && parse_size("0.5GB") == 500000000U));
  for (char const* bad : {"", "GiB", "-1", "+1", " 1", "1e3", "0x10", "1GiBs", "1 G iB", "nan",
                          "inf", "9999999TiB", ".5GB", "0.1"}) {
    BOOST_TEST(!parse_size(bad).has_value(), bad);
  }
  for (char const* bad :
       {"", "%", "1.5", "-1%", "100.1%", "1e2%", "5 percent", "99999999999999999999"}) {
    BOOST_TEST(!parse_limit(bad).has_value(), bad);
  }
  // Every whole share of 100 records is that many records: no 28 for 29 %.
  for (std::uint64_t share = 0; share <= 100; ++share) {
    auto const limit = parse_limit(std::to_string(share) + "%");
    BOOST_TEST_REQUIRE(limit.has_value());
    BOOST_TEST(records_of(*limit, 100) == share);
  }
  BOOST_TEST(records_of({0.1, RecordLimit::Unit::percent}, 1000) == 1U);
  BOOST_TEST(records_of({0.1, RecordLimit::Unit::percent}, 999) == 0U);
  BOOST_TEST(records_of({7, RecordLimit::Unit::records}, 3) == 7U);
}

BOOST_AUTO_TEST_CASE(what_is_no_config_file_is_named) {
  namespace fs = std::filesystem;
  auto const words = [](std::string const& path) {
    Problems problems;
    (void)load_run_config(path, {}, problems);
    return test::listed(problems);
  };
  BOOST_TEST(words("/nowhere/a.toml").find("/nowhere/a.toml: does not exist") == 0U);
  BOOST_TEST(words("/").find("/: is a folder") == 0U);
  BOOST_TEST(words("/dev/null").find("is no regular file") != std::string::npos);
  fs::path const big =
      fs::temp_directory_path() / ("ditbatch_big_" + std::to_string(getpid()) + ".toml");
  std::ofstream(big) << std::string((1U << 20U) + 1, '#');
  BOOST_TEST(words(big).find("is larger than 1 MiB") != std::string::npos);
  fs::remove(big);
}

BOOST_AUTO_TEST_CASE(the_example_configs_load) {
  setenv("MODELS", "/models", 1);
  int count = 0;
  for (auto const& entry : std::filesystem::directory_iterator(std::getenv("DITBATCH_CONFIGS"))) {
    if (entry.path().extension() != ".toml") continue;
    Problems problems;
    (void)load_run_config(entry.path(), {}, problems);
    BOOST_TEST(problems.empty(), test::listed(problems));
    ++count;
  }
  BOOST_TEST(count >= 3);
}
