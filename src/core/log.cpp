#include "core/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "core/error.hpp"
#include "core/say.hpp"

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
  logger().sinks().front()->set_level(volume == LogVolume::quiet ? spdlog::level::warn
                                                                 : spdlog::level::info);
}

void log_to_file(std::string const& path) {
  try {
    auto const file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    file->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    logger().sinks().push_back(file);
    logger().flush_on(spdlog::level::info);
  } catch (spdlog::spdlog_ex const& error) {
    throw Error(ExitCode::io,
                path + ": cannot be made (" + error.what() + ") check space and permissions");
  }
}

void log_info(std::string const& message) { logger().info(without_controls(message)); }
void log_warning(std::string const& message) { logger().warn(without_controls(message)); }
void log_error(std::string const& message) { logger().error(without_controls(message)); }

}  // namespace ditbatch
