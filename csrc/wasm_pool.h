// The thread pool of the WebAssembly build: workers are instances of the module over one shared
// memory, which wait inside `serve`. Statics live in that memory, so there is one pool for all; a
// body is a place in the function table, which is the same in every instance.
//
// A page's main thread must not sleep, and a worker of a busy machine may wake late. So the caller
// works through all tasks that nobody has taken, takes back its calls that were not answered, and
// waits only for workers that are in the middle of a task.
#pragma once
#include <stdint.h>

extern "C" {
/** Asks JavaScript for workers up to the number of threads; they come later, or not at all. */
__attribute__((import_module("env"), import_name("startWorkers"))) void startWorkers();
}

namespace {

class Pool {
 public:
  typedef void (*Body)(void* context, int task);

  /** `maySleep`: whether the thread that calls kernels is allowed to. */
  void configure(int threads, bool maySleep) {
    threads_ = threads <= mostWorkers ? threads : mostWorkers + 1;
    maySleep_ = maySleep;
  }

  /** Threads that a run would have now. */
  int count() {
    if (threads_ > 1 && requested_ < threads_) {
      requested_ = threads_;
      startWorkers();
    }
    int ready = 1 + __atomic_load_n(&ready_, __ATOMIC_SEQ_CST);
    return ready < threads_ ? ready : threads_;
  }

  /**
   * Runs body(context, task) for every task, on `threads` threads with the caller's. A body runs
   * nothing itself.
   *
   * Not inline: in a kernel that has a stack frame the baseline compiler of V8 11.3 (Node 20) loses the
   * frame's address around these loops, and with it the stack.
   */
  __attribute__((noinline)) void run(int threads, int tasks, Body body, void* context) {
    int helpers = (threads < tasks ? threads : tasks) - 1;
    body_ = body;
    context_ = context;
    tasks_ = tasks;
    __atomic_store_n(&next_, 0, __ATOMIC_SEQ_CST);
    for (int i = 0, called = 0; i < mostWorkers && called < helpers; i++) called += call(states_[i]);
    work();
    for (State& state : states_) finish(state);
  }

  /** The life of worker `index`. */
  [[noreturn]] void serve(int index) {
    State& state = states_[index];
    __atomic_store_n(&state.value, idle, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&ready_, 1, __ATOMIC_SEQ_CST);
    for (;;) {
      if (!spin([&] { return state.load() == called; }) && state.change(idle, asleep)) {
        __builtin_wasm_memory_atomic_wait32(&state.value, asleep, -1);
        state.change(asleep, idle);
      }
      if (!state.change(called, working)) continue;
      work();
      if (__atomic_exchange_n(&state.value, idle, __ATOMIC_SEQ_CST) == awaited) state.notify();
    }
  }

 private:
  static constexpr int mostWorkers = 63;
  enum : int32_t { absent, idle, asleep, called, working, awaited };

  /** Of one worker; on a cache line of its own. */
  struct alignas(64) State {
    int32_t value;

    int32_t load() { return __atomic_load_n(&value, __ATOMIC_SEQ_CST); }
    bool change(int32_t from, int32_t to) {
      return __atomic_compare_exchange_n(&value, &from, to, false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_SEQ_CST);
    }
    void notify() { __builtin_wasm_memory_atomic_notify(&value, 1); }
  };

  /** Some 20 µs without sleeping: a kernel often follows right behind another. */
  template <class Ready>
  static bool spin(Ready ready) {
    for (int i = 0; i < 30000; i++) {
      if (ready()) return true;
    }
    return false;
  }

  static bool call(State& state) {
    if (state.change(idle, called)) return true;
    if (!state.change(asleep, called)) return false;
    state.notify();
    return true;
  }

  void finish(State& state) {
    if (state.load() < called || state.change(called, idle)) return;
    auto done = [&] { return state.load() < called; };
    while (!spin(done)) {
      if (maySleep_ && state.change(working, awaited)) {
        __builtin_wasm_memory_atomic_wait32(&state.value, awaited, -1);
      }
    }
  }

  void work() {
    for (int task; (task = __atomic_fetch_add(&next_, 1, __ATOMIC_SEQ_CST)) < tasks_;) {
      body_(context_, task);
    }
  }

  State states_[mostWorkers];
  alignas(64) int next_;
  alignas(64) int ready_;
  int threads_, requested_, tasks_;
  bool maySleep_;
  Body body_;
  void* context_;
};

Pool pool;  // all zeros until setThreads

}  // namespace

extern "C" {
__attribute__((export_name("setThreads"))) void setThreads(int32_t threads, int32_t maySleep) {
  pool.configure(threads, maySleep);
}
/** Threads that a kernel has now: workers may still be on their way. */
__attribute__((export_name("countThreads"))) int32_t countThreads() { return pool.count(); }
__attribute__((export_name("serve"))) void serve(int32_t index) { pool.serve(index); }
}
