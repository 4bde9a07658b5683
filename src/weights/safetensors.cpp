#include "weights/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "weights/json_document.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

constexpr std::uint64_t longest_header = 100'000'000;  // the limit of the reference implementation

std::uint64_t bits_of(std::string const& dtype) {
  static std::map<std::string, std::uint64_t> const known{
      {"BOOL", 8}, {"U8", 8},   {"I8", 8},   {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
      {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16},   {"I32", 32},    {"U32", 32},
      {"F32", 32}, {"I64", 64}, {"U64", 64}, {"F64", 64},    {"C64", 64},    {"F4", 4}};
  auto const found = known.find(dtype);
  return found == known.end() ? 0 : found->second;
}

bool is_offset(json const& value) { return value.is_number_unsigned(); }

// The fault of one entry, or "" with the entry filled in. Offsets count from the start of the data.
std::string read_entry(json const& value, SafetensorsEntry& entry) {
  if (!value.is_object()) return "is not an object";
  if (!value.contains("dtype") || !value["dtype"].is_string()) return "has no dtype";
  if (!value.contains("shape") || !value["shape"].is_array()) return "has no shape";
  if (!value.contains("data_offsets") || !value["data_offsets"].is_array() ||
      value["data_offsets"].size() != 2 || !is_offset(value["data_offsets"][0]) ||
      !is_offset(value["data_offsets"][1])) {
    return "has no data_offsets [begin, end] of whole numbers";
  }
  entry.dtype = value["dtype"];
  std::uint64_t const bits = bits_of(entry.dtype);
  if (bits == 0) return "has the unknown dtype " + in_quotes(entry.dtype);
  if (value["shape"].size() > 16) return "has more than 16 dimensions";
  std::uint64_t total_bits = bits;
  bool is_empty = false;
  for (json const& dimension : value["shape"]) {
    if (!is_offset(dimension) || dimension.get<std::uint64_t>() > INT64_MAX)
      return "has a dimension that is not a size";
    auto const size = dimension.get<std::uint64_t>();
    entry.shape.push_back(static_cast<std::int64_t>(size));
    is_empty = is_empty || size == 0;
    if (size != 0 && __builtin_mul_overflow(total_bits, size, &total_bits))
      return "has a shape whose size overflows";
  }
  if (is_empty) total_bits = 0;
  auto const begin = value["data_offsets"][0].get<std::uint64_t>();
  auto const end = value["data_offsets"][1].get<std::uint64_t>();
  if (end < begin) return "ends before it begins";
  entry.offset = begin;
  entry.size_bytes = end - begin;
  if (total_bits % 8 != 0 || entry.size_bytes != total_bits / 8) {
    return "takes " + std::to_string(entry.size_bytes) + " bytes where its shape and dtype need " +
           std::to_string(total_bits / 8);
  }
  return "";
}

// The first 8 bytes of the file and the text that they announce, or a problem: entries follow.
std::optional<SafetensorsHeader> read_header_text(std::string const& path, Problems& problems) {
  auto const fault = [&](std::string const& text) {
    problems.add({path}, "", text);
    return std::nullopt;
  };
  std::error_code error;
  auto const status = std::filesystem::status(path, error);
  if (error || !std::filesystem::is_regular_file(status)) {
    return fault("is no file that can be read (" +
                 (error ? error.message() : std::string("a folder, pipe or device")) +
                 ") check the path");
  }
  SafetensorsHeader header{path, std::filesystem::file_size(path, error), "", {}};
  std::ifstream file(path, std::ios::binary);
  if (error || !file)
    return fault("cannot be opened (" + std::string(std::strerror(errno)) +
                 ") check its permissions");

  std::array<unsigned char, 8> length_bytes{};
  if (header.file_bytes < 8 || !file.read(reinterpret_cast<char*>(length_bytes.data()), 8)) {
    return fault("is truncated: " + std::to_string(header.file_bytes) +
                 " bytes (a safetensors file begins with 8 bytes of header length) fetch it again");
  }
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::uint64_t{length_bytes[i]} << (8 * i);
  if (length > longest_header || length > header.file_bytes - 8) {
    return fault("its header claims " + std::to_string(length) + " bytes of a file of " +
                 std::to_string(header.file_bytes) +
                 " (truncated, or not safetensors) fetch it again");
  }
  header.text.resize(length);
  if (!file.read(header.text.data(), static_cast<std::streamsize>(length))) {
    return fault("its header cannot be read (" + std::string(std::strerror(errno)) +
                 ") fetch it again");
  }
  return header;
}

// The fault of the one entry that is no tensor, or "".
std::string fault_of_metadata(json const& value) {
  bool texts = value.is_object();
  if (texts)
    for (json const& item : value) texts = texts && item.is_string();
  return texts ? "" : "is not a map of texts";
}

// The fault of a tensor of this name within so many bytes of data, or "" with the entry filled in.
std::string fault_of_tensor(std::string const& name, json const& value, std::uint64_t data_bytes,
                            SafetensorsEntry& entry) {
  if (name.size() > 1024 ||
      std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20; }))
    return "has a name that is too long or holds control characters";
  std::string fault = read_entry(value, entry);
  if (!fault.empty()) return fault;
  if (entry.offset > data_bytes || entry.size_bytes > data_bytes - entry.offset) {
    return "ends at byte " + std::to_string(entry.offset + entry.size_bytes) + " of " +
           std::to_string(data_bytes) + " bytes of data";
  }
  return "";
}

struct Extent {
  std::uint64_t begin, end;
  std::string const* name;
};

// Do the tensors cover the data without a gap or an overlap? The first that does not is told.
bool covers(std::vector<Extent> extents, std::uint64_t data_bytes, std::string const& path,
            JsonDocument const& document, Problems& problems) {
  std::sort(extents.begin(), extents.end(), [](Extent const& a, Extent const& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::uint64_t covered = 0;
  for (Extent const& extent : extents) {
    if (extent.begin != covered) {
      problems.add(document.position(*extent.name), in_quotes(*extent.name),
                   std::string(extent.begin < covered ? "overlaps the tensor before it"
                                                      : "leaves a gap before it") +
                       " (tensors must cover the data exactly) fetch it again");
      return false;
    }
    covered = extent.end;
  }
  if (covered == data_bytes) return true;
  problems.add({path}, "",
               "holds " + std::to_string(data_bytes) + " bytes of data, its tensors " +
                   std::to_string(covered) +
                   " (tensors must cover the data exactly) fetch it again");
  return false;
}

}  // namespace

std::optional<SafetensorsHeader> read_safetensors_header(std::string const& path,
                                                         Problems& problems) {
  auto header = read_header_text(path, problems);
  if (!header) return std::nullopt;
  auto const document =
      parse_json(path, header->text, problems, {.size_bytes = longest_header, .depth = 8});
  if (!document) return std::nullopt;
  if (!document->value.is_object()) {
    problems.add({path}, "", "its header is not a JSON object (not safetensors) fetch it again");
    return std::nullopt;
  }

  std::uint64_t const data_begin = 8 + header->text.size();
  std::uint64_t const data_bytes = header->file_bytes - data_begin;
  std::vector<Extent> extents;
  std::size_t faults = 0;
  for (auto const& [name, value] : document->value.items()) {
    if (faults == most_faults) break;
    bool const is_metadata = name == "__metadata__";
    SafetensorsEntry entry;
    std::string const fault =
        is_metadata ? fault_of_metadata(value) : fault_of_tensor(name, value, data_bytes, entry);
    if (!fault.empty()) {
      problems.add(document->position(name), in_quotes(name),
                   fault + " (a broken or hostile file) fetch it again");
      ++faults;
    } else if (!is_metadata) {
      auto const [place, is_new] = header->tensors.emplace(name, entry);
      if (is_new) extents.push_back({entry.offset, entry.offset + entry.size_bytes, &place->first});
    }
  }
  if (faults > 0 || !covers(std::move(extents), data_bytes, path, *document, problems))
    return std::nullopt;
  for (auto& [name, entry] : header->tensors) entry.offset += data_begin;
  return header;
}

std::optional<c10::ScalarType> parameter_type(std::string const& dtype) {
  if (dtype == "F32") return c10::kFloat;
  if (dtype == "BF16") return c10::kBFloat16;
  if (dtype == "F16") return c10::kHalf;
  if (dtype == "F64") return c10::kDouble;
  return std::nullopt;
}

}  // namespace ditbatch
