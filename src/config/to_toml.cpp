#include <array>
#include <charconv>

#include "config/config_keys.hpp"
#include "config/load_run_config.hpp"
#include "config/quantities.hpp"

namespace ditbatch {

namespace {

using config::Choice;
using config::quoted_toml;
using config::shortest_text;

// The visitor of visit_keys() that writes.
class ConfigWriter {
 public:
  /// Values of [sampling] that `config` does not set are the model's, and not written.
  explicit ConfigWriter(RunConfig const& config) : config_(config) {}
  void table(char const* name) {
    table_ = name;
    out += std::string(out.empty() ? "" : "\n") + "[" + name + "]\n";
  }
  void text(char const* key, std::string const& value) { line(key, quoted_toml(value)); }
  void path(char const* key, std::string const& value) { text(key, value); }
  void required_path(char const* key, std::string const& value) { text(key, value); }
  void flag(char const* key, bool const& value) { line(key, value ? "true" : "false"); }
  void number(char const* key, double value, double /*least*/, double /*most*/) {
    line(key, number_text(value));
  }
  template <class Integer>
  void integer(char const* key, Integer value, std::int64_t /*least*/, std::int64_t /*most*/) {
    line(key, std::to_string(value));
  }
  void side(char const* key, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(key, value, least, most);
  }
  void text_tokens(char const* key, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(key, value, least, most);
  }
  void integer_or_auto(char const* key, std::optional<int> const& value, std::int64_t /*least*/,
                       std::int64_t /*most*/) {
    line(key, value ? std::to_string(*value) : "\"auto\"");
  }
  template <class Enum, std::size_t N>
  void choice(char const* key, Enum value, std::array<Choice<Enum>, N> const& choices) {
    for (auto const& each : choices) {
      if (each.value == value) text(key, std::string(each.name));
    }
  }
  void size(char const* key, std::uint64_t value) { line(key, std::to_string(value)); }
  void limit(char const* key, RecordLimit const& value) {
    bool const is_share = value.unit == RecordLimit::Unit::percent;
    line(key, is_share ? quoted_toml(fixed_text(value.value) + "%") : fixed_text(value.value));
  }
  void scheduler(char const* key, std::string const& value) { text(key, value); }
  void loras(char const* key, std::vector<LoraConfig> const& value) {
    std::string list;
    for (LoraConfig const& lora : value) {
      list += (list.empty() ? "{ path = " : ", { path = ") + quoted_toml(lora.path) +
              ", scale = " + number_text(lora.scale) + " }";
    }
    line(key, "[" + list + "]");
  }
  void layouts(char const* key, std::vector<BenchLayout> const& value) {
    if (value.empty()) return;  // an empty list is none that can be read
    line(key, list_of(value, [this](BenchLayout const& layout) {
           ConfigWriter inner(config_);
           config::visit_layout(inner, layout);
           std::string text = inner.out;
           text.pop_back();  // one key a line -> one layout a line
           for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;)
             text.replace(at, 1, ", ");
           return "{ " + text + " }";
         }));
  }
  void sizes(char const* key, std::vector<ImageSize> const& value) {
    if (value.empty()) return;
    line(key, list_of(value, [](ImageSize const& size) {
           return quoted_toml(std::to_string(size.width_px) + "x" + std::to_string(size.height_px));
         }));
  }
  void integers(char const* key, std::vector<int> const& value, std::int64_t /*least*/,
                std::int64_t /*most*/) {
    line(key, list_of(value, [](int number) { return std::to_string(number); }));
  }

  std::string out;

 private:
  template <class Item, class Text>
  static std::string list_of(std::vector<Item> const& items, Text const& text_of) {
    std::string list;
    for (Item const& item : items) list += (list.empty() ? "" : ", ") + text_of(item);
    return "[" + list + "]";
  }
  void line(char const* key, std::string const& value) {
    if (table_ == "sampling" && !config_.is_set(table_ + "." + key)) return;
    out += std::string(key) + " = " + value + "\n";
  }
  // TOML tells 3 from 3.0.
  static std::string number_text(double value) {
    std::string const text = shortest_text(value);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  }
  // Limits have no exponent.
  static std::string fixed_text(double value) {
    std::array<char, 400> text{};
    auto const [end, error] =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    return {text.data(), error == std::errc() ? end : text.data()};
  }

  RunConfig const& config_;
  std::string table_;
};

}  // namespace

std::string dtype_name(Dtype dtype) {
  for (auto const& choice : config::dtypes) {
    if (choice.value == dtype) return std::string(choice.name);
  }
  return "";
}

std::string to_toml(RunConfig const& config) {
  ConfigWriter writer(config);
  config::visit_keys(writer, config);
  return writer.out;
}

}  // namespace ditbatch
