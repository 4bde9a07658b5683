// On a GPU: a row's bits do not depend on the rows, heads and queries around it, and the results
// agree with plain ATen in float32.
#define BOOST_TEST_MODULE cuda_ops
#include <ATen/ATen.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "comm/cuda_device.hpp"
#include "ops/ops.hpp"

using namespace ditbatch;

namespace {

struct Gpu {
  Gpu() { (void)use_cuda_device(c10::Device(c10::kCUDA, 0), -1); }
};
BOOST_TEST_GLOBAL_FIXTURE(Gpu);

at::Tensor drawn(std::vector<std::int64_t> const& shape, at::ScalarType dtype, double scale = 1) {
  return (at::randn(shape, at::TensorOptions().device(at::kCUDA)) * scale).to(dtype);
}

struct GemmShape {
  std::int64_t k, n;
};
// Every linear layer of FLUX.1, T5-XXL and CLIP-L, and of small models.
std::vector<GemmShape> const shapes{
    {3072, 3072},  {3072, 12288}, {12288, 3072}, {15360, 3072}, {3072, 18432}, {3072, 9216},
    {3072, 64},    {64, 3072},    {4096, 3072},  {768, 3072},   {256, 3072},   {3072, 6144},
    {4096, 10240}, {10240, 4096}, {768, 768},    {512, 512},    {128, 16},     {16, 128},
    {144, 144},    {640, 128},    {40, 120}};

}  // namespace

BOOST_AUTO_TEST_CASE(a_row_of_linear_does_not_depend_on_the_others) {
  std::mt19937 random(1);
  for (at::ScalarType const dtype : {at::kBFloat16, at::kHalf, at::kFloat}) {
    for (GemmShape const shape : shapes) {
      at::Tensor const weight =
          drawn({shape.n, shape.k}, dtype, 1 / std::sqrt(static_cast<double>(shape.k)));
      at::Tensor const bias = drawn({shape.n}, dtype);
      for (std::int64_t const rows : {4608, 1536, 1101, 77}) {
        at::Tensor const x = drawn({rows, shape.k}, dtype);
        at::Tensor const all = ops::linear(x, weight, bias);
        int different = 0;
        for (int i = 0; i < 8; ++i) {
          auto const begin = static_cast<std::int64_t>(random() % static_cast<unsigned>(rows));
          auto const size =
              1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(rows - begin));
          different += at::equal(ops::linear(x.narrow(0, begin, size), weight, bias),
                                 all.narrow(0, begin, size))
                           ? 0
                           : 1;
        }
        BOOST_TEST(different == 0, "K " << shape.k << " N " << shape.n << " rows " << rows << " "
                                        << at::toString(dtype));
        at::Tensor const exact =
            at::linear(x.to(at::kFloat), weight.to(at::kFloat), bias.to(at::kFloat));
        double const error =
            ((all.to(at::kFloat) - exact).abs().max() / exact.abs().max()).item<double>();
        BOOST_TEST(error < (dtype == at::kFloat  ? 1e-5
                            : dtype == at::kHalf ? 2e-3
                                                 : 1e-2),
                   "K " << shape.k << " N " << shape.n << ": " << error);
      }
    }
  }
}

// Each of these shapes has an algorithm of its own, chosen by time among those that a trial let
// pass: none that sums in another order may be among them. Where the products cancel, such a one
// shows in nearly every element.
BOOST_AUTO_TEST_CASE(few_rows_have_the_bits_of_many) {
  enum class Products { ordinary, cancelling };
  constexpr std::int64_t most_rows = 4608;
  auto const operand = [](std::int64_t rows, GemmShape const& shape, double sign,
                          Products products) {
    at::Tensor const x = drawn({rows, shape.k}, at::kBFloat16);
    if (products == Products::ordinary) return x;
    at::Tensor const half = x.narrow(1, 0, shape.k / 2);
    return at::cat({half, half * sign}, 1).contiguous();
  };
  for (GemmShape const shape :
       {GemmShape{12288, 3072}, GemmShape{15360, 3072}, GemmShape{3072, 9216},
        GemmShape{3072, 12288}, GemmShape{3072, 3072}, GemmShape{3072, 64}}) {
    for (Products const products : {Products::ordinary, Products::cancelling}) {
      at::Tensor const x = operand(most_rows, shape, -1, products);
      at::Tensor const weight = operand(shape.n, shape, 1, products) / 40;
      at::Tensor const all = ops::linear(x, weight);
      for (std::int64_t const rows : {1, 64, 100, 128, 256, 512, 576, 1024, 1152, 2048, 2304}) {
        for (std::int64_t const begin : {std::int64_t{0}, most_rows - rows}) {
          BOOST_TEST(
              at::equal(ops::linear(x.narrow(0, begin, rows), weight), all.narrow(0, begin, rows)),
              "K " << shape.k << " N " << shape.n << " rows " << rows << " from " << begin
                   << (products == Products::cancelling ? " cancelling" : ""));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_query_of_attention_does_not_depend_on_the_others) {
  std::mt19937 random(2);
  struct Case {
    std::int64_t tokens, heads, head_size;
    at::ScalarType dtype;
  };
  for (Case const c : {Case{4608, 24, 128, at::kBFloat16}, Case{1536, 24, 128, at::kBFloat16},
                       Case{4173, 24, 128, at::kBFloat16}, Case{1101, 24, 128, at::kHalf},
                       Case{81, 8, 16, at::kBFloat16}, Case{77, 6, 24, at::kBFloat16},
                       Case{300, 4, 32, at::kBFloat16}, Case{300, 3, 40, at::kFloat},
                       Case{1024, 1, 512, at::kBFloat16}}) {
    at::Tensor const q = drawn({1, c.tokens, c.heads, c.head_size}, c.dtype);
    at::Tensor const k = drawn({1, c.tokens, c.heads, c.head_size}, c.dtype);
    at::Tensor const v = drawn({1, c.tokens, c.heads, c.head_size}, c.dtype);
    at::Tensor const all = ops::attention(q, k, v);
    int different = 0;
    for (int i = 0; i < 12; ++i) {
      auto const begin = static_cast<std::int64_t>(random() % static_cast<unsigned>(c.tokens));
      auto const size =
          1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(c.tokens - begin));
      auto const head = static_cast<std::int64_t>(random() % static_cast<unsigned>(c.heads));
      auto const heads =
          1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(c.heads - head));
      auto const cut = [&](at::Tensor const& x) { return x.narrow(2, head, heads).contiguous(); };
      at::Tensor const part =
          ops::attention(cut(q).narrow(1, begin, size).contiguous(), cut(k), cut(v));
      different += at::equal(part, cut(all).narrow(1, begin, size)) ? 0 : 1;
    }
    BOOST_TEST(different == 0, c.tokens << " tokens, " << c.heads << " heads of " << c.head_size
                                        << " " << at::toString(c.dtype));
    auto const wide = [](at::Tensor const& x) { return x.to(at::kDouble).transpose(1, 2); };
    at::Tensor const weights = at::softmax(
        at::matmul(wide(q), wide(k).transpose(2, 3)) / std::sqrt(static_cast<double>(c.head_size)),
        -1);
    at::Tensor const exact = at::matmul(weights, wide(v)).transpose(1, 2);
    double const error =
        ((all.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>();
    BOOST_TEST(error < (c.dtype == at::kFloat ? 1e-5 : 2e-2), error);
  }
}

BOOST_AUTO_TEST_CASE(row_wise_ops_do_not_depend_on_the_rows) {
  for (at::ScalarType const dtype : {at::kBFloat16, at::kFloat}) {
    for (std::int64_t const width : {3072, 128, 144, 40}) {
      at::Tensor const x = drawn({513, width}, dtype);
      at::Tensor const weight = drawn({width}, dtype);
      for (std::int64_t const begin : {0, 1, 77, 300}) {
        for (std::int64_t const size : {1, 7, 64, 200}) {
          at::Tensor const part = x.narrow(0, begin, size).contiguous();
          BOOST_TEST(at::equal(ops::layer_norm(part, 1e-6),
                               ops::layer_norm(x, 1e-6).narrow(0, begin, size)));
          BOOST_TEST(at::equal(ops::rms_norm(part, weight, 1e-6),
                               ops::rms_norm(x, weight, 1e-6).narrow(0, begin, size)));
          BOOST_TEST(at::equal(ops::gelu_tanh(part), ops::gelu_tanh(x).narrow(0, begin, size)));
          BOOST_TEST(at::equal(ops::silu(part), ops::silu(x).narrow(0, begin, size)));
        }
      }
    }
  }
}
