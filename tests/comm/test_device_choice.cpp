#define BOOST_TEST_MODULE device_choice
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <utility>

#include "comm/device.hpp"
#include "core/error.hpp"

using namespace ditbatch;

namespace {

// `nodes` nodes of `gpus` GPUs with one rank a GPU.
std::vector<RankHardware> cluster(int nodes, int gpus) {
  std::vector<RankHardware> ranks;
  for (int node = 0; node < nodes; ++node) {
    std::vector<std::string> uuids;
    for (int gpu = 0; gpu < gpus; ++gpu)
      uuids.push_back("GPU-" + std::to_string(node) + "-" + std::to_string(gpu));
    for (int local = 0; local < gpus; ++local)
      ranks.push_back({"node" + std::to_string(node), local, uuids, node * gpus + local});
  }
  return ranks;
}

bool mentions(Error const& error, std::string const& text) {
  return error.code() == ExitCode::unhealthy &&
         std::string(error.what()).find(text) != std::string::npos;
}

// What `hardware` says in a process with these variables; LibTorch reads them once.
std::string hardware_with(std::vector<std::pair<char const*, char const*>> const& variables) {
  std::array<int, 2> ends{};
  BOOST_REQUIRE(::pipe(ends.data()) == 0);
  pid_t const child = ::fork();
  if (child == 0) {
    for (auto const& [name, value] : variables) ::setenv(name, value, 1);
    std::string const text = use_device({}, -1, {}).hardware;
    ::_exit(::write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  std::string text(4096, '\0');
  ssize_t const size = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  BOOST_REQUIRE(size > 0);
  return text.substr(0, static_cast<std::size_t>(size));
}

}  // namespace

// Each of these changed bits of images.
BOOST_AUTO_TEST_CASE(hardware_tells_what_the_environment_makes_of_a_processor) {
  std::string const plain = hardware_with({});
  BOOST_TEST(hardware_with({}) == plain);
  BOOST_TEST(hardware_with({{"MKL_CBWR", "COMPATIBLE"}}) != plain);
  BOOST_TEST(hardware_with({{"ONEDNN_MAX_CPU_ISA", "SSE41"}}) != plain);
  if (plain.find("AVX") == std::string::npos) return;  // there are no others to choose from
  BOOST_TEST(hardware_with({{"ATEN_CPU_CAPABILITY", "default"}}) != plain);
}

BOOST_AUTO_TEST_CASE(each_of_512_ranks_gets_a_gpu_of_its_own) {
  std::vector<int> const devices = choose_devices(cluster(64, 8), {});
  for (std::size_t rank = 0; rank < devices.size(); ++rank)
    BOOST_TEST(devices[rank] == static_cast<int>(rank % 8));
}

BOOST_AUTO_TEST_CASE(a_rank_that_is_left_out_keeps_its_gpu) {
  auto ranks = cluster(1, 4);
  ranks.erase(ranks.begin() + 1);
  std::vector<int> const expected{0, 2, 3};
  BOOST_TEST(choose_devices(ranks, {}) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_shared_gpu_is_refused_by_name_unless_allowed) {
  auto ranks = cluster(1, 2);
  ranks.push_back({"node0", 2, ranks[0].gpu_uuids, 2});
  BOOST_CHECK_EXCEPTION((void)choose_devices(ranks, {}), Error, [](Error const& e) {
    return mentions(e, "GPU-0-0") && mentions(e, "share_gpu");
  });
  DeviceRequest request;
  request.share_gpu = true;
  BOOST_TEST(choose_devices(ranks, request).back() == 0);
}

BOOST_AUTO_TEST_CASE(a_mix_of_nodes_with_and_without_gpus_names_the_nodes) {
  auto ranks = cluster(2, 4);
  ranks.push_back({"node7", 0, {}, 8});
  BOOST_CHECK_EXCEPTION((void)choose_devices(ranks, {}), Error, [](Error const& e) {
    return mentions(e, "node7") && mentions(e, "--gpus-per-node");
  });
}

BOOST_AUTO_TEST_CASE(a_cluster_job_or_a_big_checkpoint_does_not_run_on_cpus_unasked) {
  std::vector<RankHardware> const ranks(4, RankHardware{"cpu1", 0, {}, 0});
  BOOST_TEST(choose_devices(ranks, {})[3] == -1);  // a laptop
  DeviceRequest slurm, big, asked;
  slurm.under_slurm = true;
  big.checkpoint_bytes = 24'000'000'000;
  asked = big;
  asked.kind = DeviceKind::cpu;
  BOOST_CHECK_EXCEPTION((void)choose_devices(ranks, slurm), Error,
                        [](Error const& e) { return mentions(e, "cpu1"); });
  BOOST_CHECK_EXCEPTION((void)choose_devices(ranks, big), Error,
                        [](Error const& e) { return mentions(e, "device = \"cpu\""); });
  BOOST_TEST(choose_devices(ranks, asked)[0] == -1);
}
