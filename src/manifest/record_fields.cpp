#include "manifest/record_fields.hpp"

#include <nlohmann/json.hpp>

namespace ditbatch {

using nlohmann::json;

namespace {

// The visitor of visit_fields() that writes.
class FieldWriter {
 public:
  explicit FieldWriter(EmptySecond empty_second) : empty_second_(empty_second) {}
  void text(char const* name, std::string const& value) { made[name] = value; }
  void optional_text(char const* name, std::optional<std::string> const& value) {
    made[name] = value ? json(*value) : json(nullptr);
  }
  void second_text(char const* name, std::optional<std::string> const& value) {
    bool const is_none = value && value->empty() && empty_second_ == EmptySecond::none;
    optional_text(name, is_none ? std::nullopt : value);
  }
  void seed(char const* name, std::uint64_t value) { made[name] = value; }
  void side(char const* name, std::int64_t value, std::int64_t, std::int64_t) {
    made[name] = value;
  }
  void integer(char const* name, std::int64_t value, std::int64_t, std::int64_t) {
    made[name] = value;
  }
  void text_tokens(char const* name, std::int64_t value, std::int64_t, std::int64_t) {
    made[name] = value;
  }
  void number(char const* name, double value, double, double) { made[name] = value; }
  void scheduler(char const* name, std::string const& value) { made[name] = value; }
  void tags(char const* name, std::vector<std::string> const& value) { made[name] = value; }
  void json_text(char const* name, std::string const& value) { made[name] = value; }

  json made = json::object();

 private:
  EmptySecond empty_second_;
};

// The visitor that reads what FieldWriter wrote.
class FieldTaker {
 public:
  explicit FieldTaker(json const& fields) : fields_(fields) {}
  void text(char const* name, std::string& value) { take(name, value); }
  void optional_text(char const* name, std::optional<std::string>& value) {
    auto const found = fields_.find(name);
    if (found == fields_.end()) return;
    value = found->is_null() ? std::nullopt
                             : std::optional<std::string>(found->template get<std::string>());
  }
  void second_text(char const* name, std::optional<std::string>& value) {
    optional_text(name, value);
  }
  void seed(char const* name, std::uint64_t& value) { take(name, value); }
  void side(char const* name, std::int64_t& value, std::int64_t, std::int64_t) {
    take(name, value);
  }
  void integer(char const* name, std::int64_t& value, std::int64_t, std::int64_t) {
    take(name, value);
  }
  void text_tokens(char const* name, std::int64_t& value, std::int64_t, std::int64_t) {
    take(name, value);
  }
  void number(char const* name, double& value, double, double) { take(name, value); }
  void scheduler(char const* name, std::string& value) { take(name, value); }
  void tags(char const* name, std::vector<std::string>& value) { take(name, value); }
  void json_text(char const* name, std::string& value) { take(name, value); }

 private:
  template <class Value>
  void take(char const* name, Value& value) {
    if (auto const found = fields_.find(name); found != fields_.end())
      value = found->template get<Value>();
  }
  json const& fields_;
};

}  // namespace

json fields_json(ImageRecord const& record, EmptySecond empty_second) {
  FieldWriter writer(empty_second);
  visit_fields(writer, record);
  return std::move(writer.made);
}

void take_fields(json const& fields, ImageRecord& record) {
  FieldTaker taker(fields);
  visit_fields(taker, record);
}

json sampling_json(Sampling const& sampling) {
  FieldWriter writer(EmptySecond::keep);
  visit_sampling(writer, sampling);
  return std::move(writer.made);
}

void take_sampling(json const& fields, Sampling& sampling) {
  FieldTaker taker(fields);
  visit_sampling(taker, sampling);
}

}  // namespace ditbatch
