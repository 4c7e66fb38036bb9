"""Command line: `python -m starter COMMAND --help`."""

import argparse
import importlib

from .data import DIRECTED_MOTIONS, MOTIONS


def _add_rank_arguments(parser):
    parser.add_argument("--rank", type=int, default=0, help="this process's number, from 0")
    parser.add_argument("--world", type=int, default=1, help="number of processes")
    parser.add_argument("--port", type=int, default=29511)


def _add_sampling_arguments(parser):
    parser.add_argument("--prompts", type=int, default=144)
    parser.add_argument("--motions", nargs="+", default=list(DIRECTED_MOTIONS), choices=MOTIONS)
    parser.add_argument("--held-out", default="any", choices=("any", "only", "never"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", help="contact sheet to write (PNG)")
    parser.add_argument("--sheet-rows", type=int, default=16)
    parser.add_argument("--rows", help="readings of all clips to write (JSON)")


def _lazily(module, function="run"):
    """Import a command's module only when it runs, so that `--help` is instant."""

    def call(args):
        getattr(importlib.import_module(f".{module}", __package__), function)(args)

    return call


def main():
    """Parse the arguments and run one command."""
    parser = argparse.ArgumentParser(prog="starter", description=__doc__)
    commands = parser.add_subparsers(required=True)

    tokenizer = commands.add_parser("tokenizer", help="build the byte-pair tokenizer")
    tokenizer.add_argument("--out", required=True, help="folder to write")
    tokenizer.set_defaults(command=_lazily("tokenizer"))

    vae = commands.add_parser("vae", help="train the VAE, or with --decoder-only refine its decoder")
    vae.add_argument("--run", required=True, help="folder of vae.pt (continued from if there) and the result vae/")
    vae.add_argument("--start", help="VAE folder to begin from when the run is new")
    vae.add_argument("--seconds", type=float, required=True, help="CPU time of one process to spend")
    vae.add_argument("--lr", type=float, default=2e-3)
    vae.add_argument("--noise", type=float, default=0.1, help="noise on unit-scale latents before decoding")
    vae.add_argument("--batch", type=int, default=8, help="full frames per process and step; crops are thrice as many")
    vae.add_argument("--decoder-only", action="store_true")
    _add_rank_arguments(vae)
    vae.set_defaults(command=_lazily("train_vae"))

    encode = commands.add_parser("encode", help="draw clips and encode them with the VAE")
    encode.add_argument("--vae", required=True, help="folder of the VAE")
    encode.add_argument("--out", required=True, help="shard to write, e.g. latents/shard0.pt")
    encode.add_argument("--clips", type=int, default=3000)
    encode.add_argument("--seed", type=int, required=True, help="a different one for each shard")
    encode.set_defaults(command=_lazily("latents"))

    train = commands.add_parser("train", help="train UNet and text encoder; resumes from the run's folder")
    train.add_argument("--run", required=True, help="folder of the checkpoint and controls.json")
    train.add_argument("--latents", required=True, help="folder of latent shards")
    train.add_argument("--tokenizer", required=True)
    train.add_argument("--seconds", type=float, required=True, help="CPU time of one process to spend")
    train.add_argument("--batch", type=int, default=8, help="clips per process and step")
    _add_rank_arguments(train)
    train.add_argument("--warm-start", help="weights to begin from when the run has no checkpoint yet")
    train.set_defaults(command=_lazily("train_unet"))

    evaluate = commands.add_parser("evaluate", help="attribute accuracy of sampled clips")
    evaluate.add_argument("--pipeline", required=True, help="diffusers folder")
    evaluate.add_argument("--checkpoint", help="take UNet and text encoder from this training checkpoint")
    evaluate.add_argument("--vae", help="take the VAE from this folder")
    evaluate.add_argument("--scores", help="summary to write (JSON)")
    _add_sampling_arguments(evaluate)
    evaluate.set_defaults(command=_lazily("evaluate"))

    ceiling = commands.add_parser("ceiling", help="the checker on true clips and VAE reconstructions")
    ceiling.add_argument("--vae", required=True)
    ceiling.add_argument("--clips", type=int, default=144)
    ceiling.add_argument("--motions", nargs="+", default=list(DIRECTED_MOTIONS), choices=MOTIONS)
    ceiling.add_argument("--threads", type=int, default=1)
    ceiling.add_argument("--verbose", action="store_true", help="print every misread clip")
    ceiling.set_defaults(command=_lazily("evaluate", "run_ceiling"))

    export = commands.add_parser("export", help="write the diffusers folder that ships")
    export.add_argument("--checkpoint", required=True, help="training checkpoint")
    export.add_argument("--vae", required=True)
    export.add_argument("--tokenizer", required=True)
    export.add_argument("--out", required=True, help="folder to replace")
    export.set_defaults(command=_lazily("export"))

    promote = commands.add_parser("promote", help="score a checkpoint, export it if it beats what ships")
    promote.add_argument("--checkpoint", required=True, help="training checkpoint")
    promote.add_argument("--vae", required=True)
    promote.add_argument("--tokenizer", required=True)
    promote.add_argument("--out", required=True, help="folder that ships, with its scores.json")
    promote.add_argument("--earlier-clips", type=int, default=0, help="clips seen by the warm start")
    promote.add_argument("--earlier-cpu-hours", type=float, default=0.0, help="CPU time spent before this run")
    _add_sampling_arguments(promote)
    promote.set_defaults(command=_lazily("promote"))

    clip = commands.add_parser("clip", help="train the tiny CLIP for quality scores")
    clip.add_argument("--run", required=True, help="folder of clip.pt (continued from if there) and the result clip/")
    clip.add_argument("--vae", required=True)
    clip.add_argument("--tokenizer", required=True)
    clip.add_argument("--seconds", type=float, required=True, help="CPU time of one process to spend")
    clip.add_argument("--batch", type=int, default=64, help="frames per process and step, at most 96")
    clip.add_argument("--lr", type=float, default=1e-3)
    clip.add_argument("--bank", type=int, default=4096, help="frames passed through the VAE beforehand")
    _add_rank_arguments(clip)
    clip.set_defaults(command=_lazily("train_clip"))

    args = parser.parse_args()
    args.command(args)


if __name__ == "__main__":
    main()
