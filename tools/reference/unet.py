"""UNet3DConditionModel cases: random configurations, or the hand-picked ones that live in the repository."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet3DConditionModel

from .cases import CaseFolder, relative_l2, seeded
from .weights import inert_parameters, randomise

BAR = 1e-4
"""Relative L2 that the engine's f32 output must stay within (models.md, "Reference")."""

WORST_REFERENCE_ERROR = 1e-5
"""A draw whose own f32 result is further than this from float64 is too ill-conditioned to judge anybody; redrawn."""

DOWN = ("CrossAttnDownBlock3D", "DownBlock3D")
UP = ("CrossAttnUpBlock3D", "UpBlock3D")


@dataclass
class UNetCase:
    """One configuration with the shapes it is run at. `shape` is (batch, frames, height, width) of the latent."""

    config: dict
    shape: tuple[int, int, int, int]
    text_length: int
    timestep: float
    description: str = ""
    deep: bool = False


def random_case(index: int, seed: int) -> UNetCase:
    """The `index`-th configuration of a run. Values that must all occur are dealt out in turn, the rest is drawn."""
    rng = random.Random(f"unet-{seed}-{index}")
    deal = random.Random(f"deal-{seed}-{index // 24}")

    def in_turn(values: list):
        """Every run of 24 cases sees each value about equally often, in an order that the seed decides."""
        stretched = [values[i * len(values) // 24] for i in range(24)] if len(values) <= 24 else list(values)
        deal.shuffle(stretched)
        return stretched[index % 24]

    levels = in_turn([1, 2, 2, 3, 3, 4])
    frames = in_turn(list(range(1, 25)))
    head_dim = in_turn([4, 5, 8, 8, 12, 16, 24, 32])
    act_fn = in_turn(["silu", "silu", "silu", "swish", "gelu", "mish", "relu", "SiLU"])
    groups = in_turn([1, 2, 3, 4, 4, 8])
    text_length = in_turn([77, 77, 77, 1, 5, 16, 40, 100])
    padding = in_turn([1, 1, 1, 0])
    batch = in_turn([1, 2])

    # Channels are multiples of the group count, at least one head wide, and now and then not a multiple of the head.
    channels = []
    for _ in range(levels):
        low, high = -(-head_dim // groups), max(-(-head_dim // groups), 48 // groups)
        if rng.random() < 0.7:
            whole = [k for k in range(low, high + 1) if (k * groups) % head_dim == 0]
            channels.append(groups * (rng.choice(whole) if whole else low))
        else:
            channels.append(groups * rng.randint(low, high))
    factor = 2 ** (levels - 1)
    height, width = (odd_or_even(rng, factor) for _ in range(2))

    config = {
        "sample_size": rng.choice([None, 8, 32]),
        "in_channels": rng.choice([4, 4, 3, 8, 9]),
        "out_channels": rng.choice([4, 4, 3, 8]),
        "down_block_types": [rng.choice(DOWN) for _ in range(levels)],
        "up_block_types": [rng.choice(UP) for _ in range(levels)],
        "block_out_channels": channels,
        "layers_per_block": rng.choice([1, 2]),
        "downsample_padding": padding,
        "mid_block_scale_factor": rng.choice([1, 1, 2, 0.7]),
        "act_fn": act_fn,
        "norm_num_groups": groups,
        "norm_eps": rng.choice([1e-5, 1e-5, 1e-6, 1e-3]),
        "cross_attention_dim": rng.choice([8, 20, 32, 64]),
        "attention_head_dim": head_dim,
        "num_attention_heads": None,
        "time_cond_proj_dim": None,
    }
    timestep = rng.choice([0, 1, 500, 999, rng.randint(0, 999), round(rng.uniform(0, 999), 3)])
    case = UNetCase(config, (batch, frames, height, width), text_length, float(timestep))
    case.description = describe(case)
    return case


def odd_or_even(rng: random.Random, factor: int) -> int:
    """A size with at least two pixels on the lowest level: half of them multiples of `factor`, half not."""
    size = rng.randint(2, 4 if factor < 8 else 3) * factor
    if rng.random() < 0.5:
        size += rng.randint(1, max(1, factor - 1))
    return size


def describe(case: UNetCase) -> str:
    config, (batch, frames, height, width) = case.config, case.shape
    mix = "/".join(("C" if name.startswith("Cross") else "-") for name in config["down_block_types"])
    mix += " up " + "/".join(("C" if name.startswith("Cross") else "-") for name in config["up_block_types"])
    return (f"channels {config['block_out_channels']}, {config['layers_per_block']} layers, cross attention down {mix}, "
            f"head dim {config['attention_head_dim']}, {config['norm_num_groups']} groups, {config['act_fn']}, "
            f"batch {batch}, {frames} frames, {height}x{width}, text {case.text_length}, t {case.timestep:g}")


def write_case(parent: Path, name: str, case: UNetCase, seed: int, attempts: int = 8) -> Path:
    """Builds the model, runs it in float32 and float64, writes the case; redraws ill-conditioned weights."""
    for attempt in range(attempts):
        generator = seeded(seed * 1000 + attempt)
        model = UNet3DConditionModel(**case.config).eval().requires_grad_(True)
        randomise(model, generator)
        inputs = draw_inputs(case, generator)
        golden, error = run(model, case, inputs)
        if error <= WORST_REFERENCE_ERROR:
            break
    else:
        raise RuntimeError(f"{name}: no well-conditioned draw in {attempts} attempts, last error {error:.1e}")
    unexpected = [p for p in inert(model, inputs, generator) if not may_be_inert(p, case)]
    if unexpected:
        raise RuntimeError(f"{name}: these weights do not influence the output: {unexpected}")

    with CaseFolder(parent, "unet", name, seed, case.description, BAR) as folder:
        config = json.loads(model.to_json_string())
        folder.component("unet", config, model.state_dict(), "diffusion_pytorch_model.safetensors")
        folder.golden(golden)
        folder.info["reference_error"] = error
        folder.info["stages"] = [key for key in golden if key not in (*inputs, "out", "out_f64")]
    return folder.destination


def draw_inputs(case: UNetCase, generator: torch.Generator) -> dict[str, torch.Tensor]:
    batch, frames, height, width = case.shape
    config = case.config
    return {
        "sample": torch.randn((batch, config["in_channels"], frames, height, width), generator=generator),
        "timestep": torch.tensor([case.timestep], dtype=torch.float32),
        "encoder_hidden_states": torch.randn(
            (batch, case.text_length, config["cross_attention_dim"]), generator=generator),
    }


def run(model: UNet3DConditionModel, case: UNetCase, inputs: dict) -> tuple[dict[str, torch.Tensor], float]:
    """Inputs, stages and outputs by name, and how far float32 is from float64."""
    stages: dict[str, torch.Tensor] = {}
    handles = [module.register_forward_hook(keep(stages, name)) for name, module in stage_modules(model, case.deep)]
    with torch.no_grad():
        out = model(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"]).sample
    for handle in handles:
        handle.remove()
    out_f64 = run_f64(model, inputs)
    error = relative_l2(out, out_f64)
    return {**inputs, **stages, "out": out, "out_f64": out_f64}, error


@torch.no_grad()
def run_f64(model: UNet3DConditionModel, inputs: dict) -> torch.Tensor:
    model.double()
    out = model(inputs["sample"].double(), inputs["timestep"], inputs["encoder_hidden_states"].double()).sample
    model.float()
    return out


def stage_modules(model: UNet3DConditionModel, deep: bool):
    """The named stages; with `deep` also every layer of every block."""
    yield "time_emb", model.time_embedding
    yield "conv_in", model.conv_in
    yield "transformer_in", model.transformer_in
    for group in ("down_blocks", "mid_block", "up_blocks"):
        blocks = getattr(model, group)
        named = [(group, blocks)] if group == "mid_block" else [(f"{group}.{i}", b) for i, b in enumerate(blocks)]
        for name, block in named:
            yield name, block
            if deep:
                for kind in ("resnets", "temp_convs", "attentions", "temp_attentions", "downsamplers", "upsamplers"):
                    for i, layer in enumerate(getattr(block, kind, None) or []):
                        yield f"{name}.{kind}.{i}", layer
    yield "conv_norm_out", model.conv_norm_out


def keep(stages: dict, name: str):
    def hook(_module, _inputs, output):
        # Blocks return (hidden states, skips); transformers a 1-tuple.
        stages[name] = (output[0] if isinstance(output, tuple) else output).clone()
    return hook


def inert(model: UNet3DConditionModel, inputs: dict, generator: torch.Generator) -> list[str]:
    out = model(inputs["sample"], inputs["timestep"], inputs["encoder_hidden_states"]).sample
    return inert_parameters(model, out, generator)


def may_be_inert(name: str, case: UNetCase) -> bool:
    """Weights that cannot matter at these shapes: softmax over one key, a shift that the next norm removes."""
    _, frames, height, width = case.shape
    if name.startswith("time_embedding.cond_proj"):
        return True
    if name.endswith(("to_q.weight", "to_k.weight")):
        temporal = "temp_attentions" in name or name.startswith("transformer_in")
        factor = 2 ** (len(case.config["block_out_channels"]) - 1)
        single_pixel = height <= factor and width <= factor
        return frames == 1 if temporal else ((".attn2." in name and case.text_length == 1) or single_pixel)
    if ".attentions." in name and ".norm2." in name and case.text_length == 1:
        return True  # feeds the queries of the cross attention only
    one_channel_groups = case.config["norm_num_groups"] in case.config["block_out_channels"]
    return one_channel_groups and name.endswith((".bias", "time_emb_proj.weight"))
