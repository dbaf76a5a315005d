"""Command line: keys of a federation, its devices, and what is wrong with one or the other."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nectar_admin.arguments import read
from nectar_admin.errors import AdminError, UnreachableError
from nectar_admin.printing import plain, say

if TYPE_CHECKING:
    from nectar_admin.control import Control
    from nectar_admin.device_folder import Device
    from nectar_admin.key_folder import KeyFolder


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    options = read(arguments)
    try:
        return _ACTIONS[options.action](options)
    except (AdminError, OSError) as error:
        sys.stderr.write(f"{plain(str(error))}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _keys(options: argparse.Namespace) -> "KeyFolder":
    from nectar_admin.key_folder import KeyFolder  # noqa: PLC0415 - watch does without cryptography

    return KeyFolder(options.folder)


@contextmanager
def _telling_authority(keys: "KeyFolder") -> Iterator[None]:
    """Say it if what is done makes an authority: a folder that was mistyped gets one of its own."""
    was_there = keys.authority_key.exists()
    yield
    if not was_there:
        say(f"{keys.path}: a new CA; who holds another's ca.crt refuses what it signs")


def _note_same_keys(keys: "KeyFolder") -> None:
    from nectar_admin.device_folder import same_keys  # noqa: PLC0415

    for told in same_keys(keys.devices()):
        sys.stderr.write(f"note: {told}\n")


def _keys_server(options: argparse.Namespace) -> int:
    from nectar_admin.authority import names_of  # noqa: PLC0415

    keys = _keys(options)
    with _telling_authority(keys):
        made = keys.make_server(options.name, options.days, datetime.now(UTC))
    say(
        f"{keys.server}: certificate for {', '.join(names_of(made))}, valid until "
        f"{made.not_valid_after_utc:%Y-%m-%d}; restart the SuperLink and reload the proxy if they "
        f"use the one before"
    )
    return 0


def _keys_node(options: argparse.Namespace) -> int:
    keys = _keys(options)
    # A slip in the last name leaves nothing behind of the first.
    for name in options.names:
        keys.named(name)
    for name in options.names:
        with _telling_authority(keys):
            is_new = keys.make_device(name, datetime.now(UTC))
        say(f"{keys.path / 'nodes' / name}: {'a new key' if is_new else 'its key is kept'}")
    _note_same_keys(keys)
    return 0


def _keys_show(options: argparse.Namespace) -> int:
    from nectar_admin.key_listing import listing  # noqa: PLC0415

    for line in listing(_keys(options), datetime.now(UTC)):
        say(line)
    return 0


@contextmanager
def _control(options: argparse.Namespace) -> "Iterator[Control]":
    """Yield the Control API of a SuperLink that answers."""
    from rich.console import Console  # noqa: PLC0415

    from nectar_admin import devices  # noqa: PLC0415
    from nectar_admin.control import Control  # noqa: PLC0415

    authority = options.ca or _keys(options).authority_certificate
    with Control(options.superlink, authority) as control:
        try:
            control.nodes()
        except UnreachableError:
            if not options.wait > 0:
                raise
            console = Console(stderr=True)
            waiting = f"waiting for the SuperLink at {options.superlink}, up to {options.wait:g} s"
            if not console.is_terminal:
                console.print(waiting, soft_wrap=True)
            with console.status(waiting) as shown:
                devices.wait_for(
                    control, options.wait, lambda s: shown.update(f"{waiting} ({s:.0f} s)")
                )
        yield control


def _devices_add(options: argparse.Namespace) -> int:
    from nectar_admin import devices  # noqa: PLC0415

    keys = _keys(options)
    chosen = [keys.device(name) for name in options.names]
    chosen = chosen or [device for device in keys.devices() if not device.removed.exists()]
    if not chosen:
        raise AdminError(
            f"{keys.path / 'nodes'}: expected devices to let in, found none; make their keys by: "
            f"keys node {keys.path} NAME"
        )
    _note_same_keys(keys)
    with _control(options) as control:
        return _each(chosen, lambda device: devices.add(device, control))


def _devices_list(options: argparse.Namespace) -> int:
    from nectar_admin import device_table, devices  # noqa: PLC0415
    from nectar_admin.run_journal import newest_run  # noqa: PLC0415

    run = newest_run(options.runs_dir) if options.runs_dir else None
    if options.runs_dir and run is None:
        sys.stderr.write(f"note: {options.runs_dir} holds no run yet\n")
    if run is not None and not run.clients:
        sys.stderr.write(f"note: run {run.name} does not tell which node was which client\n")
    keys = _keys(options)
    _note_same_keys(keys)
    with _control(options) as control:
        told = list(devices.listed(keys.devices(), control.nodes(), run))
    if options.json:
        say(device_table.as_json(told))
    else:
        device_table.show(told, run, datetime.now(UTC))
    return 0


def _devices_remove(options: argparse.Namespace) -> int:
    from nectar_admin import devices  # noqa: PLC0415

    keys = _keys(options)
    chosen = [keys.device(name) for name in options.names]
    _note_same_keys(keys)
    with _control(options) as control:
        return _each(chosen, lambda device: devices.remove(device, control))


def _each(chosen: "Sequence[Device]", do: "Callable[[Device], str]") -> int:
    """Do with each device what can be done, though it cannot be with another."""
    status = 0
    for device in chosen:
        try:
            say(do(device))
        except AdminError as error:
            sys.stderr.write(f"{plain(str(error))}\n")
            status = 2
    return status


def _watch(options: argparse.Namespace) -> int:
    from nectar_admin.watch import watch  # noqa: PLC0415

    return watch(options.command, options.port, options.patience)


def _doctor_device(options: argparse.Namespace) -> int:
    from nectar_admin.doctor.command import look_at_device  # noqa: PLC0415

    return look_at_device(options)


def _doctor_server(options: argparse.Namespace) -> int:
    from nectar_admin.doctor.command import look_at_server  # noqa: PLC0415

    return look_at_server(options)


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "keys server": _keys_server,
    "keys node": _keys_node,
    "keys show": _keys_show,
    "devices add": _devices_add,
    "devices list": _devices_list,
    "devices remove": _devices_remove,
    "watch": _watch,
    "doctor device": _doctor_device,
    "doctor server": _doctor_server,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
