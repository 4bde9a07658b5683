#include "core/process_age.hpp"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace ditbatch {

std::optional<long long> process_begin_ticks(pid_t process) {
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(process) + "/stat"), text);
  // The second field is the program's name in brackets and may hold anything; the state is the
  // third, the start, in ticks since boot, the 22nd (proc(5)).
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field, state;
  fields >> state;
  for (int number = 4; number <= 22; ++number) fields >> field;
  if (!fields || state == "Z" || state == "X") return std::nullopt;
  return std::stoll(field);
}

double process_age_s() {
  std::optional<long long> const begin_ticks = process_begin_ticks(::getpid());
  if (!begin_ticks) return 0;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  double const since_boot_s =
      static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  return since_boot_s -
         static_cast<double>(*begin_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace ditbatch
