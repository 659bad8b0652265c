"""The recording of the demo, `make recording`: runs the demo in a pseudo-terminal and draws docs/demo.svg.

Each frame is the screen at one moment of a real run. The film is faster than the run, and its title says by how much.
Where animations are off (a printed page, a reader who asked for less motion) the last frame stands still.
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
FILM = ROOT / "docs" / "demo.svg"
COMMAND = [sys.executable, "-m", "local.demo"]
COLUMNS, LINES = 118, 34  # as wide as the demo's longest table, as high as a README is read without scrolling
FRAME_S = 0.4  # seconds of the run between frames: half of it would make bars smoother and the file twice as large
SPEED = 2.5  # a run of a minute is watched in under half of one
LAST_FRAME_S = 8.0  # so that the figures at the end can be read
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
    """Neighbouring cells of one style: the column that they begin in, their text, colour and weight."""

    column: int
    text: str
    colour: str
    is_bold: bool


Line = tuple[Run, ...]
Frame = tuple[Line, ...]


def record() -> list[tuple[float, Frame]]:
    """Run the demo, and return its screens with the seconds since its start; SystemExit if the demo fails."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    reader, terminal = pty.openpty()
    size = {"COLUMNS": str(COLUMNS), "LINES": str(LINES), "TERM": "xterm-256color", "FORCE_COLOR": "1"}
    frames: list[tuple[float, Frame]] = []
    began = monotonic()
    env = os.environ | size
    with subprocess.Popen(  # noqa: S603 - our own demo
        COMMAND, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, env=env
    ) as demo:
        os.close(terminal)
        while (content := _read(reader)) is not None:
            stream.feed(content)
            at = monotonic() - began
            if not frames or at - frames[-1][0] >= FRAME_S:
                frames.append((at, frame_of(screen)))
    os.close(reader)
    if demo.returncode:
        raise SystemExit(f"the demo ended with {demo.returncode}: nothing was drawn")
    return [*frames, (monotonic() - began, frame_of(screen))]


def _read(terminal: int) -> bytes | None:
    """The bytes that the demo wrote since the last call, none after `FRAME_S` of silence; None once it has ended."""
    if not select.select([terminal], [], [], FRAME_S)[0]:
        return b""
    try:
        return os.read(terminal, 1 << 16) or None
    except OSError:  # on Linux: the other side of the terminal is closed
        return None


def frame_of(screen: pyte.Screen) -> Frame:
    """The screen's text and styles, line by line."""
    return tuple(_line(screen.buffer[row]) for row in range(LINES))


def _line(cells: dict[int, Char]) -> Line:
    row = [cells[column] for column in range(COLUMNS)]
    runs, column = [], 0
    for (colour, is_bold), group in groupby(row, lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        if text.strip():
            content = text.rstrip() if column + len(text) == COLUMNS else text
            runs.append(Run(column, content, _hex_colour(colour), is_bold))
        column += len(text)
    return tuple(runs)


def _hex_colour(colour: str) -> str:
    return COLOURS.get(colour) or COLOURS.get(colour.removeprefix("bright"), f"#{colour}")


def draw(frames: list[tuple[float, Frame]]) -> str:
    """The film as one SVG: the frames stand below each other, and one is visible at a time.

    Frames that repeat the one before are left out, and each different line is drawn once and then referred to.
    """
    distinct = [next(group) for _, group in groupby(frames, lambda timed: timed[1])]
    all_lines = dict.fromkeys(line for _, frame in distinct for line in frame)
    lines = {line: f"l{number}" for number, line in enumerate(all_lines)}
    height, width = LINES * ROW, COLUMNS * CELL
    whole_s = distinct[-1][0] / SPEED + LAST_FRAME_S
    steps = "".join(
        f"{at / SPEED / whole_s:.2%}{{transform:translateY({-number * height}px)}}"
        for number, (at, _) in enumerate(distinct)
    )
    last = -(len(distinct) - 1) * height
    uses = "".join(
        f'<use href="#{lines[line]}" y="{number * height + row * ROW:g}"/>'
        for number, (_, frame) in enumerate(distinct)
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
        f"<title>make demo, in a terminal, {SPEED:g} times as fast as it ran</title><style>{style}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>'
        f"<defs>{''.join(_draw_line(line, name) for line, name in lines.items() if line)}</defs>"
        f'<svg x="{MARGIN:g}" y="{MARGIN:g}" width="{width:g}" height="{height:g}"><g class="film">{uses}</g>'
        "</svg></svg>\n"
    )


def _draw_line(line: Line, name: str) -> str:
    """A line as SVG, each run at its column and as wide as its cells, whatever font the reader has."""
    texts = "".join(
        f'<text x="{run.column * CELL:g}" y="12" fill="{run.colour}" textLength="{len(run.text) * CELL:g}" '
        f'lengthAdjust="spacingAndGlyphs"{" class=" + chr(34) + "b" + chr(34) if run.is_bold else ""}>'
        f"{escape(run.text)}</text>"
        for run in line
    )
    return f'<g id="{name}">{texts}</g>'


def main() -> None:
    """Record the demo and write the film."""
    FILM.write_text(draw(record()), "utf-8")


if __name__ == "__main__":
    main()
