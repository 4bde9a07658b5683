#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>

namespace ditbatch {

/// A stream beside the current one, for exchanges that hide behind products. On CPUs everything
/// runs where it is called.
///
/// What begins there follows all that the current stream was given so far, and the current stream
/// follows it from the join on. Between the two, nothing may be freed or written that the other
/// side still reads. Memory is safe to be reused on both streams because every beginning waits for
/// all earlier work. Inside a CUDA graph this becomes two branches.
class SideStream {
 public:
  explicit SideStream(c10::Device device);
  SideStream(SideStream const&) = delete;
  SideStream& operator=(SideStream const&) = delete;
  ~SideStream();

  /// Once before each join().
  void begin(std::function<void()> const& work);
  void join();

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;  // null on CPUs
};

}  // namespace ditbatch
