#include "models/flux/peer_copies.hpp"

#include <cstddef>

#include "comm/cuda_device.hpp"

namespace ditbatch::flux {

void PeerCopies::begin(std::size_t i) {
  while (streams_.size() <= i)
    streams_.push_back(c10::cuda::getStreamFromPool(/*isHighPriority=*/true));
  receiver_ = i;
  make_wait(streams_[i], c10::cuda::getCurrentCUDAStream());
}

void PeerCopies::copy(ops::cuda::HeadPlace const& from, ops::cuda::HeadPlace const& to,
                      OwnRows const& own) const {
  auto const piece = [&](std::int64_t from_row, std::int64_t to_row, std::int64_t count) {
    if (count == 0) return;
    check_cuda(
        cudaMemcpyAsync(static_cast<std::byte*>(to.memory) + to_row * own.row_bytes,
                        static_cast<std::byte const*>(from.memory) + from_row * own.row_bytes,
                        static_cast<std::size_t>(count * own.row_bytes), cudaMemcpyDefault,
                        streams_[receiver_].stream()));
  };
  for (std::int64_t image = 0; image < own.images; ++image) {
    piece(image * from.rows + from.text_row, image * to.rows + to.text_row, own.text_rows);
    piece(image * from.rows + from.image_row, image * to.rows + to.image_row,
          own.rows - own.text_rows);
  }
}

void PeerCopies::join() const {
  for (c10::cuda::CUDAStream const& stream : streams_)
    make_wait(c10::cuda::getCurrentCUDAStream(), stream);
}

}  // namespace ditbatch::flux
