#define BOOST_TEST_MODULE overrides
#include <boost/test/unit_test.hpp>

#include <cstdlib>

#include "config/parse_text.hpp"

using namespace ditbatch;
using test::least;
using test::parse;
using test::parse_good;

BOOST_AUTO_TEST_CASE(overrides_win_and_are_typed_as_toml) {
  RunConfig const c =
      parse_good(least + "[mesh]\nulysses = 2\nreplicas = 2\n",
                 {"mesh.ulysses=4", "mesh.replicas=auto", "job.name=night run 7",
                  "job.run_dir=out${HOME}", "sampling.guidance_scale=2.5", "runtime.share_gpu=true",
                  "limits.allow_failed=0.5%", "output.shard_bytes=\"1MiB\"", "model.dtype=fp32",
                  "model.path=C:\\x \"y\"", "job.name=again=1"});
  BOOST_TEST(c.mesh.ulysses == 4);
  BOOST_TEST(!c.mesh.replicas.has_value());
  BOOST_TEST(c.job.name == "again=1");  // the last one counts
  BOOST_TEST(c.job.run_dir == "/data/jobs/out" + std::string(std::getenv("HOME")));
  BOOST_TEST((c.sampling.guidance_scale == 2.5 && c.runtime.share_gpu));
  BOOST_TEST(c.limits.allow_failed.value == 0.5);
  BOOST_TEST(c.output.shard_bytes == 1048576U);
  BOOST_TEST((c.model.dtype == Dtype::fp32 && c.model.path == "/data/jobs/C:\\x \"y\""));
  BOOST_TEST(c.where("mesh.ulysses").file == "--set mesh.ulysses");
  BOOST_TEST(c.where("job.manifest").line == 2U);
}

BOOST_AUTO_TEST_CASE(a_wrong_override_is_named) {
  Problems problems;
  (void)parse(least, problems,
              {"mesh.ulyses=4", "sampling.steps=many", "meshh.cfg=2", "nonsense", ".a=1", "job.=1",
               "a.b", "job.name=\"x", "model.loras=[1", "job.seed=-3", "job.name=a\xFF",
               "sampling.width=1\n[job]\nx=2"});
  std::string const all = test::listed(problems);
  for (char const* line :
       {"--set mesh.ulyses: mesh.ulyses: unknown key (nothing reads it) did you mean "
        "'ulysses'?\n",
        "--set sampling.steps: sampling.steps: is the text 'many' (must be a whole number from 1 "
        "to 1000)\n",
        "--set meshh.cfg: meshh: unknown table (nothing reads it) did you mean 'mesh'?\n",
        "--set: 'nonsense': cannot be read", "--set: '.a=1': cannot be read",
        "--set: 'job.=1': cannot be read", "--set: 'a.b': cannot be read",
        "--set job.name: not a TOML value: '\"x'", "--set model.loras: not a TOML value: '[1'",
        "--set job.seed: job.seed: is -3", "--set: 'job.name=a\\xff': cannot be read",
        "--set sampling.width: cannot be set"}) {
    BOOST_TEST(all.find(line) != std::string::npos, line << "\nis not in\n" << all);
  }
  BOOST_TEST(problems.all().size() == 12U, all);
}
