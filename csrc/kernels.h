// All kernels, for one instruction set: REFRAIN_WIDTH floats a vector. Included once by each
// translation unit. Everything has internal linkage, so that the linker cannot merge a template
// compiled for one instruction set into another; only the table (or, in WebAssembly, the exported
// functions) leaves the unit.
#pragma once
#include "table.h"

#if defined(__wasm__)
#define X(result, name, parameters, nulls) \
  extern "C" __attribute__((export_name(#name))) result name parameters;
#else
#define X(result, name, parameters, nulls) static result name parameters;
#endif
REFRAIN_KERNELS(X)
#undef X

#include "activation.h"
#include "crf.h"
#include "elementwise.h"
#include "embedding.h"
#include "gru.h"
#include "loss.h"
#include "lstm.h"
#include "matmul.h"
#include "normalization.h"
#include "optimizer.h"
#include "patches.h"
#include "peak.h"
#include "philox.h"
#include "pooling.h"
#include "rnn.h"

#if !defined(__wasm__)
#define X(result, name, parameters, nulls) name,
static const Kernels table = {REFRAIN_KERNELS(X)};
#undef X

/** Defines the function by which the addon reaches this unit's kernels. */
#define REFRAIN_TABLE(function)              \
  const Kernels* function(Threads lent) {    \
    threads = lent;                          \
    return &table;                           \
  }
#endif
