#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "ops/cuda/element.hpp"

// Eight neighbouring elements at a time, as float32. Addresses are multiples of 16 bytes.
namespace ditbatch::ops::cuda {

constexpr int vector_width = 8;

struct Vector {
  float at[vector_width];
};

/// The same as they lie in memory: fewer registers while they wait for their turn.
template <class T>
struct Packed {
  int4 raw[vector_width * sizeof(T) / sizeof(int4)];
};

template <class T>
__device__ Packed<T> load_packed(T const* from) {
  Packed<T> packed;
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof packed / sizeof(int4)); ++i)
    packed.raw[i] = reinterpret_cast<int4 const*>(from)[i];
  return packed;
}

__device__ inline float2 widen(__nv_bfloat162 pair) { return __bfloat1622float2(pair); }
__device__ inline float2 widen(__half2 pair) { return __half22float2(pair); }
__device__ inline float2 widen(float2 pair) { return pair; }
__device__ inline void narrow_into(__nv_bfloat162& pair, float a, float b) {
  pair = __floats2bfloat162_rn(a, b);
}
__device__ inline void narrow_into(__half2& pair, float a, float b) {
  pair = __floats2half2_rn(a, b);
}
__device__ inline void narrow_into(float2& pair, float a, float b) { pair = make_float2(a, b); }

template <class T>
struct PairOf;
template <>
struct PairOf<__nv_bfloat16> {
  using Type = __nv_bfloat162;
};
template <>
struct PairOf<__half> {
  using Type = __half2;
};
template <>
struct PairOf<float> {
  using Type = float2;
};

template <class T>
__device__ Vector unpack(Packed<T> const& packed) {
  auto const* pairs = reinterpret_cast<typename PairOf<T>::Type const*>(packed.raw);
  Vector v;
#pragma unroll
  for (int i = 0; i < vector_width / 2; ++i) {
    float2 const pair = widen(pairs[i]);
    v.at[2 * i] = pair.x;
    v.at[2 * i + 1] = pair.y;
  }
  return v;
}

template <class T>
__device__ Vector load(T const* from) {
  return unpack(load_packed(from));
}

template <class T>
__device__ void store(T* to, Vector const& v) {
  Packed<T> packed;
  auto* pairs = reinterpret_cast<typename PairOf<T>::Type*>(packed.raw);
#pragma unroll
  for (int i = 0; i < vector_width / 2; ++i) narrow_into(pairs[i], v.at[2 * i], v.at[2 * i + 1]);
#pragma unroll
  for (int i = 0; i < static_cast<int>(sizeof packed / sizeof(int4)); ++i)
    reinterpret_cast<int4*>(to)[i] = packed.raw[i];
}

/// The value that a T keeps of x.
__device__ inline float rounded(float x, float const*) { return x; }
__device__ inline float rounded(float x, __nv_bfloat16 const*) {
  return __bfloat162float(__float2bfloat16_rn(x));
}
__device__ inline float rounded(float x, __half const*) {
  // Saturates: the residual stream of float16 must not overflow into infinity.
  return __half2float(__float2half_rn(fminf(fmaxf(x, -65504.0F), 65504.0F)));
}

/// Calls function(a null pointer of the element's type).
template <class Function>
void with_element(Element element, Function const& function) {
  switch (element) {
    case Element::float32:
      return function(static_cast<float*>(nullptr));
    case Element::bfloat16:
      return function(static_cast<__nv_bfloat16*>(nullptr));
    case Element::float16:
      return function(static_cast<__half*>(nullptr));
  }
}

__device__ inline float sum_over_warp(float x) {
#pragma unroll
  for (int lane = 16; lane > 0; lane /= 2) x += __shfl_xor_sync(0xffffffffU, x, lane);
  return x;
}

}  // namespace ditbatch::ops::cuda
