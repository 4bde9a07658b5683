#include "profile/kernel_recorder.hpp"

#include <cupti.h>
#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
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

// Small, so that rare kinds of records do not wait long for theirs to be full.
constexpr std::size_t buffer_bytes = std::size_t{1} << 20U;
constexpr std::size_t buffer_alignment = 4096;
constexpr std::array<CUpti_ActivityKind, 4> kinds{
    CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL, CUPTI_ACTIVITY_KIND_MEMCPY, CUPTI_ACTIVITY_KIND_MEMCPY2,
    CUPTI_ACTIVITY_KIND_MEMSET};

void check_cupti(CUptiResult result, char const* what) {
  if (result == CUPTI_SUCCESS) return;
  char const* text = nullptr;
  (void)cuptiGetResultString(result, &text);
  throw Error(ExitCode::unhealthy, std::string("CUPTI failed in ") + what + " (" +
                                       (text != nullptr ? text : "?") +
                                       ") end other profilers, or record no kernels");
}

// CUPTI's callbacks carry nothing of ours, so that where they deliver to has to be found by name.
struct Delivery {
  std::mutex mutex;
  KernelRecorder::Sink sink;                     // null: nobody records
  std::int64_t to_steady_ns = 0;                 // from CUPTI's clock
  std::size_t dropped = 0;                       // records for want of memory
  std::map<std::string, std::string> demangled;  // by the mangled name
};
Delivery& delivery() {
  static Delivery only;
  return only;
}

std::string const& readable(char const* mangled) {
  std::string& name = delivery().demangled[mangled != nullptr ? mangled : "unnamed"];
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
KernelRecord record_of(Activity const& activity, std::string const& name) {
  std::int64_t const to_steady_ns = delivery().to_steady_ns;
  return {name, static_cast<std::int64_t>(activity.start) + to_steady_ns,
          static_cast<std::int64_t>(activity.end) + to_steady_ns, activity.streamId};
}

void CUPTIAPI take_buffer(CUcontext context, std::uint32_t stream, std::uint8_t* buffer,
                          std::size_t /*size*/, std::size_t valid_bytes) {
  std::scoped_lock const lock(delivery().mutex);
  std::vector<KernelRecord> records;
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid_bytes, &record) == CUPTI_SUCCESS) {
    if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
      auto const& kernel = *reinterpret_cast<KernelActivity const*>(record);
      records.push_back(record_of(kernel, readable(kernel.name)));
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
      records.push_back(record_of(*reinterpret_cast<CopyActivity const*>(record), "memcpy"));
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY2) {
      records.push_back(record_of(*reinterpret_cast<CUpti_ActivityMemcpyPtoP4 const*>(record),
                                  "memcpy to a peer"));
    } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
      records.push_back(
          record_of(*reinterpret_cast<CUpti_ActivityMemset4 const*>(record), "memset"));
    }
  }
  std::free(buffer);        // NOLINT: aligned_alloc gave it
  std::size_t dropped = 0;  // since the last time
  if (cuptiActivityGetNumDroppedRecords(context, stream, &dropped) == CUPTI_SUCCESS)
    delivery().dropped += dropped;
  if (delivery().sink && !records.empty()) delivery().sink(std::move(records));
}

void disconnect() {
  std::scoped_lock const lock(delivery().mutex);
  delivery().sink = nullptr;
}

std::size_t dropped_records() {
  std::scoped_lock const lock(delivery().mutex);
  return delivery().dropped;
}

}  // namespace

bool KernelRecorder::is_available() { return true; }

KernelRecorder::KernelRecorder(Sink sink) {
  check_cupti(cuptiActivityRegisterCallbacks(give_buffer, take_buffer), "registration");
  std::uint64_t cupti_ns = 0;
  check_cupti(cuptiGetTimestamp(&cupti_ns), "its clock");
  {
    std::scoped_lock const lock(delivery().mutex);
    delivery().sink = std::move(sink);
    delivery().dropped = 0;
    delivery().to_steady_ns = now_ns() - static_cast<std::int64_t>(cupti_ns);
  }
  try {
    for (CUpti_ActivityKind const kind : kinds) check_cupti(cuptiActivityEnable(kind), "recording");
  } catch (...) {  // without a destructor to come
    disconnect();
    throw;
  }
}

KernelRecorder::~KernelRecorder() {
  for (CUpti_ActivityKind const kind : kinds) (void)cuptiActivityDisable(kind);
  disconnect();
}

void KernelRecorder::stop() {
  for (CUpti_ActivityKind const kind : kinds) check_cupti(cuptiActivityDisable(kind), "its end");
  check_cupti(cuptiActivityFlushAll(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED), "delivery");
  disconnect();
  if (std::size_t const dropped = dropped_records(); dropped > 0) {
    log_warning("CUPTI dropped " + std::to_string(dropped) +
                " records (it had no memory for them) what is said of this GPU's kernels is too "
                "little");
  }
}

}  // namespace ditbatch
