// A pool of threads that runs the tasks of one kernel at a time.
//
// One pool serves the whole process. If Node runs several JavaScript threads, a kernel that finds
// the pool taken runs its tasks alone: results do not depend on who runs a task.
#pragma once
#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
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
    for (auto& worker : workers_) worker->wake.notify_one();
    for (auto& worker : workers_) worker->thread.join();
  }

  /** Runs body(context, task) for every task, on `threads` threads with the caller's. */
  void run(int threads, int tasks, Body body, void* context) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) {
      for (int task = 0; task < tasks; task++) body(context, task);
      return;
    }
    int helpers = start((threads < tasks ? threads : tasks) - 1);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = body;
      context_ = context;
      tasks_ = tasks;
      next_.store(0, std::memory_order_relaxed);
      busy_.store(helpers, std::memory_order_relaxed);
      for (int i = 0; i < helpers; i++) workers_[i]->called.store(true, std::memory_order_release);
    }
    // Each by itself: of many workers that another backend started, only these wake.
    for (int i = 0; i < helpers; i++) workers_[i]->wake.notify_one();
    work();
    if (spin([&] { return busy_.load(std::memory_order_acquire) == 0; })) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [&] { return busy_.load(std::memory_order_acquire) == 0; });
  }

 private:
  struct Worker {
    std::thread thread;
    std::condition_variable wake;
    std::atomic<bool> called{false};
  };

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

  /** Starts workers up to `helpers` and returns how many of these there are. */
  int start(int helpers) {
    if (helpers > limit_) helpers = limit_;
    while ((int)workers_.size() < helpers) {
      auto worker = std::make_unique<Worker>();
      Worker& self = *worker;
      try {
        self.thread = std::thread([this, &self] { serve(self); });
      } catch (const std::system_error&) {
        // The system gives no more threads: from now on these do, down to the caller alone.
        return limit_ = (int)workers_.size();
      }
      workers_.push_back(std::move(worker));
    }
    return helpers;
  }

  void work() {
    for (int task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;) {
      body_(context_, task);
    }
  }

  void serve(Worker& self) {
    for (;;) {
      auto called = [&] { return self.called.load(std::memory_order_acquire); };
      spin(called);
      {
        // The run's fields are read under the lock under which they were written.
        std::unique_lock<std::mutex> lock(mutex_);
        self.wake.wait(lock, [&] { return stopping_ || called(); });
        if (stopping_) return;
        self.called.store(false, std::memory_order_relaxed);
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
  std::condition_variable done_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<int> next_{0}, busy_{0};
  Body body_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;
  int limit_ = INT_MAX;  // workers that the system allows, as far as is known
  bool stopping_ = false;
};
