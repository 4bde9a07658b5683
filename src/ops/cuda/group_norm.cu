#include "ops/cuda/map_vectors.cuh"

namespace ditbatch::ops::cuda {

namespace {

constexpr int unroll = 4;  // loads in flight of one thread

__global__ void combine_tiles(Moments const* __restrict__ moments, TileList const values,
                              int groups, double eps, float* __restrict__ mean,
                              float* __restrict__ scale) {
  int const group = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (group >= groups) return;
  double count = 0, sum = 0;
  for (int tile = 0; tile < values.count; ++tile) {
    auto const in_tile = static_cast<double>(values.value[tile]);
    count += in_tile;
    sum += in_tile * moments[tile * groups + group].mean;
  }
  double const middle = sum / count;
  double squares = 0;
  for (int tile = 0; tile < values.count; ++tile) {
    Moments const of = moments[tile * groups + group];
    double const apart = of.mean - middle;
    squares += of.squares + static_cast<double>(values.value[tile]) * apart * apart;
  }
  mean[group] = static_cast<float>(middle);
  scale[group] = static_cast<float>(1.0 / sqrt(squares / count + eps));
}

// In 16 bits the approximate exponential and quotient are far below the rounding.
template <class T>
__device__ float silu(float x) {
  if constexpr (sizeof(T) == 2) {
    return __fdividef(x, 1.0F + __expf(-x));
  } else {
    return x / (1.0F + expf(-x));
  }
}

template <class T, int N, Curve curve>
__global__ void __launch_bounds__(block_threads)
    normalise_chunk(T const* __restrict__ x, T const* __restrict__ bias,
                    float const* __restrict__ mean, float const* __restrict__ scale,
                    T const* __restrict__ gain, T const* __restrict__ offset, int in_group,
                    MapShape const shape, T* __restrict__ padded) {
  BlockLayout const layout = layout_of(shape.channels, N, static_cast<int>(blockIdx.z));
  int const lane = static_cast<int>(threadIdx.x) / layout.columns;
  if (lane >= layout.lanes) return;
  int const column = static_cast<int>(threadIdx.x) % layout.columns;
  int const channel = (static_cast<int>(blockIdx.z) * block_threads + column) * N;

  // y = (x - middle) * slope + lift: what a channel needs stays in registers.
  float middle[N], slope[N], lift[N];
  {
    float gains[N], biases[N] = {};
    unpack(load<T, N>(gain + channel), gains);
    unpack(load<T, N>(offset + channel), lift);
    if (bias != nullptr) unpack(load<T, N>(bias + channel), biases);
    int group = channel / in_group;
    int left = in_group - channel % in_group;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (left-- == 0) {
        ++group;
        left = in_group - 1;
      }
      middle[i] = mean[group] - biases[i];
      slope[i] = scale[group] * gains[i];
    }
  }

  std::int64_t const all = (shape.rows + 2) * shape.width;  // pixels of the padded map
  std::int64_t const chunk_size = chunk_pixels(shape.channels, N);
  std::int64_t const begin = blockIdx.x * chunk_size;
  std::int64_t const end = begin + chunk_size < all ? begin + chunk_size : all;
  for (std::int64_t pixel = begin + lane; pixel < end; pixel += layout.lanes * unroll) {
    ChannelVector<T, N> values[unroll] = {};
    bool inside[unroll];
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
      std::int64_t const from = pixel + u * layout.lanes - shape.width;
      inside[u] = from >= 0 && from < shape.rows * shape.width;
      if (inside[u]) values[u] = load<T, N>(x + from * shape.channels + channel);
    }
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
      std::int64_t const to = pixel + u * layout.lanes;
      if (to >= end) continue;
      float result[N];
      unpack(values[u], result);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        result[i] = fmaf(result[i] - middle[i], slope[i], lift[i]);
        if constexpr (curve == Curve::silu) result[i] = silu<T>(result[i]);
        if (!inside[u]) result[i] = 0;
      }
      store<T, N>(padded + to * shape.channels + channel, pack<T, N>(result));
    }
  }
}

}  // namespace

void combine_moments(Moments const* moments, TileList const& values, int groups, double eps,
                     float* mean, float* scale, cudaStream_t stream) {
  constexpr int threads = 64;
  auto const blocks = static_cast<unsigned>(divided_up(groups, threads));
  combine_tiles<<<blocks, threads, 0, stream>>>(moments, values, groups, eps, mean, scale);
}

void normalise(MapShape const& shape, NormaliseArguments const& arguments, cudaStream_t stream) {
  for_access(shape, [&](auto access) {
    using T = typename decltype(access)::Type;
    constexpr int vector = decltype(access)::vector;
    std::int64_t const chunks =
        divided_up((shape.rows + 2) * shape.width, chunk_pixels(shape.channels, vector));
    dim3 const grid(static_cast<unsigned>(chunks), 1,
                    static_cast<unsigned>(pieces_of(shape.channels, vector)));
    auto const launch = [&](auto kernel) {
      kernel<<<grid, block_threads, 0, stream>>>(
          static_cast<T const*>(arguments.x), static_cast<T const*>(arguments.bias), arguments.mean,
          arguments.scale, static_cast<T const*>(arguments.gain),
          static_cast<T const*>(arguments.offset),
          static_cast<int>(shape.channels) / arguments.groups, shape,
          static_cast<T*>(arguments.padded));
    };
    if (arguments.curve == Curve::silu) {
      launch(normalise_chunk<T, vector, Curve::silu>);
    } else {
      launch(normalise_chunk<T, vector, Curve::none>);
    }
  });
}

}  // namespace ditbatch::ops::cuda
