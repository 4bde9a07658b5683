#include "doctor/link_check.hpp"

#include <ATen/Functions.h>

#include <algorithm>

#include "comm/device.hpp"
#include "comm/mpi_comm.hpp"
#include "core/error.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace {

constexpr int repetitions = 4;  // the first one warms up

// (count) int32 that no other pair of ranks sends
at::Tensor message(int from, int to, std::int64_t count, c10::Device device) {
  auto const options = at::TensorOptions(device).dtype(at::kInt);
  return at::arange(count, options) * 7 + (from * 65537 + to * 257);
}

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) / 1e9;
}

std::vector<std::string> wrong_senders(TensorComm& group, c10::Device device) {
  constexpr std::int64_t count = 16384;
  int const me = group.rank();
  std::vector<at::Tensor> send;
  for (int to = 0; to < group.size(); ++to) send.push_back(message(me, to, count, device));
  std::vector<std::vector<std::int64_t>> const shapes(send.size(), {count});
  std::vector<at::Tensor> const received = group.all_to_all(send, shapes);
  std::vector<std::string> problems;
  for (int from = 0; from < group.size(); ++from) {
    if (received[static_cast<std::size_t>(from)].equal(message(from, me, count, device))) continue;
    problems.push_back("wrong bytes came from rank " + std::to_string(from) +
                       " of the healthy ones (an exchange of known values) leave out one of the "
                       "two nodes, and test their network");
  }
  return problems;
}

}  // namespace

double host_copy_gb_s(c10::Device gpu) {
  constexpr std::int64_t bytes = std::int64_t{256} << 20U;
  auto const options = at::TensorOptions().dtype(at::kInt);
  at::Tensor const host = at::arange(bytes / 4, options).pin_memory();
  at::Tensor const back = at::empty_like(host).pin_memory();
  at::Tensor const device = at::empty({bytes / 4}, options.device(gpu));
  double fastest_to = 0, fastest_from = 0;
  for (int i = 0; i < repetitions; ++i) {
    std::int64_t const begin_ns = now_ns();
    device.copy_(host, true);
    synchronize(gpu);
    double const to_s = seconds_since(begin_ns);
    back.copy_(device, true);
    synchronize(gpu);
    double const from_s = seconds_since(begin_ns) - to_s;
    fastest_to = std::max(fastest_to, static_cast<double>(bytes) / to_s / 1e9);
    fastest_from = std::max(fastest_from, static_cast<double>(bytes) / from_s / 1e9);
  }
  require(
      back.equal(host), ExitCode::unhealthy,
      "256 MiB came back changed from the GPU's memory (copied there and back) have it replaced");
  return std::min(fastest_to, fastest_from);
}

LinkCheck check_links(TensorComm& group, MPI_Comm comm, c10::Device device) {
  LinkCheck result;
  if (group.size() == 1) return result;
  result.problems = wrong_senders(group, device);

  // Uneven pieces: all to the next rank, nothing to the others, so that a rank waits for one link.
  std::int64_t const count = (device.is_cuda() ? std::int64_t{256} : std::int64_t{8}) << 18U;
  int const me = group.rank(), size = group.size();
  int const next = (me + 1) % size;
  result.previous = (me + size - 1) % size;
  auto const options = at::TensorOptions(device).dtype(at::kInt);
  std::vector<at::Tensor> send(static_cast<std::size_t>(size), at::empty({0}, options));
  std::vector<std::vector<std::int64_t>> shapes(send.size(), {0});
  send[static_cast<std::size_t>(next)] = message(me, next, count, device);
  shapes[static_cast<std::size_t>(result.previous)] = {count};
  for (int i = 0; i < repetitions; ++i) {
    synchronize(device);
    check_mpi(MPI_Barrier(comm));
    std::int64_t const begin_ns = now_ns();
    std::vector<at::Tensor> const received = group.all_to_all(send, shapes);
    synchronize(device);
    result.gb_s =
        std::max(result.gb_s, 4 * static_cast<double>(count) / seconds_since(begin_ns) / 1e9);
    if (i == 0 && !received[static_cast<std::size_t>(result.previous)].equal(
                      message(result.previous, me, count, device))) {
      result.problems.push_back(
          "wrong bytes came from the rank before (a large message)"
          " leave out one of the two nodes, and test their network");
    }
  }
  return result;
}

}  // namespace ditbatch
