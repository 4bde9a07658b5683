#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "queue/work_ledger.hpp"

namespace ditbatch {

/// Leases as JSON, within an answer of the work server, and back: loses nothing.
[[nodiscard]] nlohmann::json to_json(std::vector<Lease> const& leases);
[[nodiscard]] std::vector<Lease> leases_from_json(nlohmann::json const& list);

/// Leases as one text that travels between ranks, and back: loses nothing.
[[nodiscard]] std::string to_message(std::vector<Lease> const& leases);
[[nodiscard]] std::vector<Lease> leases_from_message(std::string const& message);

}  // namespace ditbatch
