"""Options that several verbs share, written once; a verb takes them as one object."""

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from semcorr_cli import extractors
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.session import Session

FEATURES = "Features"
OUTPUT = "Output"
RUN = "Running"


class Flip(StrEnum):
    """Whether the source may be mirrored."""

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


class Dtype(StrEnum):
    """Precision of networks."""

    AUTO = "auto"
    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


class MinQuality(StrEnum):
    """The verdict below which a command fails."""

    POOR = "poor"
    UNCERTAIN = "uncertain"
    GOOD = "good"


def _complete_features(incomplete: str) -> list[str]:
    return [name for name in ("auto", *extractors.names()) if name.startswith(incomplete)]


Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Picture that is read; - for stdin.", show_default=False)]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="Picture whose layout is followed; - for stdin.", show_default=False)
]


@dataclass(frozen=True, slots=True)
class TalkOptions:
    """Options of every verb."""

    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel=OUTPUT)] = (
        False
    )
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=OUTPUT)] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Print decisions; -vv tracebacks and library logs.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class ArtefactOptions(TalkOptions):
    """Options of every verb that writes something."""

    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="Where the result goes; - for stdout.", rich_help_panel=OUTPUT, show_default=False
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option(
            help="What `-o -` writes, as a suffix without its dot.", rich_help_panel=OUTPUT, show_default=False
        ),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing output.", rich_help_panel=OUTPUT)
    ] = False


@dataclass(frozen=True, slots=True)
class FeatureOptions(ArtefactOptions):
    """Options of every verb that describes pictures."""

    features: Annotated[
        str,
        typer.Option(
            help="Extractor, see `semcorr models list`; auto takes the best whose weights are here.",
            envvar="SEMCORR_FEATURES",
            autocompletion=_complete_features,
            rich_help_panel=FEATURES,
        ),
    ] = "auto"
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help="Local weights: dino, diffusion or hybrid=FOLDER, diffusion=U-NET FILE, builtin=FILE.",
            rich_help_panel=FEATURES,
            show_default=False,
        ),
    ] = None
    adapter: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|NAME",
            help="A head learnt on top of dino or hybrid:geoaware features, such as diy-sc.",
            rich_help_panel=FEATURES,
            show_default=False,
        ),
    ] = None
    prompt: Annotated[
        str, typer.Option(help="What the pictures show, for diffusion and hybrid.", rich_help_panel=FEATURES)
    ] = ""
    feature_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="An option of the extractor: layer=9, facet=key, timestep=100, dino.side=518, …",
            rich_help_panel=FEATURES,
            show_default=False,
        ),
    ] = None
    max_side: Annotated[
        int | None,
        typer.Option(
            min=32,
            max=4096,
            help="Working size of the longer side for features.",
            rich_help_panel=FEATURES,
            show_default=False,
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(help="auto, cpu, cuda, cuda:N or mps.", envvar="SEMCORR_DEVICE", rich_help_panel=RUN),
    ] = "auto"
    dtype: Annotated[
        Dtype, typer.Option(help="Precision of networks.", envvar="SEMCORR_DTYPE", rich_help_panel=RUN)
    ] = Dtype.AUTO
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.", rich_help_panel=RUN)] = 0
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.", rich_help_panel=RUN)] = False
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Keep features on disk for the next time.", rich_help_panel=RUN)
    ] = True
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Refuse larger pictures.", envvar="SEMCORR_MAX_PIXELS", rich_help_panel=RUN)
    ] = 100_000_000


@dataclass(frozen=True, slots=True)
class MatchOptions(FeatureOptions):
    """Options of every verb that matches pictures, be it many pairs."""

    flip: Annotated[
        Flip, typer.Option(help="Mirror the source: if it matches better, never, or always.", rich_help_panel=FEATURES)
    ] = Flip.AUTO
    rotate: Annotated[
        str,
        typer.Option(
            help="Turn the source: auto where it matches better (with cheap features), never, or by so many degrees"
            " counter-clockwise.",
            metavar="auto|never|DEGREES",
            rich_help_panel=FEATURES,
        ),
    ] = "auto"


@dataclass(frozen=True, slots=True)
class PairOptions(MatchOptions):
    """Options of every verb that matches a pair of pictures."""

    source_mask: Annotated[
        str | None,
        typer.Option(
            help="Picture that is white where the source's object is; auto to have it estimated.",
            metavar="FILE|auto",
            rich_help_panel=FEATURES,
            show_default=False,
        ),
    ] = None
    target_mask: Annotated[
        str | None,
        typer.Option(
            help="The same for the target.", metavar="FILE|auto", rich_help_panel=FEATURES, show_default=False
        ),
    ] = None
    min_quality: Annotated[
        MinQuality | None,
        typer.Option(help="Fail with exit code 7 below this verdict.", rich_help_panel=RUN, show_default=False),
    ] = None


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """Makes a verb whose last parameter is one of the classes above take that class's options one by one.

    The command line sees a function with the verb's own parameters followed by the shared ones; the verb is called with
    its own and the object.
    """
    signature = inspect.signature(command)
    own = list(signature.parameters.values())[:-1]
    bundle = list(signature.parameters.values())[-1]
    hints = get_type_hints(bundle.annotation, include_extras=True)
    extra = [
        inspect.Parameter(
            entry.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if entry.default is MISSING else entry.default,
            annotation=hints[entry.name],
        )
        for entry in fields(bundle.annotation)
    ]
    names = [parameter.name for parameter in extra]

    def unbundled(**values: Any) -> None:
        options = bundle.annotation(**{name: values.pop(name) for name in names})
        command(**values, **{bundle.name: options})

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + extra
    unbundled.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    unbundled.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    unbundled.__doc__ = command.__doc__
    unbundled.__name__ = command.__name__
    return unbundled


AUTO_MASK = "auto"
"""What asks for a mask to be estimated, in the place of a file's name."""

_kept: list[dict[str, "Session"]] = []

KEPT_SESSIONS = 8
"""Sessions kept at most: jobs of one batch seldom ask for more than one."""


@contextmanager
def keeping(sessions: "dict[str, Session]") -> Iterator[None]:
    """Has sessions that are asked for alike opened once: for processes that run many verbs."""
    _kept.append(sessions)
    try:
        yield
    finally:
        _kept.pop()


def open_session(options: FeatureOptions) -> "Session":
    """Builds the session that the options ask for, and says which extractor and device it took."""
    from dataclasses import replace

    from semcorr_cli.cli import output
    from semcorr_cli.matchers.looks import FieldOptions
    from semcorr_cli.session import Session, SessionOptions
    from semcorr_cli.settings import Settings

    settings = Settings.from_environment()
    field = FieldOptions(flip=Flip.NEVER.value, rotate="never")
    if isinstance(options, MatchOptions):
        field = FieldOptions(flip=options.flip.value, rotate=_rotation(options.rotate))
    wanted = SessionOptions(
        features=options.features,
        weights={
            name: Path(path) for name, path in named(options.weights, "--weights", "NAME=PATH", "dino=/models/dinov2")
        },
        adapter=options.adapter,
        feature_options=dict(named(options.feature_option, "--feature-option", "KEY=VALUE", "layer=9")),
        prompt=options.prompt,
        device=options.device,
        dtype=options.dtype.value,
        max_side=options.max_side,
        seed=options.seed,
        cache=options.cache,
        field=field,
    )
    settings = replace(settings, offline=settings.offline or options.offline)
    kept = _kept[-1] if _kept else {}
    key = repr((wanted, settings))
    session = kept[key].again() if key in kept else Session(wanted, settings)
    kept[key] = session
    while len(kept) > KEPT_SESSIONS:
        del kept[next(iter(kept))]
    current = output.current()
    dtype = str(session.dtype).removeprefix("torch.")
    current.run.update(features=session.spec.name, device=str(session.device), dtype=dtype)
    show = current.say if options.features == "auto" else current.note
    show(f"features: {session.spec.name} on {session.device} ({dtype})")
    return session


def _rotation(text: str) -> str:
    """Returns what --rotate says.

    Raises:
        UsageError: neither of its words nor a number of degrees.
    """
    with suppress(ValueError):
        if math.isfinite(float(text)):
            return text
    if text not in ("auto", "never"):
        raise UsageError(f"--rotate {text!r} is neither auto nor never nor a number of degrees", hint="--rotate 90")
    return text


def named(texts: list[str] | None, option: str, form: str, example: str) -> list[tuple[str, str]]:
    """Returns what options of the form NAME=VALUE say.

    Args:
        texts: what was given.
        option: the option's name.
        form: what it should look like.
        example: one that does.

    Raises:
        UsageError: one of another form.
    """
    found = []
    for text in texts or []:
        name, separator, value = text.partition("=")
        if not separator or not name or not value:
            raise UsageError(f"{option} {text!r} is not {form}", hint=f"{option} {example}")
        found.append((name, value))
    return found
