#include "core/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace ditbatch {

namespace {

spdlog::logger& logger() {
  static auto const instance = [] {
    auto made = std::make_shared<spdlog::logger>("ditbatch",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%H:%M:%S %^%l%$ %v");
    return made;
  }();
  return *instance;
}

}  // namespace

void set_log_identity(int rank, LogVolume volume) {
  logger().set_pattern("%H:%M:%S [rank " + std::to_string(rank) + "] %l %v");
  logger().set_level(volume == LogVolume::quiet ? spdlog::level::warn : spdlog::level::info);
}

void log_info(std::string const& message) { logger().info(message); }
void log_warning(std::string const& message) { logger().warn(message); }
void log_error(std::string const& message) { logger().error(message); }

}  // namespace ditbatch
