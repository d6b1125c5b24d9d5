// The Node-API addon: which instruction sets run here, kernels as functions, and the thread pool.
#define NAPI_VERSION 8
#include <node_api.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdio>
#include <memory>
#include <mutex>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "pool.h"
#include "table.h"

const Kernels* baselineKernels(Threads);
#if defined(REFRAIN_X64)
const Kernels* avx2Kernels(Threads);
const Kernels* avx512Kernels(Threads);
#endif

namespace {

// ---- threads ------------------------------------------------------------------------------------

std::mutex poolMutex;
Pool* pool = nullptr;
int environments = 0;
/** Of the backend whose kernel this JavaScript thread is running. */
thread_local int threadCount = 1;

Pool& sharedPool() {
  std::lock_guard<std::mutex> lock(poolMutex);
  if (!pool) pool = new Pool;
  return *pool;
}

int countThreads() { return threadCount; }

int countAwake(int most) {
  if (most > threadCount) most = threadCount;
  return most > 1 ? sharedPool().awake(most) : 1;
}

void runTasks(int threads, int tasks, void (*body)(void*, int), void* context) {
  sharedPool().run(threads, tasks, body, context);
}

/** Node unloads an addon with the last environment that uses it: its threads must have ended. */
void environmentEnds(void*) {
  Pool* last = nullptr;
  {
    std::lock_guard<std::mutex> lock(poolMutex);
    if (--environments == 0) std::swap(last, pool);
  }
  delete last;
}

// ---- instruction sets ---------------------------------------------------------------------------

struct Variant {
  const char* name;
  const Kernels* (*kernels)(Threads);
  bool (*supported)();
};

bool always() { return true; }
#if defined(REFRAIN_X64)
// __builtin_cpu_supports also asks whether the operating system saves the registers.
bool hasAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool hasAvx512() {
  return hasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/** Best first. */
const Variant variants[] = {
#if defined(REFRAIN_X64)
    {"avx512", avx512Kernels, hasAvx512},
    {"avx2", avx2Kernels, hasAvx2},
#endif
    {"baseline", baselineKernels, always},
};

/** What `create` made: kernels and the number of threads they may use. */
struct Instance {
  const Kernels* kernels;
  int threads;
};

/** The instances of one environment, which live as long as it does. */
typedef std::vector<std::unique_ptr<Instance>> Instances;

// ---- glue: JavaScript values to a kernel's arguments ----------------------------------------------

/** One argument; `expected` says what it must be. */
template <class T>
struct Argument;

template <class Element, napi_typedarray_type wanted>
struct ArrayArgument {
  static bool read(napi_env env, napi_value value, bool nullable, Element*& out) {
    napi_typedarray_type type;
    void* data;
    napi_value buffer;
    if (napi_get_typedarray_info(env, value, &type, nullptr, &data, &buffer, nullptr) == napi_ok) {
      out = static_cast<Element*>(data);
      bool released = false;
      if (!data) napi_is_detached_arraybuffer(env, buffer, &released);
      return type == wanted && !released;
    }
    napi_valuetype kind;
    napi_typeof(env, value, &kind);
    out = nullptr;
    return nullable && kind == napi_null;
  }
};
template <>
struct Argument<const float*> : ArrayArgument<const float, napi_float32_array> {
  static constexpr const char* expected = "a Float32Array";
};
template <>
struct Argument<float*> : ArrayArgument<float, napi_float32_array> {
  static constexpr const char* expected = "a Float32Array";
};
template <>
struct Argument<const int32_t*> : ArrayArgument<const int32_t, napi_int32_array> {
  static constexpr const char* expected = "an Int32Array";
};
template <>
struct Argument<int32_t*> : ArrayArgument<int32_t, napi_int32_array> {
  static constexpr const char* expected = "an Int32Array";
};
template <>
struct Argument<int32_t> {
  static constexpr const char* expected = "a 32-bit integer";
  /** napi_get_value_int32 would take a size modulo 2^32. */
  static bool read(napi_env env, napi_value value, bool, int32_t& out) {
    double number;
    if (napi_get_value_double(env, value, &number) != napi_ok) return false;
    if (!(number >= INT32_MIN && number <= INT32_MAX)) return false;
    out = static_cast<int32_t>(number);
    return out == number;
  }
};
template <>
struct Argument<double> {
  static constexpr const char* expected = "a number";
  static bool read(napi_env env, napi_value value, bool, double& out) {
    return napi_get_value_double(env, value, &out) == napi_ok;
  }
};

napi_value fail(napi_env env, const char* kernel, size_t index, const char* expected,
                bool nullable) {
  char message[160];
  std::snprintf(message, sizeof message, "%s: argument %zu must be %s%s", kernel, index + 1,
                expected, nullable ? " or null" : "");
  napi_throw_type_error(env, nullptr, message);
  return nullptr;
}

/** An integer that is none, or too large: a RangeError if it is a number at all. */
napi_value failInteger(napi_env env, const char* kernel, size_t index, napi_value value) {
  const char* expected = Argument<int32_t>::expected;
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    return fail(env, kernel, index, expected, false);
  }
  char message[160];
  std::snprintf(message, sizeof message, "%s: argument %zu must be %s, got %.15g", kernel,
                index + 1, expected, number);
  napi_throw_range_error(env, nullptr, message);
  return nullptr;
}

napi_value toValue(napi_env env, int32_t number) {
  napi_value value;
  napi_create_int32(env, number, &value);
  return value;
}
napi_value toValue(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}

template <class Function>
struct Call;
template <class Result, class... Arguments>
struct Call<Result (*)(Arguments...)> {
  template <size_t... I>
  static napi_value with(napi_env env, napi_callback_info info, const char* name, uint32_t nulls,
                         Result (*Kernels::*member)(Arguments...),
                         std::index_sequence<I...>) {
    constexpr size_t count = sizeof...(Arguments);
    size_t given = count;
    napi_value values[count];
    void* data;
    napi_get_cb_info(env, info, &given, values, nullptr, &data);
    if (given != count) {
      char message[160];
      std::snprintf(message, sizeof message, "%s: expected %zu arguments, got %zu", name, count,
                    given);
      napi_throw_type_error(env, nullptr, message);
      return nullptr;
    }
    std::tuple<Arguments...> arguments;
    size_t wrong = count;
    (void)((Argument<Arguments>::read(env, values[I], nulls >> I & 1, std::get<I>(arguments)) ||
            (wrong = I, false)) &&
           ...);
    if (wrong < count) {
      constexpr bool integer[] = {std::is_same_v<Arguments, int32_t>...};
      if (integer[wrong]) return failInteger(env, name, wrong, values[wrong]);
      const char* expected[] = {Argument<Arguments>::expected...};
      return fail(env, name, wrong, expected[wrong], nulls >> wrong & 1);
    }
    const Instance* instance = static_cast<Instance*>(data);
    auto kernel = instance->kernels->*member;
    threadCount = instance->threads;
    if constexpr (std::is_void_v<Result>) {
      kernel(std::get<I>(arguments)...);
      return nullptr;
    } else {
      return toValue(env, kernel(std::get<I>(arguments)...));
    }
  }
  static constexpr auto sequence() { return std::index_sequence_for<Arguments...>(); }
};

#define X(result, name, parameters, nulls)                                                  \
  napi_value call_##name(napi_env env, napi_callback_info info) {                           \
    typedef Call<result(*) parameters> Glue;                                                \
    return Glue::with(env, info, #name, nulls, &Kernels::name, Glue::sequence());           \
  }
REFRAIN_KERNELS(X)
#undef X

// ---- exports ------------------------------------------------------------------------------------

/** variants(): names of the instruction sets that run here, best first. */
napi_value listVariants(napi_env env, napi_callback_info) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t count = 0;
  for (const Variant& variant : variants) {
    if (!variant.supported()) continue;
    napi_value name;
    napi_create_string_utf8(env, variant.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, list, count++, name);
  }
  return list;
}

/** setThreads(n): threads for this instance's kernels. */
napi_value setThreads(napi_env env, napi_callback_info info) {
  size_t given = 1;
  napi_value value;
  void* data;
  napi_get_cb_info(env, info, &given, &value, nullptr, &data);
  int32_t count;
  if (!Argument<int32_t>::read(env, value, false, count) || count < 1 || count > 1024) {
    return fail(env, "setThreads", 0, "a number from 1 to 1024", false);
  }
  static_cast<Instance*>(data)->threads = count;
  return nullptr;
}

/** create(variant): an object with a function for each kernel, and setThreads. */
napi_value create(napi_env env, napi_callback_info info) {
  size_t given = 1;
  napi_value value;
  napi_get_cb_info(env, info, &given, &value, nullptr, nullptr);
  char wanted[32] = "";
  napi_get_value_string_utf8(env, value, wanted, sizeof wanted, nullptr);
  const Kernels* kernels = nullptr;
  for (const Variant& variant : variants) {
    if (variant.supported() && std::string_view(variant.name) == wanted) {
      kernels = variant.kernels({countThreads, countAwake, runTasks});
    }
  }
  if (!kernels) {
    napi_throw_type_error(env, nullptr, "create: unknown or unsupported variant");
    return nullptr;
  }
  void* instances;
  napi_get_instance_data(env, &instances);
  Instance* instance = new Instance{kernels, 1};
  static_cast<Instances*>(instances)->emplace_back(instance);
  napi_value object;
  napi_create_object(env, &object);
  auto add = [&](const char* name, napi_callback callback) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, instance, &function);
    napi_set_named_property(env, object, name, function);
  };
  add("setThreads", setThreads);
#define X(result, name, parameters, nulls) add(#name, call_##name);
  REFRAIN_KERNELS(X)
#undef X
  return object;
}

/**
 * Asks for pages of 2 MB within a large new block: the kernels walk through many places at once, and
 * the processor remembers where few small pages are. It may be refused.
 */
void useLargePages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t page = 2 << 20;
  uintptr_t start = (reinterpret_cast<uintptr_t>(data) + page - 1) & ~(page - 1);
  uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(page - 1);
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

/**
 * prepare(buffer): makes a new ArrayBuffer ready for kernels; returns the bytes by which its memory
 * lies past a multiple of 64.
 */
napi_value prepare(napi_env env, napi_callback_info info) {
  size_t given = 1, bytes = 0;
  napi_value value;
  napi_get_cb_info(env, info, &given, &value, nullptr, nullptr);
  void* data = nullptr;
  if (napi_get_arraybuffer_info(env, value, &data, &bytes) != napi_ok) {
    return fail(env, "prepare", 0, "an ArrayBuffer", false);
  }
  useLargePages(data, bytes);
  return toValue(env, static_cast<int32_t>(reinterpret_cast<uintptr_t>(data) & 63));
}

/** release(buffer): gives an ArrayBuffer's memory back at once; views of it are empty from now on. */
napi_value release(napi_env env, napi_callback_info info) {
  size_t given = 1;
  napi_value value;
  napi_get_cb_info(env, info, &given, &value, nullptr, nullptr);
  if (napi_detach_arraybuffer(env, value) != napi_ok) {
    return fail(env, "release", 0, "an ArrayBuffer", false);
  }
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT(/* env, exports */) {
  {
    std::lock_guard<std::mutex> lock(poolMutex);
    environments++;
  }
  napi_add_env_cleanup_hook(env, environmentEnds, nullptr);
  auto discard = [](napi_env, void* instances, void*) { delete static_cast<Instances*>(instances); };
  napi_set_instance_data(env, new Instances, discard, nullptr);
  const napi_property_descriptor properties[] = {
      {"variants", nullptr, listVariants, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"create", nullptr, create, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"prepare", nullptr, prepare, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"release", nullptr, release, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
  return exports;
}
