// A writer that is killed, or whose disk is full, in any of the calls that change a file: what was
// flushed is salvaged; and a salvage that is killed itself is made again by the next one. Every
// third call, of each fault others; DITBATCH_EVERY_CASE=1: every call.
#define BOOST_TEST_MODULE broken_writes
#include <sys/mman.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "core/error.hpp"
#include "output/broken_writes.hpp"
#include "output/flush_journal.hpp"
#include "output/scan_run.hpp"
#include "output/shard_rows.hpp"

using namespace ditbatch;
using namespace ditbatch::test;

BOOST_TEST_GLOBAL_FIXTURE(PreparedH5);

namespace {

constexpr char const* partial_name = ".work/partial-s1-r0-0.h5";

// A number that a child leaves behind.
class SharedNumber {
 public:
  SharedNumber()
      : number_(static_cast<std::uint32_t volatile*>(::mmap(nullptr, sizeof(std::uint32_t),
                                                            PROT_READ | PROT_WRITE,
                                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    BOOST_REQUIRE(number_ != MAP_FAILED);
  }
  SharedNumber(SharedNumber const&) = delete;
  SharedNumber& operator=(SharedNumber const&) = delete;
  ~SharedNumber() { ::munmap(const_cast<std::uint32_t*>(number_), sizeof(std::uint32_t)); }
  void set(std::uint32_t value) { *number_ = value; }
  [[nodiscard]] std::uint32_t get() const { return *number_; }

 private:
  std::uint32_t volatile* number_;
};

// A shard of 10 rows, and how many of them a flush has made safe.
struct Writer {
  std::vector<ShardRow> rows = make_rows(0, 10);
  SharedNumber flushed;

  void write(std::string const& path) {
    flushed.set(0);
    ShardFile shard = ShardFile::create(path, small_shard());
    std::uint32_t next = 0;
    for (std::uint32_t const end : {4, 6, 8}) {
      while (next < end) shard.append(rows[next++]);
      shard.flush();
      flushed.set(next);
    }
    while (next < rows.size()) shard.append(rows[next++]);
    shard.finish();
    flushed.set(next);
  }

  // In a child; -> whether it came to its end.
  bool write_until(std::string const& path, int number, Fault fault) {
    return survives([&] {
      break_write(number, fault);
      write(path);
    });
  }
};

int next_call(int number) {
  return number + (std::getenv("DITBATCH_EVERY_CASE") != nullptr ? 1 : 3);
}

// Salvages everything in the run folder, as the next job does.
void salvage_all(std::string const& run_dir) {
  RunContents contents = scan_run(run_dir, "");
  for (std::string const& partial : contents.partials)
    (void)salvage_partial(partial, run_dir, "", contents);
}

// Whether the published rows are the first of these, each once, bit for bit, and not fewer.
bool are_published(std::string const& run_dir, std::vector<ShardRow> const& rows,
                   std::size_t not_fewer_than) {
  std::map<std::string, int> const ids = published_ids(run_dir);
  if (ids.size() < not_fewer_than) return false;
  for (std::string const& file : shard_files(run_dir)) {
    ShardFile const shard = ShardFile::open(run_dir + "/" + file, H5Access::read);
    for (std::uint64_t i = 0; i < shard.rows(); ++i) {
      ShardRow const read = shard.read(i, ShardFile::Part::everything);
      auto const number = static_cast<std::size_t>(std::stoi(read.id.substr(3)));
      if (number >= ids.size() || ids.at(read.id) != 1 || !is_same(read, rows[number]))
        return false;
    }
  }
  return true;
}

void start_again(ScratchFolder const& run) {
  fs::remove_all(run.text());
  fs::create_directories(run / ".work");
}

std::string const journal_name = journal_path(partial_name);

// A file whose writer was killed in its second flush, while the pages were on their way.
void leave_half_a_flush(ScratchFolder const& run, Writer& writer) {
  int number = 0;
  do {
    start_again(run);
    BOOST_REQUIRE(!writer.write_until(run / partial_name, number++, Fault::kill_before));
  } while (writer.flushed.get() == 0 || fs::file_size(run / journal_name) == 0);
  // The journal is written; after its fsync the pages follow.
  start_again(run);
  BOOST_REQUIRE(!writer.write_until(run / partial_name, number + 3, Fault::kill_within));
  BOOST_REQUIRE(fs::file_size(run / journal_name) > 0);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_writer_killed_in_any_call_loses_no_flushed_row) {
  ScratchFolder const run;
  Writer writer;
  for (Fault const fault : {Fault::kill_before, Fault::kill_within}) {
    int number = fault == Fault::kill_within ? 1 : 0;
    for (bool survived = false; !survived; number = next_call(number)) {
      start_again(run);
      survived = writer.write_until(run / partial_name, number, fault);
      salvage_all(run.text());
      BOOST_TEST(are_published(run.text(), writer.rows, writer.flushed.get()),
                 "killed in call " << number << ": " << published_ids(run.text()).size()
                                   << " rows of " << writer.flushed.get());
      BOOST_TEST(fs::is_empty(run / ".work"), "killed in call " << number);
    }
    BOOST_TEST(number > 100);  // every write of four flushes
    BOOST_TEST_MESSAGE(number << " calls");
  }
}

BOOST_AUTO_TEST_CASE(a_disk_full_at_any_call_costs_no_flushed_row) {
  ScratchFolder const run;
  Writer writer;
  int number = 2;
  for (bool is_full = true; is_full; number = next_call(number)) {
    start_again(run);
    is_full = false;
    break_write(number, Fault::full_disk);
    try {
      writer.write(run / partial_name);
    } catch (Error const& error) {
      is_full = true;
      std::string const text = error.what();
      BOOST_TEST((error.code() == ExitCode::io));
      BOOST_TEST(text.find(run / partial_name) != std::string::npos, text);
      BOOST_TEST(text.find("No space left") != std::string::npos, text);
      BOOST_TEST(text.find("bytes are free") != std::string::npos, text);
    }
    mend_writes();
    salvage_all(run.text());
    BOOST_TEST(are_published(run.text(), writer.rows, writer.flushed.get()),
               "full at call " << number << ": " << published_ids(run.text()).size() << " rows of "
                               << writer.flushed.get());
    BOOST_TEST(fs::is_empty(run / ".work"), "full at call " << number);
  }
  BOOST_TEST(number > 100);
}

BOOST_AUTO_TEST_CASE(a_salvage_killed_in_any_call_is_made_again) {
  ScratchFolder const run;
  Writer writer;
  leave_half_a_flush(run, writer);
  std::string const partial = read_bytes(run / partial_name);
  std::string const journal = read_bytes(run / journal_name);
  for (Fault const fault : {Fault::kill_before, Fault::kill_within}) {
    int number = fault == Fault::kill_within ? 1 : 0;
    for (bool survived = false; !survived; number = next_call(number)) {
      start_again(run);
      write_bytes(run / partial_name, partial);
      write_bytes(run / journal_name, journal);
      survived = survives([&] {
        break_write(number, fault);
        salvage_all(run.text());
      });
      salvage_all(run.text());
      // The flush had been decided: its two rows are there too.
      BOOST_TEST(are_published(run.text(), writer.rows, writer.flushed.get() + 2),
                 "killed in call " << number);
      BOOST_TEST(fs::is_empty(run / ".work"), "killed in call " << number);
    }
    BOOST_TEST(number > 40);
    BOOST_TEST_MESSAGE(number << " calls");
  }
}

// Its change was never decided.
BOOST_AUTO_TEST_CASE(a_torn_or_damaged_journal_changes_nothing) {
  ScratchFolder const run;
  Writer writer;
  leave_half_a_flush(run, writer);
  std::string const journal = read_bytes(run / journal_name);
  std::string const file = run / "plain";
  std::mt19937 random(3);
  for (int i = 0; i < 60; ++i) {
    std::string bad = journal;
    if (i % 2 == 0)
      bad.resize(random() % bad.size());
    else
      bad[random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    write_bytes(file, "old");
    write_bytes(journal_path(file), bad);
    recover_file(file);
    BOOST_TEST(read_bytes(file) == "old");
    BOOST_TEST(!fs::exists(journal_path(file)));
  }
  write_bytes(journal_path(file), journal);
  recover_file(file);
  BOOST_TEST(fs::file_size(file) > journal.size());
}

// A journal that an earlier file of the same name left is not taken for the new one's.
BOOST_AUTO_TEST_CASE(a_new_file_takes_no_old_journal) {
  ScratchFolder const run;
  Writer writer;
  leave_half_a_flush(run, writer);
  fs::remove(run / partial_name);
  { ShardFile const shard = ShardFile::create(run / partial_name, small_shard()); }
  BOOST_TEST(!fs::exists(run / journal_name));
  BOOST_TEST(ShardFile::open(run / partial_name, H5Access::change).rows() == 0);
}
