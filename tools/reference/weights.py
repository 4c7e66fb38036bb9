"""Random weights under which every branch of a network changes the output and activations stay of order one."""

import math

import torch
from torch import nn

NORMS = (nn.GroupNorm, nn.LayerNorm)


@torch.no_grad()
def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Redraws every parameter in place.

    The libraries initialise some layers to zero (the last temporal convolution) or to one and zero (norms), so a
    port that skipped them would still agree; nothing keeps such a value here.
    """
    for name, module in model.named_modules():
        for key, parameter in module.named_parameters(recurse=False):
            noise = torch.randn(parameter.shape, generator=generator)
            noise.mul_(scale_of(name + "." + key, module, key, tuple(parameter.shape)))
            is_norm_weight = isinstance(module, NORMS) and key == "weight"
            parameter.copy_(1 + noise if is_norm_weight else noise)


def scale_of(name: str, module: nn.Module, key: str, shape: tuple[int, ...]) -> float:
    """Standard deviation of a parameter: small around a norm's one and zero, fan-in for weights."""
    if isinstance(module, NORMS) or key.endswith("bias"):
        return 0.2
    if isinstance(module, nn.Embedding):
        return 0.5
    # Queries and keys get more, so that attention weights are far from uniform.
    sharp = any(part in name for part in (".to_q.", ".to_k.", ".q_proj.", ".k_proj."))
    return (1.6 if sharp else 1.0) / math.sqrt(math.prod(shape[1:]))


def inert_parameters(model: nn.Module, output: torch.Tensor, generator: torch.Generator) -> list[str]:
    """Names of parameters that do not influence `output` (gradient exactly or nearly zero).

    A case with an unexpected inert parameter would not notice a port that ignores it.
    """
    probe = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    names, parameters = zip(*model.named_parameters())
    gradients = torch.autograd.grad((output * probe).sum(), parameters, allow_unused=True)
    scale = output.detach().norm().item()
    inert = []
    for name, parameter, gradient in zip(names, parameters, gradients):
        effect = 0.0 if gradient is None else (gradient.norm() * parameter.detach().norm()).item()
        if effect < 1e-6 * scale:
            inert.append(name)
    return inert
