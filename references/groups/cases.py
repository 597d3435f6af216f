"""The cases of a file, and how a group is marked."""

import json
import math
import pathlib
import zlib
from importlib.metadata import version

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent.parent
torch.set_num_threads(1)
GROUPS = {}


def group(*packages):
    """Marks a function that writes the file of its own name; `packages` are those that it calls."""

    def mark(f):
        def make():
            torch.manual_seed(zlib.crc32(f.__name__.encode()))
            cases = Cases()
            f(cases)
            cases.write(f.__name__, packages)

        GROUPS[f.__name__] = make
        return f

    return mark


def draw(*shape, low=-2.0, high=2.0):
    """Uniform numbers of half precision, as f64."""
    return (torch.rand(shape, dtype=torch.float64) * (high - low) + low).half().double()


def weights(shape, j=0):
    """Numbers that stand for the cotangent of output `j`; the tests compute the same."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return ((37 * k + 11 + 5 * j) % 17 / 8 - 1).reshape(shape)


class Cases:
    """The cases of a file."""

    def __init__(self):
        self.tensors, self.cases = {}, []

    def put(self, part, i, x):
        """Stores a tensor of the present case; inputs are of half precision."""
        x = torch.as_tensor(np.array(x, order="C") if isinstance(x, np.ndarray) else x).detach()
        small = part == "i" and x.dtype == torch.float64 and torch.equal(x.half().double(), x)
        self.tensors[f"{len(self.cases)}.{part}{i}"] = (x.half() if small else x).contiguous().clone()

    def add(self, op, inputs, outputs, **options):
        """A case without gradients: inputs and outputs as they are."""
        for i, x in enumerate(inputs):
            self.put("i", i, x)
        for j, y in enumerate(outputs):
            self.put("o", j, y)
        self.cases.append({"op": op, "inputs": len(inputs), "outputs": len(outputs), **options})

    def torch(self, op, f, inputs, constants=(), second=False, **options):
        """What `f` of PyTorch gives for these inputs.

        Also the gradients of Σ weights · outputs by all inputs but `constants`.
        With `second` also those of Σ weights · gradients."""
        inputs = [x.clone() for x in inputs]
        wanted = [i for i, x in enumerate(inputs) if x.is_floating_point() and i not in constants]
        leaves = [inputs[i].requires_grad_() for i in wanted]
        outputs = f(*inputs)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        if any(y.requires_grad for y in outputs):
            loss = sum((y * weights(y.shape, j)).sum() for j, y in enumerate(outputs) if y.requires_grad)
            gradients = torch.autograd.grad(loss, leaves, create_graph=second, materialize_grads=True)
            for i, g in zip(wanted, gradients):
                self.put("g", i, g)
            if second:
                loss = sum((g * weights(g.shape, i)).sum() for i, g in zip(wanted, gradients))
                for i, s in zip(wanted, torch.autograd.grad(loss, leaves, materialize_grads=True)):
                    self.put("s", i, s)
        self.add(op, inputs, outputs, **options)

    def write(self, name, packages):
        for key, x in self.tensors.items():
            assert not x.is_floating_point() or not x.isnan().any() or "nan" in self.cases[int(key.split(".")[0])], (name, key)
        versions = {package: version(package) for package in packages}
        # One text: the order of several would differ from run to run.
        reference = json.dumps({"versions": versions, "cases": self.cases}, separators=(",", ":"))
        path = HERE / f"{name}.safetensors"
        save_file(self.tensors, path, {"reference": reference})
        print(f"{path.name}: {len(self.cases)} cases, {len(self.tensors)} tensors, {path.stat().st_size} bytes")
