"""`python -m reference COMMAND`: makes cases and goldens. See README.md."""

import argparse
import os
import sys
import warnings
from pathlib import Path

STARTER = Path(__file__).resolve().parents[2] / "assets" / "models" / "starter"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m reference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def family(name: str, summary: str, count: int) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("--count", type=int, default=count, help="number of cases (default %(default)s)")
        sub.add_argument("--seed", type=int, default=0, help="first seed (default %(default)s)")
        sub.add_argument("--out", type=Path, required=True, help="folder that receives one folder per case")
        return sub

    family("unet", "random UNet3DConditionModel cases", 25).add_argument(
        "--deep", action="store_true", help="capture every layer of every block, not only the blocks")
    family("vae", "random AutoencoderKL cases", 16)
    family("clip-text", "random CLIP text encoder cases", 16)
    family("scheduler", "randomly chosen scheduler settings", 90)
    add_vocabulary(family("tokenizer", "hostile strings (--count: generated ones beside the fixed list)", 400))
    sub = family("pipeline", "random tiny pipelines, or a given model folder, from noise to frames", 6)
    sub.add_argument("--model", type=Path, help="a diffusers folder to run instead of random ones (linked, not copied)")
    sub.add_argument("--prompt", default="a red circle moving right on a white background")
    sub.add_argument("--negative", default="", help="negative prompt")
    for name, value, text in (("steps", 25, "denoising steps"), ("frames", 16, "frames"), ("height", 64, "pixels"),
                              ("width", 64, "pixels")):
        sub.add_argument(f"--{name}", type=int, default=value, help=f"{text} (default %(default)s; with --model)")
    sub.add_argument("--guidance", type=float, default=5.0, help="guidance scale (default %(default)s; with --model)")
    sub.add_argument("--scheduler", choices=["ddim", "dpm", "euler"], help="instead of the model's own (with --model)")
    sub = commands.add_parser("pickle", help="PyTorch .bin files, good and hostile, for loader tests")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--out", type=Path, required=True)
    sub = commands.add_parser("zeroscope", help="a model folder of the full ZeroScope or ModelScope size, random weights")
    sub.add_argument("--config", choices=["zeroscope_v2_576w", "modelscope_1_7b"], default="zeroscope_v2_576w")
    sub.add_argument("--dtype", choices=["f16", "bf16", "f32"], default="f16", help="stored as (default %(default)s)")
    sub.add_argument("--seed", type=int, default=0)
    sub.add_argument("--merges", type=Path, help="bpe_simple_vocab_16e6.txt.gz of CLIP, for the real tokenizer")
    sub.add_argument("--out", type=Path, required=True, help="folder to create")
    sub = commands.add_parser("verify", help="read cases back through the libraries' own loaders and compare")
    sub.add_argument("folders", type=Path, nargs="+", help="searched for case.json")
    sub = commands.add_parser("committed", help="the cases that live in engine/tests/golden")
    sub.add_argument("--out", type=Path, required=True)
    add_vocabulary(sub)
    args = parser.parse_args(argv)

    # Imported here so that --help answers at once.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import diffusers
    import torch
    import transformers

    # They warn about every tiny model: no accelerate, an old pipeline class, no scale_model_input call.
    diffusers.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning)

    # One thread: sums in one order, so that the same seed gives the same bytes on the same machine.
    torch.set_num_threads(1)
    try:
        COMMANDS[args.command](args)
    except (OSError, RuntimeError) as error:
        sys.exit(f"{parser.prog} {args.command}: {error}")
    return 0


def add_vocabulary(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--vocabulary", type=Path, default=STARTER / "tokenizer", help="tokenizer folder (default %(default)s)")


def report(path: Path, description: str) -> None:
    print(f"{path.name}: {description}", flush=True)


def make_unet(args: argparse.Namespace) -> None:
    from . import unet

    for index in range(args.count):
        case = unet.random_case(index, args.seed)
        case.deep = args.deep
        name = f"unet-{args.seed}-{index:03}"
        report(unet.write_case(args.out, name, case, args.seed * 10_000 + index), case.description)


def make_vae(args: argparse.Namespace) -> None:
    from . import vae

    for index in range(args.count):
        case = vae.random_case(index, args.seed)
        name = f"vae-{args.seed}-{index:03}"
        report(vae.write_case(args.out, name, case, args.seed * 10_000 + index), case.description)


def make_clip_text(args: argparse.Namespace) -> None:
    from . import clip_text

    for index in range(args.count):
        case = clip_text.random_case(index, args.seed)
        name = f"clip-text-{args.seed}-{index:03}"
        report(clip_text.write_case(args.out, name, case, args.seed * 10_000 + index), case.description)


def make_scheduler(args: argparse.Namespace) -> None:
    from . import scheduler

    for index, (class_name, config) in enumerate(scheduler.random_cases(args.count, args.seed)):
        name = f"scheduler-{args.seed}-{index:04}"
        path = scheduler.write_case(args.out, name, class_name, config, args.seed * 10_000 + index)
        report(path, f"{class_name} {config}")


def make_tokenizer(args: argparse.Namespace) -> None:
    from . import tokenizer

    for name, vocabulary in (("given", args.vocabulary), ("multilingual", None)):
        path = tokenizer.write_case(args.out, f"tokenizer-{args.seed}-{name}", args.seed, args.count, vocabulary)
        report(path, "done")


def make_pipeline(args: argparse.Namespace) -> None:
    from . import pipeline

    if args.model is not None:
        request = pipeline.Request(args.prompt, args.negative, args.steps, args.guidance, args.frames, args.height, args.width)
        name = f"{args.model.name}-{args.scheduler or 'own'}-{args.seed}"
        path = pipeline.write_case(args.out, name, request, args.seed, model=args.model, scheduler=args.scheduler)
        report(path, str(request))
        return
    for index in range(args.count):
        settings, request = pipeline.random_case(index, args.seed)
        name = f"pipeline-{args.seed}-{index:03}"
        path = pipeline.write_case(args.out, name, request, args.seed * 10_000 + index, settings=settings)
        report(path, f"{settings['scheduler']}, {request}")


def make_pickle(args: argparse.Namespace) -> None:
    from . import pickles

    pickles.write_all(args.out, args.seed)


def make_zeroscope(args: argparse.Namespace) -> None:
    from . import full_size

    full_size.write_model(args.out, args.config, args.dtype, args.seed, args.merges)


def run_verify(args: argparse.Namespace) -> None:
    from .verify import verify_below

    if not verify_below(args.folders):
        sys.exit("some cases do not agree with what the libraries load")


def make_committed(args: argparse.Namespace) -> None:
    from . import committed

    committed.write_all(args.out, args.vocabulary)


COMMANDS = {
    "unet": make_unet, "vae": make_vae, "clip-text": make_clip_text, "scheduler": make_scheduler,
    "tokenizer": make_tokenizer, "pipeline": make_pipeline, "pickle": make_pickle, "zeroscope": make_zeroscope,
    "verify": run_verify, "committed": make_committed,
}

if __name__ == "__main__":
    sys.exit(main())
