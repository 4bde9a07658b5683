#include "queue/lease_message.hpp"

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "manifest/record_message.hpp"

namespace ditbatch {

using nlohmann::json;

json to_json(std::vector<Lease> const& leases) {
  json list = json::array();
  for (Lease const& lease : leases) {
    list.push_back({{"record", to_json(lease.record)},
                    {"epoch", lease.epoch},
                    {"attempt", lease.attempt},
                    {"cost", lease.cost}});
  }
  return list;
}

std::vector<Lease> leases_from_json(json const& list) {
  std::vector<Lease> leases;
  for (json const& each : list) {
    leases.push_back({record_from_json(each.at("record")), each.at("epoch"), each.at("attempt"),
                      each.at("cost")});
  }
  return leases;
}

std::string to_message(std::vector<Lease> const& leases) { return to_text(to_json(leases)); }

std::vector<Lease> leases_from_message(std::string const& message) {
  return leases_from_json(json_of(message));
}

}  // namespace ditbatch
