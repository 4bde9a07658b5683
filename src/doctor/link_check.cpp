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

// How many places further a rank sends: a connection to each of very many would take too long.
std::vector<int> distances(int size) {
  constexpr int all_to_all_up_to = 64;
  std::vector<int> found;
  for (int d = 1; d < size; d = size <= all_to_all_up_to ? d + 1 : 2 * d) found.push_back(d);
  return found;
}

void exchange_known_values(TensorComm& group, c10::Device device, LinkCheck& result) {
  constexpr std::int64_t count = 16384;
  int const me = group.rank(), size = group.size();
  std::vector<at::Tensor> send(static_cast<std::size_t>(size),
                               at::empty({0}, at::TensorOptions(device).dtype(at::kInt)));
  std::vector<std::vector<std::int64_t>> shapes(send.size(), {0});
  for (int distance : distances(size)) {
    int const to = (me + distance) % size, from = (me + size - distance) % size;
    send[static_cast<std::size_t>(to)] = message(me, to, count, device);
    shapes[static_cast<std::size_t>(from)] = {count};
    result.exchanged.push_back(from);
  }
  // comm: healthy ranks
  std::vector<at::Tensor> const received = group.all_to_all(send, shapes);
  for (int from : result.exchanged) {
    if (!received[static_cast<std::size_t>(from)].equal(message(from, me, count, device)))
      result.wrong_from.push_back(from);
  }
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
  exchange_known_values(group, device, result);

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
    // comm: healthy ranks
    check_mpi(MPI_Barrier(comm));
    std::int64_t const begin_ns = now_ns();
    // comm: healthy ranks
    std::vector<at::Tensor> const received = group.all_to_all(send, shapes);
    synchronize(device);
    result.gb_s =
        std::max(result.gb_s, 4 * static_cast<double>(count) / seconds_since(begin_ns) / 1e9);
    bool const is_right = received[static_cast<std::size_t>(result.previous)].equal(
        message(result.previous, me, count, device));
    auto& wrong = result.wrong_from;
    if (!is_right && std::find(wrong.begin(), wrong.end(), result.previous) == wrong.end())
      wrong.push_back(result.previous);
  }
  return result;
}

}  // namespace ditbatch
