#include "manifest/record_reader.hpp"

#include <algorithm>
#include <cmath>

#include "manifest/other_names.hpp"

namespace ditbatch::manifest {

namespace {

// In a name like this no report and no file name can go wrong.
bool is_good_id(std::string_view id) {
  auto const is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !id.empty() && id.size() <= 128 && id != "." && id != ".." &&
         std::all_of(id.begin(), id.end(), is_good);
}

std::string as_written(LineValue const& value) { return "is " + in_quotes(value.source); }

std::string needs_text(LineValue const& value) {
  return as_written(value) + (value.kind == LineValue::Kind::null
                                  ? " (each record needs a text) write one, it may be empty"
                                  : " (a text is needed) put it in quotes");
}

// A whole number, as tables with empty cells write it: 7.0.
bool is_whole(LineValue const& value) {
  return value.kind == LineValue::Kind::number && value.number == std::floor(value.number);
}

std::string whole_text(double value) { return std::to_string(static_cast<std::int64_t>(value)); }

}  // namespace

void CappedProblems::add(Position where, std::string field, std::string text) {
  if (left_ == 0) {
    ++dropped_;
    return;
  }
  --left_;
  problems_.add(std::move(where), std::move(field), std::move(text));
}

RecordReader::RecordReader(LinePlace const& place, RecordRules const& rules,
                           ImageRecord const& defaults, CappedProblems& problems)
    : record(defaults), place_(place), rules_(rules), problems_(problems) {
  record.line = static_cast<std::uint32_t>(place.line);
}

void RecordReader::fault(std::size_t offset, std::string const& field, std::string const& text) {
  problems_.add({place_.file, place_.line, place_.bytes_before + offset + 1}, field, text);
  good = false;
}

void RecordReader::read(std::vector<LineField> const& fields) {
  fields_ = &fields;
  visit_line(*this, *this);
  report_repeated();
  report_unknown();
}

LineField const* RecordReader::find(char const* name) {
  known_.emplace_back(name);
  auto const found = std::find_if(fields_->begin(), fields_->end(),
                                  [&](LineField const& field) { return field.key == name; });
  // A null is a field that is not there, as tables with empty cells are exported.
  return found == fields_->end() || found->value.kind == LineValue::Kind::null ? nullptr : &*found;
}

void RecordReader::refused(char const* name) {
  if (LineField const* const field = find(name)) {
    fault(field->key_offset, field->key,
          "not supported yet (this version draws from the prompt alone) remove it");
  }
}

void RecordReader::report_repeated() {
  for (auto field = fields_->begin(); field != fields_->end(); ++field) {
    bool const repeated = std::any_of(
        fields_->begin(), field, [&](LineField const& other) { return other.key == field->key; });
    if (repeated) {
      fault(field->key_offset, field_name(field->key),
            "given twice (which of the two counts is not defined) remove one");
    }
  }
}

void RecordReader::report_unknown() {
  for (auto field = fields_->begin(); field != fields_->end(); ++field) {
    auto const is_this = [&](LineField const& other) { return other.key == field->key; };
    if (std::find(known_.begin(), known_.end(), field->key) != known_.end()) continue;
    if (std::any_of(fields_->begin(), field, is_this)) continue;  // told as repeated
    std::string const near = nearest_name(field->key, known_);
    std::string_view const own = own_name_of(field->key);
    std::string const advice = !own.empty()   ? " what other tools call so is " + in_quotes(own)
                               : near.empty() ? " put it under metadata"
                                              : " did you mean " + in_quotes(near) + "?";
    fault(field->key_offset, field_name(field->key), "unknown field (nothing reads it)" + advice);
  }
}

void RecordReader::id(char const* name, std::string& target) {
  known_.emplace_back(name);
  auto const found = std::find_if(fields_->begin(), fields_->end(),
                                  [&](LineField const& field) { return field.key == name; });
  if (found == fields_->end()) return fault(0, name, "missing (each record needs one)");
  LineValue const& value = found->value;
  id_offset = value.offset;
  if (value.kind == LineValue::Kind::text && is_good_id(value.text)) {
    target = value.text;
  } else if (value.kind == LineValue::Kind::text) {
    fault(value.offset, name,
          "is " + in_quotes(value.text) +
              " (1 to 128 of A-Z a-z 0-9 . _ - can be used, for it becomes a file name) rename it");
  } else {
    fault(value.offset, name, needs_text(value));
  }
}

void RecordReader::read_text(LineField const& field, std::string& target) {
  LineValue const& value = field.value;
  if (value.kind != LineValue::Kind::text) {
    return fault(value.offset, field.key, needs_text(value));
  }
  if (value.text.find('\0') != std::string::npos) {
    return fault(value.offset, field.key,
                 "holds a NUL character (a shard cannot store it) remove it");
  }
  target = value.text;
}

// A record without this text makes no sense: a null is not a field that is not there.
void RecordReader::text(char const* name, std::string& target) {
  known_.emplace_back(name);
  auto const found = std::find_if(fields_->begin(), fields_->end(),
                                  [&](LineField const& field) { return field.key == name; });
  if (found == fields_->end())
    return fault(0, name, "missing (each record needs one; it may be empty)");
  read_text(*found, target);
}

void RecordReader::optional_text(char const* name, std::optional<std::string>& target) {
  if (LineField const* const field = find(name)) read_text(*field, target.emplace());
}

void RecordReader::second_text(char const* name, std::optional<std::string>& target) {
  optional_text(name, target);
}

void RecordReader::seed(char const* name, std::uint64_t& target) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  LineValue const& value = field->value;
  constexpr double exact_limit = 9007199254740992;  // 2^53: above it 7.0 may mean 8
  bool const is_float = is_whole(value) && value.number >= 0 && value.number < exact_limit;
  if (is_float || (value.kind == LineValue::Kind::integer && !value.negative)) {
    target = is_float ? static_cast<std::uint64_t>(value.number) : value.magnitude;
    has_seed = true;
  } else {
    fault(value.offset, name,
          as_written(value) +
              " (must be a whole number from 0 to 18446744073709551615, without quotes)");
  }
}

void RecordReader::integer(char const* name, std::int64_t& target, std::int64_t least,
                           std::int64_t most) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  LineValue const& value = field->value;
  auto const fits = [&](auto number) {
    return number >= static_cast<decltype(number)>(least) &&
           number <= static_cast<decltype(number)>(most);
  };
  if (value.kind == LineValue::Kind::integer && !value.negative && fits(value.magnitude)) {
    target = static_cast<std::int64_t>(value.magnitude);
    return;
  }
  if (is_whole(value) && fits(value.number)) {
    target = static_cast<std::int64_t>(value.number);
    return;
  }
  fault(value.offset, name,
        as_written(value) + " (must be a whole number from " + std::to_string(least) + " to " +
            std::to_string(most) + ")");
}

void RecordReader::side(char const* name, std::int64_t& target, std::int64_t least,
                        std::int64_t most) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  std::int64_t side = rules_.size_multiple;
  integer(name, side, least, most);
  if (side % rules_.size_multiple == 0) {
    target = side;
  } else {
    fault(field->value.offset, name, size_fault(side, rules_.size_multiple));
  }
}

void RecordReader::text_tokens(char const* name, std::int64_t& target, std::int64_t least,
                               std::int64_t most) {
  integer(name, target, least, std::min(most, rules_.most_text_tokens));
}

void RecordReader::number(char const* name, double& target, double least, double most) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  LineValue const& value = field->value;
  bool const is_number =
      value.kind == LineValue::Kind::integer || value.kind == LineValue::Kind::number;
  if (is_number && value.number >= least && value.number <= most) {
    target = value.number + 0.0;  // -0.0 is 0
  } else {
    fault(value.offset, name,
          as_written(value) + " (must be a number from " + whole_text(least) + " to " +
              whole_text(most) + ")");
  }
}

void RecordReader::scheduler(char const* name, std::string& target) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  LineValue const& value = field->value;
  if (value.kind == LineValue::Kind::text && value.text == "auto") {
    target = value.text;
  } else {
    fault(value.offset, name,
          as_written(value) +
              ", not supported yet (the checkpoint's own schedule is used) remove it, or write "
              "\"auto\"");
  }
}

void RecordReader::tags(char const* name, std::vector<std::string>& target) {
  LineField const* const field = find(name);
  if (field == nullptr) return;
  LineValue const& value = field->value;
  bool const has_nul =
      std::any_of(value.texts.begin(), value.texts.end(),
                  [](std::string const& tag) { return tag.find('\0') != std::string::npos; });
  if (value.kind == LineValue::Kind::texts && !has_nul) {
    target = value.texts;
  } else {
    fault(value.offset, name,
          as_written(value) + (has_nul ? " (a tag holds a NUL character) remove it"
                                       : " (must be a list of texts) write [\"a\", \"b\"]"));
  }
}

void RecordReader::json_text(char const* name, std::string& target) {
  if (LineField const* const field = find(name)) target = compact_json(field->value.source);
}

std::string size_fault(std::int64_t side_px, std::int64_t multiple) {
  std::int64_t const below = side_px / multiple * multiple;
  std::int64_t const above = below + multiple;
  std::string const choices = (below > 0 ? std::to_string(below) : "") +
                              (below > 0 && above <= largest_side_px ? " or " : "") +
                              (above <= largest_side_px ? std::to_string(above) : "");
  return "is " + std::to_string(side_px) + " (this checkpoint needs a multiple of " +
         std::to_string(multiple) + ") use " + choices;
}

}  // namespace ditbatch::manifest
