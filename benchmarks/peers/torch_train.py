"""The training step of `monotile bench train` in PyTorch: a frozen LLaMA-like stack, LoRA on queries and values, one AdamW step a call."""

import torch
import torch.nn.functional as F
from torch import nn

from timing import timed

VOCABULARY, WIDTH, INNER, LAYERS, HEADS = 4096, 512, 1376, 4, 8
BATCH, LENGTH, RANK = 4, 512, 16
HEAD = WIDTH // HEADS


def frozen(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False).requires_grad_(False)


class Adapted(nn.Module):
    """W x + B A x, with the scaling alpha / rank = 1."""

    def __init__(self):
        super().__init__()
        self.base = frozen(WIDTH, WIDTH)
        self.down = nn.Linear(WIDTH, RANK, bias=False)
        self.up = nn.Linear(RANK, WIDTH, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.before_attention = nn.RMSNorm(WIDTH, eps=1e-5).requires_grad_(False)
        self.before_gate = nn.RMSNorm(WIDTH, eps=1e-5).requires_grad_(False)
        self.queries, self.values = Adapted(), Adapted()
        self.keys, self.out = frozen(WIDTH, WIDTH), frozen(WIDTH, WIDTH)
        self.gate, self.up, self.down = frozen(WIDTH, INNER), frozen(WIDTH, INNER), frozen(INNER, WIDTH)

    def forward(self, x, cos, sin):
        def heads(y):
            return y.unflatten(-1, (HEADS, HEAD)).transpose(1, 2)

        def rotated(y):
            first, second = y.chunk(2, -1)
            return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

        h = self.before_attention(x)
        q, k, v = rotated(heads(self.queries(h))), rotated(heads(self.keys(h))), heads(self.values(h))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        h = self.before_gate(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH).requires_grad_(False)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.RMSNorm(WIDTH, eps=1e-5).requires_grad_(False)
        self.head = frozen(WIDTH, VOCABULARY)
        rates = 10_000.0 ** (-torch.arange(0, HEAD, 2) / HEAD)
        angles = torch.outer(torch.arange(LENGTH), rates)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, tokens, targets):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), targets.flatten())


def run(compiled):
    model = Llama()
    # As in Monotile's case: a row has one token more than are foretold.
    tokens = (torch.arange(BATCH * (LENGTH + 1)) * 2_654_435_761 % VOCABULARY).view(BATCH, LENGTH + 1)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), 1e-3, weight_decay=0.0, fused=True)
    loss = torch.compile(model, dynamic=False) if compiled else model

    def step():
        loss(tokens[:, :-1], tokens[:, 1:]).backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    timed(f"LLaMA {LAYERS}x{WIDTH} LoRA r{RANK} B{BATCH} T{LENGTH}", "PyTorch compile" if compiled else "PyTorch", step)
