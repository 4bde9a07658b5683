#include "manifest/record_reader.hpp"

#include <algorithm>
#include <cmath>

namespace ditbatch::manifest {

namespace {

constexpr std::int64_t largest_side_px = 65535;  // a shard's column is uint16
constexpr std::int64_t most_steps = 1000;
constexpr std::int64_t most_images_per_record = 10'000;
constexpr double largest_scale = 1000;

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

}  // namespace

void CappedProblems::add(Position where, std::string field, std::string text) {
  if (left_ == 0) {
    ++dropped_;
    return;
  }
  --left_;
  problems_.add(std::move(where), std::move(field), std::move(text));
}

// A field of a record. A new one is one line in rules().
struct RecordReader::Rule {
  std::string_view name;
  void (*read)(RecordReader& reader, LineField const& field);
};

std::vector<RecordReader::Rule> const& RecordReader::rules() {
  using Reader = RecordReader;
  using Field = LineField;
  auto const refuse = [](Reader& reader, Field const& field) {
    reader.fault(field.key_offset, field.key,
                 "not supported yet (this version draws from the prompt alone) remove it");
  };
  static std::vector<Rule> const all{
      {"id", [](Reader& r, Field const& f) { r.read_id(f.value); }},
      {"prompt", [](Reader& r, Field const& f) { r.read_text(f, r.record.prompt); }},
      {"prompt_2", [](Reader& r, Field const& f) { r.read_text(f, r.record.prompt_2.emplace()); }},
      {"negative_prompt",
       [](Reader& r, Field const& f) { r.read_text(f, r.record.negative_prompt.emplace()); }},
      {"negative_prompt_2",
       [](Reader& r, Field const& f) { r.read_text(f, r.record.negative_prompt_2.emplace()); }},
      {"seed", [](Reader& r, Field const& f) { r.read_seed(f.value); }},
      {"num_images",
       [](Reader& r, Field const& f) { r.read_integer(f, r.images, 1, most_images_per_record); }},
      {"width", [](Reader& r, Field const& f) { r.read_side(f, r.record.width_px); }},
      {"height", [](Reader& r, Field const& f) { r.read_side(f, r.record.height_px); }},
      {"steps",
       [](Reader& r, Field const& f) { r.read_integer(f, r.record.steps, 1, most_steps); }},
      {"guidance_scale",
       [](Reader& r, Field const& f) { r.read_number(f, r.record.guidance_scale); }},
      {"true_cfg_scale",
       [](Reader& r, Field const& f) { r.read_number(f, r.record.true_cfg_scale); }},
      {"max_sequence_length",
       [](Reader& r, Field const& f) {
         r.read_integer(f, r.record.max_sequence_length, 1, r.limits_.most_text_tokens);
       }},
      {"scheduler", [](Reader& r, Field const& f) { r.read_scheduler(f.value); }},
      {"loras", refuse},
      {"control", refuse},
      {"tags", [](Reader& r, Field const& f) { r.read_tags(f.value); }},
      {"metadata",
       [](Reader& r, Field const& f) { r.record.metadata = compact_json(f.value.source); }},
  };
  return all;
}

RecordReader::RecordReader(LinePlace const& place, ModelLimits const& limits,
                           ImageRecord const& defaults, CappedProblems& problems)
    : record(defaults), place_(place), limits_(limits), problems_(problems) {
  record.line = static_cast<std::uint32_t>(place.line);
}

void RecordReader::fault(std::size_t offset, std::string const& field, std::string const& text) {
  problems_.add({place_.file, place_.line, place_.bytes_before + offset + 1}, field, text);
  good = false;
}

void RecordReader::read(std::vector<LineField> const& fields) {
  auto const has = [&](std::string_view key) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](LineField const& field) { return field.key == key; });
  };
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    bool const repeated = std::any_of(
        fields.begin(), field, [&](LineField const& other) { return other.key == field->key; });
    if (repeated) {
      fault(field->key_offset, field_name(field->key),
            "given twice (which of the two counts is not defined) remove one");
    } else {
      read_field(*field);
    }
  }
  if (!has("id")) fault(0, "id", "missing (each record needs one)");
  if (!has("prompt")) fault(0, "prompt", "missing (each record needs one; it may be empty)");
}

void RecordReader::read_field(LineField const& field) {
  auto const& known = rules();
  auto const rule = std::find_if(known.begin(), known.end(),
                                 [&](Rule const& each) { return each.name == field.key; });
  if (rule == known.end()) {
    std::vector<std::string_view> names;
    for (Rule const& each : known) names.push_back(each.name);
    std::string const near = nearest_name(field.key, names);
    return fault(field.key_offset, field_name(field.key),
                 "unknown field (nothing reads it)" +
                     (near.empty() ? std::string(" put it under metadata")
                                   : " did you mean " + in_quotes(near) + "?"));
  }
  // A null is a field that is not there, as tables with empty cells are exported.
  if (field.value.kind == LineValue::Kind::null && field.key != "id" && field.key != "prompt")
    return;
  rule->read(*this, field);
}

void RecordReader::read_id(LineValue const& value) {
  id_offset = value.offset;
  if (value.kind == LineValue::Kind::text && is_good_id(value.text)) {
    record.id = value.text;
  } else if (value.kind == LineValue::Kind::text) {
    fault(value.offset, "id",
          "is " + in_quotes(value.text) +
              " (1 to 128 of A-Z a-z 0-9 . _ - can be used, for it becomes a file name) rename it");
  } else {
    fault(value.offset, "id", as_written(value) + " (a text is needed) put it in quotes");
  }
}

void RecordReader::read_text(LineField const& field, std::string& target) {
  LineValue const& value = field.value;
  if (value.kind != LineValue::Kind::text) {
    return fault(value.offset, field.key,
                 as_written(value) + " (a text is needed) put it in quotes");
  }
  if (value.text.find('\0') != std::string::npos) {
    return fault(value.offset, field.key,
                 "holds a NUL character (a shard cannot store it) remove it");
  }
  target = value.text;
}

void RecordReader::read_seed(LineValue const& value) {
  if (value.kind == LineValue::Kind::integer && !value.negative) {
    seed = value.magnitude;
  } else {
    fault(value.offset, "seed",
          as_written(value) +
              " (must be a whole number from 0 to 18446744073709551615, without quotes)");
  }
}

void RecordReader::read_integer(LineField const& field, std::int64_t& target, std::int64_t least,
                                std::int64_t most) {
  LineValue const& value = field.value;
  auto const fits = [&](auto number) {
    return number >= static_cast<decltype(number)>(least) &&
           number <= static_cast<decltype(number)>(most);
  };
  if (value.kind == LineValue::Kind::integer && !value.negative && fits(value.magnitude)) {
    target = static_cast<std::int64_t>(value.magnitude);
    return;
  }
  bool const is_whole = value.kind == LineValue::Kind::number && fits(value.number) &&
                        value.number == std::floor(value.number);
  fault(value.offset, field.key,
        as_written(value) + " (must be a whole number from " + std::to_string(least) + " to " +
            std::to_string(most) + ")" +
            (is_whole ? " write " + std::to_string(static_cast<std::int64_t>(value.number)) : ""));
}

void RecordReader::read_side(LineField const& field, std::int64_t& target) {
  std::int64_t side = limits_.size_multiple;
  read_integer(field, side, 1, largest_side_px);
  if (side % limits_.size_multiple == 0) {
    target = side;
  } else {
    fault(field.value.offset, field.key, size_fault(side, limits_.size_multiple));
  }
}

void RecordReader::read_number(LineField const& field, double& target) {
  LineValue const& value = field.value;
  bool const is_number =
      value.kind == LineValue::Kind::integer || value.kind == LineValue::Kind::number;
  if (is_number && value.number >= 0 && value.number <= largest_scale) {
    target = value.number + 0.0;  // -0.0 is 0
  } else {
    fault(value.offset, field.key, as_written(value) + " (must be a number from 0 to 1000)");
  }
}

void RecordReader::read_scheduler(LineValue const& value) {
  if (value.kind == LineValue::Kind::text && value.text == "auto") {
    record.scheduler = value.text;
  } else {
    fault(value.offset, "scheduler",
          as_written(value) +
              ", not supported yet (the checkpoint's own schedule is used) remove it, or write "
              "\"auto\"");
  }
}

void RecordReader::read_tags(LineValue const& value) {
  bool const has_nul =
      std::any_of(value.texts.begin(), value.texts.end(),
                  [](std::string const& tag) { return tag.find('\0') != std::string::npos; });
  if (value.kind == LineValue::Kind::texts && !has_nul) {
    record.tags = value.texts;
  } else {
    fault(value.offset, "tags",
          as_written(value) + (has_nul ? " (a tag holds a NUL character) remove it"
                                       : " (must be a list of texts) write [\"a\", \"b\"]"));
  }
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
