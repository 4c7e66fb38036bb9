"""AutoencoderKL cases: the mean of the encoder and the decoder, with every stage."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from .cases import CaseFolder, relative_l2, seeded
from .unet import WORST_REFERENCE_ERROR, keep
from .weights import inert_parameters, randomise

BAR = 1e-4
LEGACY_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""Names that checkpoints from before diffusers 0.17 (ZeroScope and ModelScope among them) use."""


@dataclass
class VaeCase:
    """`image` and `latent` are (batch, height, width); they need not belong together."""

    config: dict
    image: tuple[int, int, int]
    latent: tuple[int, int, int]
    description: str = ""
    legacy_names: bool = False


def random_case(index: int, seed: int) -> VaeCase:
    rng = random.Random(f"vae-{seed}-{index}")
    levels = 1 + index % 4
    groups = rng.choice([1, 2, 4, 8])
    config = {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "block_out_channels": [groups * rng.randint(2, max(2, 32 // groups)) for _ in range(levels)],
        "layers_per_block": rng.randint(1, 3),
        "act_fn": rng.choice(["silu", "silu", "silu", "gelu", "mish"]),
        "latent_channels": rng.choice([4, 4, 3, 8, 16]),
        "norm_num_groups": groups,
        "sample_size": 32,
        "scaling_factor": 0.18215,
        "use_quant_conv": rng.random() < 0.7,
        "use_post_quant_conv": rng.random() < 0.7,
        "mid_block_add_attention": rng.random() < 0.7,
    }
    factor = 2 ** (levels - 1)
    case = VaeCase(
        config,
        image=(rng.randint(1, 3), *(rng.randint(2 * factor, 5 * factor) for _ in range(2))),
        latent=(rng.randint(1, 3), rng.randint(2, 7), rng.randint(2, 7)),
        legacy_names=rng.random() < 0.3,
    )
    case.description = describe(case)
    return case


def describe(case: VaeCase) -> str:
    config = case.config
    switches = [name for name in ("mid_block_add_attention", "use_quant_conv", "use_post_quant_conv")
                if not config.get(name, True)]
    return (f"channels {config['block_out_channels']}, {config['layers_per_block']} layers, "
            f"{config['latent_channels']} latent channels, {config['norm_num_groups']} groups, {config['act_fn']}, "
            f"off: {', '.join(switches) or 'nothing'}, image {case.image}, latent {case.latent}"
            + (", attention weights under their old names" if case.legacy_names else ""))


def write_case(parent: Path, name: str, case: VaeCase, seed: int, attempts: int = 8) -> Path:
    for attempt in range(attempts):
        generator = seeded(seed * 1000 + attempt)
        model = AutoencoderKL(**case.config).eval()
        randomise(model, generator)
        image = torch.rand((case.image[0], case.config["in_channels"], *case.image[1:]), generator=generator) * 2 - 1
        latent = torch.randn((case.latent[0], case.config["latent_channels"], *case.latent[1:]), generator=generator)
        golden, error = run(model, image, latent)
        if error <= WORST_REFERENCE_ERROR:
            break
    else:
        raise RuntimeError(f"{name}: no well-conditioned draw in {attempts} attempts, last error {error:.1e}")
    check_branches(name, model, image, latent, generator)

    tensors = model.state_dict()
    if case.legacy_names:
        tensors = {legacy_name(key): value for key, value in tensors.items()}
    with CaseFolder(parent, "vae", name, seed, case.description, BAR) as folder:
        folder.component("vae", json.loads(model.to_json_string()), tensors, "diffusion_pytorch_model.safetensors")
        folder.golden(golden)
        folder.info["reference_error"] = error
        folder.info["legacy_names"] = case.legacy_names
    return folder.destination


def run(model: AutoencoderKL, image: torch.Tensor, latent: torch.Tensor) -> tuple[dict[str, torch.Tensor], float]:
    stages: dict[str, torch.Tensor] = {}
    handles = []
    for part in ("encoder", "decoder"):
        module = getattr(model, part)
        blocks = "down_blocks" if part == "encoder" else "up_blocks"
        named = [(f"{part}.conv_in", module.conv_in), (f"{part}.mid_block", module.mid_block)]
        named += [(f"{part}.{blocks}.{i}", block) for i, block in enumerate(getattr(module, blocks))]
        handles += [target.register_forward_hook(keep(stages, name)) for name, target in named]
    with torch.no_grad():
        posterior = model.encode(image).latent_dist
        decoded = model.decode(latent).sample
        for handle in handles:
            handle.remove()
        model.double()
        mean_f64 = model.encode(image.double()).latent_dist.mean
        decoded_f64 = model.decode(latent.double()).sample
        model.float()
    error = max(relative_l2(posterior.mean, mean_f64), relative_l2(decoded, decoded_f64))
    return {
        "image": image, "latent": latent, **stages,
        "encoded_mean": posterior.mean, "encoded_logvar": posterior.logvar, "decoded": decoded,
        "encoded_mean_f64": mean_f64, "decoded_f64": decoded_f64,
    }, error


def check_branches(name: str, model: AutoencoderKL, image, latent, generator: torch.Generator) -> None:
    """Every weight must influence the moments or the decoded image."""
    moments = model.encode(image).latent_dist.parameters
    decoded = model.decode(latent).sample
    inert = set(inert_parameters(model, moments, generator)) & set(inert_parameters(model, decoded, generator))
    one_channel_groups = model.config.norm_num_groups in model.config.block_out_channels
    # A key bias adds the same to all scores of a query, and softmax removes it.
    inert = {p for p in inert if not p.endswith("to_k.bias") and not (one_channel_groups and p.endswith(".bias"))}
    if inert:
        raise RuntimeError(f"{name}: these weights do not influence the output: {sorted(inert)}")


def legacy_name(key: str) -> str:
    if ".mid_block.attentions." in f".{key}":
        for new, old in LEGACY_ATTENTION.items():
            key = key.replace(f".{new}.", f".{old}.")
    return key
