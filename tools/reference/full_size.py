"""Model folders of the real architectures with seeded random weights, written tensor by tensor.

The published weights are not needed to measure time and memory. Shapes come from the libraries' own classes built
without storage, so a folder is what they would save; at no time is more than one tensor in memory.
"""

import gzip
import itertools
import json
import os
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet3DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from .cases import seeded, write_json
from .clip_text import PREFIX
from .tokenizer import CORPUS, END, bytes_to_unicode, learn_merges, write_vocabulary
from .weights import NORMS, scale_of

CONFIGS = Path(__file__).resolve().parent / "configs"
DTYPES = {"f16": (torch.float16, "F16"), "bf16": (torch.bfloat16, "BF16"), "f32": (torch.float32, "F32")}
PUBLISHED_MERGES = 49408 - 512 - 2
"""Merges of the published CLIP vocabulary: all ids less 2 x 256 bytes and two special tokens."""


@dataclass
class Planned:
    """One tensor to be written."""

    name: str
    shape: tuple[int, ...]
    module: nn.Module
    key: str


def build_on_meta(component: str, config: dict) -> nn.Module:
    with torch.device("meta"):
        if component == "unet":
            return UNet3DConditionModel.from_config(config)
        if component == "vae":
            return AutoencoderKL.from_config(config)
        return CLIPTextModel(CLIPTextConfig(**config))


def plan(component: str, model: nn.Module) -> list[Planned]:
    prefix = PREFIX if component == "text_encoder" else ""
    owners = {f"{path}.{key}" if path else key: (module, key)
              for path, module in model.named_modules() for key, _ in module.named_parameters(recurse=False)}
    return [Planned(prefix + name, tuple(tensor.shape), *owners[name]) for name, tensor in sorted(model.state_dict().items())]


def write_component(folder: Path, component: str, config: dict, dtype: str, seed: int) -> int:
    """Writes config and weights; returns the number of parameters."""
    folder.mkdir()
    write_json(folder / "config.json", config)
    tensors = plan(component, build_on_meta(component, config))
    torch_dtype, name = DTYPES[dtype]
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    for planned in tensors:
        size = torch.Size(planned.shape).numel() * torch_dtype.itemsize
        header[planned.name] = {"dtype": name, "shape": list(planned.shape), "data_offsets": [offset, offset + size]}
        offset += size
    packed = json.dumps(header, separators=(",", ":")).encode()
    packed += b" " * (-len(packed) % 8)
    file = "model.safetensors" if component == "text_encoder" else "diffusion_pytorch_model.safetensors"
    with open(folder / file, "wb") as out:
        out.write(struct.pack("<Q", len(packed)) + packed)
        for planned in tensors:
            out.write(values(planned, seed).to(torch_dtype).view(torch.uint8).numpy().data)
    return sum(torch.Size(planned.shape).numel() for planned in tensors)


def values(planned: Planned, seed: int) -> torch.Tensor:
    """Every tensor has its own seed, made of its name: adding a tensor changes no other."""
    noise = torch.randn(planned.shape, generator=seeded(seed * 1_000_003 + zlib.crc32(planned.name.encode())))
    noise.mul_(scale_of(planned.name, planned.module, planned.key, planned.shape))
    return 1 + noise if isinstance(planned.module, NORMS) and planned.key == "weight" else noise


def write_tokenizer(folder: Path, published: Path | None) -> None:
    """With the published merges (`bpe_simple_vocab_16e6.txt.gz`) the real tokenizer, else one of the same size."""
    if published is not None:
        lines = gzip.decompress(published.read_bytes()).decode("utf-8").split("\n")[1 : PUBLISHED_MERGES + 1]
        merges = [tuple(line.split()) for line in lines]
    else:
        merges = learn_merges(CORPUS, 400)
        known = {"".join(pair) for pair in merges}
        letters = sorted(bytes_to_unicode().values())
        # Pairs of bytes fill the rest: of the lowest rank, so that the learned merges come first.
        fillers = ((first, second) for first in letters for second in letters if first + second not in known)
        merges += itertools.islice(fillers, PUBLISHED_MERGES - len(merges))
    write_vocabulary(folder, merges, pad_token=END)


def write_model(out: Path, name: str, dtype: str, seed: int, merges: Path | None, report=print) -> None:
    """The whole diffusers folder, complete or absent."""
    source = CONFIGS / name
    if out.exists():
        raise FileExistsError(f"{out} exists; remove it or choose another folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        for component in ("unet", "vae", "text_encoder"):
            config = json.loads((source / component / "config.json").read_text(encoding="utf-8"))
            count = write_component(partial / component, component, config, dtype, seed)
            report(f"{component}: {count / 1e6:.1f} M parameters")
        shutil.copytree(source / "scheduler", partial / "scheduler")
        write_tokenizer(partial / "tokenizer", merges)
        write_json(partial / "model_index.json", {
            "_class_name": "TextToVideoSDPipeline", "_diffusers_version": "0.15.0.dev0",
            "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet3DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
        })
        os.replace(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
