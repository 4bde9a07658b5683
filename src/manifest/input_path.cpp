#include "manifest/input_path.hpp"

#include <algorithm>
#include <filesystem>

namespace ditbatch {

namespace fs = std::filesystem;

std::string resolve_input_path(std::string const& input_root, std::string const& path,
                               Position const& where, std::string const& field,
                               Problems& problems) {
  auto const refuse = [&](std::string const& text) {
    problems.add(where, field, in_quotes(path) + " " + text);
    return std::string();
  };
  if (path.empty() || path.find('\0') != std::string::npos)
    return refuse("is no path (a file is needed) name one");
  fs::path const relative(path);
  if (relative.is_absolute())
    return refuse("is absolute (paths stay beneath the input root) write it relative to " +
                  input_root);
  if (std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    return refuse("holds .. (paths stay beneath the input root) write it relative to " +
                  input_root);
  }
  std::error_code error;
  fs::path at = fs::absolute(input_root, error);
  fs::file_status status;
  for (fs::path const& part : relative) {
    at /= part;
    status = fs::symlink_status(at, error);
    if (status.type() == fs::file_type::symlink)
      return refuse("leads over the symbolic link " + in_quotes(at.string()) +
                    " (it may leave the input root) copy the file");
    if (status.type() == fs::file_type::not_found || status.type() == fs::file_type::none)
      return refuse("does not exist beneath " + input_root +
                    " (the record needs it) check the path");
  }
  if (status.type() != fs::file_type::regular)
    return refuse("is no regular file (folders, pipes and devices cannot be read) name a file");
  return at.lexically_normal();
}

}  // namespace ditbatch
