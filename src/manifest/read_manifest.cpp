#include "manifest/read_manifest.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "core/sha256.hpp"
#include "core/utf8.hpp"
#include "manifest/foreign_format.hpp"
#include "manifest/manifest_line.hpp"
#include "manifest/record_reader.hpp"

namespace ditbatch {

using manifest::CappedProblems;
using manifest::foreign_format;
using manifest::RecordReader;

namespace {

constexpr std::size_t longest_line_bytes = std::size_t{1} << 20U;
constexpr std::size_t most_problems = 1000;
constexpr std::uint64_t largest_file_bytes = std::uint64_t{16} << 30U;
// A record's text is copied for each of its images: what all copies may take.
constexpr std::uint64_t most_expanded_bytes = std::uint64_t{16} << 30U;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

ImageRecord defaults_from(Sampling const& sampling) {
  ImageRecord record;
  static_cast<Sampling&>(record) = sampling;
  return record;
}

void check_defaults(RunConfig const& config, RecordRules const& rules, Problems& problems) {
  auto const check_side = [&](std::string const& key, std::int64_t side_px) {
    if (side_px % rules.size_multiple == 0) return;
    problems.add(config.where(key), key, manifest::size_fault(side_px, rules.size_multiple));
  };
  check_side("sampling.width", config.sampling.width_px);
  check_side("sampling.height", config.sampling.height_px);
  if (config.sampling.max_sequence_length > rules.most_text_tokens) {
    std::string const key = "sampling.max_sequence_length";
    std::string const most = std::to_string(rules.most_text_tokens);
    problems.add(config.where(key), key,
                 "is " + std::to_string(config.sampling.max_sequence_length) +
                     " (this checkpoint takes at most " + most + " tokens) use " + most);
  }
}

// The lines of one manifest, and what has to be known of the lines before.
class ManifestParser {
 public:
  ManifestParser(std::string const& path, RunConfig const& config, RecordRules const& rules,
                 Problems& problems)
      : path_(path),
        job_seed_(config.job.seed),
        rules_(rules),
        defaults_(defaults_from(config.sampling)),
        problems_(problems, most_problems) {}

  void read(std::string_view text) {
    std::string_view rest = text;
    std::size_t bytes_before = 0;
    if (rest.starts_with(byte_order_mark)) {  // as spreadsheets write it
      bytes_before = byte_order_mark.size();
      rest.remove_prefix(bytes_before);
    }
    if (std::string const foreign = foreign_format(rest); !foreign.empty())
      return problems_.add({path_, 1, 1}, "", foreign);
    for (std::size_t number = 1; !rest.empty(); ++number) {
      std::size_t const newline = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, newline);
      rest.remove_prefix(std::min(newline + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
        RecordReader reader({path_, number, bytes_before}, rules_, defaults_, problems_);
        read_line(line, reader);
        ++lines_;
      }
      bytes_before = 0;
    }
    if (lines_ == 0) {
      problems_.add({path_}, "", "holds no records (there is nothing to do) name another manifest");
    }
    if (expanded_bytes_ > most_expanded_bytes) {
      problems_.add(
          {path_}, "num_images",
          "makes more than 16 GiB of records (they are held in memory) split the manifest");
    } else {
      expand();
    }
  }

  [[nodiscard]] std::size_t dropped_problems() const { return problems_.dropped(); }
  std::vector<ImageRecord> records;

 private:
  void read_line(std::string_view line, RecordReader& reader) {
    if (line.size() > longest_line_bytes) {
      return reader.fault(0, "",
                          "is longer than 1 MiB (" + std::to_string(line.size()) +
                              " bytes; no record is) shorten the prompt or the metadata");
    }
    if (std::size_t const bad = find_bad_utf8(line); bad != std::string_view::npos) {
      return reader.fault(bad, "", "bad UTF-8 (JSON must be UTF-8) save it as UTF-8");
    }
    manifest::ParsedLine const parsed = manifest::parse_line(line);
    if (!parsed.fault.text.empty()) {
      return reader.fault(parsed.fault.offset,
                          parsed.fault.field.empty() ? "" : field_name(parsed.fault.field),
                          parsed.fault.text);
    }
    reader.read(parsed.fields);
    if (!reader.record.id.empty()) {
      auto const [first, is_new] = line_of_id_.emplace(reader.record.id, reader.record.line);
      if (!is_new) {
        reader.fault(reader.id_offset, "id",
                     in_quotes(reader.record.id) + " was used in line " +
                         std::to_string(first->second) +
                         " (ids are unique; they name the image in every report) rename one");
      }
    }
    if (reader.good) keep(reader, line.size());
  }

  void keep(RecordReader& reader, std::size_t line_bytes) {
    expanded_bytes_ +=
        static_cast<std::uint64_t>(reader.images) * (line_bytes + sizeof(ImageRecord));
    lines_to_expand_.push_back({std::move(reader.record), reader.has_seed, reader.images});
  }

  // Only when the sizes of all copies are known.
  void expand() {
    for (GoodLine& line : lines_to_expand_) {
      std::uint64_t const first_seed = line.record.seed;
      for (std::int64_t index = 0; index < line.images; ++index) {
        bool const is_last = index + 1 == line.images;
        ImageRecord& record = records.emplace_back(is_last ? std::move(line.record) : line.record);
        record.index = static_cast<std::uint16_t>(index);
        record.seed = line.has_seed ? first_seed + static_cast<std::uint64_t>(index)
                                    : hashed_seed(job_seed_, record.id, record.index);
      }
    }
  }

  struct GoodLine {
    ImageRecord record;
    bool has_seed = false;
    std::int64_t images = 1;
  };
  std::string const& path_;
  std::uint64_t job_seed_;
  RecordRules const& rules_;
  ImageRecord defaults_;
  CappedProblems problems_;
  std::unordered_map<std::string, std::uint32_t> line_of_id_;
  std::vector<GoodLine> lines_to_expand_;
  std::size_t lines_ = 0;
  std::uint64_t expanded_bytes_ = 0;
};

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
  return count <= 1 || first_u64(sha256("part " + id)) % static_cast<std::uint64_t>(count) ==
                           static_cast<std::uint64_t>(index);
}

std::vector<ImageRecord> parse_manifest(std::string const& path, std::string const& text,
                                        RunConfig const& config, RecordRules const& rules,
                                        Problems& problems) {
  check_defaults(config, rules, problems);
  Problems found;
  ManifestParser parser(path, config, rules, found);
  parser.read(text);
  problems.append_in_order(found);
  if (parser.dropped_problems() > 0) {
    problems.add({path}, "",
                 "has " + std::to_string(parser.dropped_problems()) +
                     " more problems (only the first " + std::to_string(most_problems) +
                     " are listed) mend these first");
  }
  return std::move(parser.records);
}

std::vector<ImageRecord> read_manifest(std::string const& path, RunConfig const& config,
                                       RecordRules const& rules, Problems& problems) {
  namespace fs = std::filesystem;
  std::error_code error;
  auto const refuse = [&](std::string const& text) {
    problems.add(config.where("job.manifest"), "job.manifest", text);
    return std::vector<ImageRecord>();
  };
  fs::file_status const status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found)
    return refuse(in_quotes(path) + " does not exist (records are read from it) check the path");
  if (status.type() != fs::file_type::regular)
    return refuse(in_quotes(path) + " is no regular file (a manifest is) check the path");
  std::uint64_t const size_bytes = fs::file_size(path, error);
  if (!error && size_bytes > largest_file_bytes)
    return refuse(in_quotes(path) + " is larger than 16 GiB (it is read into memory) split it");
  std::ifstream file(path, std::ios::binary);
  std::string text(error ? 0 : size_bytes, '\0');
  if (error || !file.is_open() ||
      !file.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    return refuse(in_quotes(path) + " cannot be read (no permission, or a failing disk) check it");
  }
  return parse_manifest(path, text, config, rules, problems);
}

}  // namespace ditbatch
