#pragma once

#include <string>
#include <vector>

namespace ditbatch {

/// An error that the NVIDIA driver reported to the kernel's log.
struct Xid {
  int number = 0;
  double age_s = 0;
  std::string text;  // the log's line
};

/// The Xids of one GPU that tell of broken hardware (NVIDIA's list of Xid errors: memory, NVLink,
/// the bus, the GPU's own firmware); those of a program's own faults are left out.
/// `records` are /dev/kmsg's: "priority,sequence,microseconds since boot,flags;text".
/// `pci_bus_id` is "0000:1b:00", domain, bus and device.
[[nodiscard]] std::vector<Xid> hardware_xids(std::vector<std::string> const& records,
                                             std::string const& pci_bus_id, double uptime_s);

/// /dev/kmsg's records up to now; empty where this user may not read them.
[[nodiscard]] std::vector<std::string> read_kernel_log();

}  // namespace ditbatch
