"""Trains the UNet and the text encoder together: v-prediction on precomputed latents, resumable.

Two data-parallel processes of one thread each are faster than one of two threads; start both with the same
arguments except `--rank`. Gradients are averaged, so both hold the same weights at every step.
"""

import json
import os
import random
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from . import data
from .fast_attention import speed_up
from .files import save_atomically
from .latents import LatentLibrary
from .model import Captioner, initialise, make_scheduler, make_text_encoder, make_unet
from .optimizer import make_optimizers
from .parallel import Ranks


@dataclass
class Controls:
    """What may change while training runs: read from `controls.json` in the run's folder every report."""

    lr: float = 1.5e-3
    ema: float = 0.998
    canonical: float = 0.8  # share of captions in the canonical form
    empty: float = 0.1  # share of empty captions, for classifier-free guidance
    middle: float = 0.6  # share of timesteps drawn from `middle_from` to `middle_to`, the rest from all
    middle_from: int = 250
    middle_to: int = 880
    motions: tuple = data.DIRECTED_MOTIONS
    weights: dict = None  # extra weight by attribute value, e.g. {"star": 1.5}

    @classmethod
    def read(cls, path):
        """Defaults where the file or a key is missing; an unknown key is an error."""
        if not path.exists():
            return cls()
        values = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}")
        return cls(**values)


class Trainer:
    """State of one process."""

    def __init__(self, ranks, run_folder, latents, tokenizer, batch, warm_start=None):
        torch.manual_seed(1000)  # the same on all ranks: they must start with equal weights
        self.ranks, self.folder, self.batch = ranks, Path(run_folder), batch
        self.captioner = Captioner(tokenizer)
        self.library = LatentLibrary(latents)
        self.unet, self.text_encoder = make_unet(), make_text_encoder(len(self.captioner))
        initialise(self.unet, self.text_encoder)
        self.modules = {"unet": self.unet, "text_encoder": self.text_encoder}
        self._apply_controls()
        self.optimizers = make_optimizers(self.modules, self.controls.lr)
        self.params = [param for module in self.modules.values() for param in module.parameters()]
        self.step, self.clips, self.cpu_seconds = 0, 0, 0.0
        checkpoint = self.folder / "checkpoint.pt"
        if checkpoint.exists():
            self._resume(checkpoint)
        elif warm_start:
            self._load_weights(torch.load(warm_start, weights_only=True))
        if not checkpoint.exists():
            self.average = [param.detach().clone() for param in self.params]
        self.rng = random.Random(7919 * self.step + ranks.rank)
        self.noise = torch.Generator().manual_seed(7919 * self.step + 1 + ranks.rank)
        speed_up(self.unet, data.FRAMES).eval()  # eval: no dropout; this model underfits
        self.alpha_bar = make_scheduler().alphas_cumprod

    def _load_weights(self, weights):
        self.unet.load_state_dict(weights["unet"])
        self.text_encoder.load_state_dict(weights["text_encoder"])

    def _resume(self, path):
        saved = torch.load(path, weights_only=True)
        self._load_weights(saved)
        self.average = saved["average"]
        for optimizer, state in zip(self.optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        self.step, self.clips, self.cpu_seconds = saved["step"], saved["clips"], saved["cpu_seconds"]

    def save(self):
        """Write the checkpoint (rank 0 only)."""
        if self.ranks.rank:
            return
        content = {name: module.state_dict() for name, module in self.modules.items()}
        content |= {
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "clips": self.clips,
            "cpu_seconds": self.cpu_seconds,
        }
        save_atomically(content, self.folder / "checkpoint.pt")

    def _apply_controls(self):
        """Read `controls.json` and lay out the specifications to draw from."""
        self.controls = Controls.read(self.folder / "controls.json")
        weights = self.controls.weights or {}
        self.deck = [spec for spec in self.library.specs() if spec.motion in self.controls.motions]
        self.deck_weights = [self._weight(spec, weights) for spec in self.deck]

    @staticmethod
    def _weight(spec, weights):
        product = 1.0
        for value in (spec.color, spec.shape, spec.motion, spec.background):
            product *= weights.get(value, 1.0)
        return product

    def _draw_timesteps(self):
        """Stratified over the whole batch of all ranks, half of them where text decides the clip."""
        count = self.batch * self.ranks.world
        shift = torch.rand((), generator=self.noise)
        even = (shift + (torch.arange(self.batch) * self.ranks.world + self.ranks.rank) / count) % 1
        even = even[torch.randperm(self.batch, generator=self.noise)]
        controls = self.controls
        in_middle = controls.middle_from + (controls.middle_to - controls.middle_from) * even / controls.middle
        anywhere = 1000 * (even - controls.middle) / (1 - controls.middle)
        return torch.where(even < controls.middle, in_middle, anywhere).long().clamp(0, 999)

    def _loss(self):
        specs = self.rng.choices(self.deck, self.deck_weights, k=self.batch)
        clean = torch.stack([self.library.draw(spec, self.rng) for spec in specs])
        captions = []
        for spec in specs:
            canonical = self.rng.random() < self.controls.canonical
            text = data.caption(spec, self.rng, canonical)
            captions.append("" if self.rng.random() < self.controls.empty else text)
        timesteps = self._draw_timesteps()
        noise = torch.randn(clean.shape, generator=self.noise)
        alpha_bar = self.alpha_bar[timesteps].view(-1, 1, 1, 1, 1)
        noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
        target = alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean
        with torch.autocast("cpu", torch.bfloat16):
            text = self.text_encoder(self.captioner.ids(captions)).last_hidden_state
            predicted = self.unet(noisy, timesteps, text).sample
        errors = (predicted.float() - target).pow(2).mean((1, 2, 3, 4))
        return errors, timesteps

    def train_step(self, lr):
        """One update; returns errors and timesteps of this process's clips."""
        errors, timesteps = self._loss()
        for param in self.params:
            param.grad = None
        errors.mean().backward()
        self.ranks.average_gradients(self.params)
        torch.nn.utils.clip_grad_norm_([param for param in self.params if param.grad is not None], 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
        self.step += 1
        self.clips += self.batch * self.ranks.world
        decay = min(self.controls.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.average, [param.detach() for param in self.params], 1 - decay)
        return errors.detach(), timesteps

    def run(self, seconds, report_every=25, save_every=75):
        """Train for `seconds` of CPU time per process, or until SIGTERM."""
        reported = saved = 0.0
        first_step, cpu_before = self.step, self.cpu_seconds
        rows = []
        while True:
            warm_up = min(1.0, (self.step - first_step + 1) / 50)
            rows.append(self.train_step(self.controls.lr * warm_up))
            if self.step % 10:
                continue
            elapsed = self.ranks.elapsed()
            if elapsed > seconds:
                break
            if elapsed - reported > report_every:
                reported = elapsed
                self.cpu_seconds = cpu_before + self.ranks.cpu_seconds()
                self._apply_controls()
                self._report(rows, elapsed)
                rows = []
            if elapsed - saved > save_every:
                saved = elapsed
                self.save()
        self.save()

    def _report(self, rows, elapsed):
        if self.ranks.rank:
            return
        errors, timesteps = (torch.cat(column) for column in zip(*rows))
        bins = []
        for low in range(0, 1000, 200):
            inside = (timesteps >= low) & (timesteps < low + 200)
            bins.append(f"{errors[inside].mean():.4f}" if inside.any() else "-")
        print(
            f"{elapsed:6.0f} CPU s step {self.step} clips {self.clips} cpu {self.cpu_seconds / 3600:.2f} h"
            f" loss {errors.mean():.4f} by t {' '.join(bins)}",
            flush=True,
        )


def run(args):
    """Entry point of the `train` command."""
    os.makedirs(args.run, exist_ok=True)
    ranks = Ranks(args.rank, args.world, args.port)
    trainer = Trainer(ranks, args.run, args.latents, args.tokenizer, args.batch, args.warm_start)
    if ranks.rank == 0:
        print("controls", asdict(trainer.controls), flush=True)
    trainer.run(args.seconds)
    ranks.close()
