#include "bench/kernel_recorder.hpp"

#include <cupti.h>
#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "core/error.hpp"
#include "core/trace.hpp"

namespace ditbatch {

namespace {

#if CUPTI_API_VERSION >= 130000
using KernelActivity = CUpti_ActivityKernel10;
using CopyActivity = CUpti_ActivityMemcpy6;
#else
using KernelActivity = CUpti_ActivityKernel9;
using CopyActivity = CUpti_ActivityMemcpy5;
#endif

constexpr std::size_t buffer_bytes = std::size_t{8} << 20U;
constexpr std::size_t buffer_alignment = 4096;
constexpr std::array<CUpti_ActivityKind, 3> kinds{
    CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMSET};

void check_cupti(CUptiResult result, char const* what) {
  if (result == CUPTI_SUCCESS) return;
  char const* text = nullptr;
  (void)cuptiGetResultString(result, &text);
  throw Error(ExitCode::unhealthy, std::string("CUPTI failed in ") + what + " (" +
                                       (text != nullptr ? text : "?") +
                                       ") end other profilers, or leave out --profile");
}

// CUPTI's callbacks carry nothing of ours, so that what they deliver has to be found by name.
struct Delivered {
  std::mutex mutex;
  std::vector<KernelRecord> records;             // times of CUPTI's clock
  std::map<std::string, std::string> demangled;  // by the mangled name
};
Delivered& delivered() {
  static Delivered only;
  return only;
}

std::string const& readable(char const* mangled) {
  std::string& name = delivered().demangled[mangled != nullptr ? mangled : "unnamed"];
  if (!name.empty()) return name;
  int status = 0;
  char* const text = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  name = status == 0 && text != nullptr ? text : mangled != nullptr ? mangled : "unnamed";
  std::free(text);  // NOLINT: it was malloc that gave it
  return name;
}

void CUPTIAPI give_buffer(std::uint8_t** buffer, std::size_t* size, std::size_t* most_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(buffer_alignment, buffer_bytes));
  *size = *buffer != nullptr ? buffer_bytes : 0;
  *most_records = 0;  // as many as fit
}

template <class Activity>
void keep(Activity const& activity, std::string const& name) {
  delivered().records.push_back({name, static_cast<std::int64_t>(activity.start),
                                 static_cast<std::int64_t>(activity.end), activity.streamId});
}

void CUPTIAPI take_buffer(CUcontext /*context*/, std::uint32_t /*stream*/, std::uint8_t* buffer,
                          std::size_t /*size*/, std::size_t valid_bytes) {
  std::scoped_lock const lock(delivered().mutex);
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid_bytes, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      auto const& kernel = *reinterpret_cast<KernelActivity const*>(record);
      keep(kernel, readable(kernel.name));
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      keep(*reinterpret_cast<CopyActivity const*>(record), "memcpy");
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      keep(*reinterpret_cast<CUpti_ActivityMemset4 const*>(record), "memset");
    }
  }
  std::free(buffer);  // NOLINT: aligned_alloc gave it
}

}  // namespace

bool KernelRecorder::is_available() { return true; }

KernelRecorder::KernelRecorder() {
  check_cupti(cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "registration");
  {
    std::scoped_lock const lock(delivered().mutex);
    delivered().records.clear();
  }
  std::uint64_t cupti_ns = 0;
  check_cupti(cuptiGetTimestamp(&cupti_ns), "its clock");
  to_steady_ns_ = now_ns() - static_cast<std::int64_t>(cupti_ns);
  for (CUpti_ActivityKind const kind : kinds) check_cupti(cuptiActivityEnable(kind), "recording");
}

KernelRecorder::~KernelRecorder() {
  for (CUpti_ActivityKind const kind : kinds) (void)cuptiActivityDisable(kind);
}

std::vector<KernelRecord> KernelRecorder::stop() {
  for (CUpti_ActivityKind const kind : kinds) check_cupti(cuptiActivityDisable(kind), "its end");
  check_cupti(cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "delivery");
  std::vector<KernelRecord> records;
  {
    std::scoped_lock const lock(delivered().mutex);
    records.swap(delivered().records);
  }
  for (KernelRecord& record : records) {
    record.begin_ns += to_steady_ns_;
    record.end_ns += to_steady_ns_;
  }
  return records;
}

}  // namespace ditbatch
