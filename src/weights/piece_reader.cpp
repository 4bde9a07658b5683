#include "weights/piece_reader.hpp"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sched.h>

#include <algorithm>
#include <utility>

namespace ditbatch {

namespace {

// Copying out of the page cache takes a core for every 5 to 10 GB/s.
constexpr std::size_t most_threads = 8;

// A CPU rank has one core, and its weights are small.
std::size_t thread_count(c10::Device device) {
  cpu_set_t cores;
  if (device.is_cpu() || ::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::clamp<std::size_t>(static_cast<std::size_t>(CPU_COUNT(&cores)), 1, most_threads);
}

}  // namespace

PieceReader::PieceReader(WeightStream const& stream, std::vector<StreamRange> pieces,
                         c10::Device device)
    : stream_(stream), pieces_(std::move(pieces)), device_(device) {
  for (std::string const& file : stream.files) files_.push_back(open_file(file));
  if (pieces_.empty()) return;
  std::uint64_t largest = 1;
  for (StreamRange const& piece : pieces_) largest = std::max(largest, piece.size_bytes);
  std::size_t const threads = std::min(thread_count(device), pieces_.size());
  // Half of the ring is read into while the other half is on its way to the device.
  slots_.resize(std::min(2 * threads, pieces_.size()));
  for (Slot& slot : slots_) {
    slot.bytes = at::empty({static_cast<std::int64_t>(largest)},
                           at::TensorOptions().dtype(at::kByte).pinned_memory(device.is_cuda()));
  }
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

PieceReader::~PieceReader() {
  {
    std::lock_guard const lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

at::Tensor PieceReader::next() {
  std::unique_lock lock(mutex_);
  std::size_t const piece = given_back_;
  Slot& slot = slot_of(piece);
  changed_.wait(lock, [&] { return failure_ || slot.filled == piece / slots_.size() + 1; });
  if (failure_) std::rethrow_exception(failure_);
  return slot.bytes.narrow(0, 0, static_cast<std::int64_t>(pieces_[piece].size_bytes));
}

void PieceReader::give_back() {
  {
    std::lock_guard const lock(mutex_);
    Slot& slot = slot_of(given_back_);
    if (device_.is_cuda()) {
      if (!slot.last_use) slot.last_use.emplace(device_.type());
      slot.last_use->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
    }
    ++given_back_;
  }
  changed_.notify_all();
}

// Threads claim pieces in order, and the first piece that is not yet read always has a slot to go
// to: the ring cannot deadlock.
void PieceReader::run() {
  try {
    c10::DeviceGuard const guard(device_);  // a new thread begins on GPU 0
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] {
        return stops_ || failure_ || claimed_ == pieces_.size() ||
               claimed_ < given_back_ + slots_.size();
      });
      if (stops_ || failure_ || claimed_ == pieces_.size()) return;
      std::size_t const piece = claimed_++;
      Slot& slot = slot_of(piece);
      lock.unlock();
      if (slot.last_use) slot.last_use->synchronize();
      read(pieces_[piece], static_cast<char*>(slot.bytes.data_ptr()));
      lock.lock();
      ++slot.filled;
      lock.unlock();
      changed_.notify_all();
    }
  } catch (...) {
    std::lock_guard const lock(mutex_);
    if (!failure_) failure_ = std::current_exception();
    changed_.notify_all();
  }
}

void PieceReader::read(StreamRange const& piece, char* to) {
  std::uint64_t const end = piece.begin + piece.size_bytes;
  auto extent = std::upper_bound(stream_.extents.begin(), stream_.extents.end(), piece.begin,
                                 [](std::uint64_t at, auto const& e) { return at < e.begin; });
  for (std::uint64_t at = piece.begin; at < end; ++extent) {
    WeightStream::Extent const& from = *std::prev(extent);
    std::uint64_t const within = at - from.begin;
    std::uint64_t const count = std::min(end - at, from.size_bytes - within);
    read_file(files_[from.file].get(), stream_.files[from.file], from.offset + within, count, to);
    at += count;
    to += count;
    bytes_read_ += count;
  }
}

}  // namespace ditbatch
