#include "weights/weight_source.hpp"

#include <ATen/ATen.h>

namespace ditbatch {

at::Tensor ParameterRecorder::take(ParameterSpec const& spec) {
  specs_.push_back(spec);
  return at::empty(spec.shape,
                   at::TensorOptions().dtype(spec.dtype.value_or(dtype_)).device(at::kMeta));
}

}  // namespace ditbatch
