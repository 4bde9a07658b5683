#pragma once

#include <functional>

// In a program that is linked with broken_writes.cpp, one of the calls that change a file (pwrite,
// ftruncate, fsync, unlink; those of HDF5 among them) is the last one that works.

namespace ditbatch::test {

enum class Fault {
  kill_before,  // SIGKILL; nothing of the call happens
  kill_within,  // SIGKILL; half of the bytes of a pwrite get into the file
  full_disk,    // this call and all that follow fail with ENOSPC
};

/// From now on the call with this number, from 0 on, meets the fault.
void break_write(int number, Fault fault);
void mend_writes();

/// Runs `work` in a child, which a fault may kill. -> whether it came to its end; throws if it
/// ended in another way.
[[nodiscard]] bool survives(std::function<void()> const& work);

}  // namespace ditbatch::test
