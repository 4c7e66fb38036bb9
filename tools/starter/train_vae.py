"""Trains the VAE on single frames, or its decoder alone against the frozen encoder.

The latent space has unit scale by construction: the decoder sees the encoder's mean plus fixed noise (which makes
it forgive the UNet's errors), and a penalty keeps the latents' second moment near one.
"""

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from . import data
from .files import save_atomically
from .model import make_vae
from .optimizer import make_optimizers
from .parallel import Ranks

CROP = 32


def _crop_near(frames, poses, rng):
    """32x32 crops around the object's rim, sometimes anywhere."""
    crops, weights = [], []
    for frame, weight, (x, y, radius, _) in zip(*frames, poses.tolist()):
        if rng.random() < 0.85:
            left, top = (c + rng.uniform(-0.8, 0.8) * radius - CROP / 2 for c in (x, y))
        else:
            left, top = rng.uniform(0, data.SIZE - CROP), rng.uniform(0, data.SIZE - CROP)
        left, top = (int(min(max(v, 0), data.SIZE - CROP)) for v in (left, top))
        crops.append(frame[:, top : top + CROP, left : left + CROP])
        weights.append(weight[top : top + CROP, left : left + CROP])
    return torch.stack(crops), torch.stack(weights)


def _importance(poses):
    """Weight of each pixel: four times as much on and just around the object, `(batch, 64, 64)`."""
    x, y, radius = (poses[:, k, None, None] for k in range(3))
    distance = ((data.PIXEL_X - x) ** 2 + (data.PIXEL_Y - y) ** 2).sqrt()
    return 1 + 3 * (distance < 1.25 * radius + 4).float()


def train(ranks, vae, run_folder, seconds, lr, noise, decoder_only, batch):
    """Train for `seconds` of CPU time per process; the learning rate falls to zero over it."""
    torch.manual_seed(1000 + ranks.rank)
    rng = random.Random(hash((ranks.rank, seconds, lr)) & 0xFFFFFF)
    scale = vae.config.scaling_factor
    trained = [vae.decoder, vae.post_quant_conv] + ([] if decoder_only else [vae.encoder, vae.quant_conv])
    vae.requires_grad_(False)
    for module in trained:
        module.requires_grad_(True)
    params = [param for param in vae.parameters() if param.requires_grad]
    optimizers = make_optimizers({"vae": vae}, lr)
    average = [param.detach().clone() for param in params]
    step, reported, sums = 0, 0.0, []
    while True:
        progress = ranks.elapsed() / seconds
        if progress >= 1:
            break
        full = step % 3 == 0 or progress > 0.6
        frames, poses = data.random_frames(batch if full else 3 * batch, rng)
        weights = _importance(poses)
        if not full:
            frames, weights = _crop_near((frames, weights), poses, rng)
        # bf16 saves a quarter of the time; the last part in f32 settles colours more finely than its 8 bits.
        with torch.autocast("cpu", torch.bfloat16, enabled=progress < 0.8):
            with torch.set_grad_enabled(not decoder_only):
                latents = vae.encode(frames).latent_dist.mean.float() * scale
            shaken = latents + noise * torch.randn_like(latents)
            rebuilt = vae.decode(shaken / scale).sample
        difference = (rebuilt - frames).float()
        weights = weights[:, None] / weights.mean()
        loss = (weights * (difference.abs() + difference.pow(2))).mean()
        drift = (latents.mean((0, 2, 3)).pow(2) + (latents.pow(2).mean((0, 2, 3)) - 1).pow(2)).mean()
        if not decoder_only:
            loss = loss + 0.02 * drift + 1e-4 * latents.pow(4).mean()
        for param in params:
            param.grad = None
        loss.backward()
        ranks.average_gradients(params)
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * min(1.0, (step + 1) / 40) * min(1.0, 0.02 + (1 - progress) / 0.6)
            optimizer.step()
        step += 1
        torch._foreach_lerp_(average, [p.detach() for p in params], 1 - min(0.99, (1 + step) / (10 + step)))
        if full:
            sums.append(torch.stack([difference.abs().mean().detach() / 2, latents.std().detach()]))
        if ranks.rank == 0 and progress * seconds - reported > 15 and sums:
            reported = progress * seconds
            error, spread = torch.stack(sums).mean(0).tolist()
            print(f"{reported:6.0f} CPU s step {step} mean absolute error {error:.4f} latent std {spread:.3f}", flush=True)
            sums = []
            _save(vae, params, average, Path(run_folder))
    if ranks.rank == 0:
        _save(vae, params, average, Path(run_folder))


def _save(vae, params, average, folder):
    """The averaged weights, as a checkpoint; `finish` turns it into a diffusers folder."""
    raw = [param.detach().clone() for param in params]
    with torch.no_grad():
        for param, mean in zip(params, average):
            param.copy_(mean)
        state = {name: value.clone().contiguous() for name, value in vae.state_dict().items()}
        for param, value in zip(params, raw):
            param.copy_(value)
    save_atomically(state, folder / "vae.pt")


@torch.no_grad()
def whiten(vae, frames=600, seed=7):
    """Fold the latents' mean and spread into `quant_conv` and `post_quant_conv`: each channel zero mean, unit std."""
    scale = vae.config.scaling_factor
    rng = random.Random(seed)
    batches = [data.random_frames(100, rng)[0] for _ in range(frames // 100)]
    latents = torch.cat([vae.encode(batch).latent_dist.mean for batch in batches])
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    factor = 1 / (std * scale)
    channels = len(mean)
    vae.quant_conv.weight[:channels] *= factor[:, None, None, None]
    vae.quant_conv.bias[:channels] = (vae.quant_conv.bias[:channels] - mean) * factor
    weight = vae.post_quant_conv.weight
    vae.post_quant_conv.bias += weight[:, :, 0, 0] @ mean
    weight *= (std * scale)[None, :, None, None]


def run(args):
    """Entry point of the `vae` command."""
    ranks = Ranks(args.rank, args.world, args.port)
    vae = make_vae()
    checkpoint = Path(args.run) / "vae.pt"
    if checkpoint.exists():
        vae.load_state_dict(torch.load(checkpoint, weights_only=True))
    elif args.start:
        vae = AutoencoderKL.from_pretrained(args.start).float()
    train(ranks, vae, args.run, args.seconds, args.lr, args.noise, args.decoder_only, args.batch)
    if ranks.rank == 0:
        vae.load_state_dict(torch.load(checkpoint, weights_only=True))
        if not args.decoder_only:
            whiten(vae)
        vae.save_pretrained(Path(args.run) / "vae")
    ranks.close()
