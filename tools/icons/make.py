"""Draws the program's icons into assets/icons: three linked frames of a film, one of them playing.

    pip install pillow; python tools/icons/make.py
"""
from pathlib import Path

from PIL import Image, ImageDraw

OUT = Path(__file__).parents[2] / "assets" / "icons"
SIZE = 1024
NIGHT, GLOW, LINE, DIM = (16, 20, 31), (92, 225, 199), (74, 90, 122), (46, 56, 80)


def draw(accent):
    image = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    canvas = ImageDraw.Draw(image)
    canvas.rounded_rectangle((32, 32, SIZE - 32, SIZE - 32), radius=224, fill=NIGHT)
    nodes = [(300, 330), (724, 330), (512, 716)]
    for at, (x, y) in enumerate(nodes):
        to = nodes[(at + 1) % 3]
        canvas.line((x, y, *to), fill=LINE, width=40)
    for x, y in nodes[:2]:
        canvas.ellipse((x - 110, y - 110, x + 110, y + 110), fill=DIM, outline=LINE, width=28)
    x, y = nodes[2]
    canvas.ellipse((x - 178, y - 178, x + 178, y + 178), fill=accent)
    canvas.polygon([(x - 56, y - 92), (x - 56, y + 92), (x + 104, y)], fill=NIGHT)
    return image


OUT.mkdir(parents=True, exist_ok=True)
working = draw(GLOW)
for side in (32, 128, 256, 512):
    working.resize((side, side), Image.Resampling.LANCZOS).save(OUT / f"{side}x{side}.png", optimize=True)
working.save(OUT / "icon.ico", sizes=[(side, side) for side in (16, 32, 48, 64, 256)])
draw((122, 134, 160)).resize((64, 64), Image.Resampling.LANCZOS).save(OUT / "tray-paused.png", optimize=True)
working.resize((64, 64), Image.Resampling.LANCZOS).save(OUT / "tray-mining.png", optimize=True)
