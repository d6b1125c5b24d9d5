"""What worker.mjs is in JavaScript: does the job in the last argument and prints the result as its last
line. An engine is a function from a workload and its data to a model with `train(steps)` and `predict()`.
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


def measure(seconds, run):
    """Milliseconds a call of run(calls), found as `time` in worker.mjs does."""
    budget = seconds * 1000

    def clock(count):
        start = perf_counter()
        run(count)
        return (perf_counter() - start) * 1000 / count

    calls = 1
    spent = warm = clock(1)
    while warm < budget / 2:
        calls = max(calls, min(2 * calls, int(np.ceil(budget / SAMPLES / spent))))
        spent = clock(calls)
        warm += spent * calls
    each = max(1, round(budget / SAMPLES / spent))
    wanted = min(SAMPLES, max(1, round(budget / (spent * each))))
    times = sorted(clock(each) for _ in range(wanted))
    return times[len(times) // 2]


def main(open_engine):
    job = json.loads(sys.argv[-1])
    workload = job["workload"]
    engine = open_engine(job["engine"])
    model = engine["make"](workload, make_data(workload))
    result = {key: engine[key] for key in ("runs", "threads", "version")}

    def predict(count):
        for _ in range(count):
            model.predict()

    if job["task"] == "check":
        result["before"] = model.predict().reshape(-1).tolist()
        model.train(5)
        result["after"] = model.predict().reshape(-1).tolist()
    else:
        if not workload.get("predictOnly"):
            result["train"] = measure(job["seconds"], model.train)
        result["predict"] = measure(job["seconds"], predict)
    used = resource.getrusage(resource.RUSAGE_SELF)
    result["cpuSeconds"] = used.ru_utime + used.ru_stime
    # Kilobytes on Linux, bytes on macOS.
    result["peakMegabytes"] = used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps(result))
