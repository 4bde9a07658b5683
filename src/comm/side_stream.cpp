#include "comm/side_stream.hpp"

#include "core/error.hpp"
#if DITBATCH_CUDA
#include <c10/cuda/CUDAGuard.h>

#include "comm/cuda_device.hpp"
#endif

namespace ditbatch {

#if DITBATCH_CUDA

// First in line for the GPU: a product that came earlier would leave an exchange no room.
struct SideStream::Stream {
  explicit Stream(c10::Device device)
      : stream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())) {}
  c10::cuda::CUDAStream stream;
};

#else
struct SideStream::Stream {};
#endif

SideStream::SideStream(c10::Device device) {
#if DITBATCH_CUDA
  if (device.is_cuda()) stream_ = std::make_unique<Stream>(device);
#endif
  ensure(stream_ != nullptr || device.is_cpu(), "a build without CUDA has CPU ranks only");
}

SideStream::~SideStream() = default;

void SideStream::begin(std::function<void()> const& work) {
#if DITBATCH_CUDA
  if (stream_) {
    make_wait(stream_->stream, c10::cuda::getCurrentCUDAStream());
    c10::cuda::CUDAStreamGuard const on_stream(stream_->stream);
    work();
    return;
  }
#endif
  work();
}

void SideStream::join() {
#if DITBATCH_CUDA
  if (stream_) make_wait(c10::cuda::getCurrentCUDAStream(), stream_->stream);
#endif
}

}  // namespace ditbatch
