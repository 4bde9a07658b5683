#include "run/allocation_end.hpp"

#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/log.hpp"

namespace ditbatch {

namespace {

std::string variable(char const* name) {
  char const* value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_number(std::string const& text) {
  for (char const c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return false;
  }
  return !text.empty();
}

// A task of an array by its own name: the SLURM_JOB_ID of the last one is that of the whole array.
std::string job_name() {
  std::string const array = variable("SLURM_ARRAY_JOB_ID");
  std::string const task = variable("SLURM_ARRAY_TASK_ID");
  if (is_number(array) && is_number(task)) return array + "_" + task;
  return variable("SLURM_JOB_ID");
}

// Seconds since 1970, whatever the time zone; "NONE" or "N/A" where there is no limit. The
// environment's own time format would be the user's.
std::string ask_squeue(std::string const& job) {
  std::string const command =
      "SLURM_TIME_FORMAT=%s timeout 30 squeue --noheader --format=%e --jobs=" + job +
      " 2>/dev/null";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 64> line{};
  std::string const answer =
      std::fgets(line.data(), line.size(), pipe) != nullptr ? line.data() : "";
  ::pclose(pipe);
  return answer.substr(0, answer.find_first_of(" \n"));
}

}  // namespace

std::optional<double> allocation_end_unix_s() {
  std::string end = variable("SLURM_JOB_END_TIME");
  if (end.empty() && is_number(variable("SLURM_JOB_ID"))) {
    end = ask_squeue(job_name());
    if (end.empty()) log_warning("squeue does not say when the allocation ends (no answer)");
  }
  if (!is_number(end)) return std::nullopt;
  return std::strtod(end.c_str(), nullptr);
}

}  // namespace ditbatch
