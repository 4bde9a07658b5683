#include "comm/nvml.hpp"

#include <dlfcn.h>

namespace ditbatch {

Nvml::Nvml() : library_(::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  auto const init = function<int()>("nvmlInit_v2");
  is_ready_ = init != nullptr && init() == 0;
}

Nvml::~Nvml() {
  if (auto const end = function<int()>("nvmlShutdown"); is_ready_ && end != nullptr) end();
  if (library_ != nullptr) ::dlclose(library_);
}

Nvml::Device Nvml::find(std::string const& uuid) const {
  auto const by_uuid = function<int(char const*, Device*)>("nvmlDeviceGetHandleByUUID");
  Device device = nullptr;
  if (!is_ready_ || by_uuid == nullptr || by_uuid(uuid.c_str(), &device) != 0) return nullptr;
  return device;
}

void* Nvml::symbol(char const* name) const {
  return library_ == nullptr ? nullptr : ::dlsym(library_, name);
}

}  // namespace ditbatch
