"""Training checkpoint + VAE + tokenizer to a standard diffusers folder in f16, replaced as a whole."""

import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, TextToVideoSDPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTokenizer

from .evaluate import load_average
from .model import make_scheduler

SIZE_LIMIT_BYTES = 15_000_000


def use_classic_names(weights_file):
    """Prefix the text encoder's tensors with `text_model.`, as every reader expects; transformers 5 leaves it out."""
    tensors = load_file(weights_file)
    named = {name if name.startswith("text_model.") else f"text_model.{name}": t for name, t in tensors.items()}
    save_file(named, weights_file, metadata={"format": "pt"})


def write_pipeline(checkpoint, vae_folder, tokenizer_folder, destination):
    """Write beside the destination, check the size, then swap the folders."""
    destination = Path(destination)
    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
    unet, text_encoder, _ = load_average(checkpoint, len(tokenizer))
    pipeline = TextToVideoSDPipeline(
        vae=AutoencoderKL.from_pretrained(vae_folder),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=make_scheduler(),
    )
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.unet):
        for param in part.parameters():
            param.data = param.data.contiguous()
    pipeline.to(torch.float16).save_pretrained(partial, safe_serialization=True)
    use_classic_names(partial / "text_encoder" / "model.safetensors")
    # The classic tokenizer files, for readers that do not know `tokenizer.json`.
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"):
        source = Path(tokenizer_folder) / name
        if source.exists():
            shutil.copyfile(source, partial / "tokenizer" / name)
    size = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
    if size > SIZE_LIMIT_BYTES:
        raise ValueError(f"{partial} holds {size} bytes, more than the {SIZE_LIMIT_BYTES} that may ship")
    previous = destination.with_name(destination.name + ".previous")
    shutil.rmtree(previous, ignore_errors=True)
    if destination.exists():
        destination.rename(previous)
    partial.rename(destination)
    shutil.rmtree(previous, ignore_errors=True)
    return size


def run(args):
    """Entry point of the `export` command."""
    size = write_pipeline(args.checkpoint, args.vae, args.tokenizer, args.out)
    print(f"{args.out}: {size / 1e6:.2f} MB")
