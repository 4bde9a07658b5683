#include "doctor/xid.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <regex>
#include <set>

namespace ditbatch {

namespace {

// Double-bit ECC, page retirement and row remapping (48, 63 means a mended row, 64 a failed one),
// NVLink (74), off the bus (79), uncontained memory errors (95), GSP (119, 120), memory (140).
std::set<int> const of_hardware{48, 64, 74, 79, 95, 119, 120, 140};

}  // namespace

std::vector<Xid> hardware_xids(std::vector<std::string> const& records,
                               std::string const& pci_bus_id, double uptime_s) {
  static std::regex const line(
      R"(^\d+,\d+,(\d+),[^;]*;(NVRM: Xid \(PCI:([0-9a-fA-F:]+)\): (\d+),.*))");
  std::vector<Xid> found;
  for (std::string const& record : records) {
    std::smatch parts;
    std::string const first = record.substr(0, record.find('\n'));
    if (!std::regex_match(first, parts, line) || parts[3].str() != pci_bus_id) continue;
    int const number = std::atoi(parts[4].str().c_str());
    if (of_hardware.contains(number))
      found.push_back({number, uptime_s - std::atof(parts[1].str().c_str()) / 1e6, parts[2].str()});
  }
  return found;
}

std::vector<std::string> read_kernel_log() {
  std::vector<std::string> records;
  int const file = ::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return records;
  std::array<char, 8192> buffer{};
  while (true) {
    ssize_t const size = ::read(file, buffer.data(), buffer.size());  // one record a call
    if (size > 0) {
      records.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EPIPE) {  // EPIPE: the record was overwritten meanwhile
      break;
    }
  }
  ::close(file);
  return records;
}

}  // namespace ditbatch
