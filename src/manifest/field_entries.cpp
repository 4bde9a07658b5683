#include "manifest/field_entries.hpp"

#include <algorithm>

#include "config/quantities.hpp"
#include "manifest/image_record.hpp"

namespace ditbatch {

namespace {

// The visitor of visit_line() that tells what each field may be.
struct FieldLister {
  std::vector<TermEntry> entries;
  void id(Term const& name, std::string const&) { add(name, "text, required", ""); }
  void text(Term const& name, std::string const&) { add(name, "text, required", ""); }
  void optional_text(Term const& name, std::optional<std::string> const&) { add(name, "text", ""); }
  void second_text(Term const& name, std::optional<std::string> const&) { add(name, "text", ""); }
  void seed(Term const& name, std::uint64_t) { add(name, "whole number below 2^64", ""); }
  void integer(Term const& name, std::int64_t value, std::int64_t least, std::int64_t most) {
    add(name, config::whole_number_range(least, most), std::to_string(value));
  }
  void side(Term const& name, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(name, value, least, most);
  }
  void text_tokens(Term const& name, std::int64_t value, std::int64_t least, std::int64_t most) {
    integer(name, value, least, most);
  }
  void number(Term const& name, double value, double least, double most) {
    add(name, config::number_range(least, most), config::shortest_text(value));
  }
  void scheduler(Term const& name, std::string const& value) {
    add(name, "\"auto\"", config::quoted_toml(value));
  }
  void tags(Term const& name, std::vector<std::string> const&) { add(name, "list of texts", "[]"); }
  void json_text(Term const& name, std::string const& value) { add(name, "any JSON", value); }
  void refused(Term const& name) { add(name, "absent", ""); }
  void add(Term const& name, std::string values, std::string initial) {
    entries.push_back({name, std::move(values), std::move(initial)});
  }
};

struct Line {
  ImageRecord record;
  std::int64_t images = 1;
};

}  // namespace

std::vector<TermEntry> field_entries() {
  FieldLister all;
  Line line;
  visit_line(all, line);
  // Those that [sampling] has, too, are what it says.
  FieldLister sampling;
  visit_sampling(sampling, line.record);
  for (TermEntry& entry : all.entries) {
    std::string const name = entry.term.name();
    if (std::any_of(sampling.entries.begin(), sampling.entries.end(),
                    [&](TermEntry const& other) { return other.term.name() == name; }))
      entry.initial = "[sampling] " + name;
  }
  return all.entries;
}

}  // namespace ditbatch
