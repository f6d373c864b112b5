#!/usr/bin/env python3
"""Sets Descent Lab up and starts it.

    python3 run.py                open the lab
    python3 run.py test [ARGS]    run the tests (ARGS go to pytest; -m gpu: those that need an NVIDIA GPU)
    python3 run.py -- ARGS        run the command line, for example: python3 run.py -- train FILE

The first start makes the folder `.venv` and installs what `requirements.lock` names; later starts find its stamp and
add nothing. Needs Python 3.11 or newer and nothing else; uses uv where it is installed.
"""

from __future__ import annotations

import json
import os
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))
STAMP = os.path.join(VENV, "descent-lab.json")
LOCKS = {"program": "requirements.lock", "development": "requirements-dev.lock", "gpu": "requirements-gpu.lock"}
CUDA = 13
"""The major version of CUDA that the lock for GPUs is made for."""
OLDEST = (3, 11)

# Shared libraries that Qt loads, and the Debian packages that hold them.
LIBRARIES = {
    "Qt": {
        "libGL.so.1": "libgl1",
        "libEGL.so.1": "libegl1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libfontconfig.so.1": "libfontconfig1",
        "libdbus-1.so.3": "libdbus-1-3",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libX11.so.6": "libx11-6",
    },
    "a window": {
        "libxcb-cursor.so.0": "libxcb-cursor0",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    },
}


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        print((__doc__ or "").strip())
        return 0
    if arguments and arguments[0] not in ("test", "--"):
        print(f"run.py: I do not know “{arguments[0]}”; see: python3 run.py --help", file=sys.stderr)
        return 2
    testing = arguments[:1] == ["test"]
    needs = ["Qt"] if testing else ["Qt", "a window"] if not arguments else []
    lock = "development" if testing else "program"
    stamp = read_stamp()
    if not is_current(stamp, lock, needs):
        try:
            set_up(stamp, lock, needs)
        except Problem as problem:
            return refuse(problem)
    if testing and asks_for_gpu(arguments[1:]):
        try:
            add_gpu()
        except Problem as problem:
            return refuse(problem)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, environment.get("PYTHONPATH")]))
    if not testing:
        environment["DESCENT_COMMAND"] = called()
        # -P: the folder that somebody starts from may hold another package named `lab`.
        return start([PYTHON, "-P", "-m", "lab", *arguments[1:]], environment)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment.setdefault(name, "1")
    os.chdir(ROOT)
    return start([PYTHON, "-m", "pytest", *(arguments[1:] or ["-q", "-n", str(os.cpu_count() or 1)])], environment)


def refuse(problem: Problem) -> int:
    print(f"run.py: {problem}", file=sys.stderr)
    return 1


def called() -> str:
    """How the person calls the command line, for the program's hints."""
    import shlex

    return f"python3 {shlex.quote(sys.argv[0])} --"


def start(command: list[str], environment: dict[str, str]) -> int:
    """Become the command; on Windows, where a process cannot, run it and return its exit status."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, environment)
    import subprocess

    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the child got it too, and ends in its own way


# -- what was done before ----------------------------------------------------------------------------------------------


def read_stamp() -> dict:
    try:
        with open(STAMP, encoding="utf-8") as stream:
            stamp = json.load(stream)
        return stamp if isinstance(stamp, dict) else {}
    except (OSError, ValueError):
        return {}


def write_stamp(stamp: dict) -> None:
    temporary = f"{STAMP}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(stamp, stream, indent=1)
    os.replace(temporary, STAMP)


def is_current(stamp: dict, lock: str, needs: list[str]) -> bool:
    return (
        installed(stamp, lock)
        and stamp.get("python") == os.path.realpath(PYTHON)
        and os.path.exists(PYTHON)
        and (not sys.platform.startswith("linux") or set(needs) <= set(stamp.get("libraries", [])))
    )


def installed(stamp: dict, lock: str) -> bool:
    """Whether the packages of a lock are there; the development lock holds all of the program's."""
    packages = stamp.get("packages", {})
    holders = ("program", "development") if lock == "program" else (lock,)
    return any(packages.get(name) == read_lock(name) for name in holders)


def read_lock(name: str) -> str:
    """The lock's fingerprint."""
    import hashlib

    with open(os.path.join(ROOT, LOCKS[name]), "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


# -- setting up --------------------------------------------------------------------------------------------------------


class Problem(Exception):
    """What stands in the way, in words."""


def set_up(stamp: dict, lock: str, needs: list[str]) -> None:
    if sys.version_info < OLDEST:
        version = ".".join(map(str, sys.version_info[:2]))
        raise Problem(f"Descent Lab needs Python 3.11 or newer; this is Python {version} ({sys.executable}).")
    with Turn():
        # Another start may have finished the work while this one waited.
        stamp = read_stamp() or stamp
        if not is_current(stamp, lock, needs):
            check_system(stamp, lock, needs)
            if not venv_works(stamp):
                stamp["packages"] = {}
                make_venv()
            stamp["python"] = os.path.realpath(PYTHON)
            if not installed(stamp, lock):
                install(lock)
                stamp.setdefault("packages", {})[lock] = read_lock(lock)
            write_stamp(stamp)


class Turn:
    """Two starts at once take turns."""

    def __enter__(self) -> None:
        self.file = None
        if os.name != "nt":
            import fcntl

            try:
                self.file = open(os.path.join(ROOT, ".venv.lock"), "w")
            except OSError as error:
                raise Problem(f"cannot write to the folder {ROOT}: {error.strerror}.") from None
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()


def check_system(stamp: dict, lock: str, needs: list[str]) -> None:
    """Find what the system lacks, and install it (root on Debian) or say how."""
    wanted = set(needs) | set(stamp.get("libraries", []))
    packages = [package for group in sorted(wanted) for package in missing_libraries(group)]
    if not venv_works(stamp) and not find_uv() and not has_venv():
        packages.append(
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" if is_system_python() else "python3-venv"
        )
    if packages:
        apt_install(packages)
        still = [package for group in sorted(wanted) for package in missing_libraries(group)]
        if still:
            raise Problem(f"these libraries are still missing: {' '.join(still)}.")
    stamp["libraries"] = sorted(wanted)


def missing_libraries(group: str) -> list[str]:
    """The Debian packages of the group's libraries that this machine lacks."""
    if not sys.platform.startswith("linux"):
        return []
    import ctypes

    missing = []
    for library, package in LIBRARIES[group].items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    return missing


def has_venv() -> bool:
    from importlib.util import find_spec

    # Debian splits ensurepip off into the package python3-venv.
    return find_spec("venv") is not None and find_spec("ensurepip") is not None


def is_system_python() -> bool:
    return os.path.realpath(sys.executable).startswith("/usr/bin/")


def apt_install(packages: list[str]) -> None:
    import shutil
    import subprocess

    line = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    apt = shutil.which("apt-get")
    if apt is None or not os.path.exists("/etc/debian_version"):
        raise Problem(
            f"this system lacks libraries that Descent Lab needs. On Debian and Ubuntu they are in the packages\n"
            f"    {' '.join(packages)}\nInstall what your system calls them, then start again."
        )
    if os.geteuid() != 0:
        raise Problem(f"some system packages are missing. Install them, then start again:\n    sudo {line}")
    say(f"Installing system packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [apt, *line.split()[1:], "-q"]
    # The package lists of a fresh machine are empty or old.
    if subprocess.call([apt, "update", "-q"], env=environment, stdout=sys.stderr) != 0:
        say("The package lists could not be brought up to date; trying with those that are there.")
    if subprocess.call(command, env=environment, stdout=sys.stderr) != 0:
        raise Problem(f"the system packages could not be installed (see above). By hand:\n    {line}")


def venv_works(stamp: dict) -> bool:
    """Whether `.venv` holds a Python that starts, is new enough, and is the one that the packages were made for."""
    import subprocess

    if not os.path.exists(PYTHON) or stamp.get("python", os.path.realpath(PYTHON)) != os.path.realpath(PYTHON):
        return False
    code = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    try:
        return subprocess.call([PYTHON, "-c", code], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def make_venv() -> None:
    import shutil
    import subprocess

    if os.path.lexists(VENV):
        if not os.path.exists(os.path.join(VENV, "pyvenv.cfg")) and os.path.isdir(VENV) and os.listdir(VENV):
            raise Problem(f"the folder {VENV} is not a Python environment. Move it away, then start again.")
        shutil.rmtree(VENV, ignore_errors=True)
    say("Setting up Descent Lab. This happens once, takes a minute or two and fetches about 200 MB.")
    uv = find_uv()
    command = (
        [uv, "venv", "--quiet", "--seed", "--python", sys.executable, VENV]
        if uv
        else [sys.executable, "-m", "venv", VENV]
    )
    if subprocess.call(command, stdout=sys.stderr) != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise Problem(f"the Python environment {VENV} could not be made (see above).")


def install(lock: str) -> None:
    import subprocess

    say(f"Installing the packages of {LOCKS[lock]} ...")
    file = os.path.join(ROOT, LOCKS[lock])
    uv = find_uv()
    commands = [[uv, "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", file]] if uv else []
    if not uv or subprocess.call([PYTHON, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
        commands.append([PYTHON, "-m", "pip", "install", *quiet, "--require-hashes", "-r", file])
    for command in commands:
        if subprocess.call(command, stdout=sys.stderr) == 0:
            return
    raise Problem("the packages could not be installed (see above). Is there a network? Start again to go on.")


# -- tests on a GPU ----------------------------------------------------------------------------------------------------


def asks_for_gpu(arguments: list[str]) -> bool:
    """Whether pytest is asked for the tests marked `gpu`: `-m gpu`, `-mgpu`, `--require gpu`."""
    import re

    for place, word in enumerate(arguments):
        named = word.startswith(("-m", "--require=")) or (place > 0 and arguments[place - 1] in ("-m", "--require"))
        value = re.sub(r"^(-m|--require=)|\bnot\s+gpu\b", "", word)
        if named and re.search(r"\bgpu\b", value):
            return True
    return False


def add_gpu() -> None:
    """Install CuPy and CUDA's libraries where there is a driver that they work with; else say what is missing."""
    version = driver_cuda()
    if version is None:
        say("No NVIDIA driver was found (does nvidia-smi work?), so that no test can run on a GPU.")
    elif version[0] < CUDA:
        # CuPy for an older CUDA may have been installed by hand: then all is well.
        say(
            f"The NVIDIA driver is for CUDA {version[0]}.{version[1]}; {LOCKS['gpu']} needs one for CUDA {CUDA}. "
            f'Update it, or run {PYTHON} -m pip install "cupy-cuda{version[0]}x[ctk]>=14".'
        )
    else:
        stamp = read_stamp()
        if not installed(stamp, "gpu"):
            say("CuPy and CUDA's libraries are fetched once; they are large.")
            set_up(stamp, "gpu", [])


def driver_cuda() -> tuple[int, int] | None:
    """The version of CUDA that the NVIDIA driver is for; None where there is no driver."""
    import ctypes

    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        number = ctypes.c_int()
        status = driver.cuDriverGetVersion(ctypes.byref(number))
    except (OSError, AttributeError):
        return None
    return (number.value // 1000, number.value % 1000 // 10) if status == 0 else None


def find_uv() -> str | None:
    import shutil

    return shutil.which("uv")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
