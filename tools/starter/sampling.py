"""Sampling with classifier-free guidance: the diffusers pipeline's steps, batched, with the fast attention."""

import torch

from . import data
from .model import make_scheduler


@torch.no_grad()
def sample_latents(unet, text_encoder, captioner, captions, steps, guidance, seed, scheduler=None):
    """Latents `(batch, 4, frames, 8, 8)` for a list of captions."""
    scheduler = scheduler or make_scheduler()
    scheduler.set_timesteps(steps)
    shape = (len(captions), 4, data.FRAMES, 8, 8)
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scheduler.init_noise_sigma
    with torch.autocast("cpu", torch.bfloat16):
        ids = captioner.ids([""] * len(captions) + list(captions))
        text = text_encoder(ids).last_hidden_state.float()
    for timestep in scheduler.timesteps:
        with torch.autocast("cpu", torch.bfloat16):
            both = unet(torch.cat([latents, latents]), timestep, text).sample.float()
        empty, full = both.chunk(2)
        predicted = empty + guidance * (full - empty)
        latents = scheduler.step(predicted, timestep, latents).prev_sample
    return latents


@torch.no_grad()
def decode(vae, latents):
    """Frames `(batch, frames, 3, 64, 64)` in [0, 1]."""
    flat = latents.transpose(1, 2).flatten(0, 1) / vae.config.scaling_factor
    frames = torch.cat([vae.decode(part).sample for part in flat.split(data.FRAMES)])
    return ((frames + 1) / 2).clamp(0, 1).view(latents.shape[0], -1, 3, data.SIZE, data.SIZE)
