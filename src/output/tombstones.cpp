#include "output/tombstones.hpp"

#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "output/plain_file.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

// Empty where there is no such file.
std::string text_of(std::string const& path) {
  return naming_file(path, [&]() -> std::string {
    try {
      UniqueDescriptor const file = open_file(path, O_RDONLY);
      std::string text(size_of_file(file.get()), '\0');
      read_at(file.get(), text.data(), text.size(), 0);
      return text;
    } catch (std::system_error const& error) {
      if (error.code() == std::errc::no_such_file_or_directory) return "";
      throw;
    }
  });
}

void read_line(json const& line, Tombstones& tombstones) {
  ImageChoice choice{line.at("id"), std::nullopt};
  if (auto const index = line.find("index"); index != line.end())
    choice.index = index->get<std::uint16_t>();
  tombstones.all[choice] = {line.at("images"), line.at("reason"), line.at("since")};
}

}  // namespace

bool Tombstones::hold(ImageKey const& key) const {
  return all.count({key.id, key.index}) != 0 || all.count({key.id, std::nullopt}) != 0;
}

std::uint64_t Tombstones::images() const {
  std::uint64_t images = 0;
  for (auto const& [choice, tombstone] : all) images += tombstone.images;
  return images;
}

Tombstones read_tombstones(std::string const& run_dir) {
  Tombstones tombstones;
  std::string const path = taken_out_path(run_dir);
  std::istringstream lines(text_of(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    number += 1;
    if (line.empty()) continue;
    try {
      read_line(json_of(line), tombstones);
    } catch (json::exception const& error) {
      throw Error(ExitCode::io, path + ":" + std::to_string(number) +
                                    ": does not say what was taken out (" + error.what() +
                                    ") mend the line, or what it named is made again");
    }
  }
  return tombstones;
}

void write_tombstones(std::string const& run_dir, Tombstones const& tombstones) {
  std::string const path = taken_out_path(run_dir);
  if (tombstones.all.empty()) {
    naming_file(path, [&] {
      remove_file(path);
      sync_folder_of(path);
    });
    return;
  }
  std::string text;
  for (auto const& [choice, tombstone] : tombstones.all) {
    json line{{"id", choice.id},
              {"images", tombstone.images},
              {"reason", tombstone.reason},
              {"since", tombstone.since}};
    if (choice.index) line["index"] = *choice.index;
    text += to_text(line) + "\n";
  }
  replace_file(path, text);
}

}  // namespace ditbatch
