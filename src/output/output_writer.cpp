#include "output/output_writer.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "core/error.hpp"
#include "core/log.hpp"
#include "output/run_paths.hpp"

namespace ditbatch {

namespace {

double seconds_since(std::int64_t begin_ns) {
  return static_cast<double>(now_ns() - begin_ns) * 1e-9;
}

constexpr std::uint16_t writer_thread = 1;
constexpr double hurried_flush_s = 0.1;

}  // namespace

OutputWriter::OutputWriter(WriterOptions options, PublishGate& gate, Trace& trace)
    : options_(std::move(options)), gate_(gate), trace_(trace) {
  std::filesystem::create_directories(work_folder(options_.run_dir));
  thread_ = std::thread([this] { run(); });
}

OutputWriter::~OutputWriter() {
  {
    std::scoped_lock const lock(mutex_);
    if (end_ == End::none) end_ = End::drop;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void OutputWriter::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void OutputWriter::check() {
  std::scoped_lock const lock(mutex_);
  rethrow();
}

double OutputWriter::append(ShardRow row) {
  std::uint64_t const bytes = row.pixels.size();
  std::int64_t const begin_ns = now_ns();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return error_ || queue_.empty() || queued_bytes_ + bytes <= options_.queue_bytes;
  });
  rethrow();
  ensure(end_ == End::none, "a finished writer takes no rows");
  queued_bytes_ += bytes;
  queue_.push_back(std::move(row));
  is_flushed_ = false;
  lock.unlock();
  changed_.notify_all();
  return seconds_since(begin_ns);
}

void OutputWriter::flush_soon() {
  {
    std::scoped_lock const lock(mutex_);
    is_hurried_ = true;
  }
  changed_.notify_all();
}

bool OutputWriter::is_flushed() {
  std::scoped_lock const lock(mutex_);
  return is_flushed_;
}

void OutputWriter::finish() {
  {
    std::scoped_lock const lock(mutex_);
    if (end_ == End::none) end_ = End::finish;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  rethrow();
}

void OutputWriter::set_busy(bool is_busy) {
  if (options_.file_calls != nullptr) options_.file_calls->set_busy(is_busy);
}

void OutputWriter::run() {
  ToldFileCalls const told(options_.file_calls);
  try {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait_for(lock, std::chrono::seconds(1),
                        [this] { return !queue_.empty() || end_ != End::none || is_hurried_; });
      if (end_ == End::drop) return;
      if (queue_.empty() && end_ == End::finish) break;
      std::optional<ShardRow> row;
      if (!queue_.empty()) {
        row = std::move(queue_.front());
        queue_.pop_front();
      }
      std::uint64_t const bytes = row ? row->pixels.size() : 0;
      Hurry const hurry = !is_hurried_ ? Hurry::no : queue_.empty() ? Hurry::now : Hurry::soon;
      lock.unlock();
      set_busy(true);
      if (row) write(std::move(*row));
      look_at_clocks(hurry);
      set_busy(false);
      lock.lock();
      queued_bytes_ -= bytes;  // only now: a row being written takes memory too
      is_flushed_ = queue_.empty() && unflushed_bytes() == 0;
      if (is_flushed_) is_hurried_ = false;
      changed_.notify_all();
    }
    lock.unlock();
    set_busy(true);
    while (!open_.empty()) {
      std::string const size = open_.begin()->first;  // publishing ends the entry and its key
      publish(size);
    }
    lock.lock();
    is_flushed_ = true;
  } catch (Error const& error) {
    std::string const needed = error.code() == ExitCode::io ? needed_text() : "";
    std::scoped_lock const lock(mutex_);
    error_ = std::make_exception_ptr(Error(error.code(), error.what() + needed));
  } catch (...) {
    std::scoped_lock const lock(mutex_);
    error_ = std::current_exception();
  }
  set_busy(false);
  changed_.notify_all();
}

std::string OutputWriter::needed_text() {
  std::scoped_lock const lock(mutex_);
  std::uint64_t bytes = queued_bytes_;  // with the row in hand
  for (auto const& [size, shard] : open_) bytes += shard.bytes;
  return "; up to " + std::to_string(bytes) +
         " bytes are needed for the images in hand, less by what compression saves";
}

int OutputWriter::version_for(ShardRow const& row) {
  auto const [at, is_new] = versions_.emplace(size_folder(row.width, row.height), 0);
  if (is_new) at->second = gate_.schema_version(row.width, row.height);
  return at->second;
}

void OutputWriter::write(ShardRow row) {
  ScopedSpan const span(trace_, "write", row.id, writer_thread);
  row.version = version_for(row);
  if (row.version == 1) {
    row.record_sha256 = row.record_sha256_1.value_or(row.record_sha256);
    row.identity = 1;
  }
  row.phase_s = slowest_ranks(row.timing_s, options_.phase_names.size());
  seal(row);
  if (!gate_.may_append(row.id, row.index))
    return;  // the lease was revoked: another replica makes it
  std::string const size = size_folder(row.width, row.height);
  auto found = open_.find(size);
  if (found == open_.end()) {
    std::string const path =
        partial_path(options_.run_dir, options_.part,
                     "s" + std::to_string(options_.session) + "-r" +
                         std::to_string(options_.replica) + "-" + std::to_string(partial_count_++));
    ShardFile file =
        ShardFile::create(path, {row.version, row.width, row.height, options_.output.compression,
                                 options_.phase_names, options_.models});
    found = open_.emplace(size, OpenShard{std::move(file), 0, 0, 0, now_ns(), now_ns()}).first;
  }
  OpenShard& shard = found->second;
  shard.file.append(row);
  shard.bytes += row.pixels.size();
  shard.unflushed_bytes += row.pixels.size();
  if (is_constant(row) && constant_images_++ == 0) {
    log_warning(image_name({row.id, row.index}) +
                ": the image is constant, all its bytes are the same (a broken checkpoint, or "
                "asked for?) it is published; further ones are only counted");
  }
  bool const full = shard.bytes >= options_.output.shard_bytes ||
                    (options_.output.images_per_shard > 0 &&
                     shard.file.rows() >= options_.output.images_per_shard);
  if (full) publish(size);
}

std::uint64_t OutputWriter::unflushed_bytes() const {
  std::uint64_t bytes = 0;
  for (auto const& [size, shard] : open_) bytes += shard.unflushed_bytes;
  return bytes;
}

// What can be lost is bounded in seconds, and in bytes: whoever is told to hurry has a second.
void OutputWriter::look_at_clocks(Hurry hurry) {
  bool const flush_all = hurry == Hurry::now || unflushed_bytes() >= options_.unflushed_bytes;
  double const flush_s = hurry == Hurry::no ? options_.output.flush_s
                                            : std::min(options_.output.flush_s, hurried_flush_s);
  std::vector<std::string> old;
  for (auto& [size, shard] : open_) {
    if (hurry == Hurry::no && seconds_since(shard.opened_ns) >= options_.output.shard_s) {
      old.push_back(size);
    } else if (shard.unflushed_bytes > 0 &&
               (flush_all || seconds_since(shard.flushed_ns) >= flush_s)) {
      flush(shard);
    }
  }
  for (std::string const& size : old) publish(size);
}

// What was flushed is read back and compared: a row that a later job salvages has been seen whole.
void OutputWriter::flush(OpenShard& shard) {
  ScopedSpan const span(trace_, "flush", {}, writer_thread);
  shard.file.flush();
  for (; shard.verified_rows < shard.file.rows(); ++shard.verified_rows) {
    std::string const broken =
        broken_part(shard.file.read(shard.verified_rows, ShardFile::Part::everything));
    require(broken.empty(), ExitCode::io,
            shard.file.path() + ": row " + std::to_string(shard.verified_rows) +
                " is broken after a flush: " + broken +
                " (what was read back is not what was written) check the file system");
  }
  shard.unflushed_bytes = 0;
  shard.flushed_ns = now_ns();
}

// Publishing takes long: the rows of other sizes are safe before.
void OutputWriter::publish(std::string const& size) {
  for (auto& [other, shard] : open_) {
    if (other != size && shard.unflushed_bytes > 0) flush(shard);
  }
  ScopedSpan const span(trace_, "publish", {}, writer_thread);
  OpenShard& shard = open_.at(size);
  std::string const partial = shard.file.path();
  std::int64_t const width_px = shard.file.width_px();
  std::int64_t const height_px = shard.file.height_px();
  shard.file.finish();
  int const number = gate_.next_shard_number(width_px, height_px);
  gate_.published(
      publish_shard(partial, options_.run_dir, shard_path({size, number, options_.part})));
  open_.erase(size);
}

}  // namespace ditbatch
