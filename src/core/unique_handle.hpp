#pragma once

#include <utility>

namespace ditbatch {

/// The one owner of C handles (MPI_Comm, ncclComm_t, cudaStream_t, hid_t, file descriptors).
/// Traits name the handle type, its null value and how to close it:
///
///     struct FileTraits {
///       using Handle = int;
///       static Handle null() noexcept { return -1; }
///       static void close(Handle handle) noexcept { ::close(handle); }
///     };
///     using UniqueFile = UniqueHandle<FileTraits>;
///
/// Move-only; a moved-from handle is null. Functions take the raw handle as a view, from get().
template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() noexcept : handle_(Traits::null()) {}
  explicit UniqueHandle(Handle handle) noexcept : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  UniqueHandle(UniqueHandle const&) = delete;
  UniqueHandle& operator=(UniqueHandle const&) = delete;
  ~UniqueHandle() { reset(); }

  [[nodiscard]] Handle get() const noexcept { return handle_; }
  [[nodiscard]] explicit operator bool() const noexcept { return handle_ != Traits::null(); }
  /// Gives the handle away without closing it, for calls whose close must be checked.
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, Traits::null()); }
  void reset(Handle handle = Traits::null()) noexcept {
    Handle const old = std::exchange(handle_, handle);
    if (old != Traits::null()) Traits::close(old);
  }

 private:
  Handle handle_;
};

}  // namespace ditbatch
