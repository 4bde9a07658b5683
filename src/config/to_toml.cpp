#include <array>
#include <charconv>

#include "config/config_keys.hpp"
#include "config/config_tables.hpp"
#include "config/load_run_config.hpp"
#include "config/quantities.hpp"

namespace ditbatch {

namespace {

using config::Choice;
using config::quoted_toml;
using config::shortest_text;

// TOML tells 3 from 3.0.
std::string number_text(double value) {
  std::string const text = shortest_text(value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// Limits have no exponent.
std::string fixed_text(double value) {
  std::array<char, 400> text{};
  auto const [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return {text.data(), error == std::errc() ? end : text.data()};
}

template <class Item, class Text>
std::string list_of(std::vector<Item> const& items, Text const& text_of) {
  std::string list;
  for (Item const& item : items) list += (list.empty() ? "" : ", ") + text_of(item);
  return "[" + list + "]";
}

// The visitor of visit_keys() that writes: each key with its value, and what it may be.
class ConfigWriter {
 public:
  void table(Term const& term) { tables.push_back({term, {}}); }
  void text(Term const& key, std::string const& value) { add(key, "text", quoted_toml(value)); }
  void path(Term const& key, std::string const& value) { add(key, "path", quoted_toml(value)); }
  void required_path(Term const& key, std::string const& value) {
    add(key, "path, required", quoted_toml(value));
  }
  void flag(Term const& key, bool const& value) {
    add(key, "true, false", value ? "true" : "false");
  }
  void number(Term const& key, double value, double least, double most) {
    add(key, config::number_range(least, most), number_text(value));
  }
  template <class Integer>
  void integer(Term const& key, Integer value, std::int64_t least, std::int64_t most) {
    add(key, config::whole_number_range(least, most), std::to_string(value));
  }
  void side(Term const& key, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(key, value, least, most);
  }
  void text_tokens(Term const& key, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(key, value, least, most);
  }
  void integer_or_auto(Term const& key, std::optional<int> const& value, std::int64_t least,
                       std::int64_t most) {
    add(key, "\"auto\", " + config::whole_number_range(least, most),
        value ? std::to_string(*value) : "\"auto\"");
  }
  template <class Enum, std::size_t N>
  void choice(Term const& key, Enum value, std::array<Choice<Enum>, N> const& choices) {
    std::string names;
    std::string chosen;
    for (auto const& each : choices) {
      std::string const name = quoted_toml(each.name);
      names += (names.empty() ? "" : ", ") + name;
      if (each.value == value) chosen = name;
    }
    add(key, names, chosen);
  }
  void size(Term const& key, std::uint64_t value) {
    add(key, "whole number, or \"2GiB\"", std::to_string(value));
  }
  void limit(Term const& key, RecordLimit const& value) {
    bool const is_share = value.unit == RecordLimit::Unit::percent;
    add(key, "whole number, or \"0.1%\" of all",
        is_share ? quoted_toml(fixed_text(value.value) + "%") : fixed_text(value.value));
  }
  void scheduler(Term const& key, std::string const& value) {
    add(key, "\"auto\"", quoted_toml(value));
  }
  void loras(Term const& key, std::vector<LoraConfig> const& value) {
    add(key, "[]", list_of(value, [](LoraConfig const& lora) {
          return "{ path = " + quoted_toml(lora.path) + ", scale = " + number_text(lora.scale) +
                 " }";
        }));
  }
  // An empty list of these is none that can be read: without value.
  void layouts(Term const& key, std::vector<BenchLayout> const& value) {
    std::string const list = list_of(value, [](BenchLayout const& layout) {
      std::string keys;
      for (TermEntry const& entry : layout_entries(layout))
        keys += (keys.empty() ? "" : ", ") + line_of(entry);
      return "{ " + keys + " }";
    });
    add(key, "list of tables", value.empty() ? "" : list);
  }
  void sizes(Term const& key, std::vector<ImageSize> const& value) {
    std::string const list = list_of(value, [](ImageSize const& size) {
      return quoted_toml(std::to_string(size.width_px) + "x" + std::to_string(size.height_px));
    });
    add(key, "list of texts", value.empty() ? "" : list);
  }
  void integers(Term const& key, std::vector<int> const& value, std::int64_t least,
                std::int64_t most) {
    add(key, "list of " + config::whole_number_range(least, most),
        list_of(value, [](int number) { return std::to_string(number); }));
  }

  static std::vector<TermEntry> layout_entries(BenchLayout const& layout) {
    ConfigWriter inner;
    inner.tables.push_back({Term("layouts", v0_1, "as a table of its own"), {}});
    config::visit_layout(inner, layout);
    return inner.tables.front().keys;
  }
  static std::string line_of(TermEntry const& entry) {
    return std::string(entry.term.name()) + " = " + entry.initial;
  }

  std::vector<ConfigTable> tables;

 private:
  void add(Term const& key, std::string values, std::string value) {
    tables.back().keys.push_back({key, std::move(values), std::move(value)});
  }
};

}  // namespace

std::string dtype_name(Dtype dtype) {
  for (auto const& choice : config::dtypes) {
    if (choice.value == dtype) return std::string(choice.name);
  }
  return "";
}

std::string to_toml(RunConfig const& config) {
  std::string text;
  for (ConfigTable const& table : config_tables(config)) {
    std::string const name = table.term.name();
    text += (text.empty() ? "[" : "\n[") + name + "]\n";
    for (TermEntry const& entry : table.keys) {
      // What [sampling] does not say is the model's.
      bool const is_said = name != "sampling" || config.is_set(name + "." + entry.term.name());
      if (is_said && !entry.initial.empty()) text += ConfigWriter::line_of(entry) + "\n";
    }
  }
  return text;
}

std::vector<ConfigTable> config_tables(RunConfig const& config) {
  ConfigWriter writer;
  config::visit_keys(writer, config);
  return writer.tables;
}

std::vector<TermEntry> layout_entries(BenchLayout const& layout) {
  return ConfigWriter::layout_entries(layout);
}

}  // namespace ditbatch
