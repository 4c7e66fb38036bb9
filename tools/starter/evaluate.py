"""Attribute accuracy of sampled clips, the checker's own ceiling, and contact sheets."""

import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from PIL import Image
from transformers import CLIPTextModel

from . import checker, data, sampling
from .fast_attention import speed_up
from .files import write_json_atomically
from .model import Captioner, make_scheduler, make_text_encoder, make_unet


def load_average(checkpoint, vocabulary):
    """UNet and text encoder with the averaged weights of a training checkpoint, and its clips seen."""
    saved = torch.load(checkpoint, weights_only=True)
    unet, text_encoder = make_unet(), make_text_encoder(vocabulary)
    params = [*unet.parameters(), *text_encoder.parameters()]
    with torch.no_grad():
        for param, average in zip(params, saved["average"], strict=True):
            param.copy_(average)
    return unet.eval(), text_encoder.eval(), saved


def evaluation_specs(count, motions, held_out=None, seed=99):
    """Specifications with every motion and shape equally often; `held_out` keeps only (un)seen combinations."""
    rng = random.Random(seed)
    chosen = []
    while len(chosen) < count:
        motion, shape = motions[len(chosen) % len(motions)], data.SHAPES[len(chosen) // len(motions) % 4]
        for _ in range(100):
            spec = data.ClipSpec(rng.choice(list(data.COLORS)), shape, motion, rng.choice(list(data.BACKGROUNDS)))
            if spec.is_possible() and held_out in (None, spec.is_held_out()):
                break
            shape, motion = rng.choice(data.SHAPES), rng.choice(motions)
        chosen.append(spec)
    return chosen


def contact_sheet(clips, path, every=1):
    """One clip a row, frames `(frames, 3, 64, 64)` in [0, 1] from left to right."""
    rows = [np.concatenate([np.pad(f, ((0, 0), (1, 1), (1, 1)), constant_values=0.5) for f in c[::every].numpy()], 2)
            for c in clips]
    sheet = np.concatenate(rows, 1).transpose(1, 2, 0)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((sheet * 255).round().astype("uint8")).save(path, optimize=True)


def evaluate(unet, text_encoder, captioner, vae, scheduler, args):
    """Sample, read and grade; returns the summary and writes rows and a contact sheet if asked."""
    torch.set_num_threads(args.threads)
    held_out = {"any": None, "only": True, "never": False}[args.held_out]
    specs = evaluation_specs(args.prompts, args.motions, held_out)
    speed_up(unet, data.FRAMES)
    rows, sheet, started = [], [], time.process_time()
    for first in range(0, len(specs), args.batch):
        part = specs[first : first + args.batch]
        captions = [data.caption(spec, random.Random(first)) for spec in part]
        latents = sampling.sample_latents(
            unet, text_encoder, captioner, captions, args.steps, args.guidance, args.seed + first, scheduler
        )
        for spec, text, clip in zip(part, captions, sampling.decode(vae, latents)):
            reading = checker.read_clip(clip)
            rows.append({"caption": text, "spec": spec, "reading": reading, "right": reading.matches(spec)})
            if len(sheet) < args.sheet_rows:
                sheet.append(clip)
    summary = {"prompts": len(rows), "accuracy": checker.accuracy([row["right"] for row in rows])}
    for name in checker.ATTRIBUTES:
        by_value = {}
        for row in rows:
            by_value.setdefault(getattr(row["spec"], name), []).append(row["right"][name])
        summary[f"{name}_by_value"] = {value: round(sum(r) / len(r), 3) for value, r in sorted(by_value.items())}
    summary |= {"steps": args.steps, "guidance": args.guidance, "held_out": args.held_out}
    summary["cpu_seconds_per_clip"] = round((time.process_time() - started) / len(rows), 2)
    if args.sheet:
        contact_sheet(sheet, args.sheet)
    if args.rows:
        plain = [row | {"spec": asdict(row["spec"]), "reading": asdict(row["reading"])} for row in rows]
        write_json_atomically(plain, args.rows)
    return summary


def run(args):
    """Entry point of the `evaluate` command: a pipeline folder, or a checkpoint with a pipeline's other parts."""
    pipeline = Path(args.pipeline)
    captioner = Captioner(pipeline / "tokenizer")
    vae = AutoencoderKL.from_pretrained(args.vae or pipeline / "vae").float().eval()
    if args.checkpoint:
        unet, text_encoder, saved = load_average(args.checkpoint, len(captioner))
        scheduler = make_scheduler()
        print(f"step {saved['step']} clips {saved['clips']} cpu {saved['cpu_seconds'] / 3600:.2f} h")
    else:
        unet = UNet3DConditionModel.from_pretrained(pipeline / "unet").float().eval()
        text_encoder = CLIPTextModel.from_pretrained(pipeline / "text_encoder").float().eval()
        scheduler = DDIMScheduler.from_pretrained(pipeline / "scheduler")
    summary = evaluate(unet, text_encoder, captioner, vae, scheduler, args)
    for key, value in summary.items():
        print(f"{key}: {value}", flush=True)
    if args.scores:
        write_json_atomically(summary, args.scores)


@torch.no_grad()
def run_ceiling(args):
    """Entry point of the `ceiling` command: the checker on true clips and on VAE reconstructions."""
    torch.set_num_threads(args.threads)
    rng = random.Random(5)
    vae = AutoencoderKL.from_pretrained(args.vae).float().eval()
    results = {"true clips": [], "reconstructions": []}
    errors = []
    for spec in evaluation_specs(args.clips, args.motions):
        truth = data.render(spec, data.trajectory(spec, rng))
        rebuilt = vae.decode(vae.encode(truth).latent_dist.mean).sample
        errors.append((rebuilt - truth).abs().mean().item())
        for name, frames in (("true clips", truth), ("reconstructions", rebuilt)):
            reading = checker.read_clip(((frames + 1) / 2).clamp(0, 1))
            results[name].append(reading.matches(spec))
            if not all(results[name][-1].values()) and args.verbose:
                print(name, spec, reading)
    for name, matches in results.items():
        print(name, checker.accuracy(matches))
    print(f"mean absolute reconstruction error {sum(errors) / len(errors) / 2:.4f} of the colour range")
