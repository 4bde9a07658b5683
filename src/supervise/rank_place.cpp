#include "supervise/rank_place.hpp"

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"

namespace ditbatch {

using nlohmann::json;

std::string to_message(RankPlace const& place) {
  return to_text(json{{"rank", place.rank},
                      {"replica", place.replica},
                      {"host", place.host},
                      {"device", place.device},
                      {"gpu_uuid", place.gpu_uuid},
                      {"driver", place.driver}});
}

RankPlace rank_place_from_message(std::string const& message) {
  json const parsed = json_of(message);
  return {parsed.at("rank"),   parsed.at("replica"),  parsed.at("host"),
          parsed.at("device"), parsed.at("gpu_uuid"), parsed.at("driver")};
}

}  // namespace ditbatch
