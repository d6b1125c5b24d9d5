"""The whole models of models.mjs in PyTorch, trained over the same batches, which exist as tensors.

The classifier's two directions are two layers over padded sentences, of which the second reads each
sentence turned round; each gives its output at the sentence's last word. On packed sequences, the usual
way, nn.LSTM goes without oneDNN and takes twice as long.
"""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


def fill(lstm, suffix, weights):
    """Keras's weights into nn.LSTM. Both order the gates i, f, c (PyTorch's g), o.

    PyTorch has two bias vectors where Keras has one. The second is zero and frozen: trained, it would
    double each step of their sum.
    """
    kernel, recurrent, bias = weights
    with torch.no_grad():
        getattr(lstm, f"weight_ih_{suffix}").copy_(torch.from_numpy(kernel.T.copy()))
        getattr(lstm, f"weight_hh_{suffix}").copy_(torch.from_numpy(recurrent.T.copy()))
        getattr(lstm, f"bias_ih_{suffix}").copy_(torch.from_numpy(bias))
        getattr(lstm, f"bias_hh_{suffix}").zero_().requires_grad_(False)


def adam(module):
    trained = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.Adam(trained, lr=1e-3, eps=1e-7, fused=True)


class Network(nn.Module):
    def __init__(self, workload, data):
        super().__init__()
        self.classifies = workload["model"] == "classifier"
        I, U, layers = workload["I"], workload["U"], workload["layers"]
        table = torch.from_numpy(data["embedding"])
        padding = 0 if self.classifies else None
        self.embedding = nn.Embedding.from_pretrained(table, freeze=False, padding_idx=padding)
        self.lstm = nn.LSTM(I, U, 1 if self.classifies else layers, batch_first=True)
        if self.classifies:
            self.backwards = nn.LSTM(I, U, batch_first=True)
            fill(self.lstm, "l0", data["lstms"][0])
            fill(self.backwards, "l0", data["lstms"][1])
        else:
            for k, weights in enumerate(data["lstms"]):
                fill(self.lstm, f"l{k}", weights)
        kernel, bias = (torch.from_numpy(array) for array in data["dense"])
        self.dense = nn.Linear(*kernel.shape)
        with torch.no_grad():
            self.dense.weight.copy_(kernel.T)
            self.dense.bias.copy_(bias)

    def forward(self, words, lengths):
        """Logits: of each sentence [B], of each word [B,T,V]."""
        x = self.embedding(words)
        if not self.classifies:
            return self.dense(self.lstm(x)[0])
        rows, last = torch.arange(len(lengths)), lengths - 1
        reversed_ = (last[:, None] - torch.arange(words.shape[1])).clamp(min=0)
        there = self.lstm(x)[0][rows, last]
        back = self.backwards(self.embedding(words.gather(1, reversed_)))[0][rows, last]
        return self.dense(torch.cat((there, back), 1))[:, 0]


class WholeModel:
    def __init__(self, workload, data, compiled):
        self.network = Network(workload, data)
        self.classifies = self.network.classifies
        self.adam = adam(self.network)
        self.forward = torch.compile(self.network) if compiled else self.network
        B = workload["B"]
        lengths = torch.from_numpy(data["lengths"])
        words = torch.from_numpy(data["words"]).split(lengths.tolist())
        targets = torch.from_numpy(data["targets"])
        targets = targets.float() if self.classifies else targets.view(-1, workload["T"])
        self.batches = [
            (
                nn.utils.rnn.pad_sequence(words[start : start + B], batch_first=True),
                lengths[start : start + B],
                targets[start : start + B],
            )
            for start in range(0, len(words), B)
        ]

    def loss(self, logits, targets):
        if self.classifies:
            return binary_cross_entropy_with_logits(logits, targets)
        return cross_entropy(logits.flatten(0, 1), targets.flatten())

    def prepare_training(self, steps):
        epochs = max(1, round(steps / len(self.batches)))

        def run():
            self.network.train()
            for _ in range(epochs):
                for words, lengths, targets in self.batches:
                    self.adam.zero_grad(set_to_none=True)
                    self.loss(self.forward(words, lengths), targets).backward()
                    if not self.classifies:
                        nn.utils.clip_grad_norm_(self.network.parameters(), 5)
                    self.adam.step()

        return epochs * len(self.batches), run

    def predict(self):
        self.network.eval()
        words, lengths, _ = self.batches[0]
        with torch.inference_mode():
            logits = self.forward(words, lengths)
            return (logits.sigmoid() if self.classifies else logits.softmax(-1)).numpy()
