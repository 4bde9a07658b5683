#include "run/record_row.hpp"

#include <nlohmann/json.hpp>

#include "manifest/record_message.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// A visitor of visit_columns() that takes what a JSON object has under a column's name.
class ColumnTaker {
 public:
  explicit ColumnTaker(json const& fields) : fields_(fields) {}
  void text(char const* name, std::string& column) {
    json const* const field = find(name);
    if (field == nullptr) return;
    column = field->is_null()     ? ""
             : field->is_string() ? field->get<std::string>()
                                  : field->dump();  // tags: a JSON list
  }
  template <class Number>
  void number(char const* name, Number& column) {
    if (json const* const field = find(name)) column = field->get<Number>();
  }
  template <class Other>
  void digest(char const*, Other&) {}
  template <class Other>
  void counts(char const*, Other&) {}
  template <class Other>
  void phases(char const*, Other&) {}
  template <class Other>
  void floats(char const*, Other&) {}

 private:
  [[nodiscard]] json const* find(char const* name) const {
    auto const found = fields_.find(name);
    return found == fields_.end() ? nullptr : &*found;
  }
  json const& fields_;
};

}  // namespace

void take_record(ImageRecord const& record, ShardRow& row) {
  visit_columns(row, ColumnTaker(to_json(record)));
  row.params = params_json(record);
}

}  // namespace ditbatch
