#define BOOST_TEST_MODULE diagnosis
#include <boost/test/unit_test.hpp>

#include "doctor/diagnosis.hpp"
#include "doctor/xid.hpp"

using namespace ditbatch;

namespace {

// `nodes` nodes of four sound GPUs, each rank linked to the one before.
std::vector<RankHealth> cluster(int nodes) {
  std::vector<RankHealth> ranks;
  for (int rank = 0; rank < 4 * nodes; ++rank) {
    RankHealth health;
    health.rank = rank;
    health.host = "n" + std::to_string(rank / 4);
    health.device = "H200";
    health.versions = "ditbatch 1, driver 580";
    health.gemm_sha256 = "aa";
    health.gemm_tflops = 600 + rank % 3;
    health.copy_gb_s = 50;
    health.previous = (rank + 4 * nodes - 1) % (4 * nodes);
    health.link_gb_s = rank % 4 == 0 ? 20 : 300;  // between nodes, within one
    ranks.push_back(health);
  }
  return ranks;
}

// The only problem of rank `sick`, where no other rank has one.
std::string only_problem(std::vector<RankHealth> const& ranks, int sick) {
  std::string found;
  for (RankHealth const& rank : ranks) {
    BOOST_TEST_CONTEXT("rank " << rank.rank) {
      BOOST_TEST(rank.problems.size() == (rank.rank == sick ? 1U : 0U));
    }
    if (rank.rank == sick && !rank.problems.empty()) found = rank.problems.front();
  }
  return found;
}

bool mentions(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(sound_ranks_have_no_problem) {
  BOOST_TEST(only_problem(diagnose(cluster(2), true), -1).empty());
}

BOOST_AUTO_TEST_CASE(the_rank_with_another_product_is_named) {
  auto ranks = cluster(2);
  ranks[5].gemm_sha256 = "bb";
  std::string const problem = only_problem(diagnose(ranks, true), 5);
  BOOST_TEST(mentions(problem, "bb"));
  BOOST_TEST(mentions(problem, "7 ranks have aa"));
}

BOOST_AUTO_TEST_CASE(products_are_compared_within_one_kind_of_device) {
  auto ranks = cluster(2);
  for (int rank = 4; rank < 8; ++rank) {
    ranks[static_cast<std::size_t>(rank)].device = "H100";
    ranks[static_cast<std::size_t>(rank)].gemm_sha256 = "bb";
  }
  BOOST_TEST(only_problem(diagnose(ranks, true), -1).empty());
}

BOOST_AUTO_TEST_CASE(two_ranks_that_disagree_are_both_named) {
  std::vector<RankHealth> ranks = cluster(1);
  ranks.resize(2);
  ranks[1].gemm_sha256 = "bb";
  auto const diagnosed = diagnose(ranks, true);
  BOOST_TEST(diagnosed[0].problems.size() == 1U);
  BOOST_TEST(diagnosed[1].problems.size() == 1U);
}

BOOST_AUTO_TEST_CASE(slow_devices_and_links_are_named_against_their_own_kind) {
  auto ranks = cluster(3);
  ranks[2].gemm_tflops = 300;
  BOOST_TEST(mentions(only_problem(diagnose(ranks, true), 2), "TFLOP/s"));
  ranks = cluster(3);
  ranks[7].copy_gb_s = 3;
  BOOST_TEST(mentions(only_problem(diagnose(ranks, true), 7), "PCIe"));
  ranks = cluster(3);
  ranks[3].link_gb_s = 20;  // as between nodes, but within one
  BOOST_TEST(mentions(only_problem(diagnose(ranks, true), 3), "from rank 2"));
  ranks[3].link_gb_s = 300;
  ranks[4].link_gb_s = 1;
  BOOST_TEST(mentions(only_problem(diagnose(ranks, true), 4), "from rank 3"));
  BOOST_TEST(only_problem(diagnose(ranks, false), -1).empty());
}

BOOST_AUTO_TEST_CASE(another_driver_is_named) {
  auto ranks = cluster(2);
  ranks[3].versions = "ditbatch 1, driver 570";
  BOOST_TEST(mentions(only_problem(diagnose(ranks, true), 3), "driver 570"));
}

BOOST_AUTO_TEST_CASE(a_job_keeps_whole_replicas_of_healthy_ranks) {
  auto ranks = cluster(2);
  ranks[1].problems.emplace_back("sick");
  std::vector<bool> const of_two = ranks_to_keep(ranks, 2);
  std::vector<bool> const expected{true, false, true, true, true, true, true, false};
  BOOST_TEST(of_two == expected, boost::test_tools::per_element());
  std::vector<bool> const of_eight = ranks_to_keep(ranks, 8);
  BOOST_TEST(std::count(of_eight.begin(), of_eight.end(), true) == 0);
}

BOOST_AUTO_TEST_CASE(messages_carry_everything) {
  RankHealth health = cluster(1)[2];
  health.gpu_uuid = "GPU-1";
  health.folder_s = 0.5;
  health.seconds = 3;
  health.problems = {"a", "b (c) d"};
  BOOST_TEST(to_message(rank_health_from_message(to_message(health))) == to_message(health));
}

BOOST_AUTO_TEST_CASE(hardware_xids_of_this_gpu_are_found) {
  std::vector<std::string> const log{
      "6,1000,1000000,-;Linux version 6.1",
      "4,1001,50000000,-;NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, GPU has fallen off the bus.\n "
      "SUBSYSTEM=pci",
      "4,1002,60000000,-;NVRM: Xid (PCI:0000:1b:00): 31, pid=1234, MMU fault",  // a program's own
      "4,1003,70000000,-;NVRM: Xid (PCI:0000:3d:00): 48, pid=1, double bit ECC error"  // another
                                                                                       // GPU's
  };
  auto const found = hardware_xids(log, "0000:1b:00", 110);
  BOOST_TEST_REQUIRE(found.size() == 1U);
  BOOST_TEST(found[0].number == 79);
  BOOST_TEST(found[0].age_s == 60);
  BOOST_TEST(mentions(found[0].text, "fallen off the bus"));
}
