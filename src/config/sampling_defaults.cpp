#include <map>
#include <string>
#include <variant>

#include "config/load_run_config.hpp"

namespace ditbatch {

namespace {

using Value = std::variant<std::int64_t, double, std::string>;

// A visitor of visit_sampling() that calls a function with each name and value.
template <class Function>
struct EachField {
  Function call;
  template <class Integer>
  void integer(char const* name, Integer& value, std::int64_t, std::int64_t) {
    call(name, value);
  }
  template <class Integer>
  void side(char const* name, Integer& value, std::int64_t, std::int64_t) {
    call(name, value);
  }
  template <class Integer>
  void text_tokens(char const* name, Integer& value, std::int64_t, std::int64_t) {
    call(name, value);
  }
  template <class Number>
  void number(char const* name, Number& value, double, double) {
    call(name, value);
  }
  template <class Text>
  void scheduler(char const* name, Text& value) {
    call(name, value);
  }
};

}  // namespace

RunConfig with_sampling_defaults(RunConfig config, Sampling const& defaults) {
  std::map<std::string, Value> values;
  EachField collect{[&](char const* name, auto const& value) { values[name] = value; }};
  visit_sampling(collect, defaults);
  EachField fill{[&]<class Target>(char const* name, Target& target) {
    auto const [place, is_default] =
        config.set_at.try_emplace(std::string("sampling.") + name, Position{config.config_path});
    if (is_default) target = std::get<Target>(values.at(name));
  }};
  visit_sampling(fill, config.sampling);
  return config;
}

}  // namespace ditbatch
