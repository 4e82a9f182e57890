"""The `handrail` command. Commands are named here with their one line of help and imported only when they are run.

Exit statuses: 0 done, 1 the job failed, 2 wrong usage or settings, 3 incomplete (the platform could not be reached).
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
import traceback
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from ..errors import HandrailError
from ..words import mark, tr
from . import clickwords
from .helping import speak_as_set, translated

# name -> (module in this package, one line of help); the order is the order of the help.
COMMANDS = {
    "init": ("setup", mark("Make the settings, the store and its key.")),
    "connect": ("setup", mark("Connect the practice's platform and confirm how its forms are read.")),
    "publish": ("setup", mark("Make or update a form on the platform.")),
    "sync": ("work", mark("Pull, score, raise and push: what changed since last time.")),
    "schedule": ("schedule", mark("Sync by itself: shown before it is made, removable.")),
    "enrol": ("collect", mark("Who is asked what, how often, on which consent.")),
    "due": ("collect", mark("Who is due for which form, and why.")),
    "send": ("collect", mark("Ask for what is due, remind, take back what is over.")),
    "opt-out": ("collect", mark("A client is not asked any more.")),
    "rescore": ("work", mark("Score and judge everything stored anew, with counts first.")),
    "flags": ("read", mark("The open flags with their reasons.")),
    "explain": ("read", mark("Redo a flag step by step.")),
    "client": ("read", mark("One client's course.")),
    "report": ("read", mark("The practice's page as one HTML file.")),
    "serve": ("serve", mark("Open the desk in a browser: clients, prompts, who is due.")),
    "ack": ("act", mark("Say that you have seen a flag.")),
    "hold": ("act", mark("Pause new flags for a client, with a reason and an end.")),
    "forms": ("mend", mark("A client's forms with their short ids.")),
    "reassign": ("mend", mark("A form that went to the wrong client.")),
    "merge": ("mend", mark("Two records of one person.")),
    "discharge": ("mend", mark("The end or the pause of a course.")),
    "remark": ("rights", mark("Write down what a client says of a form.")),
    "export": ("rights", mark("All about one client, readable and as JSON and CSV.")),
    "erase": ("rights", mark("Delete a client here, with an audit entry.")),
    "disconnect": ("mend", mark("Take back all that was pushed, then forget the platform.")),
    "backup": ("keeping", mark("Write everything into one encrypted file, or check one.")),
    "restore": ("keeping", mark("Put a backup back.")),
    "key": ("keeping", mark("New keys: handrail key rotate.")),
    "audit": ("keeping", mark("Is the audit trail as it was written: handrail audit verify.")),
    "selfcheck": ("selfcheck", mark("A therapist's own form, private to its author.")),
    "sheet": ("entry", mark("Write a form as a page to print.")),
    "enter": ("entry", mark("Type in a form that came back on paper.")),
    "change": ("change", mark("Change in the published sense, over a CSV.")),
    "calibrate": ("calibrate", mark("The practice's own measurement error, shown before it is used.")),
    "screen": ("screening", mark("Offline: answers in, flags out.")),
    "instruments": ("facts", mark("What can be asked; export a form for a platform.")),
    "plugins": ("facts", mark("What is installed, allowed and loaded; allow one.")),
    "conformance": ("conformance", mark("The vendor's tests of an adapter, on a sandbox account.")),
    "practices": ("practices", mark("Many practices on one server: add, list, pause, erase.")),
    "worker": ("worker", mark("Work for many practices on one server (PostgreSQL).")),
    "doctor": ("facts", mark("What is wrong and how to mend it.")),
    "schemas": ("facts", mark("JSON Schema of the file formats.")),
}


clickwords.install()
_BROUGHT, _RAW = "handrail.brought", "handrail.settings"


class Commands(click.Group):
    """A group that imports a command when it is run, not when it is listed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; what is wrong with the words before the command is said in the practice's language, too."""
        if (named := _named(args)) is not None:
            ctx.params["settings"] = named
        speak_as_set(_raw(ctx))
        ctx.find_root().meta.pop(_RAW)
        ctx.params.pop("settings", None)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What may follow the name, in the language that is spoken."""
        return [clickwords.place(piece) or piece for piece in super().collect_usage_pieces(ctx)]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*sorted(_brought(ctx)), *COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = import_module(f".{COMMANDS[cmd_name][0]}", __package__)
            found: click.Command | None = getattr(module, cmd_name.replace("-", "_"))
        else:
            found = _brought(ctx).get(cmd_name)
        speak_as_set(_raw(ctx))
        return None if found is None else translated(found)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does; a slip of the finger gets the nearest name."""
        import difflib

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = tr("Did you mean {name}?", name=near[0]) if near else tr("The list: handrail --help")
            ctx.fail(tr("No such command {name}. {hint}", name=repr(args[0]), hint=hint))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists commands without importing ours."""
        brought = _brought(ctx)
        rows = [(name, translated(brought[name]).get_short_help_str(80)) for name in sorted(brought)]
        with formatter.section(tr("Commands")):
            formatter.write_dl([*rows, *((name, tr(help_line)) for name, (_, help_line) in COMMANDS.items())])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, in the practice's language."""
        speak_as_set(_raw(ctx))
        click.Group.format_help(translated(self), ctx, formatter)


def _brought(ctx: click.Context) -> dict[str, click.Command]:
    """The commands of allowed plugins, asked once a call; a name that is taken is refused, naming both sides."""
    root = ctx.find_root()
    if _BROUGHT in root.meta:
        known: dict[str, click.Command] = root.meta[_BROUGHT]
        return known
    from ..manager import Plugins

    plugins = Plugins(_allowed(_raw(ctx)))
    found: dict[str, click.Command] = {}
    owners = dict.fromkeys(COMMANDS, "Handrail")
    for plugin, call in plugins.implementations("register_commands"):
        extra = click.Group()
        try:
            call(cli=extra)
        except Exception as error:  # noqa: BLE001 - a plugin's fault must not take the other commands away (F101)
            fault = type(error).__name__
            told = tr("handrail: the plugin {plugin} failed ({fault}).", plugin=plugins.label(plugin), fault=fault)
            click.echo(told, err=True)
            continue
        for name, command in extra.commands.items():
            if name in owners:
                told = tr(
                    "handrail: {first} and {second} both bring a command {name}; the second is left out.",
                    first=plugins.label(plugin),
                    second=owners[name],
                    name=name,
                )
                click.echo(told, err=True)
            else:
                owners[name] = plugins.label(plugin)
                found[name] = command
    root.meta[_BROUGHT] = found
    return found


def _named(args: list[str]) -> Path | None:
    """The settings file that the words before the command name."""
    for number, word in enumerate(args):
        if word == "--settings" and number + 1 < len(args):
            return Path(args[number + 1])
        if word.startswith("--settings="):
            return Path(word.partition("=")[2])
        if not word.startswith("-"):
            break
    return None


def _raw(ctx: click.Context) -> dict[str, Any]:
    """The settings as they are written, unchecked, read once a call: `--help` must work with broken ones too."""
    import tomllib

    from ..paths import default_file

    root = ctx.find_root()
    if _RAW not in root.meta:
        try:
            text = (root.params.get("settings") or default_file()).read_text(encoding="utf-8")
            root.meta[_RAW] = tomllib.loads(text)
        except (OSError, ValueError, RecursionError):
            root.meta[_RAW] = {}
    found: dict[str, Any] = root.meta[_RAW]
    return found


def _allowed(settings: dict[str, Any]) -> tuple[str, ...]:
    """The allowed plugins of raw settings."""
    named = settings.get("plugins", [])
    return tuple(name for name in named if isinstance(name, str)) if isinstance(named, list) else ()


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    is_eager=True,  # known before --help, which is in the practice's language and lists its plugins' commands
    help="The settings file (default: in your configuration folder, or HANDRAIL_SETTINGS).",
)
@click.option("--verbose", is_flag=True, help="Log what is done, without names, answers or references.")
@click.option("--log-json", is_flag=True, help="Log lines as JSON, for a log collector.")
@click.version_option(None, "--version", package_name="handrail", message="Handrail %(version)s")
@click.pass_context
def cli(ctx: click.Context, settings: Path | None, verbose: bool, log_json: bool) -> None:
    """Handrail shows a therapy practice, from its clients' own answers, whether therapy builds a client's independence
    or the client's reliance on it. It prompts a conversation; it never makes a diagnosis.

    Try it with nothing to configure: handrail demo
    """
    from .app import App

    ctx.obj = App(settings, verbose, log_json)


def main() -> NoReturn:
    """The console command: runs it, and turns every fault into one plain sentence and an exit status."""
    # Our matrices are small: threads of numpy's own gain nothing, and where the system gives none it would end us.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(50_000, 10, 10)  # passes over what is being imported are a tenth of a short command's time
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an old code page must not stop a command over a typographic quote
            stream.reconfigure(errors="replace")
    status = run(sys.argv[1:])
    gc.freeze()  # the interpreter's last pass over everything is a fifth of it
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Runs the command; gives the exit status. Errors go to standard error."""
    return copy_context().run(_run, arguments)  # the language that it speaks ends with it


def _run(arguments: list[str]) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="handrail", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except HandrailError as error:
        click.echo(f"handrail: {error.message}", err=True)
        return error.exit_status
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo(tr("handrail: stopped. What was stored is whole; run the same command to go on."), err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - the last boundary: an exception's text may hold client data (S24)
        where = traceback.extract_tb(error.__traceback__)[-1]
        click.echo(
            tr(
                "handrail: an unforeseen fault ({fault} at {file}:{line}). Nothing was half done. Please report that "
                "line; handrail doctor shows whether more is wrong.",
                fault=type(error).__name__,
                file=Path(where.filename).name,
                line=where.lineno,
            ),
            err=True,
        )
        return 1


def _terminate(_number: int, _frame: object) -> NoReturn:
    """SIGTERM ends like Ctrl-C: the page at hand is rolled back, the lock is given back (F100)."""
    raise KeyboardInterrupt
