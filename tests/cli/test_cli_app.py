"""Help, version, a missing extra, and how failures end."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from trioex import ChannelError, ConnectFailed
from trioex.cli import main
from trioex.cli.outcomes import guarded


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == version("trioex")


@pytest.mark.parametrize("command", [[], ["demo"], ["watch"], ["decode"]])
def test_help_shows_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"trioex {' '.join(command or ['demo'])} " in out.partition("Try:")[2].replace("\n", " ")


def test_help_names_every_option_of_watch(capsys: pytest.CaptureFixture[str]) -> None:
    main(["watch", "--help"])
    out = capsys.readouterr().out
    options = "simulate recording seconds count json depth interval speed timezone"
    assert [option for option in options.split() if f"--{option}" not in out] == []


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wotch"]) == 2
    assert "wotch" in capsys.readouterr().err


def test_python_m_trioex_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trioex", "watch", "nowhere", "spot.trades"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("trioex: ")


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_without_the_extra_one_line_says_how_to_install_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from trioex.cli import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"trioex: the command line needs {missing}; install it with: pip install 'trioex[cli]'\n"
    )


def failing(error: BaseException) -> int:
    def command() -> int:
        raise error

    return guarded(command)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ChannelError("no such\nchannel"), 2, "trioex: no such channel\n"),
        (ConnectFailed("nobody there"), 1, "trioex: nobody there\n"),
        (OSError("disk full"), 1, "trioex: disk full\n"),
        (KeyboardInterrupt(), 130, ""),
        (ExceptionGroup("g", [ConnectFailed("a"), ChannelError("b")]), 2, "trioex: a\ntrioex: b\n"),
        (BaseExceptionGroup("g", [ConnectFailed("a"), KeyboardInterrupt()]), 130, ""),
    ],
)
def test_a_failure_is_an_exit_code_and_a_line(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(error) == code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError(), ExceptionGroup("g", [ConnectFailed("a"), ZeroDivisionError()])],
)
def test_a_mistake_of_ours_is_not_hidden(error: BaseException) -> None:
    with pytest.raises(type(error)):
        failing(error)
