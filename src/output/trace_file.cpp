#include "output/trace_file.hpp"

#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.hpp"
#include "core/json_text.hpp"
#include "core/log.hpp"
#include "output/h5_dataset.hpp"
#include "output/h5_handle.hpp"

namespace ditbatch {

using nlohmann::json;

namespace {

constexpr char const* offset_name = "steady_to_unix_ns";

std::vector<std::string> read_texts(hid_t file, std::string const& path, char const* name,
                                    std::uint64_t rows) {
  UniqueH5Type const type = text_type(path);
  UniqueH5Dataset const column = open_column(file, path, name, {type.get(), {}});
  require(shape_of(column.get(), path) == std::vector<hsize_t>{rows}, ExitCode::io,
          path + ": its columns differ in length (none of ours) name a trace file");
  std::vector<char*> read(rows, nullptr);
  if (rows > 0) read_rows(column.get(), 0, rows, type.get(), read.data(), path);
  std::vector<std::string> texts;
  for (char* text : read) {
    texts.emplace_back(text != nullptr ? text : "");
    H5free_memory(text);
  }
  return texts;
}

template <class Number>
std::vector<Number> read_numbers(hid_t file, std::string const& path, char const* name) {
  UniqueH5Dataset const column = open_column(file, path, name, {number_type<Number>(), {}});
  std::vector<Number> numbers(shape_of(column.get(), path).front());
  if (!numbers.empty())
    read_rows(column.get(), 0, numbers.size(), number_type<Number>(), numbers.data(), path);
  return numbers;
}

TraceFile read_h5(std::string const& path) {
  UniqueH5File const file = open_h5(path, H5Access::read);
  auto const begins = read_numbers<std::int64_t>(file.get(), path, "begin_ns");
  auto const ends = read_numbers<std::int64_t>(file.get(), path, "end_ns");
  auto const threads = read_numbers<std::uint16_t>(file.get(), path, "thread");
  require(ends.size() == begins.size() && threads.size() == begins.size(), ExitCode::io,
          path + ": its columns differ in length (none of ours) name a trace file");
  std::vector<std::string> const names = read_texts(file.get(), path, "name", begins.size());
  std::vector<std::string> const ids = read_texts(file.get(), path, "record_id", begins.size());
  TraceFile trace;
  for (std::size_t i = 0; i < begins.size(); ++i)
    trace.spans.push_back({names[i], ids[i], begins[i], ends[i], threads[i]});
  if (H5Aexists(file.get(), offset_name) > 0) {
    std::string const offset = read_text_attribute(file.get(), path, offset_name);
    trace.steady_to_unix_ns = std::strtoll(offset.c_str(), nullptr, 10);
  }
  return trace;
}

std::string line_of(Span const& span) {
  return to_text(
             json::array({span.name, span.record_id, span.begin_ns, span.end_ns, span.thread})) +
         "\n";
}

TraceFile read_lines(std::string const& path) {
  std::ifstream file(path);
  TraceFile trace;
  std::string line;
  try {
    std::getline(file, line);
    std::string const offset = json_of(line).at(offset_name);
    trace.steady_to_unix_ns = std::strtoll(offset.c_str(), nullptr, 10);
    while (std::getline(file, line) && !file.eof()) {
      json const span = json_of(line);
      trace.spans.push_back({span.at(0), span.at(1), span.at(2), span.at(3), span.at(4)});
    }
  } catch (json::exception const& error) {
    throw Error(ExitCode::io, path + ": line " + std::to_string(trace.spans.size() + 1) +
                                  " is none of a trace (" + error.what() + ") name a trace file");
  }
  return trace;
}

}  // namespace

TraceWriter::TraceWriter(std::string path, Trace& trace, std::chrono::milliseconds interval)
    : path_(std::move(path)), trace_(trace), interval_(interval), thread_([this] { run(); }) {}

TraceWriter::~TraceWriter() { stop(); }

void TraceWriter::stop() noexcept {
  {
    std::scoped_lock const lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void TraceWriter::finish() {
  stop();
  if (error_) std::rethrow_exception(error_);
  if (trace_.dropped() > 0) {
    log_warning(path_ + ": lacks " + std::to_string(trace_.dropped()) +
                " spans (the file system took none for too long)");
  }
}

void TraceWriter::run() {
  std::unique_lock lock(mutex_);
  bool is_last = false;
  while (!is_last && !error_) {
    is_last = end_;
    lock.unlock();
    try {
      naming_file(path_, [&] { write_new(); });
    } catch (...) {
      error_ = std::current_exception();
    }
    lock.lock();
    if (!is_last) ended_.wait_for(lock, interval_, [this] { return end_; });
  }
}

void TraceWriter::write_new() {
  std::string text;
  if (!file_) {
    file_ = open_file(path_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
    // As text: all 64 bits in any reader.
    text = to_text(json{{offset_name, std::to_string(unix_time_ns() - now_ns())}}) + "\n";
  }
  for (Span const& span : trace_.drain()) text += line_of(span);
  write_at(file_.get(), text.data(), text.size(), size_bytes_);
  size_bytes_ += text.size();
}

TraceFile read_trace_file(std::string const& path) {
  return std::filesystem::path(path).extension() == ".h5" ? read_h5(path) : read_lines(path);
}

}  // namespace ditbatch
