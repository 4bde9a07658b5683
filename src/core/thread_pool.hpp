#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace ditbatch {

/// As many threads as this process may run at once, and at most eight: what they work on comes from
/// one reader.
[[nodiscard]] int usual_threads();

/// Threads that do what they are given, in the order in which they are given it. For work that is
/// no rank's: a rank has its cores for itself.
class ThreadPool {
 public:
  explicit ThreadPool(int threads = usual_threads());
  ThreadPool(ThreadPool const&) = delete;
  ThreadPool& operator=(ThreadPool const&) = delete;
  /// Leaves out what was not begun.
  ~ThreadPool();

  /// The result, or what the function threw, is in the future.
  template <class Function>
  [[nodiscard]] auto submit(Function function) {
    using Result = std::invoke_result_t<Function>;
    // std::function copies what it holds.
    auto const task = std::make_shared<std::packaged_task<Result()>>(std::move(function));
    std::future<Result> result = task->get_future();
    add([task] { (*task)(); });
    return result;
  }
  [[nodiscard]] std::size_t size() const { return threads_.size(); }

 private:
  void add(std::function<void()> task);
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool is_ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ditbatch
