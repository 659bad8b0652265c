"""`make recording`: runs the demo in a terminal of its own and draws what that showed as docs/demo.svg.

Each frame is what stood on the screen at one moment of a real run; the film goes faster than the run did, and says by
how much. Without animations (a printed page, a reader who asked for less motion) its last frame is shown.
"""

import os
import pty
import select
import subprocess
import sys
from html import escape
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pyte
from pyte.screens import Char

ROOT = Path(__file__).resolve().parents[1]
DRAWN = ROOT / "docs" / "demo.svg"
COMMAND = [sys.executable, "-m", "local.demo"]
COLUMNS, LINES = 118, 34  # as wide as the demo's longest table, as high as a README is read without scrolling
FRAME_S = 0.4  # of the run: more frames would show a bar fill more smoothly, and weigh as much again
FASTER = 2.5
LAST_S = 8.0  # how long the end stays, so that its figures can be read
CELL, ROW, MARGIN = 7.4, 17.0, 14.0  # pixels, for 12 px of a monospaced font
BACKGROUND, FOREGROUND = "#11151c", "#c9d1d9"
# The eight colours of terminals, bright enough on this background to be read (WCAG AA).
COLOURS = {
    "default": FOREGROUND,
    "black": "#6e7681",
    "red": "#ff7b72",
    "green": "#56d364",
    "brown": "#e3b341",
    "blue": "#79c0ff",
    "magenta": "#d2a8ff",
    "cyan": "#56d4dd",
    "white": "#f0f6fc",
}


class Run(NamedTuple):
    """Neighbouring cells of one look: the column they begin in, and their text."""

    column: int
    text: str
    colour: str
    is_bold: bool


Line = tuple[Run, ...]
Frame = tuple[Line, ...]


def record() -> list[tuple[float, Frame]]:
    """Run the demo; gives the screens that it showed, each with the second since the start at which it did."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    frames: list[tuple[float, Frame]] = []
    began = monotonic()
    env = os.environ | size
    with subprocess.Popen(  # noqa: S603 - our own demo
        COMMAND, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=env
    ) as demo:
        os.close(theirs)
        while (content := _read(ours)) is not None:
            stream.feed(content)
            at = monotonic() - began
            if not frames or at - frames[-1][0] >= FRAME_S:
                frames.append((at, seen_on(screen)))
    os.close(ours)
    if demo.returncode:
        raise SystemExit(f"the demo ended with {demo.returncode}: nothing was drawn")
    return [*frames, (monotonic() - began, seen_on(screen))]


def _read(terminal: int) -> bytes | None:
    """What the demo wrote since the last time, nothing after a while of silence; None once it has ended."""
    if not select.select([terminal], [], [], FRAME_S)[0]:
        return b""
    try:
        return os.read(terminal, 1 << 16) or None
    except OSError:  # how Linux says that nobody has the other side open any more
        return None


def seen_on(screen: pyte.Screen) -> Frame:
    """What stands on the screen, line by line."""
    return tuple(_line(screen.buffer[row]) for row in range(LINES))


def _line(cells: dict[int, Char]) -> Line:
    looks = [(column, cells[column]) for column in range(COLUMNS)]
    runs, column = [], 0
    for (colour, is_bold), group in groupby(looks, lambda each: (each[1].fg, each[1].bold)):
        text = "".join(char.data for _, char in group)
        if text.strip():
            runs.append(Run(column, text.rstrip() if column + len(text) == COLUMNS else text, _shown(colour), is_bold))
        column += len(text)
    return tuple(runs)


def _shown(colour: str) -> str:
    return COLOURS.get(colour) or COLOURS.get(colour.removeprefix("bright"), f"#{colour}")


def draw(frames: list[tuple[float, Frame]]) -> str:
    """The film as one SVG: the frames in a column, of which one is seen at a time."""
    shown = [next(group) for _, group in groupby(frames, lambda each: each[1])]
    lines = {line: f"l{number}" for number, line in enumerate(dict.fromkeys(one for _, each in shown for one in each))}
    height, width = LINES * ROW, COLUMNS * CELL
    whole_s = shown[-1][0] / FASTER + LAST_S
    steps = "".join(
        f"{at / FASTER / whole_s:.2%}{{transform:translateY({-number * height}px)}}"
        for number, (at, _) in enumerate(shown)
    )
    last = -(len(shown) - 1) * height
    uses = "".join(
        f'<use href="#{lines[line]}" y="{number * height + row * ROW:g}"/>'
        for number, (_, frame) in enumerate(shown)
        for row, line in enumerate(frame)
        if line
    )
    style = (
        f"text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre}}"
        f".b{{font-weight:bold}}.film{{transform:translateY({last}px);animation:film {whole_s:.1f}s step-end infinite}}"
        f"@keyframes film{{0%{{transform:translateY(0)}}{steps}100%{{transform:translateY({last}px)}}}}"
        "@media (prefers-reduced-motion:reduce){.film{animation:none}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2 * MARGIN:g}" height="{height + 2 * MARGIN:g}" '
        f'viewBox="0 0 {width + 2 * MARGIN:g} {height + 2 * MARGIN:g}" role="img">'
        f"<title>make demo, in a terminal, {FASTER:g} times as fast as it ran</title><style>{style}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
        f"<defs>{''.join(_drawn(line, name) for line, name in lines.items() if line)}</defs>"
        f'<svg x="{MARGIN:g}" y="{MARGIN:g}" width="{width:g}" height="{height:g}"><g class="film">{uses}</g>'
        "</svg></svg>\n"
    )


def _drawn(line: Line, name: str) -> str:
    """A line, each run at its column and as wide as its cells, whatever font the reader has."""
    texts = "".join(
        f'<text x="{run.column * CELL:g}" y="12" fill="{run.colour}" textLength="{len(run.text) * CELL:g}" '
        f'lengthAdjust="spacingAndGlyphs"{" class=" + chr(34) + "b" + chr(34) if run.is_bold else ""}>'
        f"{escape(run.text)}</text>"
        for run in line
    )
    return f'<g id="{name}">{texts}</g>'


def main() -> None:
    """Record the demo and write the picture."""
    DRAWN.write_text(draw(record()), "utf-8")


if __name__ == "__main__":
    main()
