"""Trains the tiny CLIP (image and text) that gives quality scores: colour, shape and background of single frames.

Every batch holds each (colour, shape, background) combination at most once, so all other captions in the batch are
truly wrong. Frames are drawn, or drawn and passed through the VAE with latent noise, as generated clips will be.
"""

import itertools
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

from . import data
from .files import save_atomically
from .model import TEXT_LENGTH, TEXT_WIDTH
from .optimizer import make_optimizers
from .parallel import Ranks

PROJECTION = 64
_COMBINATIONS = list(itertools.product(data.COLORS, data.SHAPES, data.BACKGROUNDS))


def make_clip(vocabulary):
    """0.9 M parameters: a four-layer vision transformer on 8x8 patches and a two-layer text transformer."""
    text = {
        "vocab_size": vocabulary,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": TEXT_LENGTH,
        "projection_dim": PROJECTION,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": data.SIZE,
        "patch_size": 8,
        "projection_dim": PROJECTION,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=PROJECTION))


def _features(output):
    """transformers 5 wraps projected features in an output class, transformers 4 did not."""
    return F.normalize(output if torch.is_tensor(output) else output.pooler_output, dim=-1)


class FrameSource:
    """Random frames in [-1, 1] with their specifications, a third of them from a bank the VAE made."""

    def __init__(self, vae_folder, bank, seed):
        self.rng = random.Random(seed)
        self.bank = {}
        vae = AutoencoderKL.from_pretrained(vae_folder).float().eval()
        with torch.no_grad():
            for _ in range(bank // 32):
                specs, frames = self._drawn(self.rng.sample(_COMBINATIONS, 32))
                latents = vae.encode(frames).latent_dist.mean
                noise = self.rng.uniform(0, 0.25) / vae.config.scaling_factor
                rebuilt = vae.decode(latents + noise * torch.randn_like(latents)).sample.clamp(-1, 1)
                for spec, frame in zip(specs, rebuilt):
                    self.bank.setdefault((spec.color, spec.shape, spec.background), []).append(frame.half())

    def _drawn(self, combinations):
        specs, frames = [], []
        for color, shape, background in combinations:
            motions = [m for m in data.MOTIONS if not (m == "spinning" and shape == "circle")]
            spec = data.ClipSpec(color, shape, self.rng.choice(motions), background)
            pose = data.trajectory(spec, self.rng)[self.rng.randrange(data.FRAMES)][None]
            specs.append(spec)
            frames.append(data.render(spec, pose))
        return specs, torch.cat(frames)

    def batch(self, count, from_bank=1 / 3):
        """`count` different combinations: specifications and frames `(count, 3, 64, 64)`."""
        combinations = self.rng.sample(_COMBINATIONS, count)
        specs, frames = self._drawn(combinations)
        for index, combination in enumerate(combinations):
            if combination in self.bank and self.rng.random() < from_bank:
                frames[index] = self.rng.choice(self.bank[combination]).float()
            elif self.rng.random() < 0.5:
                frames[index] = F.avg_pool2d(frames[index], 3, 1, 1, count_include_pad=False)
        if from_bank < 1:
            frames = frames + self.rng.uniform(0, 0.08) * torch.randn_like(frames)
        return specs, frames


def _text_features(clip, tokenizer, captions):
    tokens = tokenizer(captions, padding="longest", return_tensors="pt")
    return _features(clip.get_text_features(tokens.input_ids, tokens.attention_mask))


@torch.no_grad()
def pair_accuracy(clip, tokenizer, source, from_bank, pairs=384):
    """Right caption against the same with one wrong attribute, on fresh frames: share preferred rightly."""
    tables = {"color": list(data.COLORS), "shape": list(data.SHAPES), "background": list(data.BACKGROUNDS)}
    wins = {name: [] for name in tables}
    for _ in range(pairs // 48):
        specs, frames = source.batch(48, from_bank)
        images = _features(clip.get_image_features(frames))
        for name, values in tables.items():
            wrong = [
                data.ClipSpec(**(vars(s) | {name: source.rng.choice([v for v in values if v != getattr(s, name)])}))
                for s in specs
            ]
            right_text, wrong_text = (
                _text_features(clip, tokenizer, [data.caption(s, random.Random(1)) for s in group])
                for group in (specs, wrong)
            )
            wins[name] += ((images * right_text).sum(-1) > (images * wrong_text).sum(-1)).float().tolist()
    return {name: round(sum(won) / len(won), 3) for name, won in wins.items()}


def run(args):
    """Entry point of the `clip` command."""
    ranks = Ranks(args.rank, args.world, args.port)
    torch.manual_seed(0)
    folder = Path(args.run)
    tokenizer = CLIPTokenizer.from_pretrained(args.tokenizer)
    clip = make_clip(len(tokenizer))
    with torch.no_grad():
        clip.text_model.embeddings.token_embedding.weight.normal_(0, 0.2)
    checkpoint = folder / "clip.pt"
    if checkpoint.exists():
        clip.load_state_dict(torch.load(checkpoint, weights_only=True))
    source = FrameSource(args.vae, args.bank, seed=11 + ranks.rank)
    torch.manual_seed(100 + ranks.rank)
    optimizers = make_optimizers({"clip": clip}, args.lr)
    params = list(clip.parameters())
    step, reported, hits = 0, 0.0, []
    while True:
        elapsed = ranks.elapsed()
        if elapsed > args.seconds:
            break
        specs, frames = source.batch(args.batch)
        captions = [data.caption(spec, source.rng, source.rng.random() < 0.6) for spec in specs]
        images, texts = _features(clip.get_image_features(frames)), _text_features(clip, tokenizer, captions)
        logits = clip.logit_scale.exp() * images @ texts.T
        labels = torch.arange(len(logits))
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
        for param in params:
            param.grad = None
        loss.backward()
        ranks.average_gradients(params)
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                remaining = 1 - elapsed / args.seconds
                group["lr"] = args.lr * min(1.0, (step + 1) / 50) * min(1.0, 0.02 + remaining / 0.6)
            optimizer.step()
        with torch.no_grad():
            clip.logit_scale.clamp_(max=4.6052)
        step += 1
        hits.append((logits.argmax(1) == labels).float().mean().item())
        if ranks.rank == 0 and elapsed - reported > 30:
            reported = elapsed
            print(f"{elapsed:6.0f} CPU s step {step} loss {loss.item():.3f} top-1 {sum(hits) / len(hits):.3f}", flush=True)
            hits = []
            save_atomically(clip.state_dict(), checkpoint)
    if ranks.rank == 0:
        save_atomically(clip.state_dict(), checkpoint)
        clip.eval()
        for name, from_bank in (("drawn", 0.0), ("decoded", 1.0)):
            fresh = FrameSource(args.vae, 768, seed=4242)
            print(name, pair_accuracy(clip, tokenizer, fresh, from_bank), flush=True)
        size = {"height": data.SIZE, "width": data.SIZE}
        processor = CLIPImageProcessor(
            size={"shortest_edge": data.SIZE}, crop_size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3
        )
        half = clip.half()
        half.save_pretrained(folder / "clip")
        tokenizer.save_pretrained(folder / "clip")
        processor.save_pretrained(folder / "clip")
    ranks.close()
