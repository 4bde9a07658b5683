#include "core/json_text.hpp"

#include <nlohmann/json.hpp>

#include "core/read_text_file.hpp"

namespace ditbatch {

using nlohmann::json;

std::string to_text(json const& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json json_of(std::string_view text) { return json::parse(text); }

json json_or_discarded(std::string_view text) { return json::parse(text, nullptr, false); }

json json_file_or_discarded(std::string const& path) {
  return json_or_discarded(read_text_if_any(path));
}

}  // namespace ditbatch
