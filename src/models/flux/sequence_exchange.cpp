#include "models/flux/sequence_exchange.hpp"

#if DITBATCH_CUDA
#include "ops/cuda/row_kernels.hpp"
#endif

namespace ditbatch::flux {

std::unique_ptr<SequenceExchange> make_sequence_exchange(TokenLayout const& layout,
                                                         FluxConfig const& config,
                                                         std::int64_t images,
                                                         at::TensorOptions const& like,
                                                         MeshComms const& comms) {
#if DITBATCH_CUDA
  if (comms.peers && ops::cuda::is_rotary_head_size(config.head_size))
    return make_peer_exchange(layout, config, images, like, *comms.peers);
#else
  (void)config, (void)images, (void)like;
#endif
  return make_collective_exchange(layout, *comms.ulysses, *comms.ring);
}

}  // namespace ditbatch::flux
