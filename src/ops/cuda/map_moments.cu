#include "ops/cuda/map_vectors.cuh"

namespace ditbatch::ops::cuda {

namespace {

// Loads in flight of one thread, for x and for the residual.
constexpr int unroll = 4;
constexpr int combine_threads = 128;
constexpr int blocks_per_sm = 3;  // as many registers as four unrolled loads need without spilling

// Where each tile lies among the rank's rows.
struct TilePlaces {
  std::int64_t begin_px[TileList::most];
  std::int64_t size_px[TileList::most];
};

// x + bias + residual: what it is in T if it is kept, else in float32.
template <class T, int N>
__device__ void add(ChannelVector<T, N> const& x, float const (&bias)[N],
                    ChannelVector<T, N> const& residual, T* keep, float (&sum)[N]) {
  float added[N];
  unpack(x, sum);
  unpack(residual, added);
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] = sum[i] + bias[i] + added[i];
  if (keep == nullptr) return;
  ChannelVector<T, N> const rounded = pack<T, N>(sum);
  store<T, N>(keep, rounded);
  unpack(rounded, sum);
}

// What the lanes of a block summed, (lanes, channels), as the moments of a chunk of `count` pixels.
__device__ void combine_lanes(float const* sums, float const* squares, float const* firsts,
                              int lanes, int own_channels, int count, Moments* __restrict__ out) {
  for (int c = static_cast<int>(threadIdx.x); c < own_channels; c += block_threads) {
    float total = 0, total_squares = 0;
    for (int from = 0; from < lanes; ++from) {
      total += sums[from * own_channels + c];
      total_squares += squares[from * own_channels + c];
    }
    float const mean_distance = total / static_cast<float>(count);
    float const around_mean = total_squares - total * mean_distance;
    out[c] = {firsts[c] + mean_distance, around_mean < 0 ? 0 : around_mean};  // keeps a NaN
  }
}

// One block: a chunk of a tile's pixels. It sums distances from the chunk's first pixel and their
// squares for each channel, so that a mean that is large beside the deviation costs no digits.
template <class T, int N>
__global__ void __launch_bounds__(block_threads, blocks_per_sm)
    take_chunk_moments(T const* __restrict__ x, T const* __restrict__ bias,
                       T const* __restrict__ residual, T* __restrict__ sum, int channels,
                       TilePlaces const tiles, Moments* __restrict__ chunk_moments) {
  __shared__ float firsts[block_threads * N];
  __shared__ float sums[block_threads * N];
  __shared__ float squares[block_threads * N];
  std::int64_t const chunk_size = chunk_pixels(channels, N);
  std::int64_t const begin_in_tile = blockIdx.x * chunk_size;
  std::int64_t const left = tiles.size_px[blockIdx.y] - begin_in_tile;
  if (left <= 0) return;  // a lower tile than the highest
  auto const count = static_cast<int>(left < chunk_size ? left : chunk_size);

  BlockLayout const layout = layout_of(channels, N, static_cast<int>(blockIdx.z));
  int const lane = static_cast<int>(threadIdx.x) / layout.columns;
  int const column = static_cast<int>(threadIdx.x) % layout.columns;
  int const first_channel = static_cast<int>(blockIdx.z) * block_threads * N;  // of this block
  int const channel = first_channel + column * N;
  std::int64_t const begin =
      (tiles.begin_px[blockIdx.y] + begin_in_tile) * channels + channel;  // element
  x += begin;
  if (residual != nullptr) residual += begin;
  if (sum != nullptr) sum += begin;

  if (lane < layout.lanes) {
    float biases[N] = {};
    if (bias != nullptr) unpack(load<T, N>(bias + channel), biases);
    float first[N], lane_sum[N] = {}, lane_squares[N] = {};
    {
      ChannelVector<T, N> residual_values{};
      if (residual != nullptr) residual_values = load<T, N>(residual);
      add<T, N>(load<T, N>(x), biases, residual_values, nullptr, first);
      if (sum != nullptr) unpack(pack<T, N>(first), first);
    }
    for (int pixel = lane; pixel < count; pixel += layout.lanes * unroll) {
      ChannelVector<T, N> x_values[unroll] = {}, residual_values[unroll] = {};
#pragma unroll
      for (int u = 0; u < unroll; ++u) {
        int const at = pixel + u * layout.lanes;
        if (at < count) x_values[u] = load<T, N>(x + at * channels);
      }
      if (residual != nullptr) {
#pragma unroll
        for (int u = 0; u < unroll; ++u) {
          int const at = pixel + u * layout.lanes;
          if (at < count) residual_values[u] = load<T, N>(residual + at * channels);
        }
      }
#pragma unroll
      for (int u = 0; u < unroll; ++u) {
        int const at = pixel + u * layout.lanes;
        if (at >= count) continue;
        float total[N];
        add<T, N>(x_values[u], biases, residual_values[u],
                  sum == nullptr ? nullptr : sum + at * channels, total);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          float const distance = total[i] - first[i];
          lane_sum[i] += distance;
          lane_squares[i] = fmaf(distance, distance, lane_squares[i]);
        }
      }
    }
    int const place = (lane * layout.columns + column) * N;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sums[place + i] = lane_sum[i];
      squares[place + i] = lane_squares[i];
      if (lane == 0) firsts[place + i] = first[i];
    }
  }
  __syncthreads();

  int const own_channels = layout.columns * N;
  Moments* const out = chunk_moments +
                       (static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * channels +
                       first_channel;
  combine_lanes(sums, squares, firsts, layout.lanes, own_channels, count, out);
}

// One block: a group of a tile. Its chunks and channels are dealt out by their numbers and added in
// double.
__global__ void __launch_bounds__(combine_threads)
    combine_chunks(Moments const* __restrict__ chunk_moments, std::int64_t channels,
                   TilePlaces const tiles, std::int64_t most_chunks, std::int64_t chunk_size,
                   Moments* __restrict__ moments) {
  __shared__ double sums[combine_threads];
  __shared__ double squares[combine_threads];
  std::int64_t const size_px = tiles.size_px[blockIdx.y];
  auto const in_group = static_cast<int>(channels / gridDim.x);
  auto const entries = static_cast<int>(divided_up(size_px, chunk_size) * in_group);
  double sum = 0, square = 0;
  for (int entry = static_cast<int>(threadIdx.x); entry < entries; entry += combine_threads) {
    std::int64_t const chunk = entry / in_group;
    std::int64_t const channel = blockIdx.x * in_group + entry % in_group;
    std::int64_t const left = size_px - chunk * chunk_size;
    double const count = static_cast<double>(left < chunk_size ? left : chunk_size);
    Moments const of = chunk_moments[(blockIdx.y * most_chunks + chunk) * channels + channel];
    double const mean = of.mean;
    sum += count * mean;
    square += of.squares + count * mean * mean;
  }
  sums[threadIdx.x] = sum;
  squares[threadIdx.x] = square;
  for (int half = combine_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      squares[threadIdx.x] += squares[threadIdx.x + half];
    }
  }
  if (threadIdx.x != 0) return;
  double const mean = sums[0] / (static_cast<double>(size_px) * in_group);
  double const around_mean = squares[0] - sums[0] * mean;
  moments[blockIdx.y * gridDim.x + blockIdx.x] = {
      static_cast<float>(mean), static_cast<float>(around_mean < 0 ? 0 : around_mean)};
}

std::int64_t most_chunks_of(MapShape const& shape, TileList const& tile_rows) {
  std::int64_t highest = 0;
  for (int i = 0; i < tile_rows.count; ++i) highest = std::max(highest, tile_rows.value[i]);
  return divided_up(highest * shape.width, chunk_pixels(shape.channels, vector_of(shape)));
}

}  // namespace

std::size_t moments_scratch_bytes(MapShape const& shape, TileList const& tile_rows) {
  return static_cast<std::size_t>(tile_rows.count * most_chunks_of(shape, tile_rows) *
                                  shape.channels) *
         sizeof(Moments);
}

void take_moments(MapShape const& shape, TileList const& tile_rows,
                  MomentsArguments const& arguments, cudaStream_t stream) {
  TilePlaces places{};
  std::int64_t begin_px = 0;
  for (int i = 0; i < tile_rows.count; ++i) {
    places.begin_px[i] = begin_px;
    places.size_px[i] = tile_rows.value[i] * shape.width;
    begin_px += places.size_px[i];
  }
  std::int64_t const most_chunks = most_chunks_of(shape, tile_rows);
  auto const tiles = static_cast<unsigned>(tile_rows.count);
  auto* const chunk_moments = static_cast<Moments*>(arguments.scratch);
  for_access(shape, [&](auto access) {
    using T = typename decltype(access)::Type;
    constexpr int vector = decltype(access)::vector;
    dim3 const grid(static_cast<unsigned>(most_chunks), tiles,
                    static_cast<unsigned>(pieces_of(shape.channels, vector)));
    take_chunk_moments<T, vector><<<grid, block_threads, 0, stream>>>(
        static_cast<T const*>(arguments.x), static_cast<T const*>(arguments.bias),
        static_cast<T const*>(arguments.residual), static_cast<T*>(arguments.sum),
        static_cast<int>(shape.channels), places, chunk_moments);
  });
  combine_chunks<<<dim3(static_cast<unsigned>(arguments.groups), tiles), combine_threads, 0,
                   stream>>>(chunk_moments, shape.channels, places, most_chunks,
                             chunk_pixels(shape.channels, vector_of(shape)), arguments.moments);
}

}  // namespace ditbatch::ops::cuda
