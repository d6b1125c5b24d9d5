"""PyTorch on the CPU, eager unless asked for torch.compile: nn.LSTM, mean squared error on the last
output, fused Adam; or the whole models of pytorch_models.py. Tensors exist already. A single step of a
single sequence runs without oneDNN, whose packing of the weights on each call takes longer than the step.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402
from pytorch_models import WholeModel, adam, fill  # noqa: E402
from worker import main  # noqa: E402


class Model:
    def __init__(self, workload, data, compiled):
        I, U, layers = workload["I"], workload["U"], workload["layers"]
        if workload["B"] * workload["T"] == 1:
            torch.backends.mkldnn.set_flags(False)
        self.lstm = torch.nn.LSTM(I, U, num_layers=layers, batch_first=True)
        for k, weights in enumerate(data["weights"]):
            fill(self.lstm, f"l{k}", weights)
        self.adam = adam(self.lstm)
        self.x = torch.from_numpy(data["x"])
        self.y = torch.from_numpy(data["y"])
        self.forward = torch.compile(self.last) if compiled else self.last

    def last(self, x):
        return self.lstm(x)[0][:, -1]

    def prepare_training(self, steps):
        def run():
            self.lstm.train()
            for _ in range(steps):
                self.adam.zero_grad(set_to_none=True)
                loss = torch.nn.functional.mse_loss(self.forward(self.x), self.y)
                loss.backward()
                self.adam.step()

        return steps, run

    def predict(self):
        self.lstm.eval()
        with torch.inference_mode():
            return self.forward(self.x).numpy()


def open_engine(options):
    torch.set_num_threads(options["threads"])
    compiled = options.get("compile", False)
    return {
        "runs": f"cpu {torch.backends.cpu.get_cpu_capability()}{' compiled' if compiled else ''}",
        "threads": torch.get_num_threads(),
        "version": torch.__version__,
        "make": lambda workload, data: (WholeModel if "model" in workload else Model)(
            workload, data, compiled
        ),
    }


main(open_engine)
