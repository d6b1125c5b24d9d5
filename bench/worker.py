"""What worker.mjs is in JavaScript: does the job in the last argument and prints the result as its last
line. An engine's "make" is a function from a workload and its data to a model with `predict()` and
`prepare_training(steps)`, which gets the data ready for about as many steps and returns their number
and the function that does them, and returns seconds if not all of its time counts.
"""

import json
import resource
import sys
from time import perf_counter

import numpy as np

SAMPLES = 5


def make_data(workload):
    """The numbers of makeData in workloads.mjs: input [B,T,I], target [B,U], weights in Keras's order."""
    B, T, I, U = (workload[key] for key in "BTIU")
    uniform = generator(1)
    weights = []
    for k in range(workload["layers"]):
        inputs = I if k == 0 else U
        weights.append(
            (
                uniform((inputs, 4 * U), (3 / inputs) ** 0.5),
                uniform((U, 4 * U), (3 / U) ** 0.5),
                uniform((4 * U,), 0.5),
            )
        )
    return {"weights": weights, "x": uniform((B, T, I), 1), "y": uniform((B, U), 1)}


SHORTEST = 5


def make_model_data(workload):
    """The numbers of makeModelData in models.mjs."""
    B, T, I, U, V, layers, batches = (
        workload[key] for key in ("B", "T", "I", "U", "V", "layers", "batches")
    )
    uniform = generator(1)

    def lstm(inputs):
        shapes = (inputs, 4 * U), (U, 4 * U), (4 * U,)
        scales = (3 / inputs) ** 0.5, (3 / U) ** 0.5, 0.5
        return [uniform(shape, scale) for shape, scale in zip(shapes, scales)]

    def dense(inputs, outputs):
        return [uniform((inputs, outputs), (3 / inputs) ** 0.5), uniform((outputs,), 0.1)]

    classifies = workload["model"] == "classifier"
    rows = batches * B
    embedding = uniform((V, I), 1)
    if classifies:
        lstms = [lstm(I), lstm(I)]
        last = dense(2 * U, 1)
        u = generator(2)((rows,), 1).astype(np.float64)
        lengths = np.sort(SHORTEST + np.floor((u + 1) / 2 * (T + 1 - SHORTEST)).astype(int))[::-1]
    else:
        lstms = [lstm(I if k == 0 else U) for k in range(layers)]
        last = dense(U, V)
        lengths = np.full(rows, T)
    u = uniform((lengths.sum() + 1,), 1).astype(np.float64)
    words = np.floor(np.power(float(V), (u + 1) / 2)).astype(np.int64)
    targets = uniform((rows,), 1) >= 0 if classifies else words[1:]
    return {
        "embedding": embedding,
        "lstms": lstms,
        "dense": last,
        "lengths": lengths.copy(),
        "words": words[:-1],
        "targets": targets,
    }


def generator(seed):
    state = seed

    def uniform(shape, scale):
        nonlocal state
        count = int(np.prod(shape))
        factor, term = 1664525, 1013904223
        states = np.array([(state * factor + term) % 2**32], dtype=np.uint64)
        # From n states the n after them: n steps at once are again one multiplication and one addition.
        while len(states) < count:
            states = np.concatenate([states, (states * factor + term) % 2**32])
            factor, term = factor * factor % 2**32, (factor * term + term) % 2**32
        state = int(states[count - 1])
        return (scale * (states[:count] / 2**31 - 1)).astype(np.float32).reshape(shape)

    return uniform


def measure(seconds, prepare):
    """Milliseconds a call, found as `time` in worker.mjs does; prepare(calls) returns (calls, run)."""
    budget = seconds * 1000

    def clock(prepared):
        count, run = prepared
        start = perf_counter()
        counted = run()
        seconds = perf_counter() - start if counted is None else counted
        return seconds * 1000 / count

    # The first call may compile.
    clock(prepare(1))
    calls = 1
    spent = warm = clock(prepare(1))
    least = 3 if spent < 4 * budget else 1
    rounds = 1
    while warm < budget / 2 or rounds < least:
        rounds += 1
        calls = max(calls, min(2 * calls, int(np.ceil(budget / SAMPLES / spent))))
        spent = clock(prepare(calls))
        warm += spent * calls
    each = max(1, round(budget / SAMPLES / spent))
    prepared = prepare(each)
    wanted = min(SAMPLES, max(least, round(budget / (spent * each))))
    times = sorted(clock(prepared) for _ in range(wanted))
    return times[len(times) // 2]


def main(open_engine):
    job = json.loads(sys.argv[-1])
    workload = job["workload"]
    engine = open_engine(job["engine"])
    model = engine["make"](workload, make_model_data(workload) if "model" in workload else make_data(workload))
    result = {key: engine[key] for key in ("runs", "threads", "version")}

    def prepare_prediction(count):
        def run():
            for _ in range(count):
                model.predict()

        return count, run

    if job["task"] == "check":
        result["before"] = model.predict().reshape(-1).tolist()
        _, train = model.prepare_training(5)
        train()
        result["after"] = model.predict().reshape(-1).tolist()
    else:
        if not workload.get("predictOnly"):
            result["train"] = measure(job["seconds"], model.prepare_training)
        result["predict"] = measure(job["seconds"], prepare_prediction)
    used = resource.getrusage(resource.RUSAGE_SELF)
    result["cpuSeconds"] = used.ru_utime + used.ru_stime
    # Kilobytes on Linux, bytes on macOS.
    result["peakMegabytes"] = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps(result))
