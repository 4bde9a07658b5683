#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "weights/open_file.hpp"
#include "weights/weight_stream.hpp"

namespace ditbatch {

/// Reads this rank's pieces of a stream ahead of whoever takes them: threads fill a ring of host
/// buffers, page-locked where the pieces go to a GPU, so that disk, copy and GPU work at once.
class PieceReader {
 public:
  PieceReader(WeightStream const& stream, std::vector<StreamRange> pieces, c10::Device device);
  PieceReader(PieceReader const&) = delete;
  PieceReader& operator=(PieceReader const&) = delete;
  /// Waits for reads that have begun: a file system that stalls is a matter for the watchdog.
  ~PieceReader();

  /// The next piece, on the host (its bytes), valid until it is given back. Throws what a thread
  /// met.
  [[nodiscard]] at::Tensor next();
  /// Gives the piece back. What was launched on the device's current stream may still read it.
  void give_back();

  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Slot {
    at::Tensor bytes;
    std::optional<c10::Event> last_use;  // of the piece before
    std::size_t filled = 0;              // pieces read into it, this one included
  };
  void run();
  void read(StreamRange const& piece, char* to);
  [[nodiscard]] Slot& slot_of(std::size_t piece) { return slots_[piece % slots_.size()]; }

  WeightStream const& stream_;
  std::vector<StreamRange> pieces_;
  c10::Device device_;
  std::vector<UniqueFile> files_;
  std::vector<Slot> slots_;
  std::atomic<std::uint64_t> bytes_read_{0};

  std::mutex mutex_;  // guards what follows, and the slots' `filled`
  std::condition_variable changed_;
  std::size_t claimed_ = 0;     // pieces that a thread reads or has read
  std::size_t given_back_ = 0;  // pieces whose slot may be used again
  std::exception_ptr failure_;
  bool stops_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ditbatch
