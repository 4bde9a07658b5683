// Shards as files: what is written is read, what is broken is not published.
#define BOOST_TEST_MODULE shards
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <limits>

#include "core/error.hpp"
#include "output/h5_dataset.hpp"
#include "output/publish.hpp"
#include "output/run_paths.hpp"
#include "output/shard_rows.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

// Changes the column with this number a little.
struct Changer {
  int wanted = 0;
  int at = 0;
  bool here() { return at++ == wanted; }
  void text(char const*, std::string& value) {
    if (here()) value += "x";
  }
  template <class Number>
  void number(char const*, Number& value) {
    if (here()) value = static_cast<Number>(value == Number{1} ? 2 : 1);
  }
  void digest(char const*, Sha256Digest& value) {
    if (here()) value[31] ^= 1;
  }
  void counts(char const*, EncoderCounts& value) {
    if (here()) value.back() ^= 1;
  }
  void phases(char const*, std::vector<float>& value) {
    if (here()) value.back() += 1;
  }
  void floats(char const*, std::vector<float>& value) {
    if (here()) value.push_back(1);
  }
};

bool is_io(Error const& error) { return error.code() == ExitCode::io; }

}  // namespace

BOOST_AUTO_TEST_CASE(every_column_comes_back) {
  ScratchFolder const run;
  std::vector<ShardRow> rows = make_rows(0, 300);  // more than one chunk of the small columns
  rows[7].prompt = std::string(100'000, 'x');
  rows[8].timing_s = {std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity(), -0.0F};
  rows[9].seed = std::numeric_limits<std::uint64_t>::max();
  rows[9].finished_ns = std::numeric_limits<std::int64_t>::min();
  for (ShardRow& row : rows) seal(row);
  struct Kind {
    int compression, version;
  };
  for (auto const& [compression, version] : {Kind{0, 2}, Kind{1, 2}, Kind{9, 2}, Kind{1, 1}}) {
    std::string const path =
        run / ("shard" + std::to_string(compression) + "-" + std::to_string(version) + ".h5");
    for (ShardRow& row : rows) {
      row.version = version;
      seal(row);
    }
    write_shard(path, rows, compression);
    ShardFile const shard = ShardFile::open(path, H5Access::read);
    BOOST_TEST(shard.rows() == rows.size());
    BOOST_TEST((shard.is_complete() && shard.is_even()));
    BOOST_TEST(shard.options().compression == compression);
    BOOST_TEST(shard.options().version == version);
    BOOST_TEST(shard.options().phase_names == small_shard().phase_names);
    std::vector<RowKey> const keys = shard.read_keys();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      BOOST_REQUIRE(is_same(shard.read(i, ShardFile::Part::everything), rows[i]));
      BOOST_REQUIRE((keys[i].id == rows[i].id && keys[i].index == rows[i].index &&
                     keys[i].record.record_sha256 == rows[i].record_sha256 &&
                     keys[i].sha256 == rows[i].sha256));
    }
  }
}

// pyfive reads no texts from a chunk that is not full.
BOOST_AUTO_TEST_CASE(small_columns_of_a_finished_shard_fill_their_chunks) {
  ScratchFolder const run;
  for (unsigned const count : {1U, 255U, 256U, 300U, 509U}) {
    std::string const path = run / (std::to_string(count) + ".h5");
    write_shard(path, make_rows(0, count));
    UniqueH5File const file = open_h5(path, H5Access::read);
    for (char const* name : {"id", "seed", "sha256", "by_rank/timing_s"}) {
      UniqueH5Dataset const dataset(check_h5(H5Dopen2(file.get(), name, H5P_DEFAULT), path));
      UniqueH5Properties const storage(check_h5(H5Dget_create_plist(dataset.get()), path));
      hsize_t chunk[2] = {0, 0};
      BOOST_TEST(H5Pget_chunk(storage.get(), 2, chunk) > 0);
      BOOST_TEST(count % chunk[0] == 0U, name << " of " << count << " in chunks of " << chunk[0]);
    }
    BOOST_TEST(H5Lexists(file.get(), "id.new", H5P_DEFAULT) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_newer_shard_names_the_program_that_reads_it) {
  ScratchFolder const run;
  std::string const path = run / "newer.h5";
  write_shard(path, make_rows(0, 1));
  {
    UniqueH5File const file = open_h5(path, H5Access::change);
    for (char const* name : {"schema_version", "softwareVersion"})
      check_h5_status(H5Adelete(file.get(), name), path);
    write_attribute(file.get(), path, "schema_version", 3);
    write_attribute(file.get(), path, "softwareVersion", "4.5.6");
  }
  BOOST_CHECK_EXCEPTION((void)ShardFile::open(path, H5Access::read), Error, [](Error const& error) {
    return std::string(error.what())
               .find(
                   "is a shard of version 3 (this program reads up to 2) use ditbatch of "
                   "version 4.5.6 or newer") != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(the_slowest_rank_of_each_phase_counts) {
  BOOST_TEST(slowest_ranks({1, 5, 2, 4, 3, 3}, 2) == (std::vector<float>{3, 5}));
  BOOST_TEST(slowest_ranks({}, 2) == (std::vector<float>{0, 0}));
}

BOOST_AUTO_TEST_CASE(a_shard_is_never_made_over_another_file) {
  ScratchFolder const run;
  write_bytes(run / "taken.h5", "mine");
  BOOST_CHECK_EXCEPTION(ShardFile::create(run / "taken.h5", small_shard()), Error, is_io);
  BOOST_TEST(read_bytes(run / "taken.h5") == "mine");
}

BOOST_AUTO_TEST_CASE(the_hash_covers_every_column) {
  ShardRow const row = make_row(1);
  BOOST_TEST(broken_part(row) == "");
  ColumnTexts columns;
  visit_columns(row, columns);
  for (std::size_t column = 0; column < columns.texts.size(); ++column) {
    ShardRow changed = row;
    visit_columns(changed, Changer{static_cast<int>(column)});
    BOOST_TEST(broken_part(changed) != "", "column " << column);
  }
  ShardRow changed = row;
  changed.pixels.back() ^= 1;
  BOOST_TEST(broken_part(changed) == "the pixels do not match sha256");
}

BOOST_AUTO_TEST_CASE(a_constant_image_has_no_deviation) {
  ShardRow row = make_row(1);
  std::fill(row.pixels.begin(), row.pixels.end(), 200);
  seal(row);
  BOOST_TEST(row.pixel_std == 0.0F);
  std::fill(row.pixels.begin(), row.pixels.begin() + row.pixels.size() / 2, 0);
  seal(row);
  BOOST_TEST(row.pixel_std == 100.0F);
}

BOOST_AUTO_TEST_CASE(published_shards_are_read_only_and_never_replaced) {
  ScratchFolder const run;
  write_shard(run / ".work/partial-a.h5", make_rows(0, 3));
  std::string const file = shard_path({"16x8", 0, ""});
  PublishedShard const first = publish_shard(run / ".work/partial-a.h5", run.text(), file);
  BOOST_TEST(file == "shards/16x8/000000.h5");
  BOOST_TEST(first.rows == 3);
  BOOST_TEST(first.bytes == fs::file_size(run / file));
  BOOST_TEST((first.sha256 == sha256(read_bytes(run / file))));
  BOOST_TEST((first.keys[2] == ImageKey{"row2", make_row(2).index}));
  fs::perms const writable =
      fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write;
  BOOST_TEST(((fs::status(run / file).permissions() & writable) == fs::perms::none));
  BOOST_TEST(!fs::exists(run / ".work/partial-a.h5"));

  write_shard(run / ".work/partial-b.h5", make_rows(3, 3));
  BOOST_CHECK_EXCEPTION((void)publish_shard(run / ".work/partial-b.h5", run.text(), file), Error,
                        is_io);
  BOOST_TEST((first.sha256 == sha256(read_bytes(run / file))));
  BOOST_TEST(fs::exists(run / ".work/partial-b.h5"));
}

BOOST_AUTO_TEST_CASE(an_unfinished_shard_is_not_published) {
  ScratchFolder const run;
  {
    ShardFile shard = ShardFile::create(run / ".work/partial-a.h5", small_shard());
    shard.append(make_row(0));
    shard.flush();
  }
  BOOST_CHECK_EXCEPTION(
      (void)publish_shard(run / ".work/partial-a.h5", run.text(), "shards/16x8/0.h5"), Error,
      is_io);
  BOOST_TEST(published_ids(run.text()).empty());
}

// Wherever a byte of a finished partial shard turns over: it is refused, or the byte was of no
// account and every row is as it was written.
enum class Publication { refused, right, wrong };

// In a process of its own: HDF5 1.10 trusts the length of a text, and may die of a flipped one.
Publication publish_in_child(std::string const& partial, ScratchFolder const& run,
                             std::string const& file, std::vector<ShardRow> const& rows) {
  pid_t const child = ::fork();
  if (child == 0) {
    for (int const signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE}) ::signal(signal, SIG_DFL);
    try {
      (void)publish_shard(partial, run.text(), file);
      ShardFile const shard = ShardFile::open(run / file, H5Access::read);
      bool is_right = shard.rows() == rows.size();
      for (std::size_t row = 0; is_right && row < rows.size(); ++row)
        is_right = is_same(shard.read(row, ShardFile::Part::everything), rows[row]);
      ::_exit(static_cast<int>(is_right ? Publication::right : Publication::wrong));
    } catch (Error const& error) {
      ::_exit(static_cast<int>(is_io(error) ? Publication::refused : Publication::wrong));
    }
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? static_cast<Publication>(WEXITSTATUS(status)) : Publication::refused;
}

BOOST_AUTO_TEST_CASE(a_corrupted_partial_is_not_published) {
  ScratchFolder const run;
  std::vector<ShardRow> const rows = make_rows(0, 4);
  write_shard(run / ".work/good.h5", rows, 0);
  std::string const good = read_bytes(run / ".work/good.h5");

  std::string const row_pixels(rows[2].pixels.begin(), rows[2].pixels.end());
  std::size_t const pixels_at = good.find(row_pixels);
  BOOST_REQUIRE(pixels_at != std::string::npos);
  std::size_t const prompt_at = good.rfind(rows[2].prompt);
  BOOST_REQUIRE(prompt_at != std::string::npos);

  std::mt19937 random(5);
  std::vector<std::size_t> places{pixels_at, pixels_at + row_pixels.size() - 1, prompt_at + 30};
  while (places.size() < 120) places.push_back(random() % good.size());
  int refused = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    std::string bad = good;
    bad[places[i]] = static_cast<char>(bad[places[i]] ^ (1 << random() % 8));
    std::string const partial = run / ".work/partial.h5";
    fs::remove(partial);
    write_bytes(partial, bad);
    std::string const file = shard_path({"16x8", static_cast<int>(i), ""});
    Publication const outcome = publish_in_child(partial, run, file, rows);
    BOOST_TEST((outcome != Publication::wrong), "the flip at " << places[i]);
    if (outcome == Publication::refused) {
      BOOST_TEST(!fs::exists(run / file));
      refused += 1;
    }
    if (i < 3) BOOST_TEST(refused == static_cast<int>(i) + 1, "the flip at " << places[i]);
  }
  BOOST_TEST_MESSAGE(refused << " of " << places.size() << " flips refused");
}
