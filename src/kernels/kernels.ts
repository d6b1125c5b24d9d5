/**
 * The kernels' interface: typed arrays and sizes in, typed arrays out.
 *
 * No kernel knows a layer, a parameter's name or a configuration. `reference.ts` implements them
 * with plain loops, `csrc/` for machine code and WebAssembly. `scripts/generate-exports.mjs` reads
 * the interface `Kernels` below and writes the C++ declarations, the addon's glue and the wasm
 * loader's table from it, so a function is declared here and nowhere else. It understands just these
 * argument types: `Floats`, `FloatsOut`, `Ints`, `IntsOut`, each also `| null`, and `Int`, `Float`.
 *
 * Shape letters: B batch rows, T time steps, I input features, U units, N any number of elements.
 * All arrays are dense and row-major. Every array lies in the backend's heap.
 * A kernel whose name ends in `Backward` ADDS to the arrays it writes unless it says otherwise.
 * Sums run in a fixed order that does not depend on the number of threads.
 */

/** Floating-point numbers: float32 everywhere but in the float64 reference. */
export type Floats = Float32Array | Float64Array
/** Floats that the kernel writes. */
export type FloatsOut = Float32Array | Float64Array
/** 32-bit integers: token ids, labels, lengths, flags. */
export type Ints = Int32Array
/** Ints that the kernel writes. */
export type IntsOut = Int32Array
/** A size, code or flag (0 or 1): a 32-bit integer, or native and wasm throw a `RangeError`. */
export type Int = number
/** A scalar in double precision. */
export type Float = number

/** Codes of the element-wise activations, for `activate`. Definitions: Keras 3's. */
export const activationCodes = {
  linear: 0,
  relu: 1,
  sigmoid: 2,
  tanh: 3,
  /** relu6(x + 3) / 6, as Keras 3 (older Keras: see `hardSigmoidLegacy`). */
  hardSigmoid: 4,
  /** clip(0.2 x + 0.5, 0, 1), as Keras 1 and 2 and TensorFlow.js. */
  hardSigmoidLegacy: 5,
  /** x > 0 ? x : exp(x) - 1 */
  elu: 6,
  selu: 7,
  /** log(1 + exp(x)) */
  softplus: 8,
  /** x / (1 + |x|) */
  softsign: 9,
  exponential: 10,
  /** x Φ(x), exact (erf), Keras's `gelu(approximate=False)`. */
  gelu: 11,
  /** x sigmoid(x) */
  silu: 12,
  /** max(x, 0.2 x), Keras 3's default slope. */
  leakyRelu: 13,
  relu6: 14,
  /** x tanh(softplus(x)) */
  mish: 15,
} as const

/** Codes of `optimize`. */
export const optimizerCodes = {
  /** a += g'²; w -= rate·g'/√(a+p) */
  adagrad: 0,
  /** a += (1-p)(g'²-a); d = g'·√(b+q)/√(a+q); b += (1-p)(d²-b); w -= rate·d */
  adadelta: 1,
  /** a += (1-p)(g'-a); b = max(q·b, |g'|); w -= rate·a/(b+r) */
  adamax: 2,
  /** a += (1-p)(g'-a); b += (1-q)(g'²-b); w -= (rate·a + s·g')/(√b+r) */
  nadam: 3,
  /** w -= rate·sign(p·a + (1-p)·g'); a += (1-q)(g'-a); no b */
  lion: 4,
} as const

/** Codes of the losses, for `loss`. Row r's loss goes to out[r]; Keras 3's definitions. */
export const lossCodes = {
  /** mean over C of (p - y)² */
  squaredError: 0,
  /** mean over C of |p - y| */
  absoluteError: 1,
  /** mean over C of -(y log p + (1 - y) log(1 - p)), p clipped to [1e-7, 1 - 1e-7] */
  binaryCrossentropy: 2,
  /** the same from logits: max(x, 0) - x y + log(1 + exp(-|x|)) */
  binaryCrossentropyLogits: 3,
  /** -Σ_c y_c log p_c, p divided by its sum and clipped to [1e-7, 1 - 1e-7]; y from target or label */
  categoricalCrossentropy: 4,
  /** the same from logits, by log-softmax */
  categoricalCrossentropyLogits: 5,
  /** mean of e²/2 where |e| <= δ, else δ|e| - δ²/2; e = p - y; options: δ */
  huber: 6,
  /** mean of log cosh(p - y) */
  logCosh: 7,
  /** mean of p - y log(p + 1e-7) */
  poisson: 8,
  /** mean of 100 |p - y| / max(|y|, 1e-7) */
  percentageError: 9,
  /** mean of (log(1 + p) - log(1 + y))², p and y at least 1e-7 */
  logarithmicError: 10,
  /** mean of max(1 - y p, 0), y = ±1 */
  hinge: 11,
  /** mean of max(1 - y p, 0)² */
  squaredHinge: 12,
  /** binaryCrossentropy, each term times w (1 - p_t)^γ, p_t = y p + (1 - y)(1 - p),
   * w = α y + (1 - α)(1 - y), or 1 where α < 0; options: γ, α */
  binaryFocal: 13,
  /** Σ y log(y / p), both cut to [1e-7, 1] */
  klDivergence: 14,
  /** mean over the quantiles τ_c of max(τ_c (y - p), (τ_c - 1)(y - p)); options: τ [C] */
  quantile: 15,
  /** categoricalCrossentropy, each term times α (1 - p_c)^γ; options: γ, α */
  categoricalFocal: 16,
  /** max(0, 1 + max_c (1 - y_c) p_c - Σ y_c p_c) */
  categoricalHinge: 17,
  /** -Σ y p / (|y| |p|), 1 / a norm at most 1e7 */
  cosineSimilarity: 18,
} as const

/** What every backend computes. */
export interface Kernels {
  // ---- products -----------------------------------------------------------------------------

  /**
   * out[M,N] = (accumulate ? out : 0) + a·b + bias in each row, where a is [M,K] (transposeA: [K,M])
   * and b is [K,N] (transposeB: [N,K]).
   */
  matmul(
    a: Floats,
    b: Floats,
    bias: Floats | null /* [N] */,
    out: FloatsOut,
    m: Int,
    k: Int,
    n: Int,
    transposeA: Int,
    transposeB: Int,
    accumulate: Int,
  ): void
  /**
   * Of y = x·kernel + bias: dKernel = xᵀ·dy, and dBias the sum of dy's rows, in one visit to dy. `adds`: 1
   * to dKernel, 2 to dBias.
   */
  weightGradients(
    x: Floats /* [rows, inputs] */,
    dy: Floats /* [rows, units] */,
    dKernel: FloatsOut /* [inputs, units] */,
    dBias: FloatsOut | null /* [units] */,
    rows: Int,
    inputs: Int,
    units: Int,
    adds: Int,
  ): void
  /**
   * As many products as `batch` says, each of its own matrices: out[i,M,N] = (accumulate ? out[i] : 0) +
   * a[i]·b[i], where a[i] is [M,K] (transposeA: [K,M]) and b[i] is [K,N] (transposeB: [N,K]).
   */
  matmulBatch(
    a: Floats,
    b: Floats,
    out: FloatsOut,
    batch: Int,
    m: Int,
    k: Int,
    n: Int,
    transposeA: Int,
    transposeB: Int,
    accumulate: Int,
  ): void

  // ---- element by element -------------------------------------------------------------------

  /** out[i] = value, for i < n. */
  fill(out: FloatsOut, value: Float, n: Int): void
  /** out[i] += scale · x[i]. */
  addScaled(x: Floats, out: FloatsOut, scale: Float, n: Int): void
  /** out[i] = (accumulate ? out[i] : 0) + a[i] · b[i]. */
  multiply(a: Floats, b: Floats, out: FloatsOut, n: Int, accumulate: Int): void
  /** out[o,r,i] = (accumulate ? out[o,r,i] : 0) + x[o,r,i] · scale[o,i]: one factor for all steps r. */
  multiplyRepeated(
    x: Floats /* [outer, repeat, inner] */,
    scale: Floats /* [outer, inner] */,
    out: FloatsOut /* [outer, repeat, inner] */,
    outer: Int,
    repeat: Int,
    inner: Int,
    accumulate: Int,
  ): void
  /** out[c] = (accumulate ? out[c] : 0) + Σ_r x[r,c]. */
  sumRows(
    x: Floats /* [rows, cols] */,
    out: FloatsOut /* [cols] */,
    rows: Int,
    cols: Int,
    accumulate: Int,
  ): void
  /**
   * Copies a rectangle: out[outOffset + r·outStride + c] = x[xOffset + r·xStride + c] for r < rows,
   * c < cols; added instead of copied with `accumulate`. Serves slices, concatenation, splits.
   */
  copyBlock(
    x: Floats,
    xOffset: Int,
    xStride: Int,
    out: FloatsOut,
    outOffset: Int,
    outStride: Int,
    rows: Int,
    cols: Int,
    accumulate: Int,
  ): void
  /** out[b,t,f] = x[b,T-1-t,f], added with `accumulate`. x and out must differ. */
  reverseTime(x: Floats, out: FloatsOut, b: Int, t: Int, f: Int, accumulate: Int): void
  /** out[i,k,j,:] = x[i,j,k,:], added with `accumulate`: two dimensions change places. */
  swapAxes(
    x: Floats /* [A,B,C,D] */,
    out: FloatsOut /* [A,C,B,D] */,
    a: Int,
    b: Int,
    c: Int,
    d: Int,
    accumulate: Int,
  ): void
  /** out[i] = f(x[i]), f one of `activationCodes`. x may be out. */
  activate(code: Int, x: Floats, out: FloatsOut, n: Int): void
  /** dx[i] = (accumulate ? dx[i] : 0) + dy[i] · f'(x[i]), given y = f(x). */
  activateBackward(
    code: Int,
    x: Floats,
    y: Floats,
    dy: Floats,
    dx: FloatsOut,
    n: Int,
    accumulate: Int,
  ): void
  /** out[r,:] = softmax(x[r,:]); log-softmax with `log`. x may be out. */
  softmax(x: Floats, out: FloatsOut, rows: Int, cols: Int, log: Int): void
  /**
   * Weights of attention: out[b,q,:] = softmax of x[b,q,:] over the keys that count, 0 for the others
   * and where none counts. Key k counts where valid[b,k] is not 0 and, with `causal`, k <= q.
   * `softmaxBackward` goes back. x may be out.
   */
  softmaxMasked(
    x: Floats /* [B,Q,K] */,
    valid: Ints | null /* [B,K] */,
    out: FloatsOut /* [B,Q,K] */,
    b: Int,
    queries: Int,
    keys: Int,
    causal: Int,
  ): void
  /** dx += the gradient of softmax (or log-softmax), given its output y. */
  softmaxBackward(y: Floats, dy: Floats, dx: FloatsOut, rows: Int, cols: Int, log: Int): void
  /**
   * Layer normalization (Ba et al. 2016): out[r,:] = (x[r,:] - mean[r]) · scale[r] ⊙ gamma + beta, with
   * scale[r] = 1 / √(variance of x[r,:] + epsilon); gamma null stands for ones, beta null for zeros.
   */
  normalizeRows(
    x: Floats /* [rows, cols] */,
    gamma: Floats | null /* [cols] */,
    beta: Floats | null /* [cols] */,
    out: FloatsOut /* [rows, cols] */,
    mean: FloatsOut /* [rows] */,
    scale: FloatsOut /* [rows] */,
    rows: Int,
    cols: Int,
    epsilon: Float,
  ): void
  /**
   * With n = (x[r,:] - mean[r]) · scale[r] and g = dy ⊙ gamma: dx[r,:] = (accumulate ? dx[r,:] : 0) +
   * scale[r] · (g - mean of g - n · mean of g ⊙ n), and products[r,:] = dy ⊙ n, whose sum over the rows
   * is the gradient of gamma.
   */
  normalizeRowsBackward(
    x: Floats /* [rows, cols] */,
    gamma: Floats | null /* [cols] */,
    mean: Floats /* [rows] */,
    scale: Floats /* [rows] */,
    dy: Floats /* [rows, cols] */,
    dx: FloatsOut | null /* [rows, cols] */,
    products: FloatsOut | null /* [rows, cols] */,
    rows: Int,
    cols: Int,
    accumulate: Int,
  ): void
  /**
   * Inverted dropout: out[i] = keep(i) ? x[i] / (1 - rate) : 0, added with `accumulate`; x null
   * stands for ones. keep(i) holds when the uniform number of element i, `u = word · 2⁻³²`, is at
   * least `rate`. word is lane i mod 4 of Philox 4x32-10 with key (keyLow, keyHigh) and counter
   * (⌊i/4⌋, 0, counterLow, counterHigh).
   */
  dropout(
    x: Floats | null,
    out: FloatsOut,
    n: Int,
    rate: Float,
    keyLow: Int,
    keyHigh: Int,
    counterLow: Int,
    counterHigh: Int,
    accumulate: Int,
  ): void

  // ---- windows over images ------------------------------------------------------------------
  //
  // Images are [B,height,width,channels]; a sequence is an image of height 1. Row (b,oy,ox) of the
  // patches [B·outHeight·outWidth, kernelHeight·kernelWidth·channels] holds the pixels that the window
  // there covers: (ky,kx) stands for y = oy·strideY + ky·dilationY - padTop and x likewise.

  /** patches = the pixels of every window, 0 outside of the image. */
  gatherPatches(
    x: Floats,
    patches: FloatsOut,
    b: Int,
    height: Int,
    width: Int,
    channels: Int,
    outHeight: Int,
    outWidth: Int,
    kernelHeight: Int,
    kernelWidth: Int,
    strideY: Int,
    strideX: Int,
    dilationY: Int,
    dilationX: Int,
    padTop: Int,
    padLeft: Int,
  ): void
  /** The gradient of `gatherPatches`: adds every patch to the pixels that it covers. */
  gatherPatchesBackward(
    dPatches: Floats,
    dx: FloatsOut,
    b: Int,
    height: Int,
    width: Int,
    channels: Int,
    outHeight: Int,
    outWidth: Int,
    kernelHeight: Int,
    kernelWidth: Int,
    strideY: Int,
    strideX: Int,
    dilationY: Int,
    dilationX: Int,
    padTop: Int,
    padLeft: Int,
  ): void

  // ---- embedding and pooling ----------------------------------------------------------------

  /** out[i,:] = table[ids[i],:]. The caller has checked the ids. */
  gather(
    table: Floats /* [V, dim] */,
    ids: Ints,
    out: FloatsOut /* [n, dim] */,
    n: Int,
    dim: Int,
  ): void
  /** dTable[ids[i],:] += dOut[i,:], in the order of i. */
  gatherBackward(dOut: Floats, ids: Ints, dTable: FloatsOut, n: Int, dim: Int): void
  /** table[ids[i],:] = x[i,:]; no id twice. */
  scatter(
    x: Floats /* [n, dim] */,
    ids: Ints,
    table: FloatsOut /* [V, dim] */,
    n: Int,
    dim: Int,
  ): void
  /** out[b,f] = mean over the valid t of x[b,t,f]; 0 where a row has none. valid null: all. */
  poolMean(x: Floats, valid: Ints | null /* [B,T] */, out: FloatsOut, b: Int, t: Int, f: Int): void
  poolMeanBackward(dOut: Floats, valid: Ints | null, dx: FloatsOut, b: Int, t: Int, f: Int): void
  /** out[b,f] = max over the valid t; 0 where a row has none. argmax[b,f] = that t, first of equals, or -1. */
  poolMax(
    x: Floats,
    valid: Ints | null /* [B,T] */,
    out: FloatsOut /* [B,F] */,
    argmax: IntsOut /* [B,F] */,
    b: Int,
    t: Int,
    f: Int,
  ): void
  poolMaxBackward(dOut: Floats, argmax: Ints, dx: FloatsOut, b: Int, t: Int, f: Int): void
  /**
   * Masked steps of a recurrent layer's output, in place: where valid[b,t] is 0, y[b,t,:] becomes
   * the row at t-1 (at t+1 with `reverse`), or zeros at the sequence's edge or with `zero`.
   */
  holdMasked(
    y: FloatsOut /* [B,T,U] */,
    valid: Ints /* [B,T] */,
    b: Int,
    t: Int,
    u: Int,
    reverse: Int,
    zero: Int,
  ): void
  /** The gradient of `holdMasked`, IN PLACE: dy of a masked step moves to the step it was copied from. */
  holdMaskedBackward(
    dy: FloatsOut,
    valid: Ints,
    b: Int,
    t: Int,
    u: Int,
    reverse: Int,
    zero: Int,
  ): void

  // ---- LSTM ---------------------------------------------------------------------------------
  //
  // The equations, numbered as in layers/lstm.ts; z = x_t·W + h_{t-1}·R + b, gates in order i, f, g, o:
  //   (1) i = σ(z_i)  (2) f = σ(z_f)  (3) g = tanh(z_g)  (4) o = σ(z_o)
  //   (5) c_t = f ⊙ c_{t-1} + i ⊙ g   (6) h_t = o ⊙ tanh(c_t)
  //
  // Rows have lengths; the s-th processed step of row b stands at time
  //   t(b,s) = steps ? steps[b·T + s'] : s'   with s' = reverse ? lengths[b]-1-s : s.
  // Results of a step lie at the time index it belongs to. Positions of steps that are not processed
  // are neither read nor written (h, c, gates keep what they held; dx receives nothing there).
  // `order` lists the rows by descending length (stable); lengths null means T for every row, and
  // order may then be null.

  /** Number of floats that `lstmPack` writes with these arguments on this backend; may be 2³¹ and more. */
  lstmPackSize(inputs: Int, units: Int, backward: Int): Float
  /**
   * Rearranges the weights for `lstmForward`, with `backward` 1 for `lstmBackward` without `dx`, too,
   * and with 2 also for that with it; done once per optimizer step.
   */
  lstmPack(
    kernel: Floats /* [I,4U] */,
    recurrentKernel: Floats /* [U,4U] */,
    bias: Floats | null /* [4U] */,
    packed: FloatsOut,
    inputs: Int,
    units: Int,
    backward: Int,
  ): void
  /** Number of floats of scratch that `lstmForward` and `lstmBackward` need for these sizes. */
  lstmScratchSize(b: Int, t: Int, inputs: Int, units: Int): Float
  /**
   * All steps of all rows. gates and c may be null when no backward pass follows; hLast and cLast
   * receive each row's final state (the initial one where its length is 0).
   */
  lstmForward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null /* [B,U], zeros if null */,
    c0: Floats | null /* [B,U] */,
    steps: Ints | null /* [B,T] */,
    lengths: Ints | null /* [B] */,
    order: Ints | null /* [B] */,
    h: FloatsOut /* [B,T,U] */,
    c: FloatsOut | null /* [B,T,U] */,
    gates: FloatsOut | null /* [B,T,4U], activated: i, f, g, o */,
    hLast: FloatsOut /* [B,U] */,
    cLast: FloatsOut /* [B,U] */,
    scratch: FloatsOut,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
  ): void
  /**
   * Backpropagation through time. OVERWRITES gates with the gradients dz of the gates' sums.
   * dhState and dcState hold the gradients of hLast and cLast on entry (zeros if none) and those of
   * h0 and c0 on return (overwritten; dhState is of no use where h0 is null). Of dx, dKernel,
   * dRecurrentKernel and dBias those are added to whose bit, 1, 2, 4 or 8, is set in `adds`; the
   * others are overwritten, where no step counts by 0.
   */
  lstmBackward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null,
    c0: Floats | null,
    steps: Ints | null,
    lengths: Ints | null,
    order: Ints | null,
    h: Floats /* [B,T,U], as lstmForward left it at processed steps */,
    c: Floats /* [B,T,U] */,
    gates: FloatsOut /* [B,T,4U] */,
    dh: Floats | null /* [B,T,U]: gradient of h; null: none */,
    dhState: FloatsOut /* [B,U] */,
    dcState: FloatsOut /* [B,U] */,
    dx: FloatsOut | null /* [B,T,I] */,
    dKernel: FloatsOut | null /* [I,4U] */,
    dRecurrentKernel: FloatsOut | null /* [U,4U] */,
    dBias: FloatsOut | null /* [4U] */,
    scratch: FloatsOut,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
    adds: Int,
  ): void

  // ---- GRU ----------------------------------------------------------------------------------
  //
  // The form whose reset gate acts after the product, equations as in layers/gru.ts; a = x_t·W + b and
  // s = h_{t-1}·R + b', gates in order z, r, h:
  //   (1) z = σ(a_z + s_z)  (2) r = σ(a_r + s_r)  (3) ĥ = tanh(a_h + r ⊙ s_h)
  //   (4) h_t = z ⊙ h_{t-1} + (1 - z) ⊙ ĥ
  // Rows, steps and order as for the LSTM; sizes, `backward` and `adds` too.

  /** Number of floats that `gruPack` writes. */
  gruPackSize(inputs: Int, units: Int, backward: Int): Float
  /** Rearranges the weights, as `lstmPack`. */
  gruPack(
    kernel: Floats /* [I,3U] */,
    recurrentKernel: Floats /* [U,3U] */,
    bias: Floats | null /* [2,3U]: b, b' */,
    packed: FloatsOut,
    inputs: Int,
    units: Int,
    backward: Int,
  ): void
  /** Number of floats of scratch that `gruBackward` needs for these sizes. */
  gruScratchSize(b: Int, t: Int, inputs: Int, units: Int): Float
  /** All steps of all rows. gates may be null when no backward pass follows. */
  gruForward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null /* [B,U], zeros if null */,
    steps: Ints | null /* [B,T] */,
    lengths: Ints | null /* [B] */,
    order: Ints | null /* [B] */,
    h: FloatsOut /* [B,T,U] */,
    gates: FloatsOut | null /* [B,T,4U]: ĥ, z, r, s_h */,
    hLast: FloatsOut /* [B,U] */,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
  ): void
  /**
   * Backpropagation through time. OVERWRITES gates with the gradients of a_h, z's and r's sums, and s_h.
   * dhState holds the gradient of hLast on entry and that of h0 on return (overwritten; of no use where
   * h0 is null). dx and the weights' gradients as in `lstmBackward`.
   */
  gruBackward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null,
    steps: Ints | null,
    lengths: Ints | null,
    order: Ints | null,
    h: Floats /* [B,T,U] */,
    gates: FloatsOut /* [B,T,4U] */,
    dh: Floats | null /* [B,T,U]: gradient of h; null: none */,
    dhState: FloatsOut /* [B,U] */,
    dx: FloatsOut | null /* [B,T,I] */,
    dKernel: FloatsOut | null /* [I,3U] */,
    dRecurrentKernel: FloatsOut | null /* [U,3U] */,
    dBias: FloatsOut | null /* [2,3U] */,
    scratch: FloatsOut,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
    adds: Int,
  ): void

  // ---- simple RNN ---------------------------------------------------------------------------
  //
  // h_t = f(x_t·W + h_{t-1}·R + b), f = relu or tanh. Everything else as for the LSTM.

  /** Number of floats that `rnnPack` writes. */
  rnnPackSize(inputs: Int, units: Int, backward: Int): Float
  /** Rearranges the weights, as `lstmPack`. */
  rnnPack(
    kernel: Floats /* [I,U] */,
    recurrentKernel: Floats /* [U,U] */,
    bias: Floats | null /* [U] */,
    packed: FloatsOut,
    inputs: Int,
    units: Int,
    backward: Int,
  ): void
  /** Number of floats of scratch that `rnnBackward` needs for these sizes. */
  rnnScratchSize(b: Int, t: Int, inputs: Int, units: Int): Float
  /** All steps of all rows. */
  rnnForward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null /* [B,U], zeros if null */,
    steps: Ints | null /* [B,T] */,
    lengths: Ints | null /* [B] */,
    order: Ints | null /* [B] */,
    h: FloatsOut /* [B,T,U] */,
    hLast: FloatsOut /* [B,U] */,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
    relu: Int,
  ): void
  /**
   * Backpropagation through time. Writes dz, the gradient of the sums, at the processed steps. dhState as
   * in `gruBackward`, dx and the weights' gradients as in `lstmBackward`.
   */
  rnnBackward(
    x: Floats /* [B,T,I] */,
    packed: Floats,
    h0: Floats | null,
    steps: Ints | null,
    lengths: Ints | null,
    order: Ints | null,
    h: Floats /* [B,T,U] */,
    dz: FloatsOut /* [B,T,U] */,
    dh: Floats | null /* [B,T,U]: gradient of h; null: none */,
    dhState: FloatsOut /* [B,U] */,
    dx: FloatsOut | null /* [B,T,I] */,
    dKernel: FloatsOut | null /* [I,U] */,
    dRecurrentKernel: FloatsOut | null /* [U,U] */,
    dBias: FloatsOut | null /* [U] */,
    scratch: FloatsOut,
    b: Int,
    t: Int,
    inputs: Int,
    units: Int,
    reverse: Int,
    relu: Int,
    adds: Int,
  ): void

  // ---- losses -------------------------------------------------------------------------------

  /**
   * out[r] = the loss (`lossCodes`) of row r, and, where dPrediction is given,
   * dPrediction[r,:] = scale[r] · ∂out[r]/∂prediction[r,:]. Rows of scale 0 are skipped: both are 0.
   * Categorical cross-entropies take `labels` (class numbers, the caller has checked them) or, where
   * labels is null, `target`; the others take `target`. options[0] is the label smoothing s of the
   * cross-entropies: y (1 - s) + s / C counts as y, or y (1 - s) + s / 2 in the binary ones; then
   * come those in `lossCodes`. Null: no smoothing, for losses without others. The gradient of the
   * categorical cross-entropy of logits with labels, without options, may take the place of the logits.
   */
  loss(
    code: Int,
    prediction: Floats /* [rows, cols] */,
    target: Floats | null /* [rows, cols] */,
    labels: Ints | null /* [rows] */,
    scale: Floats | null /* [rows], ones if null */,
    options: Floats | null /* [1 + …] */,
    out: FloatsOut /* [rows] */,
    dPrediction: FloatsOut | null /* [rows, cols] */,
    rows: Int,
    cols: Int,
  ): void

  /**
   * Of a linear-chain CRF (equations: reference/crf.ts): out[b] = log Z - score of row b's labels, 0
   * for a row without steps. Steps and lengths as for the LSTM, always forwards. With
   * dx and dPairs (both overwritten) also scale[b] times the gradients: dx with respect to x, 0 at
   * masked steps, dPairs with respect to the transitions, one matrix for each row. Those of start and
   * end are dx at a row's first and last step. Labels have been checked; -1e30 forbids.
   */
  crfLoss(
    x: Floats /* [B,T,K] */,
    labels: Ints /* [B,T] */,
    transitions: Floats /* [K,K], from row to column */,
    start: Floats /* [K] */,
    end: Floats /* [K] */,
    steps: Ints | null /* [B,T] */,
    lengths: Ints | null /* [B] */,
    scale: Floats /* [B] */,
    out: FloatsOut /* [B] */,
    dx: FloatsOut | null /* [B,T,K] */,
    dPairs: FloatsOut | null /* [B,K,K] */,
    scratch: FloatsOut /* [B, T + 4K] */,
    b: Int,
    t: Int,
    k: Int,
  ): void

  // ---- the optimizer's step -----------------------------------------------------------------

  /** Σ x[i]², in double precision at the end of each fixed block. */
  sumSquares(x: Floats, n: Int): Float
  /** Index of the first NaN or infinity, or -1. */
  firstNonFinite(x: Floats, n: Int): Int
  /** x[i] = min(max(x[i], -limit), limit); returns how many were cut. */
  clipValue(x: FloatsOut, limit: Float, n: Int): Int
  /**
   * Keras 3's SGD. g' = scale·g; w -= decay·w first; momentum 0: w -= rate·g'; else
   * v = momentum·v - rate·g', w += v, or with nesterov w += momentum·v - rate·g'.
   */
  sgd(
    w: FloatsOut,
    g: Floats,
    velocity: FloatsOut | null,
    n: Int,
    scale: Float,
    rate: Float,
    momentum: Float,
    nesterov: Int,
    decay: Float,
  ): void
  /**
   * Keras 3's Adam; `rate` already holds learningRate·√(1-β₂ᵗ)/(1-β₁ᵗ). g' = scale·g; w -= decay·w;
   * m += (1-β₁)(g'-m); v += (1-β₂)(g'²-v); vMax = max(vMax, v) if given;
   * w -= rate·m/(√(vMax or v)+epsilon).
   */
  adam(
    w: FloatsOut,
    g: Floats,
    m: FloatsOut,
    v: FloatsOut,
    vMax: FloatsOut | null,
    n: Int,
    scale: Float,
    rate: Float,
    beta1: Float,
    beta2: Float,
    epsilon: Float,
    decay: Float,
  ): void
  /**
   * What rows of a table have missed: row r (r = rows[i], no row twice; or i, where rows is null)
   * takes `adam`'s steps done[r] … count-1 with gradient 0, to the very bits that `adam` gives; then
   * done[r] = count. Step s has rates[s], `adam`'s rate, and keeps[s] = 1 - its decay, in [0, 1].
   */
  adamReplay(
    w: FloatsOut /* [V, dim] */,
    m: FloatsOut /* [V, dim] */,
    v: FloatsOut /* [V, dim] */,
    vMax: Floats | null /* [V, dim] */,
    done: IntsOut /* [V] */,
    rows: Ints | null /* [n] */,
    n: Int,
    dim: Int,
    rates: Floats /* [count] */,
    keeps: Floats /* [count] */,
    count: Int,
    beta1: Float,
    beta2: Float,
    epsilon: Float,
  ): void
  /**
   * Keras 3's RMSprop. g' = scale·g; w -= decay·w; s += (1-ρ)(g'²-s); centered: a += (1-ρ)(g'-a),
   * denominator s - a² + epsilon, else s + epsilon; step = rate·g'/√denominator; momentum > 0:
   * velocity = momentum·velocity + step, w -= velocity; else w -= step.
   */
  rmsprop(
    w: FloatsOut,
    g: Floats,
    meanSquare: FloatsOut,
    mean: FloatsOut | null,
    velocity: FloatsOut | null,
    n: Int,
    scale: Float,
    rate: Float,
    rho: Float,
    momentum: Float,
    epsilon: Float,
    decay: Float,
  ): void

  /**
   * The formulas of `optimizerCodes`, with their numbers p, q, r and s, over one array `a` or two.
   * g' = scale·g; w -= decay·w first.
   */
  optimize(
    code: Int,
    w: FloatsOut,
    g: Floats,
    a: FloatsOut,
    b: FloatsOut | null,
    n: Int,
    scale: Float,
    rate: Float,
    decay: Float,
    p: Float,
    q: Float,
    r: Float,
    s: Float,
  ): void

  // ---- the machine's measure; see peak.ts ----------------------------------------------------

  /**
   * On each of `tasks` tasks (at most 1024) 192 numbers, 0 to 191 at first, become x · factor + term,
   * `rounds` times, in registers; as many threads as tasks work. Returns the sum of all.
   */
  peakMultiplyAdd(factor: Float, term: Float, rounds: Int, tasks: Int): Float
  /** Σ x[i], by all threads: nothing but reading. */
  peakRead(x: Floats, n: Int): Float
}

/** A piece of a backend's heap; see {@link Heap}. */
export interface Block {
  readonly byteOffset: number
  readonly byteLength: number
}

/**
 * Memory that a backend's kernels can read. Views may be detached when the heap grows, so they are
 * asked for again after every allocation and never kept.
 */
export interface Heap<B extends Block = Block> {
  /** Bytes of one float: 4, or 8 in the float64 reference. */
  readonly floatBytes: 4 | 8
  /** Zeroed memory, aligned to 64 bytes. Throws `RefrainError` when there is none left. */
  allocate(bytes: number): B
  /** Gives a block back. */
  free(block: B): void
  /** `length` floats from `byteOffset` within the block. */
  floats(block: B, byteOffset: number, length: number): Floats
  /** `length` 32-bit integers from `byteOffset` within the block. */
  ints(block: B, byteOffset: number, length: number): Int32Array
  /**
   * A block over an array's own memory, for kernels to read it, or to write a result where it
   * belongs; null where they cannot reach it. Only what the library has made itself is written to,
   * never a caller's array. It is not freed.
   */
  borrow(array: Floats | Int32Array): B | null
  /** Bytes allocated and not freed. */
  readonly bytesInUse: number
}

/** Names of the backends, fastest first. */
export type BackendName = 'native' | 'wasm' | 'reference'

/** Kernels with the heap they work in. */
export interface Backend {
  readonly name: BackendName
  /** Instruction set: avx512, avx2, baseline; relaxed, simd128; float32, float64. */
  readonly variant: string
  readonly kernels: Kernels
  readonly heap: Heap
  /** Threads that kernels may use. Changing it changes no result. */
  threads: number
}
