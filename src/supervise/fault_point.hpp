#pragma once

#include <string>

namespace ditbatch {

/// Called where a phase of a rank begins. The program does nothing here (no_faults.cpp); the tests
/// link another definition, which stops, kills or throws at the place that they name. record_ids:
/// as in PhaseWork.
void fault_point(char const* phase, std::string const& record_ids);

}  // namespace ditbatch
