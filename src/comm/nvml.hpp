#pragma once

#include <string>

namespace ditbatch {

/// The driver's management library, as far as it is needed here: it comes with the driver, so
/// neither its header nor its library is there where the program is built. Functions are looked up
/// by name, with the signatures of NVML's API reference; one that is missing is null.
class Nvml {
 public:
  Nvml();
  Nvml(Nvml const&) = delete;
  Nvml& operator=(Nvml const&) = delete;
  ~Nvml();

  using Device = void*;
  /// Null without a driver, or where it does not know the GPU.
  [[nodiscard]] Device find(std::string const& uuid) const;

  template <typename Signature>
  [[nodiscard]] Signature* function(char const* name) const {
    return reinterpret_cast<Signature*>(symbol(name));
  }

 private:
  [[nodiscard]] void* symbol(char const* name) const;

  void* library_;
  bool is_ready_ = false;
};

}  // namespace ditbatch
