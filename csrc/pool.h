// A pool of threads that runs the tasks of one kernel at a time. The caller works through all tasks
// that nobody has taken, so a worker that wakes late delays nobody.
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
    stopping_ = true;
    for (auto& worker : workers_) call(*worker);
    for (auto& worker : workers_) worker->thread.join();
  }

  /**
   * How many of `threads`, with the caller's, would begin at once: a run of a few microseconds is not
   * worth waking anybody. Where such runs follow each other closely, as in a stream of steps, it
   * wakes the others for those to come.
   */
  int awake(int threads) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) return 1;
    int helpers = 0;
    while (helpers < threads - 1 && helpers < (int)workers_.size() &&
           !workers_[helpers]->signal.sleeps()) {
      helpers++;
    }
    if (helpers == threads - 1) return threads;
    auto now = std::chrono::steady_clock::now();
    closeCalls_ = now - lastAsked_ < std::chrono::microseconds(100) ? closeCalls_ + 1 : 0;
    lastAsked_ = now;
    if (closeCalls_ >= 100) {
      closeCalls_ = 0;
      int all = start(threads - 1);
      for (int i = helpers; i < all; i++) call(*workers_[i], woken);
    }
    return 1 + helpers;
  }

  /** Runs body(context, task) for every task, on `threads` threads with the caller's. */
  void run(int threads, int tasks, Body body, void* context) {
    std::unique_lock<std::mutex> owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) {
      for (int task = 0; task < tasks; task++) body(context, task);
      return;
    }
    int helpers = start((threads < tasks ? threads : tasks) - 1);
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    next_.store(0, std::memory_order_relaxed);
    // Each by itself: of many workers that another backend started, only these wake.
    for (int i = 0; i < helpers; i++) call(*workers_[i]);
    work();
    for (int i = 0; i < helpers; i++) finish(*workers_[i]);
  }

 private:
  /**
   * Where one thread waits until another says that something is ready.
   *
   * It spins for a while before it sleeps: a kernel often follows right behind another, and waking a
   * thread takes longer (50 to 100 µs in a virtual machine) than a small kernel. After the first
   * moment it yields, so that any other program that wants the core has it.
   */
  class Signal {
   public:
    template <class Ready>
    void wait(Ready ready) {
      asleep_ = false;
      if (spin(ready)) return;
      std::unique_lock<std::mutex> lock(mutex_);
      asleep_ = true;
      wake_.wait(lock, ready);
      asleep_ = false;
    }

    bool sleeps() const { return asleep_; }

    /** To be called after what the waiting thread waits for has become true. */
    void notify() {
      if (!asleep_) return;
      std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_one();
    }

   private:
    template <class Ready>
    static bool spin(Ready ready) {
      auto start = std::chrono::steady_clock::now();
      for (;;) {
        for (int i = 0; i < 32; i++) {
          if (ready()) return true;
#if defined(__x86_64__)
          _mm_pause();
#endif
        }
        auto waited = std::chrono::steady_clock::now() - start;
        if (waited > std::chrono::microseconds(400)) return false;
        if (waited > std::chrono::microseconds(20)) std::this_thread::yield();
      }
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    std::atomic<bool> asleep_{true};  // until it waits for the first time
  };

  enum State { idle, woken, called, working };

  struct Worker {
    std::thread thread;
    Signal signal;
    std::atomic<int> state{idle};

    bool change(int from, int to) { return state.compare_exchange_strong(from, to); }
  };

  static void call(Worker& worker, State as = called) {
    worker.state = as;
    worker.signal.notify();
  }

  /** Waits for a worker that is in the middle of a task; one that wakes too late is called off. */
  void finish(Worker& worker) {
    if (worker.change(called, idle)) return;
    done_.wait([&] { return worker.state == idle; });
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
      self.signal.wait([&] { return stopping_ || self.state != idle; });
      if (stopping_) return;
      if (self.change(woken, idle)) continue;
      if (!self.change(called, working)) continue;
      work();
      self.state = idle;
      done_.notify();
    }
  }

  std::mutex owner_;  // held for the length of a run
  Signal done_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<int> next_{0};
  Body body_ = nullptr;
  void* context_ = nullptr;
  int tasks_ = 0;
  std::chrono::steady_clock::time_point lastAsked_{};
  int closeCalls_ = 0;  // of `awake` that missed somebody, each within 100 µs of the one before
  int limit_ = INT_MAX;  // workers that the system allows, as far as is known
  std::atomic<bool> stopping_{false};
};
