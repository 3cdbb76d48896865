"""Pictures of pages, and their comparison with the last accepted set.

The accepted set has a quarter of the size. At that size, other edges of the same letters make no
difference, and the set stays small. Chromium itself reduces and compares the pictures.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

ACCEPTED = Path(__file__).resolve().parent.parent / "data" / "pictures"
SCALE = 0.25
# The side of a compared square, in pixels of the reduced picture.
SQUARE = 8
# The mean difference of one color in a square, of 255, from which it counts as changed.
LIMIT = 20

_COMPARE = """
async ([taken, accepted, scale, square, limit]) => {
  const load = async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  };
  const drawn = (image, width, height) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    return [canvas, context];
  };
  const picture = await load(taken);
  const [width, height] = [picture.width, picture.height].map((side) => Math.round(side * scale));
  const [canvas, context] = drawn(picture, width, height);
  const reduced = canvas.toDataURL("image/webp", 0.9).split(",")[1];
  if (!accepted) return { reduced, changes: ["no accepted picture"] };
  const earlier = await load(accepted);
  if (earlier.width !== width || earlier.height !== height)
    return {
      reduced,
      changes: [`${width} × ${height} pixels, and ${earlier.width} × ${earlier.height} before`],
    };
  const [, before] = drawn(earlier, width, height);
  const changes = [];
  for (let top = 0; top < height; top += square)
    for (let left = 0; left < width; left += square) {
      const now = context.getImageData(left, top, square, square).data;
      const then = before.getImageData(left, top, square, square).data;
      const sums = [0, 0, 0, 0];
      for (let index = 0; index < now.length; index += 1)
        sums[index % 4] += Math.abs(now[index] - then[index]);
      const mean = (Math.max(...sums) * 4) / now.length;
      if (mean > limit) changes.push(`${left / scale}, ${top / scale}`);
    }
  return { reduced, changes };
}
"""


@dataclass(frozen=True)
class Comparison:
    """The changed places of a picture as `left, top` in pixels, and its reduced WebP."""

    changes: list[str]
    reduced: bytes


class PictureComparer:
    """Compares pictures in a blank page of its own."""

    def __init__(self, browser: Browser) -> None:
        self._page: Page = browser.new_page()

    def compare(self, picture: bytes, accepted: Path) -> Comparison:
        earlier = _data_url(accepted.read_bytes(), "webp") if accepted.exists() else ""
        arguments = [_data_url(picture, "png"), earlier, SCALE, SQUARE, LIMIT]
        found = self._page.evaluate(_COMPARE, arguments)
        return Comparison(found["changes"], base64.b64decode(found["reduced"]))

    def close(self) -> None:
        self._page.close()


def _data_url(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture_of(page: Page) -> bytes:
    """A PNG of the whole page, without carets and transitions."""
    page.evaluate("() => document.fonts.ready")
    return page.screenshot(full_page=True, animations="disabled", caret="hide")
