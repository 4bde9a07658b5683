// The checks of one rank, between real ranks and on a real folder.
#define BOOST_TEST_MODULE checks
#include <ATen/ATen.h>
#include <mpi.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "comm/mesh_comms.hpp"
#include "doctor/folder_check.hpp"
#include "doctor/gemm_check.hpp"
#include "doctor/link_check.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;

namespace {

struct World {
  World() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  }
  ~World() { MPI_Finalize(); }
};
BOOST_TEST_GLOBAL_FIXTURE(World);

int rank() { return rank_of(MPI_COMM_WORLD); }
int size() { return size_of(MPI_COMM_WORLD); }

// A link that changes one number of what rank 1 receives from rank 0.
class BadLink final : public TensorComm {
 public:
  explicit BadLink(std::unique_ptr<TensorComm> comm) : comm_(std::move(comm)) {}
  [[nodiscard]] int size() const override { return comm_->size(); }
  [[nodiscard]] int rank() const override { return comm_->rank(); }
  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override {
    auto received = comm_->all_to_all(send, receive_shapes);
    if (rank() == 1 && received[0].numel() > 0) received[0][-1] += 1;
    return received;
  }
  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override {
    return comm_->all_gather_rows(local, rows);
  }
  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override {
    return comm_->broadcast(tensor, root);
  }

 private:
  std::unique_ptr<TensorComm> comm_;
};

// The same on all ranks.
std::string shared_folder() {
  return broadcast_string(
      MPI_COMM_WORLD,
      (std::filesystem::temp_directory_path() / ("ditbatch-checks-" + std::to_string(::getpid())))
          .string(),
      0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_test_product_is_the_same_every_time) {
  GemmCheck const first = check_gemm(c10::kCPU, 0.05);
  GemmCheck const second = check_gemm(c10::kCPU, 0);
  BOOST_TEST(first.sha256 == second.sha256);
  BOOST_TEST(first.differing == 0);
  BOOST_TEST(first.tflops > 0);
}

BOOST_AUTO_TEST_CASE(a_sound_link_has_a_rate_and_no_wrong_bytes) {
  auto const group = make_tensor_comm(duplicate(MPI_COMM_WORLD), c10::kCPU);
  LinkCheck const found = check_links(*group, MPI_COMM_WORLD, c10::kCPU);
  BOOST_TEST(found.wrong_from.empty());
  BOOST_TEST(static_cast<int>(found.exchanged.size()) == size() - 1);
  BOOST_TEST((found.gb_s > 0) == (size() > 1));
  BOOST_TEST(found.previous == (size() > 1 ? (rank() + size() - 1) % size() : -1));
}

BOOST_AUTO_TEST_CASE(the_receiver_of_wrong_bytes_names_their_sender) {
  BadLink group(make_tensor_comm(duplicate(MPI_COMM_WORLD), c10::kCPU));
  LinkCheck const found = check_links(group, MPI_COMM_WORLD, c10::kCPU);
  std::vector<int> const expected = rank() == 1 ? std::vector<int>{0} : std::vector<int>{};
  BOOST_TEST(found.wrong_from == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_good_folder_is_left_as_it_was) {
  std::string const folder = shared_folder();
  FolderCheck const found = check_folder(MPI_COMM_WORLD, folder, 1);
  BOOST_TEST(found.problems.empty());
  BOOST_TEST(found.seconds > 0);
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
  BOOST_TEST(std::filesystem::is_empty(folder));
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
  if (rank() == 0) std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_folder_with_too_little_room_tells_both_numbers) {
  std::string const folder = shared_folder();
  FolderCheck const found = check_folder(MPI_COMM_WORLD, folder, 1e18);
  BOOST_TEST_REQUIRE(found.problems.size() == 1U);
  BOOST_TEST(found.problems[0].find("1000000000000000000") != std::string::npos);
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
  if (rank() == 0) std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(ranks_see_the_same_files_only_in_the_same_folder) {
  std::string const folder = shared_folder();
  auto const seen_by_all = [](std::string const& seen) {
    std::vector<std::string> all = all_gather_strings(MPI_COMM_WORLD, seen);
    return std::count(all.begin(), all.end(), seen);
  };
  BOOST_TEST(seen_by_all(check_folder(MPI_COMM_WORLD, folder, 0).sees) == size());
  ditbatch::test::ScratchFolder const own("checks-own");
  BOOST_TEST(seen_by_all(check_folder(MPI_COMM_WORLD, own.path(), 0).sees) == 1);
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
  if (rank() == 0) std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_made_is_a_problem_of_every_rank) {
  FolderCheck const found = check_folder(MPI_COMM_WORLD, "/proc/nothing/here", 0);
  BOOST_TEST(!found.problems.empty());
  check_mpi(MPI_Barrier(MPI_COMM_WORLD));
}
