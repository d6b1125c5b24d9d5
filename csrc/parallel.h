// Splitting work into tasks. The kernels know no threads: the addon lends them its pool through
// `threads`; WebAssembly has one of its own. No result depends on who runs a task.
#pragma once
#include "table.h"
#include "vec.h"
#if defined(__wasm__)
#include "wasm_pool.h"
#endif

namespace {

#if defined(__wasm__)
constexpr Threads threads = {
    [] { return pool.count(); },
    [](int) { return 1; },
    [](int count, int tasks, Pool::Body body, void* context) {
      pool.run(count, tasks, body, context);
    },
};
#else
Threads threads = {nullptr, nullptr, nullptr};
#endif

/** Below this many elementary operations a second thread costs more than it brings. */
constexpr double worthwhile = 3e5;
/** So many are worth one more thread that is awake. */
constexpr double worthSharing = 1e5;

INLINE int threadsFor(double operations) {
  if (!threads.count || operations <= worthSharing) return 1;
  if (operations > worthwhile) return threads.count();
  return threads.awake(1 + (int)(operations / worthSharing));
}

/** Runs body(task) for every task < tasks, on at most `count` threads. */
template <class Body>
INLINE void runOn(int count, long tasks, Body body) {
  // One copy of the body's code for both ways.
  auto run = [](void* context, int task) NOT_INLINE { (*(Body*)context)(task); };
  if (tasks > 1 && count > 1) return threads.run(count, (int)tasks, run, &body);
  for (long task = 0; task < tasks; task++) run(&body, (int)task);
}

/** Runs body(task) for every task < tasks, on several threads if `operations` are enough. */
template <class Body>
INLINE void parallel(long tasks, double operations, Body body) {
  runOn(tasks > 1 ? threadsFor(operations) : 1, tasks, body);
}

/** Element-wise work: body(begin, end) for chunks of n elements. */
template <class Body>
INLINE void forRanges(long n, int cost, Body body) {
  constexpr long chunk = 16384;
  parallel((n + chunk - 1) / chunk, (double)n * cost, [&](long task) {
    long end = (task + 1) * chunk;
    body(task * chunk, end < n ? end : n);
  });
}

/** The same, body(i, lanes) as in `forVectors`. */
template <class Body>
INLINE void forElements(long n, int cost, Body body) {
  forRanges(n, cost, [&](long begin, long end) LANES { forVectors(begin, end, body); });
}

/** Where part `part` of `parts` begins; in 64 bits, which a long is not in WebAssembly. */
INLINE long cut(long count, long part, long parts) {
  return (long)((int64_t)count * part / parts);
}

/** Row-wise work: body(row) for blocks of rows. */
template <class Body>
INLINE void forRows(long rows, double operations, Body body) {
  long blocks = rows < 64 ? rows : 64;
  parallel(blocks, operations, [&](long task) {
    long end = cut(rows, task + 1, blocks);
    for (long row = cut(rows, task, blocks); row < end; row++) body(row);
  });
}

}  // namespace
