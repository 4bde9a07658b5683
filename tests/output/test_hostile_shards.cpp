// Files that are no shards, or say they are: an error with the file's name, never a crash.
#define BOOST_TEST_MODULE hostile_shards
#include <boost/test/unit_test.hpp>

#include "core/error.hpp"
#include "output/h5_dataset.hpp"
#include "output/shard_rows.hpp"
#include "output/verify_run.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

#ifdef __SANITIZE_ADDRESS__
// HDF5 1.10 loses the object headers of damaged files that it refuses. They come from its own free
// lists; what it hands to callers (strings, lists) does not, and stays under the leak check.
// Telling the two apart takes whole stacks.
extern "C" char const* __asan_default_options() { return "fast_unwind_on_malloc=0"; }
extern "C" char const* __lsan_default_suppressions() { return "leak:H5FL_reg_malloc\n"; }
#endif

namespace {

// Reads all there is, as resume and verify do; the text of the error, or "" for a sound file.
std::string read_all(std::string const& path) {
  try {
    ShardFile const shard = ShardFile::open(path, H5Access::read);
    std::vector<RowKey> const keys = shard.read_keys();
    for (std::uint64_t row = 0; row < shard.rows(); ++row) {
      std::string const broken = broken_part(shard.read(row, ShardFile::Part::everything));
      if (!broken.empty()) return path + ": " + broken;
    }
    return keys.size() == shard.rows() ? "" : "rows differ";
  } catch (Error const& error) {
    BOOST_TEST((error.code() == ExitCode::io));
    return error.what();
  }
}

// A good shard of two rows in which one dataset was replaced by another.
std::string with_dataset(ScratchFolder const& folder, char const* name, RowFormat const& format,
                         std::uint64_t rows) {
  static int number = 0;
  std::string const path = folder / ("forged" + std::to_string(number++) + ".h5");
  write_shard(path, make_rows(0, 2));
  UniqueH5File const file = open_h5(path, H5Access::change);
  check_h5_status(H5Ldelete(file.get(), name, H5P_DEFAULT), path);
  UniqueH5Dataset const dataset = create_column(file.get(), path, name, format, {1});
  set_rows(dataset.get(), rows, path);
  return path;
}

}  // namespace

BOOST_AUTO_TEST_CASE(columns_of_another_shape_or_type) {
  ScratchFolder const folder;
  UniqueH5Type const text = text_type("");
  UniqueH5Type const floats = floats_type("");
  UniqueH5Type const fixed_text(check_h5(H5Tcopy(H5T_C_S1), ""));
  check_h5_status(H5Tset_size(fixed_text.get(), 100'000), "");
  UniqueH5Type const doubles(check_h5(H5Tvlen_create(H5T_NATIVE_DOUBLE), ""));
  struct Forged {
    char const* name;
    RowFormat format;
  };
  for (Forged const& forged : {
           Forged{"sha256", {H5T_NATIVE_UINT8, {4096}}},
           Forged{"sha256", {H5T_NATIVE_UINT8, {31}}},
           Forged{"sha256", {H5T_NATIVE_UINT8, {}}},
           Forged{"record_sha256", {H5T_NATIVE_UINT8, {32, 100}}},
           Forged{"row_sha256", {H5T_NATIVE_UINT64, {32}}},
           Forged{"index", {H5T_NATIVE_UINT16, {1000}}},
           Forged{"index", {H5T_NATIVE_UINT64, {}}},
           Forged{"index", {H5T_NATIVE_FLOAT, {}}},
           Forged{"seed", {text.get(), {}}},
           Forged{"id", {H5T_NATIVE_UINT64, {}}},
           Forged{"id", {fixed_text.get(), {}}},
           Forged{"id", {text.get(), {50}}},
           Forged{"prompt", {floats.get(), {}}},
           Forged{"by_rank/timing_s", {H5T_NATIVE_FLOAT, {}}},
           Forged{"by_rank/timing_s", {doubles.get(), {}}},
           Forged{"phase_s", {H5T_NATIVE_FLOAT, {3}}},
           Forged{"phase_s", {floats.get(), {}}},
           Forged{"tokens", {H5T_NATIVE_UINT16, {}}},
           Forged{"tokens", {H5T_NATIVE_UINT16, {300}}},
           Forged{"phash", {H5T_NATIVE_INT64, {}}},
           Forged{"images", {H5T_NATIVE_UINT8, {8, 16, 4}}},
           Forged{"images", {H5T_NATIVE_UINT8, {8, 16}}},
           Forged{"images", {H5T_NATIVE_UINT16, {8, 16, 3}}},
           Forged{"images", {H5T_NATIVE_UINT8, {70000, 1, 3}}},
           Forged{"images", {H5T_NATIVE_UINT8, {8, 16, 3, 2}}},
       }) {
    std::string const path = with_dataset(folder, forged.name, forged.format, 2);
    std::string const error = read_all(path);
    BOOST_TEST(error.find(path) != std::string::npos, forged.name << ": " << error);
    BOOST_TEST(error.find("not a shard") != std::string::npos, forged.name << ": " << error);
  }
}

// 2^60 rows are quickly claimed.
BOOST_AUTO_TEST_CASE(rows_that_nothing_is_stored_of) {
  ScratchFolder const folder;
  std::string const path = folder / "claims.h5";
  write_shard(path, make_rows(0, 2));
  {
    UniqueH5File const file = open_h5(path, H5Access::change);
    auto const claim = [&](char const* name) {
      UniqueH5Dataset const dataset(check_h5(H5Dopen2(file.get(), name, H5P_DEFAULT), path));
      set_rows(dataset.get(), std::uint64_t{1} << 60U, path);
    };
    ShardRow const blank;
    ColumnTexts columns;
    visit_columns(blank, columns);
    for (auto const& [name, text] : columns.texts) claim(name.c_str());
    claim("row_sha256");
    claim("images");
  }
  // The chunks of a finished shard are full: what is stored is what there is.
  ShardFile const shard = ShardFile::open(path, H5Access::read);
  BOOST_TEST(shard.rows() == 2U);
  BOOST_TEST(!shard.is_even());
  BOOST_CHECK_THROW((void)publish_shard(path, folder.text(), "shards/16x8/000000.h5"), Error);
}

BOOST_AUTO_TEST_CASE(missing_columns_and_versions) {
  ScratchFolder const folder;
  for (char const* name :
       {"images", "id", "row_sha256", "by_rank/device_ms", "by_rank", "tokens"}) {
    std::string const path = folder / (fs::path(name).filename().string() + ".h5");
    write_shard(path, make_rows(0, 1));
    {
      UniqueH5File const file = open_h5(path, H5Access::change);
      check_h5_status(H5Ldelete(file.get(), name, H5P_DEFAULT), path);
    }
    BOOST_TEST(read_all(path).find(path) != std::string::npos);
  }
  for (char const* name : {"schema_version", "phases", "models", "complete"}) {
    for (int kind = 0; kind < 3; ++kind) {
      std::string const path = folder / (name + std::to_string(kind) + ".h5");
      write_shard(path, make_rows(0, 1));
      {
        UniqueH5File const file = open_h5(path, H5Access::change);
        check_h5_status(H5Adelete(file.get(), name), path);
        if (kind == 1) {  // many values, where one is expected
          hsize_t const count = 1000;
          UniqueH5Space const space(check_h5(H5Screate_simple(1, &count, nullptr), path));
          UniqueH5Attribute const attribute(check_h5(
              H5Acreate2(file.get(), name, H5T_NATIVE_INT32, space.get(), H5P_DEFAULT, H5P_DEFAULT),
              path));
        }
        if (kind == 2) write_attribute(file.get(), path, name, 99);
      }
      std::string error;
      try {
        if (ShardFile::open(path, H5Access::read).is_complete()) error = "none";
      } catch (Error const& caught) {
        error = caught.what();
      }
      BOOST_TEST(error != "none", name << kind);
      if (std::string(name) != "complete") BOOST_TEST(error.find(path) != std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(cut_off_at_any_length) {
  ScratchFolder const folder;
  write_shard(folder / "whole.h5", make_rows(0, 3));
  std::string const whole = read_bytes(folder / "whole.h5");
  std::string const path = folder / "cut.h5";
  for (std::size_t part = 0; part < 60; ++part) {
    write_bytes(path, whole.substr(0, whole.size() * part / 60));
    BOOST_TEST(read_all(path).find(path) != std::string::npos, part);
  }
}

BOOST_AUTO_TEST_CASE(a_run_folder_full_of_rubbish) {
  ScratchFolder const run;
  write_shard(run / "whole.h5", make_rows(0, 3));
  std::string const whole = read_bytes(run / "whole.h5");
  std::mt19937 random(3);
  for (int i = 0; i < 40; ++i) {
    std::string bytes = whole;
    for (int flips = 0; flips <= i % 4; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    write_bytes(run / shard_path({"16x8", i, ""}), bytes);
  }
  write_bytes(run / "index.jsonl",
              "{\"file\": [], \"rows\": -1}\n\xff\xfe\n{\"file\": \"../../x\"}\n");
  VerifyReport const report = verify_run(run.text());
  BOOST_TEST(report.shards == 40);
  // Forty copies of three images: every one but the first is a problem, broken or not.
  BOOST_TEST(report.problems.size() >= 39);
}
