#include "output/require_run_folder.hpp"

#include <filesystem>
#include <vector>

#include "core/error.hpp"

namespace ditbatch {

namespace fs = std::filesystem;

namespace {

// A run folder has one of them from its first second on; a copied data set has its shards.
bool is_run_folder(fs::path const& path) {
  std::error_code none;
  return fs::is_directory(path / "shards", none) || fs::is_directory(path / "sessions", none) ||
         fs::is_directory(path / ".work", none);
}

// Above this one, or right beneath it; empty where there is none, or one cannot choose.
fs::path nearby_run_folder(fs::path const& path) {
  std::error_code none;
  for (fs::path above = path.parent_path(); above.has_relative_path(); above = above.parent_path())
    if (is_run_folder(above)) return above;
  std::vector<fs::path> beneath;
  for (auto const& entry : fs::directory_iterator(path, none))
    if (is_run_folder(entry.path())) beneath.push_back(entry.path());
  return beneath.size() == 1 ? beneath.front() : fs::path();
}

}  // namespace

void require_run_folder(std::string const& path) {
  std::error_code none;
  require(fs::exists(path, none), ExitCode::io,
          path + ": no run folder is there (no such folder) check the path");
  if (is_run_folder(path)) return;
  fs::path const meant = nearby_run_folder(fs::weakly_canonical(path, none));
  throw Error(
      ExitCode::io,
      path + ": is no run folder (" +
          (fs::is_directory(path, none) ? "it has neither shards/ nor sessions/" : "it is a file") +
          ") " +
          (meant.empty() ? "name what [job] run_dir names" : "is " + meant.string() + " meant?"));
}

}  // namespace ditbatch
