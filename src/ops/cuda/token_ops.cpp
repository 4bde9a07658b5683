#include "ops/cuda/token_ops.hpp"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include "core/error.hpp"
#include "ops/cuda/element_of.hpp"
#include "ops/cuda/row_kernels.hpp"

namespace ditbatch::ops::cuda {

namespace {

constexpr std::int64_t alignment_bytes = 16;

// After a launch: one that was refused must not pass as a result.
void check_launch() { C10_CUDA_KERNEL_LAUNCH_CHECK(); }

cudaStream_t current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

bool is_aligned(at::Tensor const& x) {
  bool aligned = reinterpret_cast<std::uintptr_t>(x.data_ptr()) % alignment_bytes == 0;
  for (std::int64_t i = 0; i + 1 < x.dim(); ++i)
    aligned = aligned && (x.stride(i) * x.element_size()) % alignment_bytes == 0;
  return aligned && x.stride(-1) == 1;
}

// x (B, S, ...) whose rows (x[b, s]) are contiguous
ImageRows<void*> rows_of(at::Tensor const& x) {
  ensure(is_aligned(x), "kernels take rows of aligned elements");
  return {x.data_ptr(), x.stride(0), x.stride(1)};
}

ImageRows<void const*> const_rows_of(at::Tensor const& x) {
  ImageRows<void*> const rows = rows_of(x);
  return {rows.data, rows.image_stride, rows.row_stride};
}

BatchVector vector_of(at::Tensor const& x) {
  ensure(is_aligned(x), "kernels take aligned vectors");
  return {x.data_ptr(), x.stride(0)};
}

void set_streams(BatchVector (&both)[2], ChannelVectors const& vectors, std::int64_t text_rows) {
  both[0] = vector_of(text_rows > 0 ? vectors.text : vectors.image);
  both[1] = vector_of(vectors.image);
}

ResidualNorm norm_call(at::Tensor const& tokens, at::Tensor const& normed,
                       NormModulation const& modulation, std::int64_t text_rows) {
  ResidualNorm call;
  call.element = element_of(tokens);
  call.images = tokens.size(0);
  call.rows = tokens.size(1);
  call.text_rows = text_rows;
  call.width = tokens.size(2);
  call.tokens = rows_of(tokens);
  call.normed = rows_of(normed);
  set_streams(call.shift, modulation.shift, text_rows);
  set_streams(call.scale, modulation.scale, text_rows);
  return call;
}

NormAndRotate rotation_call(at::Tensor const& qkv, QueryKeyNorms const& text,
                            QueryKeyNorms const& image, RotaryTable const& rotary,
                            std::int64_t text_rows) {
  NormAndRotate call;
  call.element = element_of(qkv);
  call.images = qkv.size(0);
  call.rows = qkv.size(1);
  call.text_rows = text_rows;
  call.heads = qkv.size(3);
  call.head_size = qkv.size(4);
  ensure(qkv.stride(2) == call.heads * call.head_size && qkv.stride(3) == call.head_size,
         "a row holds all queries, all keys, all values");
  ensure(rotary.cos.size(0) == call.rows, "every token has its angles");
  call.qkv = rows_of(qkv);
  QueryKeyNorms const& of_text = text_rows > 0 ? text : image;
  call.query_weight[0] = of_text.query.data_ptr();
  call.query_weight[1] = image.query.data_ptr();
  call.key_weight[0] = of_text.key.data_ptr();
  call.key_weight[1] = image.key.data_ptr();
  call.cos = rotary.cos.data_ptr<float>();
  call.sin = rotary.sin.data_ptr<float>();
  return call;
}

}  // namespace

bool has_token_kernels_for(at::Tensor const& tokens) {
  return tokens.is_cuda() && is_residual_norm_width(tokens.size(2)) && is_aligned(tokens);
}

bool has_head_kernels_for(at::Tensor const& qkv) {
  return qkv.is_cuda() && is_rotary_head_size(qkv.size(4)) && is_aligned(qkv);
}

at::Tensor modulated_norm(at::Tensor const& tokens, NormModulation const& modulation,
                          std::int64_t text_rows) {
  at::Tensor const normed = at::empty(tokens.sizes(), tokens.options());
  residual_norm(norm_call(tokens, normed, modulation, text_rows), current_stream());
  check_launch();
  return normed;
}

at::Tensor add_gated_then_norm(at::Tensor const& tokens, at::Tensor const& delta,
                               ChannelVectors const& gate, NormModulation const& modulation,
                               std::int64_t text_rows) {
  ensure(delta.sizes() == tokens.sizes(), "a residual has the shape of its tokens");
  at::Tensor const normed = at::empty(tokens.sizes(), tokens.options());
  ResidualNorm call = norm_call(tokens, normed, modulation, text_rows);
  call.delta = const_rows_of(delta);
  set_streams(call.gate, gate, text_rows);
  residual_norm(call, current_stream());
  check_launch();
  return normed;
}

void norm_and_rotate(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                     RotaryTable const& rotary, std::int64_t text_rows) {
  norm_and_rotate(rotation_call(qkv, text, image, rotary, text_rows), current_stream());
  check_launch();
}

void share_heads(at::Tensor const& qkv, QueryKeyNorms const& text, QueryKeyNorms const& image,
                 RotaryTable const& rotary, std::int64_t text_rows, HeadPlaces const& places,
                 PeerSignals const* signals) {
  share_heads(rotation_call(qkv, text, image, rotary, text_rows), places, signals,
              current_stream());
  check_launch();
}

void finish_copies(PeerSignals const& signals) {
  finish_copies(signals, current_stream());
  check_launch();
}

void scatter_rows(at::Tensor const& from, RowScatter scatter, PeerSignals const& signals) {
  std::int64_t const bytes = from.element_size();
  scatter.images = from.size(0);
  scatter.rows = from.size(1);
  scatter.row_bytes = bytes;
  for (std::int64_t i = from.dim() - 1; i > 1; --i) {
    ensure(from.stride(i) * bytes == scatter.row_bytes || from.size(i) == 1,
           "rows are scattered whole");
    scatter.row_bytes *= from.size(i);
  }
  ensure(is_aligned(from) && scatter.row_bytes % alignment_bytes == 0,
         "kernels take rows of aligned elements");
  scatter.from = static_cast<char const*>(from.data_ptr());
  scatter.from_image_stride_bytes = from.stride(0) * bytes;
  scatter.from_row_stride_bytes = from.stride(1) * bytes;
  scatter_rows(scatter, signals, current_stream());
  check_launch();
}

void scaled_softmax(at::Tensor const& x, double scale) {
  ensure(x.is_contiguous() && is_aligned(x), "softmax takes whole aligned rows");
  scaled_softmax(element_of(x), x.data_ptr(), x.size(0), x.size(1), static_cast<float>(scale),
                 current_stream());
  check_launch();
}

void copy_rows(at::Tensor const& from, at::Tensor const& to) {
  ensure(from.sizes() == to.sizes(), "rows are copied to rows of the same size");
  std::int64_t row = 1;
  for (std::int64_t i = from.dim() - 1; i > 1; --i) {
    bool const whole = (from.stride(i) == row && to.stride(i) == row) || from.size(i) == 1;
    if (!whole || !is_aligned(from) || !is_aligned(to)) {
      to.copy_(from);
      return;
    }
    row *= from.size(i);
  }
  std::int64_t const bytes = from.element_size();
  if (row * bytes % alignment_bytes != 0) {
    to.copy_(from);
    return;
  }
  copy_rows(
      {from.data_ptr(), to.data_ptr(), from.size(0), from.size(1), row * bytes,
       from.stride(0) * bytes, from.stride(1) * bytes, to.stride(0) * bytes, to.stride(1) * bytes},
      current_stream());
}

}  // namespace ditbatch::ops::cuda
