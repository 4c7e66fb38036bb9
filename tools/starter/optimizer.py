"""Muon for matrices and AdamW for everything else.

Muon (Keller Jordan, 2024) replaces the momentum of a weight matrix by its nearest orthogonal matrix, found
with five Newton-Schulz iterations. Here matrices of one size are batched, which is what makes it cheap on a CPU.
"""

import torch


def orthogonalise(matrices, iterations=5):
    """Nearest orthogonal matrices to `(count, rows, columns)` with rows <= columns, approximately."""
    a, b, c = 3.4445, -4.7750, 2.0315  # quintic coefficients of the Muon reference
    x = matrices.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.float()


class Muon(torch.optim.Optimizer):
    """Updates have root-mean-square 0.2, as AdamW's roughly do, so both share one learning rate."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape = {}
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                if not state:
                    state["momentum"] = torch.zeros_like(param)
                state["momentum"].lerp_(param.grad, 1 - group["momentum"])
                update = param.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                transposed = update.shape[0] > update.shape[1]
                update = update.T if transposed else update
                by_shape.setdefault(tuple(update.shape), []).append((param, update, transposed))
            for (_, columns), entries in by_shape.items():
                directions = orthogonalise(torch.stack([update for _, update, _ in entries]))
                for (param, _, transposed), direction in zip(entries, directions):
                    direction = direction.T if transposed else direction
                    param.mul_(1 - group["lr"] * group["weight_decay"])
                    param.add_(direction.reshape(param.shape), alpha=-0.2 * columns**0.5 * group["lr"])


def split_parameters(modules):
    """(matrices for Muon, other decayed weights, biases and norms) of a `{prefix: module}` mapping."""
    matrices, weights, vectors = [], [], []
    for module in modules.values():
        for name, param in module.named_parameters():
            if not param.requires_grad:
                continue
            if param.ndim < 2:
                vectors.append(param)
            elif "embedding" in name or "conv_in" in name or "conv_out" in name:
                weights.append(param)
            else:
                matrices.append(param)
    return matrices, weights, vectors


def make_optimizers(modules, lr):
    """[Muon, AdamW] over the parameters of `modules`."""
    matrices, weights, vectors = split_parameters(modules)
    adam = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
        lr=lr,
        betas=(0.9, 0.99),
        fused=True,
    )
    return [Muon(matrices, lr), adam]
