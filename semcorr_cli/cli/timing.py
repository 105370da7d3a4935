"""A film's time: frames a second, and how many frames there are."""

import re
from fractions import Fraction

from semcorr_cli.cli.filming import FPS, FRAMES, MAX_FRAMES, FilmingOptions
from semcorr_cli.effects.pace import Pace
from semcorr_cli.errors import UsageError


def rate(options: FilmingOptions) -> Fraction:
    """Returns the frames a second."""
    return Fraction(FPS if options.fps is None else options.fps).limit_denominator(1001)


def pace(options: FilmingOptions, transitions: int) -> Pace:
    """Returns the order of the film's frames.

    Raises:
        UsageError: --frames and --duration contradict each other, or leave no time to move.
    """
    fps = rate(options)
    hold = _hold_frames(options.hold, fps)
    if options.duration is None:
        return Pace(FRAMES if options.frames is None else options.frames, hold, options.ping_pong)
    seconds = _seconds(options.duration)
    count = round(seconds * fps)
    found = Pace.lasting(count, transitions, hold, ping_pong=options.ping_pong)
    if found is None:
        shortest = Pace(2, hold, options.ping_pong).count(transitions)
        raise UsageError(
            f"--duration {options.duration} at {float(fps):g} frames a second is {count}; the film needs {shortest}",
            hint="a longer --duration, a higher --fps or a shorter --hold",
        )
    if found.frames > MAX_FRAMES:
        raise UsageError(f"--duration {options.duration} needs more than {MAX_FRAMES} frames in one transition")
    if options.frames is not None and options.frames != found.frames:
        held = Pace(options.frames, hold, options.ping_pong).count(transitions)
        raise UsageError(
            f"--frames {options.frames} lasts {float(held / fps):g} s at {float(fps):g} frames a second, not the"
            f" {seconds:g} s of --duration",
            hint=f"leave one of them out, or --fps {held / seconds:g}",
        )
    return found


def _hold_frames(text: str, fps: Fraction) -> int:
    """Returns the frames that "12" or "0.5s" or "500ms" stand for."""
    if text.strip().isdecimal():
        return int(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|ms)", text.strip())
    if match is None:
        raise UsageError(f"--hold {text!r} is neither frames nor a time", hint="--hold 12 or --hold 0.5s")
    return round(float(match[1]) / (1000 if match[2] == "ms" else 1) * fps)


def _seconds(text: str) -> float:
    """Returns the seconds that "2.5", "2.5s" or "2500ms" stand for."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|ms|)", text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"--duration {text!r} is no time", hint="--duration 2.5, --duration 2.5s or --duration 800ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)
