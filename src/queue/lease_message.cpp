#include "queue/lease_message.hpp"

#include <nlohmann/json.hpp>

#include "manifest/record_message.hpp"

namespace ditbatch {

using nlohmann::json;

std::string to_message(std::vector<Lease> const& leases) {
  json list = json::array();
  for (Lease const& lease : leases) {
    list.push_back({{"record", to_json(lease.record)},
                    {"epoch", lease.epoch},
                    {"attempt", lease.attempt},
                    {"cost", lease.cost}});
  }
  return list.dump();
}

std::vector<Lease> leases_from_message(std::string const& message) {
  std::vector<Lease> leases;
  for (json const& each : json::parse(message)) {
    leases.push_back({record_from_json(each.at("record")), each.at("epoch"), each.at("attempt"),
                      each.at("cost")});
  }
  return leases;
}

}  // namespace ditbatch
