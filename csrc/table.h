// What the addon and a translation unit of kernels know of each other.
#pragma once
#include "generated/exports.h"

/** The thread pool, as lent to the kernels. */
struct Threads {
  int (*count)();
  /** Those, of at most so many, that would begin within a microsecond; at least the caller's own. */
  int (*awake)(int most);
  void (*run)(int threads, int tasks, void (*body)(void* context, int task), void* context);
};

/** One function pointer for each kernel. */
struct Kernels {
#define X(result, name, parameters, nulls) result(*name) parameters;
  REFRAIN_KERNELS(X)
#undef X
};
