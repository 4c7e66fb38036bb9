"""`python -m unittest starter.tests`: the parts that training relies on silently."""

import random
import tempfile
import unittest

import torch

from . import checker, data
from .fast_attention import speed_up
from .model import Captioner, TEXT_LENGTH, make_scheduler, make_unet
from .optimizer import orthogonalise
from .tokenizer import build


class DataTests(unittest.TestCase):
    def test_reversed_clips_are_clips_of_the_twin_motion(self):
        for motion, twin in data.TIME_REVERSED.items():
            if twin is None:
                continue
            spec = data.ClipSpec("red", "star", motion, "white")
            frames = data.render(spec, data.trajectory(spec, random.Random(3)))
            self.assertEqual(checker.read_clip((frames.flip(0) + 1) / 2).motion, twin, motion)

    def test_every_value_is_seen_in_training_and_about_a_twelfth_is_held_out(self):
        specs = data.all_specs()
        held_out = [spec for spec in specs if spec.is_held_out()]
        self.assertTrue(0.05 < len(held_out) / len(specs) < 0.12, len(held_out) / len(specs))
        for name, table in (("color", data.COLORS), ("shape", data.SHAPES), ("motion", data.MOTIONS)):
            seen = {getattr(spec, name) for spec in specs if not spec.is_held_out()}
            self.assertEqual(seen, set(table))

    def test_captions_fit_the_text_encoder(self):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = build(folder)
            rng = random.Random(0)
            lengths = []
            for spec in data.all_specs():
                text = data.caption(spec, rng, canonical=False)
                lengths.append(len(tokenizer(text).input_ids))
                self.assertEqual(len(text.split()) + 2, lengths[-1], text)
            self.assertLess(max(lengths), TEXT_LENGTH)
            self.assertEqual(Captioner(folder).ids(["", "a red star"]).shape, (2, TEXT_LENGTH))


class CheckerTests(unittest.TestCase):
    def test_true_clips_are_read_rightly(self):
        rng = random.Random(11)
        for spec in rng.sample(data.all_specs(), 60):
            frames = data.render(spec, data.trajectory(spec, rng))
            reading = checker.read_clip((frames + 1) / 2)
            self.assertTrue(all(reading.matches(spec).values()), f"{spec} read as {reading}")

    def test_an_empty_clip_has_no_shape(self):
        reading = checker.read_clip(torch.ones(data.FRAMES, 3, data.SIZE, data.SIZE))
        self.assertEqual((reading.background, reading.shape), ("white", checker.UNKNOWN))


class ModelTests(unittest.TestCase):
    def test_last_timestep_holds_no_signal(self):
        alpha_bar = make_scheduler().alphas_cumprod
        self.assertLess(alpha_bar[-1].item(), 1e-12)
        self.assertGreater(alpha_bar[0].item(), 0.999)

    def test_fast_attention_is_the_same_function(self):
        torch.manual_seed(0)
        unet = make_unet((16, 32)).eval()
        latents, text = torch.randn(2, 4, data.FRAMES, 8, 8), torch.randn(2, TEXT_LENGTH, 64)
        with torch.no_grad():
            plain = unet(latents, torch.tensor([10, 900]), text).sample
            fast = speed_up(unet, data.FRAMES)(latents, torch.tensor([10, 900]), text).sample
        self.assertLess((plain - fast).norm() / plain.norm(), 1e-5)

    def test_orthogonalised_singular_values_are_near_one(self):
        torch.manual_seed(0)
        values = torch.linalg.svdvals(orthogonalise(torch.randn(3, 8, 40)))
        self.assertTrue(((values > 0.6) & (values < 1.3)).all(), values)


if __name__ == "__main__":
    unittest.main()
