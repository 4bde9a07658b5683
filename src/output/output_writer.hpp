#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "config/run_config.hpp"
#include "core/file_calls.hpp"
#include "core/trace.hpp"
#include "output/publish.hpp"
#include "output/shard_file.hpp"

namespace ditbatch {

/// Whom a writer asks. Called from the writer's thread.
class PublishGate {
 public:
  virtual ~PublishGate() = default;
  /// Whether this row may be added: once for each (id, index) in the whole job.
  [[nodiscard]] virtual bool may_append(std::string const& id, std::uint16_t index) = 0;
  /// Numbers of a size's shards, without gaps.
  [[nodiscard]] virtual int next_shard_number(std::int64_t width_px, std::int64_t height_px) = 0;
  /// In which version of the schema the next shard of a size is written.
  [[nodiscard]] virtual int schema_version(std::int64_t width_px, std::int64_t height_px) = 0;
  virtual void published(PublishedShard const& shard) = 0;

 protected:
  PublishGate() = default;
  PublishGate(PublishGate const&) = default;
  PublishGate& operator=(PublishGate const&) = default;
};

struct WriterOptions {
  std::string run_dir;
  std::string part;  // "" or like "p0007"
  int replica = 0;   // names the partial shards
  int session = 0;
  OutputConfig output;
  std::vector<std::string> phase_names;
  std::string models = "[]";                              // ShardOptions::models
  FileCalls* file_calls = nullptr;                        // who is told of the thread's calls
  std::uint64_t queue_bytes = std::uint64_t{512} << 20U;  // pixels that may wait
  // Pixels that are written and not flushed: so few that a flush takes less than a second.
  std::uint64_t unflushed_bytes = std::uint64_t{32} << 20U;
};

/// Writes rows into shards on a thread of its own: one open shard an image size, flushed and
/// verified every flush_s or `unflushed_bytes`, published by size, age or count. An error on the
/// thread is thrown by the next call.
class OutputWriter {
 public:
  OutputWriter(WriterOptions options, PublishGate& gate, Trace& trace);
  OutputWriter(OutputWriter const&) = delete;
  OutputWriter& operator=(OutputWriter const&) = delete;
  /// Without finish(): ends the thread and leaves the partial shards for a later job.
  ~OutputWriter();

  /// Hands a row over, and returns the seconds it had to wait for room in the queue.
  double append(ShardRow row);
  /// All that was handed over is to be flushed now. Does not wait. From any thread.
  void flush_soon();
  /// Whether nothing that was handed over would be lost if the process ended here.
  [[nodiscard]] bool is_flushed();
  /// Throws what went wrong on the thread, if anything did.
  void check();
  /// Writes and publishes everything. The writer takes no rows afterwards.
  void finish();
  /// Of the images that were written, those whose bytes are all the same.
  [[nodiscard]] std::uint64_t constant_images() const { return constant_images_; }

 private:
  struct OpenShard {
    ShardFile file;
    std::uint64_t bytes = 0;
    std::uint64_t unflushed_bytes = 0;
    std::uint64_t verified_rows = 0;  // flushed and read back
    std::int64_t opened_ns = 0;
    std::int64_t flushed_ns = 0;
  };
  void run();
  void write(ShardRow row);
  [[nodiscard]] int version_for(ShardRow const& row);
  [[nodiscard]] std::uint64_t unflushed_bytes() const;
  void flush(OpenShard& shard);
  void publish(std::string const& size);
  enum class Hurry { no, soon, now };  // soon: more rows wait, which one flush may take along
  void look_at_clocks(Hurry hurry);
  void rethrow();
  void set_busy(bool is_busy);
  /// How much space the images need that are not published, for the message about a full disk.
  [[nodiscard]] std::string needed_text();

  WriterOptions options_;
  PublishGate& gate_;
  Trace& trace_;
  std::map<std::string, OpenShard> open_;  // by size folder; the thread's own
  std::map<std::string, int> versions_;    // of the schema, by size folder
  int partial_count_ = 0;
  std::atomic<std::uint64_t> constant_images_{0};

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<ShardRow> queue_;
  std::uint64_t queued_bytes_ = 0;
  bool is_hurried_ = false;  // until all is flushed
  bool is_flushed_ = true;
  enum class End { none, finish, drop } end_ = End::none;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace ditbatch
