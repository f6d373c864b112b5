"""Whether a window can be opened here. Qt ends the process when it finds no screen or no plugin for it: look before.

Imports no Qt. `check` says in one sentence what is missing and how to get it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

from lab.offscreen import QtError

__all__ = ["check", "missing_libraries"]

LIBRARIES = {
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxcb-render.so.0": "libxcb-render0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11-xcb.so.1": "libx11-xcb1",
}
"""What Qt's X11 plugin is linked with, and Debian's names of the packages."""


def _no_screen() -> str:
    from lab.cli.common import command

    return (
        "there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set). Without one, use "
        f"“{command('train')}”, “{command('export')}” and “{command('screenshot')}”, or a virtual screen: "
        f"apt-get install xvfb xauth, then xvfb-run {command()}."
    )


def check(environment: dict[str, str] | None = None) -> None:
    """Raises QtError when QApplication would abort. Only Linux has to be asked."""
    env = dict(os.environ) if environment is None else environment
    if not sys.platform.startswith("linux") or not _on_screen(env):
        return
    if _wayland_answers(env):
        return
    if not env.get("DISPLAY"):
        raise QtError(_no_screen())
    missing = missing_libraries()
    if missing:
        packages = " ".join(LIBRARIES[name] for name in missing)
        raise QtError(
            f"the window cannot be opened: Qt’s X11 plugin lacks {', '.join(missing)}. On Debian and Ubuntu: apt-get "
            f"install {packages}."
        )
    if not _x_answers():
        raise QtError(f"the screen DISPLAY={env['DISPLAY']} does not answer or does not let this program in.")


def _on_screen(env: dict[str, str]) -> bool:
    """Whether Qt will look for a screen: platforms such as “offscreen” need none."""
    wanted = env.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    return wanted in ("", "xcb", "wayland", "wayland-egl")


def missing_libraries() -> list[str]:
    """The libraries of the X11 plugin that this system lacks."""
    missing = []
    for name in LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def _x_answers() -> bool:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)


def _wayland_answers(env: dict[str, str]) -> bool:
    name = env.get("WAYLAND_DISPLAY", "")
    if not name or env.get("QT_QPA_PLATFORM", "").startswith("xcb"):
        return False
    # Qt turns to Wayland by itself only where the session says so.
    if not env.get("QT_QPA_PLATFORM") and env.get("XDG_SESSION_TYPE") != "wayland" and env.get("DISPLAY"):
        return False
    path = Path(name) if os.path.isabs(name) else Path(env.get("XDG_RUNTIME_DIR", "")) / name
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
    return True
