#define BOOST_TEST_MODULE replace_file
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "core/error.hpp"
#include "output/plain_file.hpp"
#include "support/scratch_folder.hpp"

using namespace ditbatch;
namespace fs = std::filesystem;

namespace {

std::string content_of(std::string const& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::ptrdiff_t entries_of(std::string const& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_file_is_replaced) {
  test::ScratchFolder const folder("replace-file");
  replace_file(folder / "a", "first\n");
  replace_file(folder / "a", "second\n");
  BOOST_TEST(content_of(folder / "a") == "second\n");
  BOOST_TEST(entries_of(folder.path()) == 1);
}

BOOST_AUTO_TEST_CASE(nothing_unfinished_is_left_where_it_fails) {
  test::ScratchFolder const folder("replace-file");
  fs::create_directory(folder / "a");  // no file can be renamed to it
  BOOST_CHECK_THROW(replace_file(folder / "a", "text"), Error);
  BOOST_TEST(entries_of(folder.path()) == 1);
  BOOST_TEST(fs::is_directory(folder / "a"));
}
