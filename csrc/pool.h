// A pool of threads that runs the tasks of one kernel at a time.
//
// One pool serves the whole process. If Node runs several JavaScript threads, a kernel that finds
// the pool taken runs its tasks alone: results do not depend on who runs a task.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

class Pool {
 public:
  typedef void (*Body)(void* context, int task);

  ~Pool() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  /** Runs body(context, task) for every task, on `threads` threads with the caller's. */
  void run(int threads, int tasks, Body body, void* context) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) {
      for (int task = 0; task < tasks; task++) body(context, task);
      return;
    }
    int helpers = (threads < tasks ? threads : tasks) - 1;
    start(helpers);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = body;
      context_ = context;
      tasks_ = tasks;
      next_.store(0, std::memory_order_relaxed);
      helpers_ = helpers;
      busy_.store(helpers, std::memory_order_relaxed);
      round_.fetch_add(1, std::memory_order_release);
    }
    wake_.notify_all();
    work();
    if (spin([&] { return busy_.load(std::memory_order_acquire) == 0; })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return busy_.load(std::memory_order_acquire) == 0; });
  }

 private:
  /** Waits for a moment without sleeping: a kernel often follows right behind another. */
  template <class Ready>
  static bool spin(Ready ready) {
    auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
    do {
      for (int i = 0; i < 32; i++) {
        if (ready()) return true;
#if defined(__x86_64__)
        _mm_pause();
#endif
      }
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  void start(int helpers) {
    while ((int)workers_.size() < helpers) {
      int index = (int)workers_.size();
      // No round can start meanwhile: the caller holds owner_.
      uint64_t seen = round_.load(std::memory_order_relaxed);
      workers_.emplace_back([this, index, seen] { serve(index, seen); });
    }
  }

  void work() {
    for (int task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
      body_(context_, task);
    }
  }

  void serve(int index, uint64_t seen) {
    for (;;) {
      auto changed = [&] { return round_.load(std::memory_order_acquire) != seen; };
      spin(changed);
      {
        // The round's fields are read under the lock under which they were written.
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || changed(); });
        if (stopping_) return;
        seen = round_.load(std::memory_order_relaxed);
        if (index >= helpers_) continue;
      }
      work();
      if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        std::lock_guard<std::mutex> lock(mutex_);
        done_.notify_one();
      }
    }
  }

  std::mutex owner_;  // held for the length of a run
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int> next_{0}, busy_{0};
  Body body_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0, helpers_ = 0;
  bool stopping_ = false;
};
