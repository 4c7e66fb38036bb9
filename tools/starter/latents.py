"""Clips drawn once and encoded by the frozen VAE, so that UNet training never touches pixels."""

import random
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from . import data
from .files import save_atomically


@torch.no_grad()
def encode_clips(vae_folder, destination, clips, seed):
    """Encode `clips` clips, spread evenly over all specifications, and save them as one shard."""
    vae = AutoencoderKL.from_pretrained(vae_folder).float().eval().to(memory_format=torch.channels_last)
    rng = random.Random(seed)
    forward_motions = ("right", "down", "growing", "spinning", "bouncing", "still")
    specs = data.all_specs(forward_motions)
    # Spinning, bouncing and standing still cost as much to encode but are learned on fewer clips.
    directed = [spec for spec in specs if spec.motion in data.DIRECTED_MOTIONS]
    deck, latents, chosen, started = [], [], [], time.time()
    while len(latents) < clips:
        if not deck:
            deck = specs + directed
            rng.shuffle(deck)
        spec = deck.pop()
        poses = data.trajectory(spec, rng)
        frames = data.render(spec, poses[:1] if spec.motion == "still" else poses)
        posterior = vae.encode(frames.contiguous(memory_format=torch.channels_last)).latent_dist
        latent = (posterior.mean * vae.config.scaling_factor).half().expand(data.FRAMES, -1, -1, -1)
        latents.append(latent.contiguous())
        chosen.append(spec)
        if len(latents) % 200 == 0:
            print(f"{len(latents)} clips in {time.time() - started:.0f} s", flush=True)
    save_atomically({"latents": torch.stack(latents), "specs": chosen_rows(chosen)}, destination)


def chosen_rows(specs):
    """Specifications as plain tuples, so that a shard loads without this module's classes."""
    return [(spec.color, spec.shape, spec.motion, spec.background) for spec in specs]


class LatentLibrary:
    """All shards of a folder in memory, with the time-reversed twin of every clip for free."""

    def __init__(self, folder, include_held_out=False):
        shards = [torch.load(path, weights_only=True) for path in sorted(Path(folder).glob("*.pt"))]
        if not shards:
            raise FileNotFoundError(f"no latent shards (*.pt) in {folder}: run the `encode` command first")
        self.latents = torch.cat([shard["latents"] for shard in shards])
        self.by_spec = {}
        rows = [data.ClipSpec(*row) for shard in shards for row in shard["specs"]]
        for index, spec in enumerate(rows):
            self._add(spec, index, False, include_held_out)
            twin = data.TIME_REVERSED[spec.motion]
            if twin:
                self._add(spec.with_motion(twin), index, True, include_held_out)

    def _add(self, spec, index, backwards, include_held_out):
        if include_held_out or not spec.is_held_out():
            self.by_spec.setdefault(spec, []).append((index, backwards))

    def specs(self):
        """Specifications with at least one clip."""
        return list(self.by_spec)

    def draw(self, spec, rng):
        """A random clip of this specification: `(4, frames, 8, 8)`, f32."""
        index, backwards = rng.choice(self.by_spec[spec])
        latent = self.latents[index]
        return (latent.flip(0) if backwards else latent).transpose(0, 1).float()


def run(args):
    """Entry point of the `encode` command."""
    torch.set_num_threads(1)
    encode_clips(args.vae, args.out, args.clips, args.seed)
