"""The machine's NVIDIA GPUs, or in words why none of them can be used and what to do about it.

    python -m engine.devices    # what `inspect` finds, as JSON

`detected` asks a process of its own: CuPy takes a second to import, a driver may hang, and looking at a device's memory
leaves a context there that holds hundreds of megabytes until its process ends.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from engine.text import bytes_text, shortened

__all__ = [
    "LEAST_CAPABILITY",
    "Devices",
    "Gpu",
    "Trouble",
    "detected",
    "driver_version",
    "host_memory",
    "inspect",
    "install_command",
    "known",
    "missing",
    "processor_name",
    "unfit",
    "version_text",
]

LEAST_CAPABILITY = (7, 5)
"""Compute capability that CUDA 13 and the kernels need at least: that of Turing."""
LEAST_CUPY = 14
LEAST_CUDA = 12
"""Major version of CUDA that CuPy 14 is made for at least."""
LEAST_FREE = 256 << 20
"""Bytes that must be free on a device, its context and kernels aside, to begin with."""
LIMIT = 60.0
"""Seconds after which the search is given up: importing CuPy from a cold disk takes several."""
LIBRARIES = {"nvrtc": "NVRTC, which compiles the GPU's kernels", "cublas": "cuBLAS, NVIDIA's matrix products"}
NO_DEVICE = 100
"""cudaErrorNoDevice."""


class Trouble(Struct, frozen=True):
    """Why something cannot be used, and what to install or do: each a sentence."""

    reason: str
    remedy: str

    @property
    def text(self) -> str:
        """Both, one after the other."""
        return f"{self.reason} {self.remedy}"


class Gpu(Struct, frozen=True, kw_only=True):
    """One device. `total` and `free` are bytes of memory, `capability` its compute capability (major, minor), and
    `trouble` is why it cannot be used; None where it can."""

    index: int
    name: str
    total: int
    free: int
    capability: tuple[int, int]
    trouble: Trouble | None = None

    @property
    def id(self) -> str:
        """What `--device` calls it: "cuda:0"."""
        return f"cuda:{self.index}"


class Devices(Struct, frozen=True, kw_only=True):
    """What was found. `trouble` is why no GPU can be used; else None, and at least one of `gpus` has none itself.
    `driver` and `runtime` are versions of CUDA as 1000 major + 10 minor: the newest that the driver supports, and that
    CuPy was built with; None where there is no driver or no CuPy."""

    gpus: tuple[Gpu, ...] = ()
    trouble: Trouble | None = None
    driver: int | None = None
    runtime: int | None = None
    cupy: str = ""

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """The devices that can be used, in CUDA's order."""
        return tuple(gpu for gpu in self.gpus if gpu.trouble is None) if self.trouble is None else ()


def install_command(driver: int | None = None) -> str:
    """The command that installs CuPy and CUDA's libraries for a driver's version of CUDA."""
    cuda = 12 if driver is not None and LEAST_CUDA <= driver // 1000 < 13 else 13
    return f'{_python()} -m pip install "cupy-cuda{cuda}x[ctk]>={LEAST_CUPY}"'


def version_text(version: int) -> str:
    """A version of CUDA for people: "13.0" for 13000."""
    return f"{version // 1000}.{version % 1000 // 10}"


def driver_version() -> int | None:
    """The newest version of CUDA that the NVIDIA driver supports; None where no driver is installed."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        version = ctypes.c_int()
        status = library.cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    return version.value if status == 0 else None


def processor_name() -> str:
    """The processor's name as its maker gives it, or the architecture where the system does not say."""
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                name, _, value = line.partition(":")
                if name.strip() == "model name" and value.strip():
                    return " ".join(value.split())
        except OSError:
            pass
    return platform.processor() or platform.machine() or "Processor"


def host_memory() -> tuple[int, int]:
    """Bytes of the machine's memory, and those that a program can have now; 0 where the system does not say."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0, 0
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found = {name: value for name, _, value in (line.partition(":") for line in lines)}
        return total, int(found["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError, IndexError):
        return total, 0


def missing() -> Trouble | None:
    """What this machine or this Python lacks to use any GPU, or None. Imports CuPy where driver and CuPy are there;
    touches no device."""
    driver = driver_version()
    trouble = _driver_trouble(driver)
    if trouble is not None:
        return trouble
    assert driver is not None
    if importlib.util.find_spec("cupy") is None:
        reason = f"CuPy is not installed for Python {platform.python_version()}."
        return Trouble(reason, f"Run {install_command(driver)}")
    try:
        cupy = import_cupy()
    except Exception as error:  # a broken installation: of CUDA's libraries, of another NumPy, ...
        reason = f"CuPy is installed but cannot be loaded: {_last_words(error)}"
        return Trouble(reason, f"Run {install_command(driver)} --force-reinstall")
    return _cupy_trouble(cupy, driver) or _count_trouble(cupy, driver) or _library_trouble(driver)


def unfit(name: str, capability: tuple[int, int]) -> Trouble | None:
    """Why a device is too old, or None."""
    if capability >= LEAST_CAPABILITY:
        return None
    have, need = (".".join(map(str, version)) for version in (capability, LEAST_CAPABILITY))
    return Trouble(
        f"{name} has compute capability {have}, and the kernels need {need}.",
        "A GPU from the GeForce GTX 16 or RTX 20 series on, or a T4 or later, is needed.",
    )


def inspect() -> Devices:
    """Look at every device, in this process, which holds some of each one's memory from then on."""
    trouble, driver = missing(), driver_version()
    cupy = sys.modules.get("cupy")
    if cupy is None or trouble is not None:
        return Devices(trouble=trouble, driver=driver, cupy=getattr(cupy, "__version__", ""))
    runtime = cupy.cuda.runtime
    gpus = tuple(_look(cupy, index) for index in range(runtime.getDeviceCount()))
    if all(gpu.trouble is not None for gpu in gpus):
        trouble = gpus[0].trouble
    version = runtime.runtimeGetVersion()
    return Devices(gpus=gpus, trouble=trouble, driver=driver, runtime=version, cupy=cupy.__version__)


def import_cupy() -> Any:
    """CuPy, without what it warns of while it is imported: every warning that matters is an error later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import cupy
    return cupy


# -- in a process of its own -------------------------------------------------------------------------------------------

_lock = threading.Lock()
_found: Devices | None = None


def known() -> Devices | None:
    """What `detected` has found in this process, or None before it was asked. Never waits."""
    return _found


def detected(*, anew: bool = False, limit: float = LIMIT) -> Devices:
    """What a process of its own finds, once for the life of this one unless asked `anew`. Takes seconds."""
    global _found
    with _lock:
        if _found is None or anew:
            _found = _ask(limit)
        return _found


def _ask(limit: float) -> Devices:
    driver = driver_version()
    trouble = _driver_trouble(driver)
    if trouble is not None:  # known at once, as on most machines without a GPU
        return Devices(trouble=trouble, driver=driver)
    root = str(Path(__file__).resolve().parent.parent)
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW
    try:
        done = subprocess.run(
            [sys.executable, "-m", "engine.devices"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit,
            env={**os.environ, "PYTHONPATH": paths},
            cwd=root,  # a folder “engine” where the program was started is another one
            creationflags=flags,
        )
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=Devices)
    except subprocess.TimeoutExpired:
        reason = f"The driver did not say within {limit:.0f} seconds which GPUs there are."
    except OSError as error:
        reason = f"The search for GPUs could not begin: {error.strerror or error}."
    except (msgspec.DecodeError, IndexError):
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = f"The search for GPUs failed: {shortened(said[-1], 200) if said else f'status {done.returncode}'}"
    return Devices(
        trouble=Trouble(reason, "Look whether nvidia-smi lists the GPU; if it hangs, start the machine anew."),
        driver=driver,
    )


# -- what may be wrong -------------------------------------------------------------------------------------------------


def _driver_trouble(driver: int | None) -> Trouble | None:
    if sys.platform == "darwin":
        return Trouble("macOS has no drivers for NVIDIA GPUs.", "Runs compute on the processor.")
    if driver is None:
        return Trouble(
            "There is no NVIDIA driver on this machine.",
            "With an NVIDIA GPU, install its driver from nvidia.com/drivers; without one, runs compute on the "
            "processor.",
        )
    if driver < 1000 * LEAST_CUDA:
        return Trouble(
            f"The NVIDIA driver is too old: it supports CUDA {version_text(driver)}, and CUDA {LEAST_CUDA} is needed.",
            "Install a newer driver from nvidia.com/drivers.",
        )
    return None


def _cupy_trouble(cupy: Any, driver: int) -> Trouble | None:
    version = str(cupy.__version__)
    if int(version.partition(".")[0]) < LEAST_CUPY:
        return Trouble(f"CuPy {version} is too old.", f"Run {install_command(driver)} --upgrade")
    runtime = cupy.cuda.runtime
    if runtime.is_hip:
        return Trouble(
            "This CuPy is made for GPUs of AMD, which cannot be used.",
            f"For one of NVIDIA, uninstall it and run {install_command(driver)}",
        )
    built = runtime.runtimeGetVersion() // 1000
    if driver // 1000 < built:
        return Trouble(
            f"CuPy is made for CUDA {built}, but the NVIDIA driver supports CUDA {version_text(driver)}.",
            f"Install a newer driver from nvidia.com/drivers, or run {_python()} -m pip uninstall cupy-cuda{built}x, "
            f"then {install_command(driver)}",
        )
    return None


def _count_trouble(cupy: Any, driver: int) -> Trouble | None:
    """Why the driver has no device to give."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        if cupy.cuda.runtime.getDeviceCount() > 0:
            return None
    except Exception as error:
        if getattr(error, "status", None) != NO_DEVICE:
            return Trouble(
                f"The NVIDIA driver refuses: {_last_words(error)}",
                "Look whether nvidia-smi lists the GPU. After an update of the driver, start the machine anew.",
            )
    if hidden is not None:
        return Trouble(
            f"The environment variable CUDA_VISIBLE_DEVICES is “{shortened(hidden)}”, which hides every GPU.",
            "Take it away, or let it name a GPU that nvidia-smi lists.",
        )
    return Trouble(
        "The NVIDIA driver is there, but finds no GPU.",
        "Look whether nvidia-smi lists one, and start the machine anew. In a container, let it have the GPU.",
    )


def _library_trouble(driver: int) -> Trouble | None:
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:  # CuPy finds its libraries in another way here
        return None
    for name, what in LIBRARIES.items():
        try:
            load_nvidia_dynamic_lib(name)
        except Exception:  # not there, of another system, without what it needs itself
            return Trouble(f"{what}, cannot be found.", f"Run {install_command(driver)}, which brings it.")
    return None


def _look(cupy: Any, index: int) -> Gpu:
    """One device and its memory."""
    runtime = cupy.cuda.runtime
    try:
        found = runtime.getDeviceProperties(index)
        name, capability = found["name"].decode(), (int(found["major"]), int(found["minor"]))
        total = int(found["totalGlobalMem"])
    except Exception as error:
        refused = Trouble(f"The device refuses: {_last_words(error)}", "Look what nvidia-smi says of it.")
        return Gpu(index=index, name=f"GPU {index}", total=0, free=0, capability=(0, 0), trouble=refused)
    free = 0
    trouble = unfit(name, capability)
    if trouble is None:
        try:
            with cupy.cuda.Device(index):
                free = int(runtime.memGetInfo()[0])
        except Exception as error:
            reason = f"{name} does not take another program: {_last_words(error)}"
            trouble = Trouble(reason, "Look in nvidia-smi which programs use it, and end what is not needed.")
        else:
            if free < LEAST_FREE:
                reason = f"{name} has {bytes_text(free)} of {bytes_text(total)} memory left."
                trouble = Trouble(reason, "Look in nvidia-smi which programs use it, and end what is not needed.")
    return Gpu(index=index, name=name, total=total, free=free, capability=capability, trouble=trouble)


def _python() -> str:
    return f'"{sys.executable}"' if " " in sys.executable else sys.executable


def _last_words(error: Exception) -> str:
    """What an error says, as one sentence: of CuPy's own frames around an error of import the original one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" =")]
    if "Original error:" in lines[:-1]:
        lines = lines[lines.index("Original error:") + 1 :]
    text = shortened(lines[0] if lines else type(error).__name__, 200)
    return text if text.endswith((".", "…")) else f"{text}."


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(inspect()) + b"\n")
