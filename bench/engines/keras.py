"""Keras 3 on TensorFlow or on JAX: the layer `LSTM`, trained through `fit` on many equal batches, as
Refrain is, of which the epochs alone are timed: what `fit` does before them takes it 20 to 150 ms. Predicted by the model compiled to one function (XLA on both), which is faster than
`predict` and `predict_on_batch`.

Threads: neither backend takes a number that holds for all of its pools, so the process is bound to as
many processors.
"""

import json
import os
import sys
from pathlib import Path
from time import perf_counter

# Instead of this folder, in which `keras` is this file.
sys.path[0] = str(Path(__file__).resolve().parent.parent)
options = json.loads(sys.argv[-1])["engine"]
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options["threads"]])
os.environ["KERAS_BACKEND"] = options["backend"]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from worker import main  # noqa: E402

# `fit` gets at most this many numbers at once, then several epochs of them.
MOST_NUMBERS = 8_000_000


class Clock(keras.callbacks.Callback):
    """Seconds in epochs."""

    seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.start = perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds += perf_counter() - self.start


class Model:
    def __init__(self, workload, data):
        T, I, U, layers = (workload[key] for key in ("T", "I", "U", "layers"))
        stack = [keras.layers.LSTM(U, return_sequences=k < layers - 1) for k in range(layers)]
        self.model = keras.Sequential([keras.Input((T, I)), *stack])
        for layer, weights in zip(stack, data["weights"]):
            layer.set_weights(weights)
        self.model.compile(
            optimizer=keras.optimizers.Adam(1e-3),
            loss="mean_squared_error",
            steps_per_execution=options.get("stepsPerExecution", 1),
        )
        self.x, self.y = data["x"], data["y"]
        self.compiled = None

    def prepare_training(self, steps):
        """One epoch of as many equal batches as there are steps, as far as memory allows."""
        epochs = -(-steps // max(1, MOST_NUMBERS // self.x.size))
        batches = round(steps / epochs)
        x = np.tile(self.x, (batches, 1, 1))
        y = np.tile(self.y, (batches, 1))
        self.compiled = None

        def run():
            clock = Clock()
            how = {"batch_size": len(self.x), "shuffle": False, "verbose": 0}
            self.model.fit(x, y, epochs=epochs, callbacks=[clock], **how)
            return clock.seconds

        return epochs * batches, run

    def predict(self):
        self.compiled = self.compiled or self.compile()
        return np.asarray(self.compiled())

    def compile(self):
        if options["backend"] == "jax":
            import jax

            model, x = self.model, jax.numpy.asarray(self.x)
            trained = [variable.value for variable in model.trainable_variables]
            others = [variable.value for variable in model.non_trainable_variables]
            call = jax.jit(lambda trained, others, x: model.stateless_call(trained, others, x)[0])
            return lambda: call(trained, others, x)
        import tensorflow

        x = tensorflow.constant(self.x)
        call = tensorflow.function(lambda x: self.model(x, training=False), jit_compile=True)
        return lambda: call(x)


def version():
    name = options["backend"]
    return f"{keras.__version__} ({name} {__import__(name).__version__})"


def open_engine(options):
    return {
        "runs": f"cpu {options['backend']}",
        "threads": options["threads"],
        "version": version(),
        "make": Model,
    }


main(open_engine)
