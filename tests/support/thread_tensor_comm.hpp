#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "comm/tensor_comm.hpp"

namespace ditbatch::test {

/// Where the ranks of one process, a thread each, leave what they send. It is strict: shapes,
/// dtypes and the kinds of calls must match, and a rank that fails wakes the others.
class ThreadBoard {
 public:
  explicit ThreadBoard(int ranks)
      : ranks_(ranks),
        calls_(static_cast<std::size_t>(ranks)),
        pieces_(static_cast<std::size_t>(ranks)) {}

  [[nodiscard]] int ranks() const { return ranks_; }

  /// Hands in one piece for each rank, waits for all, takes what came for this rank.
  std::vector<at::Tensor> exchange(int rank, std::string const& call,
                                   std::vector<at::Tensor> const& send) {
    calls_[static_cast<std::size_t>(rank)] = call;
    pieces_[static_cast<std::size_t>(rank)] = send;
    wait_for_all();
    std::vector<at::Tensor> received;
    bool matches = true;
    for (std::size_t from = 0; from < pieces_.size(); ++from) {
      matches = matches && calls_[from] == call;
      received.push_back(pieces_[from].at(static_cast<std::size_t>(rank)).clone());
    }
    wait_for_all();
    if (!matches) throw std::logic_error("the ranks are in different collectives, one in " + call);
    return received;
  }

  void fail() {
    std::lock_guard const lock(mutex_);
    failed_ = true;
    arrived_all_.notify_all();
  }

 private:
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    long const turn = turn_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++turn_;
      arrived_all_.notify_all();
    }
    bool const came = arrived_all_.wait_for(lock, std::chrono::seconds(60),
                                            [&] { return turn_ != turn || failed_; });
    if (!came) throw std::runtime_error("a rank does not come to the collective");
    if (turn_ == turn) throw std::runtime_error("another rank failed");
  }

  int ranks_;
  std::vector<std::string> calls_;
  std::vector<std::vector<at::Tensor>> pieces_;  // [from][to]
  std::mutex mutex_;
  std::condition_variable arrived_all_;
  int arrived_ = 0;
  long turn_ = 0;
  bool failed_ = false;
};

class ThreadTensorComm final : public TensorComm {
 public:
  ThreadTensorComm(ThreadBoard& board, int rank) : board_(board), rank_(rank) {}
  [[nodiscard]] int size() const override { return board_.ranks(); }
  [[nodiscard]] int rank() const override { return rank_; }

  [[nodiscard]] std::vector<at::Tensor> all_to_all(
      std::vector<at::Tensor> const& send,
      std::vector<std::vector<std::int64_t>> const& receive_shapes) override {
    if (send.size() != static_cast<std::size_t>(size()) || receive_shapes.size() != send.size()) {
      throw std::logic_error("an exchange has one piece for each rank");
    }
    for (at::Tensor const& piece : send) {
      if (!piece.is_contiguous() || piece.scalar_type() != send.front().scalar_type()) {
        throw std::logic_error("pieces must be contiguous and of one dtype");
      }
    }
    auto received = board_.exchange(rank_, "all_to_all", send);
    for (std::size_t from = 0; from < received.size(); ++from) {
      expect(received[from], send.front(), receive_shapes[from]);
    }
    return received;
  }

  [[nodiscard]] at::Tensor all_gather_rows(at::Tensor const& local,
                                           std::vector<std::int64_t> const& rows) override {
    if (rows.size() != static_cast<std::size_t>(size()) || !local.is_contiguous()) {
      throw std::logic_error("a gather needs the rows of each rank and contiguous tensors");
    }
    auto const received =
        board_.exchange(rank_, "all_gather_rows", std::vector<at::Tensor>(rows.size(), local));
    for (std::size_t from = 0; from < received.size(); ++from) {
      std::vector<std::int64_t> shape = local.sizes().vec();
      shape.front() = rows[from];
      expect(received[from], local, shape);
    }
    return at::cat(received);
  }

  [[nodiscard]] at::Tensor broadcast(at::Tensor const& tensor, int root) override {
    auto const received =
        board_.exchange(rank_, "broadcast from " + std::to_string(root),
                        std::vector<at::Tensor>(static_cast<std::size_t>(size()), tensor));
    at::Tensor const sent = received[static_cast<std::size_t>(root)];
    expect(sent, tensor, tensor.sizes().vec());
    return sent;
  }

 private:
  static void expect(at::Tensor const& received, at::Tensor const& like,
                     std::vector<std::int64_t> const& shape) {
    if (received.scalar_type() != like.scalar_type())
      throw std::logic_error("the ranks send different dtypes");
    bool const empty = received.numel() == 0 && c10::multiply_integers(shape) == 0;
    if (!empty && received.sizes() != at::IntArrayRef(shape)) {
      throw std::logic_error("a rank sends another shape than the receiver awaits");
    }
  }

  ThreadBoard& board_;
  int rank_;
};

/// function(comm) on each of `ranks` threads; its results by rank. Rethrows the first failure.
template <class Function>
auto on_ranks(int ranks, Function const& function) {
  ThreadBoard board(ranks);
  std::vector<decltype(function(std::declval<TensorComm&>()))> results(
      static_cast<std::size_t>(ranks));
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        at::set_num_threads(1);
        ThreadTensorComm comm(board, rank);
        results[static_cast<std::size_t>(rank)] = function(comm);
      } catch (...) {
        {
          std::lock_guard const lock(mutex);
          if (!failure) failure = std::current_exception();
        }
        board.fail();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return results;
}

}  // namespace ditbatch::test
