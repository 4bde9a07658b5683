#pragma once

#include <string>
#include <utility>

#include "core/error.hpp"

namespace ditbatch {

/// An error that is about a host, perhaps another than the one where it is thrown.
class HostError : public Error {
 public:
  HostError(ExitCode code, std::string const& message, std::string host)
      : Error(code, message), host_(std::move(host)) {}
  [[nodiscard]] std::string const& host() const noexcept { return host_; }

 private:
  std::string host_;
};

}  // namespace ditbatch
