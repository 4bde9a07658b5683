#include "manifest/record_identity.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "manifest/record_fields.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// What a user can see in the image, or looks it up by.
json asked_of(ImageRecord const& record) {
  json asked = fields_json(record, EmptySecond::none);
  asked.erase("tags");
  asked.erase("metadata");
  return asked;
}

// All fields that there were when version 1 was made.
constexpr std::array fields_of_version_1{
    "prompt",         "prompt_2",       "negative_prompt", "negative_prompt_2",
    "seed",           "width",          "height",          "steps",
    "guidance_scale", "true_cfg_scale", "scheduler",       "max_sequence_length"};

json without_neutral_fields(json asked) {
  static json const neutral = asked_of({});
  for (auto const& [name, value] : neutral.items()) {
    if (asked.at(name) == value) asked.erase(name);
  }
  return asked;
}

json identity_of(ImageRecord const& record, ModelIdentity const& model, int version,
                 std::string const& method) {
  json const asked = asked_of(record);
  json made = without_neutral_fields(asked);
  if (version == 1) {
    for (char const* name : fields_of_version_1) made[name] = asked.at(name);
  } else {
    made["dtype"] = model.dtypes;
  }
  made["id"] = record.id;
  made["index"] = record.index;
  if (!method.empty()) made["method"] = method;
  return made;
}

}  // namespace

Sha256Digest record_sha256(ImageRecord const& record, ModelIdentity const& model, int version,
                           std::string const& method) {
  ensure(version >= 1 && version <= newest_identity, "the version of an identity is known");
  return Sha256()
      .update("ditbatch record " + std::to_string(version) + "\n")
      .update(to_text(identity_of(record, model, version, method)))
      .update("\n")
      .update(model.checkpoint_id.data(), model.checkpoint_id.size())
      .finish();
}

}  // namespace ditbatch
