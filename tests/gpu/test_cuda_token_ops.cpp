// On a GPU: each fused kernel agrees with its plain twin in float32, and a row's bits do
// not depend on the rows and images around it.
#define BOOST_TEST_MODULE cuda_token_ops
#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "comm/cuda_device.hpp"
#include "ops/cuda/token_ops.hpp"
#include "ops/graphed_call.hpp"
#include "ops/ops.hpp"
#include "ops/token_ops.hpp"

using namespace ditbatch;

namespace {

struct Gpu {
  Gpu() { (void)use_cuda_device(c10::Device(c10::kCUDA, 0), -1); }
};
BOOST_TEST_GLOBAL_FIXTURE(Gpu);

at::Tensor drawn(std::vector<std::int64_t> const& shape, at::ScalarType dtype) {
  return at::randn(shape, at::TensorOptions().device(at::kCUDA)).to(dtype);
}

double relative_error(at::Tensor const& made, at::Tensor const& exact) {
  at::Tensor const wide = exact.to(at::kDouble);
  return ((made.to(at::kDouble) - wide).abs().max() / wide.abs().max()).item<double>();
}

double rounding_of(at::ScalarType dtype) {
  return dtype == at::kFloat ? 1e-5 : dtype == at::kHalf ? 1.5e-3 : 1e-2;
}

ops::ChannelVectors widened(ops::ChannelVectors const& v) {
  return {v.text.to(at::kFloat), v.image.to(at::kFloat)};
}

struct NormCase {
  at::Tensor tokens, delta;
  ops::ChannelVectors gate;
  ops::NormModulation modulation;
};

NormCase drawn_case(std::int64_t images, std::int64_t rows, std::int64_t width,
                    at::ScalarType dtype) {
  // Vectors as a block has them: rows of a wider buffer.
  at::Tensor const vectors = drawn({images, 6 * width}, dtype);
  auto const vector = [&](std::int64_t i) { return vectors.narrow(1, i * width, width); };
  return {drawn({images, rows, width}, dtype) * 3 + 1,
          drawn({images, rows, width}, dtype),
          {vector(0), vector(1)},
          {{vector(2), vector(3)}, {vector(4), vector(5)}}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(residual_and_norm_agree_with_plain_aten) {
  for (at::ScalarType const dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
    for (std::int64_t const width : {3072, 144, 1000, 8192}) {
      for (std::int64_t const text_rows : {0, 5, 37}) {
        NormCase const c = drawn_case(2, 37, width, dtype);
        at::Tensor const exact_tokens = c.tokens.to(at::kFloat, false, /*copy=*/true);
        at::Tensor const exact = ops::plain::add_gated_then_norm(
            exact_tokens, c.delta.to(at::kFloat), widened(c.gate),
            {widened(c.modulation.shift), widened(c.modulation.scale)}, text_rows);
        at::Tensor const tokens = c.tokens.clone();
        BOOST_REQUIRE(ops::cuda::has_token_kernels_for(tokens));
        at::Tensor const normed =
            ops::add_gated_then_norm(tokens, c.delta, c.gate, c.modulation, text_rows);
        BOOST_TEST(relative_error(tokens, exact_tokens) < rounding_of(dtype));
        BOOST_TEST(relative_error(normed, exact) < rounding_of(dtype));
        BOOST_TEST(at::equal(ops::modulated_norm(tokens, c.modulation, text_rows), normed));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_of_the_norm_does_not_depend_on_the_others) {
  NormCase const c = drawn_case(3, 100, 3072, at::kBFloat16);
  at::Tensor const all = c.tokens.clone();
  at::Tensor const normed = ops::add_gated_then_norm(all, c.delta, c.gate, c.modulation, 0);
  for (std::int64_t const begin : {0, 1, 63, 99}) {
    for (std::int64_t image = 0; image < 3; ++image) {
      auto const cut = [&](at::Tensor const& x) {
        return x.narrow(0, image, 1).narrow(1, begin, 1);
      };
      auto const of_image = [&](at::Tensor const& v) { return v.narrow(0, image, 1); };
      auto const vectors = [&](ops::ChannelVectors const& v) {
        return ops::ChannelVectors{of_image(v.text), of_image(v.image)};
      };
      at::Tensor const row = cut(c.tokens).clone();
      at::Tensor const made =
          ops::add_gated_then_norm(row, cut(c.delta), vectors(c.gate),
                                   {vectors(c.modulation.shift), vectors(c.modulation.scale)}, 0);
      BOOST_TEST(at::equal(row, cut(all)));
      BOOST_TEST(at::equal(made, cut(normed)));
    }
  }
}

BOOST_AUTO_TEST_CASE(queries_and_keys_agree_with_plain_aten) {
  for (at::ScalarType const dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
    for (std::int64_t const head_size : {128, 64}) {
      for (std::int64_t const heads : {24, 3, 1}) {
        std::int64_t const rows = 41;
        at::Tensor const qkv = drawn({2, rows, 3, heads, head_size}, dtype);
        ops::QueryKeyNorms const text{drawn({head_size}, dtype), drawn({head_size}, dtype)};
        ops::QueryKeyNorms const image{drawn({head_size}, dtype), drawn({head_size}, dtype)};
        at::Tensor const angle = drawn({rows, head_size / 2}, at::kFloat).repeat_interleave(2, 1);
        ops::RotaryTable const rotary{at::cos(angle), at::sin(angle)};
        auto const wide = [](ops::QueryKeyNorms const& n) {
          return ops::QueryKeyNorms{n.query.to(at::kFloat), n.key.to(at::kFloat)};
        };
        at::Tensor const exact = qkv.to(at::kFloat, false, /*copy=*/true);
        ops::plain::norm_and_rotate(exact, wide(text), wide(image), rotary, 7);
        at::Tensor const made = qkv.clone();
        BOOST_REQUIRE(ops::cuda::has_head_kernels_for(made));
        ops::norm_and_rotate(made, text, image, rotary, 7);
        BOOST_TEST(relative_error(made, exact) < rounding_of(dtype));
        BOOST_TEST(at::equal(made.select(2, 2), qkv.select(2, 2)));

        at::Tensor const part = qkv.narrow(1, 20, 9).clone();
        ops::norm_and_rotate(part, text, image,
                             {rotary.cos.narrow(0, 20, 9), rotary.sin.narrow(0, 20, 9)}, 0);
        BOOST_TEST(at::equal(part, made.narrow(1, 20, 9)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(softmax_agrees_with_plain_aten) {
  for (at::ScalarType const dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
    for (std::int64_t const columns : {8, 1000, 16384, 65536}) {
      at::Tensor const x = drawn({33, columns}, dtype) * 20;
      at::Tensor const exact = at::softmax(x.to(at::kDouble) * 0.37, -1);
      at::Tensor const made = x.clone();
      ops::cuda::scaled_softmax(made, 0.37);
      BOOST_TEST(relative_error(made, exact) < rounding_of(dtype));
      at::Tensor const row = x.narrow(0, 17, 1).clone();
      ops::cuda::scaled_softmax(row, 0.37);
      BOOST_TEST(at::equal(row, made.narrow(0, 17, 1)));
    }
  }
}

// The layers of a block: text and image rows of a joint buffer, outputs beside each other, batches.
BOOST_AUTO_TEST_CASE(products_into_views_have_the_bits_of_plain_ones) {
  struct Layer {
    std::int64_t k, n;
    ops::Epilogue epilogue;
  };
  for (Layer const layer :
       {Layer{3072, 9216, ops::Epilogue::none}, Layer{3072, 12288, ops::Epilogue::gelu_tanh},
        Layer{12288, 3072, ops::Epilogue::none}, Layer{15360, 3072, ops::Epilogue::none},
        Layer{3072, 64, ops::Epilogue::none}, Layer{40, 120, ops::Epilogue::gelu_tanh}}) {
    at::Tensor const weight = drawn({layer.n, layer.k}, at::kBFloat16) / std::sqrt(layer.k);
    at::Tensor const bias = drawn({layer.n}, at::kBFloat16);
    at::Tensor const x = drawn({4, 1536, layer.k}, at::kBFloat16);
    at::Tensor const all = at::empty({4, 1536, layer.n}, x.options());
    ops::linear_into(x, weight, bias, all, layer.epilogue);
    auto const exact = [&] {
      at::Tensor const product =
          at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat));
      return layer.epilogue == ops::Epilogue::none ? product : at::gelu(product, "tanh");
    };
    BOOST_TEST(relative_error(all, exact()) < 1e-2);
    for (std::int64_t const images : {1, 2, 4}) {
      for (std::int64_t const begin : {0, 512}) {
        for (std::int64_t const rows : {1, 63, 128, 300, 512, 1024}) {
          at::Tensor const wide =
              at::zeros({images, 1600, layer.n + 256}, x.options());  // a view of a wider buffer
          at::Tensor const out = wide.narrow(1, 64, rows).narrow(2, 256, layer.n);
          ops::linear_into(x.narrow(0, 0, images).narrow(1, begin, rows), weight, bias, out,
                           layer.epilogue);
          BOOST_TEST(
              at::equal(out, all.narrow(0, 0, images).narrow(1, begin, rows)),
              "K " << layer.k << " N " << layer.n << " images " << images << " rows " << rows);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_graph_repeats_what_it_captured_with_new_inputs) {
  at::Tensor const weight = drawn({256, 256}, at::kBFloat16) / 16;
  auto const function = [&](std::vector<at::Tensor> const& inputs) {
    return std::vector{ops::silu(ops::linear(inputs[0], weight)) + inputs[1]};
  };
  auto const pool = ops::make_graph_pool();
  ops::GraphedCall first(function, ops::CudaGraphs::on, pool);
  ops::GraphedCall second(function, ops::CudaGraphs::on, pool);
  for (int i = 0; i < 5; ++i) {
    at::Tensor const x = drawn({100, 256}, at::kBFloat16);
    at::Tensor const y = drawn({100, 256}, at::kBFloat16);
    at::Tensor const a = first({x, y}).front();
    at::Tensor const b = second({y, x}).front();
    BOOST_TEST(at::equal(a, function({x, y}).front()));
    BOOST_TEST(at::equal(b, function({y, x}).front()));
  }
}

// The first input may be a view whose address is aligned otherwise than the graph's own inputs: the
// product's algorithm has to be known before the capture, where it cannot be tried.
BOOST_AUTO_TEST_CASE(a_graph_takes_views_at_its_first_call) {
  at::Tensor const weight = drawn({256, 64}, at::kBFloat16) / 8;
  auto const function = [&](std::vector<at::Tensor> const& inputs) {
    return std::vector{ops::linear(inputs[0], weight)};
  };
  ops::GraphedCall call(function, ops::CudaGraphs::on, ops::make_graph_pool());
  at::Tensor const wide = drawn({300, 64}, at::kBFloat16);
  for (std::int64_t const offset : {1, 0, 3, 2}) {
    at::Tensor const view = wide.narrow(0, offset, 200);
    BOOST_TEST(at::equal(call({view}).front(), function({view.clone()}).front()));
  }
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_leaves_the_next_ones_well) {
  int calls = 0;
  int fails_at = 1;
  auto const function = [&](std::vector<at::Tensor> const& inputs) {
    calls += 1;
    at::Tensor const result = inputs[0] * 2;
    TORCH_CHECK(calls != fails_at, "as told");
    return std::vector{result};
  };
  auto const pool = ops::make_graph_pool();
  at::Tensor const x = drawn({64, 64}, at::kFloat);
  for (int const at : {1, 2}) {  // the eager call, the capture
    calls = 0;
    fails_at = at;
    ops::GraphedCall call(function, ops::CudaGraphs::on, pool);
    if (at == 1) BOOST_CHECK_THROW((void)call({x}), c10::Error);
    for (int i = 0; i < 4; ++i) BOOST_TEST(at::equal(call({x}).front(), x * 2));
    ops::GraphedCall other(function, ops::CudaGraphs::on, pool);
    fails_at = 0;
    for (int i = 0; i < 4; ++i) BOOST_TEST(at::equal(other({x}).front(), x * 2));
  }
}
