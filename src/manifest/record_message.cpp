#include "manifest/record_message.hpp"

#include <nlohmann/json.hpp>

namespace ditbatch {

using nlohmann::json;

namespace {

json optional_json(std::optional<std::string> const& text) {
  return text ? json(*text) : json(nullptr);
}

std::optional<std::string> optional_text(json const& value) {
  return value.is_null() ? std::nullopt : std::optional<std::string>(value.get<std::string>());
}

json params(ImageRecord const& record) {
  return {{"seed", record.seed},
          {"width", record.width_px},
          {"height", record.height_px},
          {"steps", record.steps},
          {"guidance_scale", record.guidance_scale},
          {"true_cfg_scale", record.true_cfg_scale},
          {"max_sequence_length", record.max_sequence_length},
          {"scheduler", record.scheduler}};
}

// As in diffusers an empty second prompt is the same as none.
json second_prompt(std::optional<std::string> const& text) {
  return text && !text->empty() ? json(*text) : json(nullptr);
}

json identity(ImageRecord const& record) {
  json made = params(record);
  made["id"] = record.id;
  made["index"] = record.index;
  made["prompt"] = record.prompt;
  made["prompt_2"] = second_prompt(record.prompt_2);
  made["negative_prompt"] = optional_json(record.negative_prompt);
  made["negative_prompt_2"] = second_prompt(record.negative_prompt_2);
  return made;
}

}  // namespace

std::string to_message(ImageRecord const& record) {
  json made = identity(record);
  made["prompt_2"] = optional_json(record.prompt_2);
  made["negative_prompt_2"] = optional_json(record.negative_prompt_2);
  made["tags"] = record.tags;
  made["metadata"] = record.metadata;
  made["line"] = record.line;
  return made.dump();
}

ImageRecord record_from_message(std::string const& message) {
  json const parsed = json::parse(message);
  ImageRecord record;
  record.id = parsed.at("id");
  record.index = parsed.at("index");
  record.prompt = parsed.at("prompt");
  record.prompt_2 = optional_text(parsed.at("prompt_2"));
  record.negative_prompt = optional_text(parsed.at("negative_prompt"));
  record.negative_prompt_2 = optional_text(parsed.at("negative_prompt_2"));
  record.seed = parsed.at("seed");
  record.width_px = parsed.at("width");
  record.height_px = parsed.at("height");
  record.steps = parsed.at("steps");
  record.guidance_scale = parsed.at("guidance_scale");
  record.true_cfg_scale = parsed.at("true_cfg_scale");
  record.max_sequence_length = parsed.at("max_sequence_length");
  record.scheduler = parsed.at("scheduler");
  record.tags = parsed.at("tags").get<std::vector<std::string>>();
  record.metadata = parsed.at("metadata");
  record.line = parsed.at("line");
  return record;
}

std::string params_json(ImageRecord const& record) {
  json made = params(record);
  made["negative_prompt_2"] = optional_json(record.negative_prompt_2);
  made["has_negative_prompt"] = record.negative_prompt.has_value();
  return made.dump();
}

Sha256Digest record_sha256(ImageRecord const& record, Sha256Digest const& checkpoint_id) {
  return Sha256()
      .update("ditbatch record 1\n")
      .update(identity(record).dump())
      .update("\n")
      .update(checkpoint_id.data(), checkpoint_id.size())
      .finish();
}

std::string record_name(ImageRecord const& record) {
  return record.id + "[" + std::to_string(record.index) + "]";
}

}  // namespace ditbatch
