// oneDNN's LSTM primitives as a contestant (worker.mjs): reads a job from the last argument, prints the
// result as the last line. Threads come from OMP_NUM_THREADS.
//
// A training step is: repack the weights (each update of Adam asks for it), forward, the loss's
// gradient, backward into gradients that are in the weights' own order at the end. Adam itself is not
// in the time, as oneDNN has none; it runs, in plain loops, when results are compared.
//
// Keras and oneDNN agree on the order of gates (i, f, c, o) and on [I,4U] kernels ("ldigo"). Input and
// target are in oneDNN's order, steps first, before anything is timed.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dnnl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using dnnl::memory;
using Floats = std::vector<float>;
using Tag = memory::format_tag;

static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
static dnnl::stream stream_(engine);

static memory::desc describe(const memory::dims& shape, Tag tag) {
  return memory::desc(shape, memory::data_type::f32, tag);
}

static memory wrap(Floats& data, const memory::dims& shape, Tag tag) {
  return memory(describe(shape, tag), engine, data.data());
}

static void zero(memory& m) {
  float* data = static_cast<float*>(m.get_data_handle());
  std::fill(data, data + m.get_desc().get_size() / sizeof(float), 0.0f);
}

// A tensor in its own order, and as the primitive wants it: the same memory where the orders agree.
struct Packed {
  memory plain, packed;
  bool same;
  dnnl::reorder pack, unpack;

  Packed(memory own, const memory::desc& wanted) : plain(own), same(own.get_desc() == wanted) {
    packed = same ? own : memory(wanted, engine);
    if (same) return;
    pack = dnnl::reorder(plain, packed);
    unpack = dnnl::reorder(packed, plain);
  }
  void toPacked() {
    if (!same) pack.execute(stream_, plain, packed);
  }
  void toPlain() {
    if (!same) unpack.execute(stream_, packed, plain);
  }
};

struct Sizes {
  int B, T, I, U, layers;
};

// One LSTM layer. Its state starts at zero. Training has to be given these zeros: without an initial
// state, oneDNN 2.6's recurrent gradient contains a first step that is not there.
struct Layer {
  Floats kernel, recurrent, bias;
  Floats dKernel, dRecurrent, dBias;
  Floats output, dInput, zeros, dHidden, dCell;

  dnnl::lstm_forward infer, forward;
  dnnl::lstm_backward backward;
  std::unique_ptr<Packed> inferKernel, inferRecurrent, forwardKernel, forwardRecurrent, backwardKernel,
      backwardRecurrent, gradKernel, gradRecurrent;
  memory input, biasMemory, outputMemory, workspace;
  memory dInputMemory, dBiasMemory, dOutputMemory;
  memory initial, dHiddenMemory, dCellMemory;

  Layer(const Sizes& s, int inputs, Floats& x, std::vector<Floats> weights)
      : kernel(weights[0]), recurrent(weights[1]), bias(weights[2]) {
    const int B = s.B, T = s.T, U = s.U;
    const memory::dims inShape{T, B, inputs}, outShape{T, B, U}, kernelShape{1, 1, inputs, 4, U},
        recurrentShape{1, 1, U, 4, U}, biasShape{1, 1, 4, U}, stateShape{1, 1, B, U};
    dKernel.resize(kernel.size());
    dRecurrent.resize(recurrent.size());
    dBias.resize(bias.size());
    output.resize(size_t(T) * B * U);
    dInput.resize(size_t(T) * B * inputs);
    for (Floats* state : {&zeros, &dHidden, &dCell}) state->assign(size_t(B) * U, 0.0f);
    initial = wrap(zeros, stateShape, Tag::ldnc);
    dHiddenMemory = wrap(dHidden, stateShape, Tag::ldnc);
    dCellMemory = wrap(dCell, stateShape, Tag::ldnc);
    input = wrap(x, inShape, Tag::tnc);
    outputMemory = wrap(output, outShape, Tag::tnc);
    biasMemory = wrap(bias, biasShape, Tag::ldgo);
    dInputMemory = wrap(dInput, inShape, Tag::tnc);
    dBiasMemory = wrap(dBias, biasShape, Tag::ldgo);

    const auto in = describe(inShape, Tag::tnc), out = describe(outShape, Tag::tnc),
               anyKernel = describe(kernelShape, Tag::any),
               anyRecurrent = describe(recurrentShape, Tag::any), b = describe(biasShape, Tag::ldgo),
               state = describe(stateShape, Tag::ldnc);
    const memory::desc none;
    const auto direction = dnnl::rnn_direction::unidirectional_left2right;
    auto describeForward = [&](dnnl::prop_kind kind, const memory::desc& from) {
      return dnnl::lstm_forward::primitive_desc(
          {kind, direction, in, from, from, anyKernel, anyRecurrent, b, out, none, none}, engine);
    };
    auto inferDesc = describeForward(dnnl::prop_kind::forward_inference, none);
    auto forwardDesc = describeForward(dnnl::prop_kind::forward_training, state);
    dnnl::lstm_backward::primitive_desc backwardDesc(
        {dnnl::prop_kind::backward, direction, in, state, state, anyKernel, anyRecurrent, b, out, none, none,
         in, state, state, anyKernel, anyRecurrent, b, out, none, none},
        engine, forwardDesc);
    infer = dnnl::lstm_forward(inferDesc);
    forward = dnnl::lstm_forward(forwardDesc);
    backward = dnnl::lstm_backward(backwardDesc);
    workspace = memory(forwardDesc.workspace_desc(), engine);

    auto pack = [&](Floats& data, const memory::dims& shape, const memory::desc& wanted) {
      return std::make_unique<Packed>(wrap(data, shape, Tag::ldigo), wanted);
    };
    inferKernel = pack(kernel, kernelShape, inferDesc.weights_layer_desc());
    inferRecurrent = pack(recurrent, recurrentShape, inferDesc.weights_iter_desc());
    forwardKernel = pack(kernel, kernelShape, forwardDesc.weights_layer_desc());
    forwardRecurrent = pack(recurrent, recurrentShape, forwardDesc.weights_iter_desc());
    backwardKernel = pack(kernel, kernelShape, backwardDesc.weights_layer_desc());
    backwardRecurrent = pack(recurrent, recurrentShape, backwardDesc.weights_iter_desc());
    gradKernel = pack(dKernel, kernelShape, backwardDesc.diff_weights_layer_desc());
    gradRecurrent = pack(dRecurrent, recurrentShape, backwardDesc.diff_weights_iter_desc());
  }

  void packForPrediction() {
    inferKernel->toPacked();
    inferRecurrent->toPacked();
  }

  void runInference() {
    infer.execute(stream_, {{DNNL_ARG_SRC_LAYER, input},
                            {DNNL_ARG_WEIGHTS_LAYER, inferKernel->packed},
                            {DNNL_ARG_WEIGHTS_ITER, inferRecurrent->packed},
                            {DNNL_ARG_BIAS, biasMemory},
                            {DNNL_ARG_DST_LAYER, outputMemory}});
  }

  void runForward() {
    forwardKernel->toPacked();
    forwardRecurrent->toPacked();
    forward.execute(stream_, {{DNNL_ARG_SRC_LAYER, input},
                              {DNNL_ARG_SRC_ITER, initial},
                              {DNNL_ARG_SRC_ITER_C, initial},
                              {DNNL_ARG_WEIGHTS_LAYER, forwardKernel->packed},
                              {DNNL_ARG_WEIGHTS_ITER, forwardRecurrent->packed},
                              {DNNL_ARG_BIAS, biasMemory},
                              {DNNL_ARG_DST_LAYER, outputMemory},
                              {DNNL_ARG_WORKSPACE, workspace}});
  }

  void runBackward(Floats& dOutput, const memory::dims& outShape) {
    if (!dOutputMemory) dOutputMemory = wrap(dOutput, outShape, Tag::tnc);
    backwardKernel->toPacked();
    backwardRecurrent->toPacked();
    // oneDNN adds to what is there.
    zero(gradKernel->packed);
    zero(gradRecurrent->packed);
    zero(dBiasMemory);
    backward.execute(stream_, {{DNNL_ARG_SRC_LAYER, input},
                               {DNNL_ARG_SRC_ITER, initial},
                               {DNNL_ARG_SRC_ITER_C, initial},
                               {DNNL_ARG_WEIGHTS_LAYER, backwardKernel->packed},
                               {DNNL_ARG_WEIGHTS_ITER, backwardRecurrent->packed},
                               {DNNL_ARG_BIAS, biasMemory},
                               {DNNL_ARG_DST_LAYER, outputMemory},
                               {DNNL_ARG_WORKSPACE, workspace},
                               {DNNL_ARG_DIFF_DST_LAYER, dOutputMemory},
                               {DNNL_ARG_DIFF_SRC_LAYER, dInputMemory},
                               {DNNL_ARG_DIFF_SRC_ITER, dHiddenMemory},
                               {DNNL_ARG_DIFF_SRC_ITER_C, dCellMemory},
                               {DNNL_ARG_DIFF_WEIGHTS_LAYER, gradKernel->packed},
                               {DNNL_ARG_DIFF_WEIGHTS_ITER, gradRecurrent->packed},
                               {DNNL_ARG_DIFF_BIAS, dBiasMemory}});
    gradKernel->toPlain();
    gradRecurrent->toPlain();
  }
};

// Keras's Adam, for the comparison of results.
struct Adam {
  Floats mean, square;
  void update(Floats& w, const Floats& g, int step) {
    mean.resize(w.size());
    square.resize(w.size());
    const double rate = 1e-3 * std::sqrt(1 - std::pow(0.999, step)) / (1 - std::pow(0.9, step));
    for (size_t i = 0; i < w.size(); i++) {
      mean[i] += 0.1f * (g[i] - mean[i]);
      square[i] += 0.001f * (g[i] * g[i] - square[i]);
      w[i] -= float(rate * mean[i] / (std::sqrt(double(square[i])) + 1e-7));
    }
  }
};

struct Model {
  Sizes s;
  Floats x, y, dLast;
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<Adam> adams;
  int steps = 0;

  // Numbers of generator(1) in workloads.mjs.
  explicit Model(const Sizes& sizes) : s(sizes), adams(3 * sizes.layers) {
    uint32_t state = 1;
    auto uniform = [&](size_t count, double scale) {
      Floats values(count);
      for (float& value : values) {
        state = state * 1664525u + 1013904223u;
        value = float(scale * (state / 2147483648.0 - 1));
      }
      return values;
    };
    const int B = s.B, T = s.T, I = s.I, U = s.U;
    std::vector<std::vector<Floats>> weights;
    for (int k = 0; k < s.layers; k++) {
      const int inputs = k == 0 ? I : U;
      Floats kernel = uniform(size_t(inputs) * 4 * U, std::sqrt(3.0 / inputs));
      Floats recurrent = uniform(size_t(U) * 4 * U, std::sqrt(3.0 / U));
      Floats bias = uniform(4 * size_t(U), 0.5);
      weights.push_back({kernel, recurrent, bias});
    }
    const Floats rows = uniform(size_t(B) * T * I, 1);
    y = uniform(size_t(B) * U, 1);
    x.resize(rows.size());
    for (int b = 0; b < B; b++)
      for (int t = 0; t < T; t++)
        std::copy_n(&rows[(size_t(b) * T + t) * I], I, &x[(size_t(t) * B + b) * I]);
    for (int k = 0; k < s.layers; k++)
      layers.push_back(
          std::make_unique<Layer>(s, k == 0 ? I : U, k == 0 ? x : layers.back()->output, weights[k]));
    dLast.assign(size_t(T) * B * U, 0.0f);
    packForPrediction();
  }

  void packForPrediction() {
    for (auto& layer : layers) layer->packForPrediction();
    stream_.wait();
  }

  const float* last() const { return &layers.back()->output[size_t(s.T - 1) * s.B * s.U]; }

  void predict() {
    for (auto& layer : layers) layer->runInference();
    stream_.wait();
  }

  void train() {
    for (auto& layer : layers) layer->runForward();
    stream_.wait();
    // Mean squared error on the last output: 2 (h − y) / (B·U).
    const size_t n = size_t(s.B) * s.U;
    float* d = &dLast[size_t(s.T - 1) * n];
    for (size_t i = 0; i < n; i++) d[i] = 2.0f / float(n) * (last()[i] - y[i]);
    for (int k = s.layers - 1; k >= 0; k--)
      layers[k]->runBackward(k == s.layers - 1 ? dLast : layers[k + 1]->dInput, {s.T, s.B, s.U});
    stream_.wait();
  }

  void update() {
    steps++;
    for (int k = 0; k < s.layers; k++) {
      Layer& layer = *layers[k];
      adams[3 * k].update(layer.kernel, layer.dKernel, steps);
      adams[3 * k + 1].update(layer.recurrent, layer.dRecurrent, steps);
      adams[3 * k + 2].update(layer.bias, layer.dBias, steps);
    }
  }
};

// Milliseconds a call, found as `time` in worker.mjs does.
static double measure(double seconds, const std::function<void()>& run) {
  using clock = std::chrono::steady_clock;
  const double budget = seconds * 1000, samples = 5;
  auto timed = [&](int calls) {
    const auto start = clock::now();
    for (int i = 0; i < calls; i++) run();
    return std::chrono::duration<double, std::milli>(clock::now() - start).count() / calls;
  };
  int calls = 1;
  double spent = timed(1);
  const int least = spent < 4 * budget ? 3 : 1;
  int round = 1;
  for (double warm = spent; warm < budget / 2 || round < least; warm += spent * calls, round++) {
    calls = std::max(calls, int(std::min(2.0 * calls, std::ceil(budget / samples / spent))));
    spent = timed(calls);
  }
  const int each = std::max(1, int(std::lround(budget / samples / spent)));
  const int wanted = int(std::min<double>(samples, std::max<double>(least, std::round(budget / (spent * each)))));
  std::vector<double> times;
  for (int i = 0; i < wanted; i++) times.push_back(timed(each));
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// The number after "key": in the job; 0 if the key is not there.
static double number(const std::string& job, const std::string& key) {
  const auto at = job.find('"' + key + "\":");
  return at == std::string::npos ? 0 : std::atof(job.c_str() + at + key.size() + 3);
}

static void printLast(const char* name, const Model& model) {
  std::printf("\"%s\":[", name);
  const size_t n = size_t(model.s.B) * model.s.U;
  for (size_t i = 0; i < n; i++) std::printf("%s%.9g", i == 0 ? "" : ",", double(model.last()[i]));
  std::printf("],");
}

int main(int count, char** arguments) {
  const std::string job = arguments[count - 1];
  auto size = [&](const char* key) { return int(number(job, key)); };
  Model model({size("B"), size("T"), size("I"), size("U"), size("layers")});
  const dnnl_version_t* version = dnnl_version();
  const char* threads = std::getenv("OMP_NUM_THREADS");
  std::printf("{\"runs\":\"cpu\",\"threads\":%s,\"version\":\"%d.%d.%d\",", threads ? threads : "null",
              version->major, version->minor, version->patch);
  if (job.find("\"task\":\"check\"") != std::string::npos) {
    model.predict();
    printLast("before", model);
    for (int i = 0; i < 5; i++) {
      model.train();
      model.update();
    }
    model.packForPrediction();
    model.predict();
    printLast("after", model);
  } else {
    const double seconds = number(job, "seconds");
    if (job.find("\"predictOnly\":true") == std::string::npos)
      std::printf("\"train\":%.9g,", measure(seconds, [&] { model.train(); }));
    std::printf("\"predict\":%.9g,", measure(seconds, [&] { model.predict(); }));
  }
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  auto secondsOf = [](const timeval& t) { return double(t.tv_sec) + 1e-6 * double(t.tv_usec); };
  std::printf("\"cpuSeconds\":%.6f,\"peakMegabytes\":%.1f}\n",
              secondsOf(used.ru_utime) + secondsOf(used.ru_stime), double(used.ru_maxrss) / 1024);
}
