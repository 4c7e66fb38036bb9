"""Scores a training checkpoint and, if it beats the model that ships, exports it in that one's place."""

import datetime
import json
from pathlib import Path

from diffusers import AutoencoderKL

from . import checker, data
from .evaluate import evaluate, load_average
from .export import write_pipeline
from .files import write_json_atomically
from .model import Captioner, make_scheduler


def merit(accuracy):
    """The mean over the four attributes."""
    return sum(accuracy[name] for name in checker.ATTRIBUTES) / len(checker.ATTRIBUTES)


def run(args):
    """Entry point of the `promote` command."""
    captioner = Captioner(args.tokenizer)
    unet, text_encoder, saved = load_average(args.checkpoint, len(captioner))
    vae = AutoencoderKL.from_pretrained(args.vae).float().eval()
    summary = evaluate(unet, text_encoder, captioner, vae, make_scheduler(), args)
    summary |= {
        "sampler": "DDIM",
        "training_clips_seen": args.earlier_clips + saved["clips"],
        "cpu_hours": round(args.earlier_cpu_hours + saved["cpu_seconds"] / 3600, 1),
        "held_out_combinations": sum(spec.is_held_out() for spec in data.all_specs(args.motions)),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    }
    print(json.dumps(summary), flush=True)
    scores = Path(args.out) / "scores.json"
    shipped = merit(json.loads(scores.read_text())["accuracy"]) if scores.exists() else 0.0
    if merit(summary["accuracy"]) <= shipped:
        print(f"not exported: {merit(summary['accuracy']):.3f} is not above the {shipped:.3f} that ships")
        return
    size = write_pipeline(args.checkpoint, args.vae, args.tokenizer, args.out)
    write_json_atomically(summary, scores)
    print(f"exported to {args.out}: {size / 1e6:.2f} MB, {merit(summary['accuracy']):.3f} over {shipped:.3f}")
