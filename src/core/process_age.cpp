#include "core/process_age.hpp"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace ditbatch {

double process_age_s() {
  std::string text;
  std::getline(std::ifstream("/proc/self/stat"), text);
  // The second field is the program's name in brackets and may hold anything; the start, in ticks
  // since boot, is the 22nd (proc(5)).
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int number = 3; number <= 22; ++number) fields >> field;
  if (!fields) return 0;
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  double const since_boot_s =
      static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  return since_boot_s - std::stod(field) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace ditbatch
