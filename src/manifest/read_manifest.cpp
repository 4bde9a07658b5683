#include "manifest/read_manifest.hpp"

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <unordered_map>

#include "core/sha256.hpp"
#include "core/utf8.hpp"
#include "manifest/manifest_line.hpp"

namespace ditbatch {

using manifest::LineField;
using manifest::LineValue;

namespace {

constexpr std::size_t longest_line_bytes = std::size_t{1} << 20U;
constexpr std::size_t most_problems = 1000;
constexpr std::int64_t most_images_per_record = 10'000;

std::vector<std::string_view> const known_fields{
    "id", "prompt", "prompt_2", "negative_prompt", "negative_prompt_2", "seed", "num_images", "width", "height", "steps",
    "guidance_scale", "true_cfg_scale", "max_sequence_length", "scheduler", "loras", "control", "tags", "metadata"};

bool is_good_id(std::string const& id) {
  if (id.empty() || id.size() > 128 || id == "." || id == "..") return false;
  return id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == std::string::npos;
}

// Reads one line's fields into a record; each fault goes to the problems with its place.
class LineReader {
 public:
  LineReader(std::string const& path, std::size_t line, ModelLimits const& limits, Problems& problems)
      : path_(path), line_(line), limits_(limits), problems_(problems) {}

  void read(std::vector<LineField> const& fields) {
    for (LineField const& field : fields) read_field(field);
    if (!has_id_) fault(0, "id", "missing (each record needs one)");
    if (!has_prompt_) fault(0, "prompt", "missing (each record needs one; it may be empty)");
  }
  void fault(std::size_t offset, std::string const& field, std::string const& text) {
    problems_.add({path_, line_, offset + 1}, field, text);
    good = false;
  }

  ImageRecord record;
  std::optional<std::uint64_t> seed;
  std::int64_t images = 1;
  bool good = true;

 private:
  void read_field(LineField const& field) {
    std::string const& key = field.key;
    LineValue const& value = field.value;
    // null is the same as not there
    if (value.kind == LineValue::Kind::null && key != "id" && key != "prompt") return check_known(field);
    if (key == "id") read_id(value);
    else if (key == "prompt") has_prompt_ = true, read_text(key, value, record.prompt);
    else if (key == "prompt_2") read_text(key, value, record.prompt_2.emplace());
    else if (key == "negative_prompt") read_text(key, value, record.negative_prompt.emplace());
    else if (key == "negative_prompt_2") read_text(key, value, record.negative_prompt_2.emplace());
    else if (key == "seed") read_seed(value);
    else if (key == "num_images") read_integer(key, value, images, 1, most_images_per_record);
    else if (key == "width") read_size(key, value, record.width_px);
    else if (key == "height") read_size(key, value, record.height_px);
    else if (key == "steps") read_integer(key, value, record.steps, 1, 1000);
    else if (key == "guidance_scale") read_number(key, value, record.guidance_scale);
    else if (key == "true_cfg_scale") read_number(key, value, record.true_cfg_scale);
    else if (key == "max_sequence_length") read_integer(key, value, record.max_sequence_length, 1, limits_.most_text_tokens);
    else if (key == "scheduler") read_scheduler(value);
    else if (key == "tags") read_tags(value);
    else if (key == "metadata") record.metadata = std::string(value.source);
    else if (key == "loras" || key == "control") fault(field.key_offset, key, "not supported yet (this version draws from the prompt alone) remove it");
    else check_known(field);
  }
  void check_known(LineField const& field) {
    for (std::string_view name : known_fields) {
      if (name == field.key) return;
    }
    std::string const near = nearest_name(field.key, known_fields);
    fault(field.key_offset, in_quotes(field.key), "unknown field (nothing reads it)" + (near.empty() ? std::string(" put it under metadata") : " did you mean " + in_quotes(near) + "?"));
  }
  void read_id(LineValue const& value) {
    has_id_ = true;
    if (value.kind == LineValue::Kind::text && is_good_id(value.text)) {
      record.id = value.text;
    } else {
      fault(value.offset, "id", "not usable: " + in_quotes(value.kind == LineValue::Kind::text ? std::string_view(value.text) : value.source) +
                                    " (1 to 128 of A-Z a-z 0-9 . _ -, for it becomes a file name)");
    }
  }
  void read_text(std::string const& key, LineValue const& value, std::string& target) {
    if (value.kind != LineValue::Kind::text) return fault(value.offset, key, "not a text: " + in_quotes(value.source) + " (put it in quotes)");
    if (value.text.find('\0') != std::string::npos) return fault(value.offset, key, "holds a NUL character (it cannot be stored) remove it");
    target = value.text;
  }
  void read_seed(LineValue const& value) {
    if (value.kind == LineValue::Kind::integer && !value.negative) {
      seed = value.magnitude;
    } else {
      fault(value.offset, "seed", "not usable: " + in_quotes(value.source) + " (must be a whole number from 0 to 18446744073709551615)");
    }
  }
  void read_integer(std::string const& key, LineValue const& value, std::int64_t& target, std::int64_t least, std::int64_t most) {
    bool const fits = value.kind == LineValue::Kind::integer && !value.negative && value.magnitude >= static_cast<std::uint64_t>(least) &&
                      value.magnitude <= static_cast<std::uint64_t>(most);
    if (!fits) {
      return fault(value.offset, key, "not usable: " + in_quotes(value.source) + " (must be a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ")");
    }
    target = static_cast<std::int64_t>(value.magnitude);
  }
  void read_size(std::string const& key, LineValue const& value, std::int64_t& target) {
    std::int64_t const before = static_cast<std::int64_t>(problems_.all().size());
    read_integer(key, value, target, 1, 65535);
    if (static_cast<std::int64_t>(problems_.all().size()) != before || target % limits_.size_multiple == 0) return;
    std::int64_t const below = target / limits_.size_multiple * limits_.size_multiple;
    fault(value.offset, key, std::to_string(target) + " is not allowed (this checkpoint needs multiples of " + std::to_string(limits_.size_multiple) + ") use " +
                                 (below > 0 ? std::to_string(below) + " or " : "") + std::to_string(below + limits_.size_multiple));
  }
  void read_number(std::string const& key, LineValue const& value, double& target) {
    bool const is_number = value.kind == LineValue::Kind::integer || value.kind == LineValue::Kind::number;
    if (!is_number || !(value.number >= 0 && value.number <= 1000)) {
      return fault(value.offset, key, "not usable: " + in_quotes(value.source) + " (must be a number from 0 to 1000)");
    }
    target = value.number;
  }
  void read_scheduler(LineValue const& value) {
    if (value.kind == LineValue::Kind::text && value.text == "auto") return;
    fault(value.offset, "scheduler", "not supported yet: " + in_quotes(value.source) + " (the checkpoint's own schedule is used) remove it, or write \"auto\"");
  }
  void read_tags(LineValue const& value) {
    if (value.kind == LineValue::Kind::texts) {
      record.tags = value.texts;
    } else {
      fault(value.offset, "tags", "not usable: " + in_quotes(value.source) + " (must be a list of texts)");
    }
  }

  std::string const& path_;
  std::size_t line_;
  ModelLimits const& limits_;
  Problems& problems_;
  bool has_id_ = false;
  bool has_prompt_ = false;
};

ImageRecord defaults_from(SamplingConfig const& sampling) {
  ImageRecord record;
  record.width_px = sampling.width_px;
  record.height_px = sampling.height_px;
  record.steps = sampling.steps;
  record.guidance_scale = sampling.guidance_scale;
  record.true_cfg_scale = sampling.true_cfg_scale;
  record.max_sequence_length = sampling.max_sequence_length;
  record.scheduler = sampling.scheduler;
  return record;
}

void check_default_sizes(RunConfig const& config, ModelLimits const& limits, Problems& problems) {
  struct Size {
    char const* key;
    std::int64_t value;
  };
  for (Size const size : {Size{"sampling.width", config.sampling.width_px}, Size{"sampling.height", config.sampling.height_px}}) {
    if (size.value % limits.size_multiple != 0) {
      problems.add({config.config_path}, size.key, std::to_string(size.value) + " is not allowed (this checkpoint needs multiples of " + std::to_string(limits.size_multiple) + ")");
    }
  }
  if (config.sampling.max_sequence_length > limits.most_text_tokens) {
    problems.add({config.config_path}, "sampling.max_sequence_length", "too long (this checkpoint takes at most " + std::to_string(limits.most_text_tokens) + " tokens)");
  }
}

}  // namespace

std::uint64_t hashed_seed(std::uint64_t job_seed, std::string const& id, std::uint16_t index) {
  std::string text = std::to_string(job_seed);
  text += '\0';
  text += id;
  text += '\0';
  text += std::to_string(index);
  return first_u64(sha256(text));
}

bool is_in_part(std::string const& id, int index, int count) {
  return count <= 1 || first_u64(sha256("part " + id)) % static_cast<std::uint64_t>(count) == static_cast<std::uint64_t>(index);
}

std::vector<ImageRecord> parse_manifest(std::string const& path, std::string const& text, RunConfig const& config,
                                        ModelLimits const& limits, Problems& problems) {
  std::vector<ImageRecord> records;
  check_default_sizes(config, limits, problems);
  ImageRecord const defaults = defaults_from(config.sampling);
  std::unordered_map<std::string, std::size_t> line_of_id;
  std::string_view rest = text;
  if (rest.substr(0, 3) == "\xEF\xBB\xBF") {
    problems.add({path, 1, 1}, "", "begins with a byte order mark (JSONL has none) save it as UTF-8 without BOM");
    rest.remove_prefix(3);
  }
  std::size_t line_number = 0;
  std::size_t dropped_lines = 0;
  while (!rest.empty()) {
    ++line_number;
    std::size_t const newline = rest.find('\n');
    std::string_view line = rest.substr(0, newline);
    rest.remove_prefix(newline == std::string_view::npos ? rest.size() : newline + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (problems.all().size() >= most_problems) {
      ++dropped_lines;
      continue;
    }
    LineReader reader(path, line_number, limits, problems);
    reader.record = defaults;
    reader.record.line = static_cast<std::uint32_t>(line_number);
    if (line.size() > longest_line_bytes) {
      reader.fault(0, "", "longer than 1 MiB (" + std::to_string(line.size()) + " bytes; no record is) shorten the prompt or the metadata");
      continue;
    }
    if (std::size_t const bad = find_bad_utf8(line); bad != std::string_view::npos) {
      reader.fault(bad, "", "bad UTF-8 (JSON must be UTF-8) save it as UTF-8");
      continue;
    }
    manifest::ParsedLine parsed = manifest::parse_line(line);
    if (!parsed.fault.empty()) {
      reader.fault(parsed.fault_offset, "", parsed.fault);
      continue;
    }
    reader.read(parsed.fields);
    if (!reader.record.id.empty()) {
      auto const [first, is_new] = line_of_id.emplace(reader.record.id, line_number);
      if (!is_new) {
        std::size_t offset = 0;
        for (LineField const& field : parsed.fields) {
          if (field.key == "id") offset = field.value.offset;
        }
        reader.fault(offset, "id", in_quotes(reader.record.id) + " was used in line " + std::to_string(first->second) + " (ids are unique; they name the image in every report) rename one");
      }
    }
    if (!reader.good) continue;
    for (std::int64_t index = 0; index < reader.images; ++index) {
      ImageRecord record = reader.record;
      record.index = static_cast<std::uint16_t>(index);
      record.seed = reader.seed ? *reader.seed + static_cast<std::uint64_t>(index) : hashed_seed(config.job.seed, record.id, record.index);
      records.push_back(std::move(record));
    }
  }
  if (dropped_lines > 0) {
    problems.add({path}, "", "has more problems (" + std::to_string(dropped_lines) + " lines were not looked at) mend these first");
  }
  if (records.empty() && problems.empty()) problems.add({path}, "", "holds no records (there is nothing to do) name another manifest");
  return records;
}

std::vector<ImageRecord> read_manifest(std::string const& path, RunConfig const& config, ModelLimits const& limits, Problems& problems) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    problems.add({config.config_path}, "job.manifest", "cannot be read: " + path + " (no such regular file) check the path");
    return {};
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(std::filesystem::file_size(path, error), '\0');
  if (!file || error || !file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    problems.add({path}, "", "cannot be read (check its permissions)");
    return {};
  }
  return parse_manifest(path, text, config, limits, problems);
}

}  // namespace ditbatch
