#include "families/work_shape.hpp"

#include <nlohmann/json.hpp>

#include "core/json_text.hpp"
#include "manifest/record_fields.hpp"

namespace ditbatch {

std::string bucket_of(ImageRecord const& record, int branches,
                      std::span<std::string_view const> per_image) {
  nlohmann::json fields = fields_json(record, EmptySecond::none);
  for (std::string_view const name : per_image) fields.erase(std::string(name));
  fields["branches"] = branches;
  return to_text(fields);
}

}  // namespace ditbatch
