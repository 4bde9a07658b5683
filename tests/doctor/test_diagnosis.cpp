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
    health.local_rank = rank % 4;
    health.host = "n" + std::to_string(rank / 4);
    health.device = "H200";
    health.program = "ditbatch 1";
    health.hardware = "H200, CUDA 13.0";
    health.folder_sees = "all files";
    health.gemm_sha256 = "aa";
    health.gemm_tflops = 600 + rank % 3;
    health.copy_gb_s = 50;
    health.previous = (rank + 4 * nodes - 1) % (4 * nodes);
    health.link_gb_s = rank % 4 == 0 ? 20 : 300;  // between nodes, within one
    ranks.push_back(health);
  }
  return ranks;
}

std::vector<RankHealth> judge(std::vector<RankHealth> const& ranks) {
  return diagnose(ranks, {true, true});
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
  BOOST_TEST(only_problem(judge(cluster(2)), -1).empty());
}

BOOST_AUTO_TEST_CASE(the_rank_with_another_product_is_named) {
  auto ranks = cluster(2);
  ranks[5].gemm_sha256 = "bb";
  std::string const problem = only_problem(judge(ranks), 5);
  BOOST_TEST(mentions(problem, "bb"));
  BOOST_TEST(mentions(problem, "7 ranks: aa"));
}

BOOST_AUTO_TEST_CASE(products_are_compared_within_one_kind_of_device) {
  auto ranks = cluster(2);
  for (int rank = 4; rank < 8; ++rank) {
    ranks[static_cast<std::size_t>(rank)].device = "H100";
    ranks[static_cast<std::size_t>(rank)].gemm_sha256 = "bb";
  }
  BOOST_TEST(only_problem(judge(ranks), -1).empty());
}

BOOST_AUTO_TEST_CASE(two_ranks_that_disagree_are_both_named) {
  std::vector<RankHealth> ranks = cluster(1);
  ranks.resize(2);
  ranks[1].gemm_sha256 = "bb";
  auto const diagnosed = judge(ranks);
  BOOST_TEST(diagnosed[0].problems.size() == 1U);
  BOOST_TEST(diagnosed[1].problems.size() == 1U);
}

BOOST_AUTO_TEST_CASE(slow_devices_are_named) {
  auto ranks = cluster(3);
  ranks[2].gemm_tflops = 300;
  BOOST_TEST(mentions(only_problem(judge(ranks), 2), "TFLOP/s"));
  BOOST_TEST(only_problem(diagnose(ranks, {false, true}), -1).empty());
  ranks = cluster(3);
  ranks[7].copy_gb_s = 3;
  BOOST_TEST(mentions(only_problem(judge(ranks), 7), "PCIe"));
  ranks[7].copy_gb_s = 25;  // two GPUs behind one switch
  BOOST_TEST(only_problem(judge(ranks), -1).empty());
}

BOOST_AUTO_TEST_CASE(a_link_is_slow_against_those_at_its_own_place) {
  auto ranks = cluster(4);
  ranks[3].link_gb_s = 20;  // as between nodes, but within one
  BOOST_TEST(mentions(only_problem(judge(ranks), 3), "from rank 2"));
  ranks[3].link_gb_s = 300;
  ranks[4].link_gb_s = 1;
  BOOST_TEST(mentions(only_problem(judge(ranks), 4), "from rank 3"));
  // Pairs of GPUs with a bridge of their own, on all nodes.
  for (std::size_t rank = 0; rank < 16; ++rank) ranks[rank].link_gb_s = rank % 2 == 0 ? 15 : 200;
  BOOST_TEST(only_problem(judge(ranks), -1).empty());
}

BOOST_AUTO_TEST_CASE(a_node_that_sends_and_receives_slowly_is_the_cause) {
  auto ranks = cluster(5);
  ranks[8].link_gb_s = 2;   // into n2
  ranks[12].link_gb_s = 2;  // out of it
  for (RankHealth const& rank : judge(ranks)) {
    BOOST_TEST_CONTEXT("rank " << rank.rank) {
      BOOST_TEST(rank.problems.empty() == (rank.host != "n2"));
    }
  }
}

BOOST_AUTO_TEST_CASE(wrong_bytes_are_the_fault_of_whom_most_accuse) {
  auto ranks = cluster(1);
  for (RankHealth& rank : ranks) {
    for (int from = 0; from < 4; ++from)
      if (from != rank.rank) rank.exchanged.push_back(from);
  }
  auto sends_wrongly = ranks;
  for (std::size_t rank : {0U, 1U, 3U}) sends_wrongly[rank].wrong_from = {2};
  BOOST_TEST(mentions(only_problem(judge(sends_wrongly), 2), "3 of 3 ranks"));
  auto receives_wrongly = ranks;
  receives_wrongly[1].wrong_from = {0, 2, 3};
  auto const judged = judge(receives_wrongly);
  BOOST_TEST(judged[1].problems.size() == 3U);
  for (std::size_t rank : {0U, 2U, 3U}) BOOST_TEST(judged[rank].problems.empty());
  auto one_pair = ranks;
  one_pair[3].wrong_from = {0};
  auto const both = judge(one_pair);
  for (std::size_t rank = 0; rank < 4; ++rank)
    BOOST_TEST(both[rank].problems.size() == (rank == 0 || rank == 3 ? 1U : 0U));
}

BOOST_AUTO_TEST_CASE(another_program_hardware_or_run_folder_is_named) {
  auto ranks = cluster(2);
  ranks[3].program = "ditbatch 2";
  BOOST_TEST(mentions(only_problem(judge(ranks), 3), "ditbatch 2"));
  ranks = cluster(2);
  ranks[0].folder_sees = "its own file";  // the first rank is not taken as right
  BOOST_TEST(mentions(only_problem(judge(ranks), 0), "mount"));
  ranks = cluster(2);
  ranks[1].hardware = "H200, CUDA 12.9";
  BOOST_TEST(mentions(only_problem(judge(ranks), 1), "allow_mixed"));
  BOOST_TEST(only_problem(diagnose(ranks, {true, false}), -1).empty());
}

BOOST_AUTO_TEST_CASE(a_job_keeps_whole_replicas_of_healthy_ranks) {
  auto ranks = cluster(2);
  ranks[1].problems.emplace_back("sick");
  auto const expect = [&ranks](int per_replica, std::optional<int> replicas,
                               std::vector<bool> const& kept) {
    std::vector<bool> const found = ranks_to_keep(ranks, per_replica, replicas);
    BOOST_TEST(found == kept, boost::test_tools::per_element());
  };
  // No replica is torn over two nodes because of a rank that is missing on one.
  expect(2, {}, {true, false, true, false, true, true, true, true});
  expect(2, 2, {true, false, true, false, true, true, false, false});
  expect(4, {}, {false, false, false, false, true, true, true, true});
  // Replicas that span nodes anyway are filled from all.
  expect(3, {}, {true, false, true, true, true, true, true, false});
  expect(8, {}, std::vector<bool>(8, false));
}

BOOST_AUTO_TEST_CASE(messages_carry_everything) {
  RankHealth health = cluster(1)[2];
  health.gpu_uuid = "GPU-1";
  health.exchanged = {0, 1};
  health.wrong_from = {1};
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
