#include "manifest/record_message.hpp"

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "manifest/record_fields.hpp"

namespace ditbatch {

using nlohmann::json;

json to_json(ImageRecord const& record) {
  json made = fields_json(record, EmptySecond::keep);
  made["id"] = record.id;
  made["index"] = record.index;
  made["line"] = record.line;
  return made;
}

ImageRecord record_from_json(json const& message) {
  ImageRecord record;
  take_fields(message, record);
  record.id = message.at("id");
  record.index = message.at("index");
  record.line = message.at("line");
  return record;
}

std::string params_json(ImageRecord const& record) {
  json made = fields_json(record, EmptySecond::keep);
  // What has a column of its own as it is written in the manifest.
  for (char const* name : {"prompt", "prompt_2", "negative_prompt", "tags", "metadata"})
    made.erase(name);
  made["has_negative_prompt"] = record.negative_prompt.has_value();
  return to_text(made);
}

}  // namespace ditbatch
