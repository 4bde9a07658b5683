// What the VAE decoder costs on this GPU: each pass over the maps of FLUX.1 at 1024x1024 beside a
// device copy, each convolution, and the whole decoder from a graph.
//
//     bench_vae [SECONDS] [SIZE ...]      default: 2 512 1024 2048
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "comm/cuda_device.hpp"
#include "comm/self_tensor_comm.hpp"
#include "models/vae/vae_decoder.hpp"
#include "ops/convolution.hpp"
#include "ops/map_ops.hpp"
#include "weights/parameters.hpp"

using namespace ditbatch;

namespace {

constexpr std::int64_t groups = 32;

at::Tensor drawn(std::vector<std::int64_t> const& shape) {
  return at::randn(shape, at::TensorOptions().device(at::kCUDA).dtype(at::kBFloat16));
}

// Milliseconds of one call, the card kept busy for `seconds`.
double sustained_ms(double seconds, std::function<void()> const& call) {
  for (int i = 0; i < 3; ++i) call();
  int calls = 0, batch = 8;
  double total_ms = 0;
  while (total_ms < seconds * 1000) {
    at::cuda::CUDAEvent begin(cudaEventDefault), end(cudaEventDefault);
    begin.record();
    for (int i = 0; i < batch; ++i) call();
    end.record();
    end.synchronize();
    double const ms = begin.elapsed_time(end);
    total_ms += ms;
    calls += batch;
    if (ms < 50) batch *= 2;
  }
  return total_ms / calls;
}

// A graph of some calls, so that the host's launches are not what is measured.
std::function<void()> as_graph(int calls, std::function<void()> const& call) {
  for (int i = 0; i < 2; ++i) call();
  auto const graph = std::make_shared<at::cuda::CUDAGraph>();
  graph->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  for (int i = 0; i < calls; ++i) call();
  graph->capture_end();
  return [graph] { graph->replay(); };
}

constexpr int calls_per_graph = 8;

double ms_of(double seconds, std::function<void()> const& call) {
  return sustained_ms(seconds, as_graph(calls_per_graph, call)) / calls_per_graph;
}

void bench_passes(double seconds, std::int64_t size, std::int64_t channels) {
  at::Tensor const x = drawn({size, size, channels}), residual = drawn({size, size, channels});
  at::Tensor const bias = drawn({channels}), gain = drawn({channels}), to = at::empty_like(x);
  ops::TileRows const tiles(8, size / 8);
  std::vector<std::int64_t> const values(8, size / 8 * size * channels / groups);
  auto const bytes = static_cast<double>(x.nbytes());
  auto const report = [&](char const* what, double maps, std::function<void()> const& call) {
    double const ms = ms_of(seconds, call);
    std::printf("%4ldx%-4ld %4ld  %-26s %8.3f ms  %5.2f TB/s\n", size, size, channels, what, ms,
                maps * bytes / ms / 1e9);
    std::fflush(stdout);
  };
  report("device copy", 2, [&] { to.copy_(x); });
  report("moments", 1, [&] { (void)ops::tile_moments({x, bias}, tiles, groups); });
  report("sum with moments", 3, [&] { (void)ops::add_rows({x, bias}, residual, tiles, groups); });
  ops::GroupScale const scale =
      ops::combine_moments(ops::tile_moments({x, bias}, tiles, groups), values, 1e-6);
  report("normalise and SiLU", 2, [&] {
    (void)ops::normalise_rows({x, bias}, scale, {gain, bias}, ops::Activation::silu);
  });
  report("upsample (to twice this)", 5, [&] { (void)ops::upsample_rows(x); });
}

void bench_convolution(double seconds, std::int64_t size, std::int64_t in, std::int64_t out) {
  at::Tensor const padded = ops::pad_rows(drawn({size, size, in}));
  at::Tensor const weight = ops::convolution_weight(drawn({out, in, 3, 3}) * 0.02);
  at::Tensor const bias = drawn({out});
  ops::TileRows const tiles(8, size / 8);
  double const ms = ms_of(seconds, [&] { (void)ops::convolve_3x3(padded, tiles, weight, bias); });
  double const flop = 2.0 * 9 * static_cast<double>(size * size * in * out);
  std::printf("%4ldx%-4ld %4ld  3x3 convolution to %-7ld %8.3f ms  %5.0f TFLOP/s\n", size, size, in,
              out, ms, flop / ms / 1e9);
  std::fflush(stdout);
}

VaeConfig flux_config() {
  VaeConfig config;
  config.latent_channels = 16;
  config.block_channels = {128, 256, 512, 512};
  config.layers_per_block = 2;
  config.post_quant_conv = false;
  config.scaling_factor = 0.3611;
  config.shift_factor = 0.1159;
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  double const seconds = argc > 1 ? std::atof(argv[1]) : 2;
  std::vector<std::int64_t> sizes;
  for (int i = 2; i < argc; ++i) sizes.push_back(std::atol(argv[i]));
  if (sizes.empty()) sizes = {512, 1024, 2048};
  (void)use_cuda_device(c10::Device(c10::kCUDA, 0), -1);
  c10::cuda::CUDAStreamGuard const guard(c10::cuda::getStreamFromPool());

  VaeDecoder const decoder(flux_config(),
                           *random_weights(1, at::kBFloat16, c10::Device(c10::kCUDA, 0)));
  SelfTensorComm self;
  for (std::int64_t const size : sizes) {
    at::Tensor const latents = drawn({1, 16, size / 8, size / 8});
    double const eager_ms =
        sustained_ms(seconds, [&] { (void)decoder.decode_on_device(latents, self); });
    double const ms =
        sustained_ms(seconds, as_graph(1, [&] { (void)decoder.decode_on_device(latents, self); }));
    std::printf("%4ldx%-4ld       decoder from a graph       %8.3f ms  (eager %.3f ms)\n", size,
                size, ms, eager_ms);
    std::fflush(stdout);
  }
  struct Level {
    std::int64_t size, channels;
  };
  for (Level const level : {Level{128, 512}, Level{256, 512}, Level{512, 512}, Level{512, 256},
                            Level{1024, 256}, Level{1024, 128}})
    bench_passes(seconds / 4, level.size, level.channels);
  struct Shape {
    std::int64_t size, in, out;
  };
  for (Shape const shape :
       {Shape{128, 16, 512}, Shape{128, 512, 512}, Shape{256, 512, 512}, Shape{512, 512, 512},
        Shape{512, 512, 256}, Shape{512, 256, 256}, Shape{1024, 256, 256}, Shape{1024, 256, 128},
        Shape{1024, 128, 128}, Shape{1024, 128, 3}})
    bench_convolution(seconds / 4, shape.size, shape.in, shape.out);
}
