#define BOOST_TEST_MODULE mesh_for
#include <boost/test/unit_test.hpp>

#include <cstdio>

#include "config/marked_text.hpp"
#include "config/mesh_for.hpp"

using namespace ditbatch;

namespace {

RunConfig mesh(int cfg, int ulysses, int ring, std::optional<int> replicas = std::nullopt) {
  RunConfig run;
  run.config_path = "a.toml";
  run.mesh.cfg = cfg;
  run.mesh.ulysses = ulysses;
  run.mesh.ring = ring;
  run.mesh.replicas = replicas;
  return run;
}

// What the definition says, without our code.
bool fits(RunConfig const& run, int ranks, int heads) {
  int const per_replica = run.mesh.cfg * run.mesh.ulysses * run.mesh.ring;
  if (heads % run.mesh.ulysses != 0) return false;
  return run.mesh.replicas ? *run.mesh.replicas * per_replica == ranks : ranks % per_replica == 0;
}

std::string refusal(RunConfig const& run, int ranks, int heads) {
  Problems problems;
  (void)mesh_for(run, ranks, {heads}, problems);
  return test::listed(problems);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_mesh_is_taken_or_refused_with_one_that_is_taken) {
  int refused = 0;
  for (int ranks = 1; ranks <= 24; ++ranks) {
    for (int heads : {1, 6, 24}) {
      for (int cfg : {1, 2}) {
        for (int ulysses : {1, 2, 3, 5, 8}) {
          for (int ring : {1, 2, 3}) {
            for (int replicas : {0, 1, 2, 3}) {
              RunConfig const run = mesh(
                  cfg, ulysses, ring, replicas == 0 ? std::nullopt : std::optional<int>(replicas));
              Problems problems;
              MeshShape const shape = mesh_for(run, ranks, {heads}, problems);
              BOOST_TEST_REQUIRE(problems.empty() == fits(run, ranks, heads));
              if (problems.empty()) {
                BOOST_TEST_REQUIRE(shape.size() == ranks);
                BOOST_TEST_REQUIRE(
                    (shape.cfg == cfg && shape.ulysses == ulysses && shape.ring == ring));
                continue;
              }
              ++refused;
              // The suggestion, as a user would copy it.
              std::string const text = problems.all().back().text;
              std::size_t const at = text.find("use cfg = ");
              BOOST_TEST_REQUIRE(at != std::string::npos, text);
              int c = 0, u = 0, r = 0, n = 0;
              BOOST_TEST_REQUIRE(std::sscanf(text.c_str() + at,
                                             "use cfg = %d, ulysses = %d, ring = %d, replicas = %d",
                                             &c, &u, &r, &n) == 4);
              BOOST_TEST_REQUIRE(fits(mesh(c, u, r, n), ranks, heads), text);
            }
          }
        }
      }
    }
  }
  BOOST_TEST(refused > 1000);
}

BOOST_AUTO_TEST_CASE(a_degree_that_the_heads_do_not_allow_goes_to_the_ring) {
  std::string const text = refusal(mesh(1, 16, 1), 16, 24);
  BOOST_TEST(
      text.find("mesh.ulysses: 16 does not divide the model's 24 heads") != std::string::npos,
      text);
  BOOST_TEST(text.find("ulysses = 8, ring = 2, replicas = 1") != std::string::npos, text);
  BOOST_TEST(refusal(mesh(1, 16, 1), 16, 0)
                 .empty());  // heads not known: the checkpoint has its own problems
}

BOOST_AUTO_TEST_CASE(what_is_not_available_yet_is_said_plainly) {
  RunConfig run = mesh(1, 1, 1);
  run.mesh.pipefusion = 2;
  run.mesh.ring_kind = RingKind::p2p;
  run.mesh.weights = WeightPlacement::sharded;
  run.set_at["mesh.pipefusion"] = {"a.toml", 9, 14};
  std::string const text = refusal(run, 2, 24);
  BOOST_TEST(text.find("a.toml:9:14: mesh.pipefusion: 2 is not available yet (only 1 is) use cfg = "
                       "1, ulysses = 2, ring = 1, replicas = 1 on 2 ranks\n") == 0U,
             text);
  BOOST_TEST(text.find("mesh.ring_kind: \"p2p\" is not available yet") != std::string::npos, text);
  BOOST_TEST(text.find("mesh.weights: \"sharded\" is not available yet") != std::string::npos,
             text);
}

BOOST_AUTO_TEST_CASE(left_over_ranks_are_refused) {
  auto const check = [](std::string const& text, char const* words) {
    BOOST_TEST(text.find(words) != std::string::npos, text);
  };
  check(
      refusal(mesh(2, 4, 1), 12, 24),
      "a replica of 8 ranks (cfg 2 x ulysses 4 x ring 1) does not divide the job's 12 (no rank may "
      "be left over) start a multiple of 8, or use cfg = 2, ulysses = 3, ring = 1, replicas = 2 on "
      "12 ranks");
  check(refusal(mesh(1, 4, 1, 3), 8, 24),
        "3 replicas of 4 ranks (cfg 1 x ulysses 4 x ring 1) are 12 ranks, the job has 8 (each rank "
        "needs one place) start 12 ranks, or use cfg = 1, ulysses = 4, ring = 1, replicas = 2 on 8 "
        "ranks");
  // Products that do not fit an int.
  RunConfig huge = mesh(2, 1024, 1024, 1000000);
  huge.mesh.pipefusion = 1024;
  BOOST_TEST(!refusal(huge, 4, 24).empty());
}
