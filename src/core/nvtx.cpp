#include "core/nvtx.hpp"

#if DITBATCH_CUDA
#include <nvtx3/nvToolsExt.h>
#endif

namespace ditbatch {

#if DITBATCH_CUDA
void open_range(char const* name) { nvtxRangePushA(name); }
void close_range() { nvtxRangePop(); }
#else
void open_range(char const* /*name*/) {}
void close_range() {}
#endif

}  // namespace ditbatch
