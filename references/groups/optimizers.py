"""Optimizers, clipping and schedules."""

import torch

from .cases import draw, group


@group("torch")
def optimizers(cases):
    """Parameters after each of five steps, gradients shortened, and learning rates."""

    def steps(optimizer, start, gradients):
        p = start.clone().requires_grad_()
        optimizer, found = optimizer([p]), []
        for g in gradients:
            p.grad = g.clone()
            optimizer.step()
            found.append(p.detach().clone())
        return found

    start, gradients = draw(2, 3), [draw(2, 3) * 2.0**-k for k in range(5)]
    for options in [
        dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2),
        dict(lr=0.125, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.25),
        dict(lr=0.125, betas=(0.0, 0.5), eps=1e-8, weight_decay=0.0),
    ]:
        found = steps(lambda p: torch.optim.AdamW(p, **options), start, gradients)
        cases.add("adamw", [start, *gradients], found, **options)
    for options in [
        dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0),
        dict(lr=0.125, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.25),
    ]:
        found = steps(lambda p: torch.optim.Adam(p, **options), start, gradients)
        cases.add("adam", [start, *gradients], found, **options)
    for options in [
        dict(lr=0.25, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0),
        dict(lr=0.25, momentum=0.875, dampening=0.0, nesterov=False, weight_decay=0.125),
        dict(lr=0.25, momentum=0.875, dampening=0.25, nesterov=False, weight_decay=0.125),
        dict(lr=0.25, momentum=0.5, dampening=0.0, nesterov=True, weight_decay=0.125),
    ]:
        found = steps(lambda p: torch.optim.SGD(p, **options), start, gradients)
        cases.add("sgd", [start, *gradients], found, **options)
    for options in [
        dict(lr=0.125, alpha=0.75, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False),
        dict(lr=0.125, alpha=0.75, eps=1e-3, weight_decay=0.25, momentum=0.5, centered=False),
        dict(lr=0.125, alpha=0.75, eps=1e-3, weight_decay=0.25, momentum=0.0, centered=True),
        dict(lr=0.125, alpha=0.75, eps=1e-3, weight_decay=0.25, momentum=0.5, centered=True),
    ]:
        found = steps(lambda p: torch.optim.RMSprop(p, **options), start, gradients)
        cases.add("rmsprop", [start, *gradients], found, **options)
    for options in [
        dict(lr=0.25, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10),
        dict(lr=0.25, lr_decay=0.125, weight_decay=0.25, initial_accumulator_value=0.5, eps=1e-3),
    ]:
        found = steps(lambda p: torch.optim.Adagrad(p, **options), start, gradients)
        cases.add("adagrad", [start, *gradients], found, **options)
    # PyTorch divides by the length plus 1e-6, which is nothing beside these.
    gradients = [g * 2.0**30 for g in gradients]
    for limit in [0.5, 1e12]:
        parameters = [torch.zeros_like(g, requires_grad=True) for g in gradients]
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        length = torch.nn.utils.clip_grad_norm_(parameters, limit)
        cases.add("clip", gradients, [length, *(p.grad for p in parameters)], limit=limit)
    for decay in ["constant", "linear", "cosine"]:
        cases.add("schedule", [], [rates(decay, 0.5, 0.125, 4, 12)], decay=decay, peak=0.5, floor=0.125, warmup=4, steps=12)


def rates(decay, peak, floor, warmup, steps):
    """Learning rates of PyTorch's schedulers, one after another."""
    from torch.optim import lr_scheduler as schedulers

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    rise = schedulers.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1)
    fall = {
        "constant": lambda: schedulers.ConstantLR(optimizer, 1.0),
        "linear": lambda: schedulers.LinearLR(optimizer, 1.0, floor / peak, steps - warmup),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, steps - warmup, floor),
    }[decay]()
    schedule = schedulers.SequentialLR(optimizer, [rise, fall], [warmup])
    found = []
    for _ in range(steps + 1):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return torch.tensor(found, dtype=torch.float64)
