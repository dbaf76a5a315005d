"""Every error is one readable line, whoever wrote it and wherever it was raised."""

import pytest
from flwr.app import Error

from server_app.answers import explain

RAY = (
    "<class 'ray.exceptions.RayTaskError(ClientAppException)'>:<'\x1b[36mray::ClientAppActor.run()"
    "\x1b[39m (pid=14879, ip=10.0.0.1, actor_id=0f, repr=<...ClientAppActor object at 0x7f>)\n"
    "                  ^^^^^^^^^^^^^^^^^^\n"
    '  File "client_app/main.py", line 11, in app\n'
    "    raise {shown}\n"
    "{raised}\n"
    "\n"
    "The above exception was the direct cause of the following exception:\n"
    "\n"
    "\x1b[36mray::ClientAppActor.run()\x1b[39m (pid=14879, ip=10.0.0.1, actor_id=0f)\n"
    "           ^^^^^^^^^^^^^^^^^^\n"
    '  File "flwr/simulation/ray_transport/ray_actor.py", line 65, in run\n'
    "    raise ClientAppException(str(ex)) from ex\n"
    "flwr.clientapp.client_app.ClientAppException: \n"
    "Exception ClientAppException occurred. Message:{words}'>"
)


def deployed(kind: str, text: str) -> Error:
    """Build the error as Flower's SuperNode writes it."""
    return Error(2, f"<class '{kind}'>:<'{text}'>")


def simulated(raised: str, words: str) -> Error:
    """Build the error as Ray hands it over, with a traceback of the cause and of the wrapper."""
    shown = raised.replace("\n", "\\n")
    return Error(2, RAY.format(shown=shown, raised=raised, words=words))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (deployed("x.ModelError", "unknown width"), "ModelError: unknown width"),
        (deployed("ValueError", "it's 'quoted'"), "ValueError: it's 'quoted'"),
        (Error(2, "<class 'x.ModelError'>:<\"it's\">"), "ModelError: it's"),
        (
            deployed("a.b.StoreError", "does not fit:\n\tmissing key\n"),
            "StoreError: does not fit: missing key",
        ),
        (deployed("ValueError", ""), "ValueError: no text"),
        (deployed("ValueError", " \n "), "ValueError: no text"),
        (
            Error(5, "SuperLink says so"),
            "the node is gone: it stopped answering Flower's heartbeat",
        ),
        (Error(5), "the node is gone: it stopped answering Flower's heartbeat"),
        (
            Error(8, "ClientApp stopped responding."),
            "the app's process on the node died or was stopped; it may have run out of memory",
        ),
        (Error(1, "could not load `ClientApp`"), "could not load `ClientApp`"),
        (Error(0), "Flower error 0"),
        (Error(7, ""), "Flower error 7"),
        (Error(7, "\n"), "Flower error 7"),
        (Error(6, "one\n\n  two"), "one two"),
    ],
)
def test_an_error_is_one_readable_line(error: Error, line: str) -> None:
    assert explain(error) == line


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("strategies.common.errors.ModelError", "models: unknown 'x'; the known ones are a, b"),
        ("ValueError", "first line\nsecond line"),
        ("torch.OutOfMemoryError", "CUDA out of memory (tried 2.0 GiB)."),
        ("ValueError", ""),
    ],
)
def test_a_simulated_clients_error_reads_as_a_deployed_ones(kind: str, words: str) -> None:
    raised = f"{kind}: {words}" if words else kind
    told = explain(simulated(raised, f" {words}" if words else ""))
    assert told == explain(deployed(kind, words))
    assert told.startswith(kind.rsplit(".", 1)[-1] + ": ")
    assert "\n" not in told


def test_the_cause_next_to_the_wrapper_is_the_clients_own() -> None:
    """The error's own cause comes first in the traceback."""
    chain = (
        "KeyError: 'x'\n\nThe above exception was the direct cause of the following exception:\n\n"
        '  File "a.py", line 1\nmine.DataError: no column x'
    )
    assert explain(simulated(chain, " no column x")) == "DataError: no column x"


def test_an_unknown_traceback_still_tells_the_words() -> None:
    told = explain(simulated("something else", " no column x"))
    assert told == "ClientAppException: no column x"


def test_a_long_reason_is_cut() -> None:
    told = explain(deployed("ValueError", "x" * 10_000))
    assert told.startswith("ValueError: xxx")
    assert len(told) < 600
