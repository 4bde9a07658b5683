// On the CPU: a row's bits do not depend on the rows, heads and queries around it.
#define BOOST_TEST_MODULE ops
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <boost/test/unit_test.hpp>
#include <random>

#include "mesh/shard.hpp"
#include "ops/ops.hpp"

using namespace ditbatch;

namespace {

struct OneThread {
  OneThread() { at::set_num_threads(1); }
};
BOOST_TEST_GLOBAL_FIXTURE(OneThread);

std::mt19937 randomness(9);

std::int64_t pick(std::vector<std::int64_t> const& from) {
  return from[randomness() % from.size()];
}

Shard random_slice(std::int64_t rows) {
  auto const begin = static_cast<std::int64_t>(randomness() % static_cast<unsigned>(rows));
  return {begin, 1 + static_cast<std::int64_t>(randomness() % static_cast<unsigned>(rows - begin))};
}

at::Tensor drawn(std::vector<std::int64_t> const& shape, at::ScalarType dtype) {
  return at::randn(shape).to(dtype);
}

std::vector<at::ScalarType> const dtypes{at::kFloat, at::kBFloat16};

}  // namespace

BOOST_AUTO_TEST_CASE(linear_rows) {
  int different = 0;
  for (int round = 0; round < 400; ++round) {
    at::ScalarType const dtype = dtypes[static_cast<std::size_t>(round) % 2];
    std::int64_t const k = pick({12, 16, 40, 64, 96, 128, 144, 512, 600, 640, 1024, 2048});
    std::int64_t const n = pick({16, 24, 64, 120, 128, 144, 512, 768});
    std::int64_t const rows = 1 + static_cast<std::int64_t>(randomness() % 250);
    at::Tensor const x = drawn({rows, k}, dtype), weight = drawn({n, k}, dtype),
                     bias = drawn({n}, dtype);
    at::Tensor const all = ops::linear(x, weight, bias);
    for (int i = 0; i < 4; ++i) {
      Shard const slice = random_slice(rows);
      different += at::equal(ops::linear(x.narrow(0, slice.offset, slice.size), weight, bias),
                             all.narrow(0, slice.offset, slice.size))
                       ? 0
                       : 1;
    }
    at::Tensor const exact =
        at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
    BOOST_TEST(((all.to(at::kDouble) - exact).abs().max() / exact.abs().max()).item<double>() <
               (dtype == at::kFloat ? 1e-5 : 1e-2));
  }
  BOOST_TEST(different == 0);
}

BOOST_AUTO_TEST_CASE(attention_queries_and_heads) {
  int different = 0;
  for (int round = 0; round < 120; ++round) {
    at::ScalarType const dtype = dtypes[static_cast<std::size_t>(round) % 2];
    std::int64_t const heads = pick({1, 3, 4, 6, 8}), size = pick({8, 16, 24, 32, 40, 64, 128});
    std::int64_t const tokens = 1 + static_cast<std::int64_t>(randomness() % 600);
    at::Tensor const q = drawn({1, tokens, heads, size}, dtype),
                     k = drawn({1, tokens, heads, size}, dtype),
                     v = drawn({1, tokens, heads, size}, dtype);
    at::Tensor const all = ops::attention(q, k, v);
    for (int i = 0; i < 4; ++i) {
      Shard const rows = random_slice(tokens), some = random_slice(heads);
      auto const of = [&](at::Tensor const& x) {
        return x.narrow(2, some.offset, some.size).contiguous();
      };
      at::Tensor const part =
          ops::attention(of(q).narrow(1, rows.offset, rows.size).contiguous(), of(k), of(v));
      different += at::equal(part, of(all).narrow(1, rows.offset, rows.size)) ? 0 : 1;
    }
  }
  BOOST_TEST(different == 0);
}

BOOST_AUTO_TEST_CASE(norms_and_activations_by_rows) {
  int different = 0;
  for (int round = 0; round < 300; ++round) {
    at::ScalarType const dtype = dtypes[static_cast<std::size_t>(round) % 2];
    std::int64_t const width = pick({12, 16, 20, 24, 36, 40, 48, 64, 96, 224, 320});
    std::int64_t const rows = 1 + static_cast<std::int64_t>(randomness() % 60);
    at::Tensor const x = drawn({rows, width}, dtype), weight = drawn({width}, dtype);
    Shard const slice = random_slice(rows);
    at::Tensor const part = x.narrow(0, slice.offset, slice.size).contiguous();
    auto const same = [&](auto const& op) {
      return at::equal(op(part), op(x).narrow(0, slice.offset, slice.size)) ? 0 : 1;
    };
    different += same([](at::Tensor const& t) { return ops::layer_norm(t, 1e-6); });
    different += same([&](at::Tensor const& t) { return ops::rms_norm(t, weight, 1e-6); });
    for (auto* op : {&ops::relu, &ops::silu, &ops::gelu, &ops::gelu_tanh, &ops::quick_gelu})
      different += same(*op);
  }
  BOOST_TEST(different == 0);
}
