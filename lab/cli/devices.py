"""`descent devices`: what runs can be trained on, what stands in a GPU's way, and how fast each device is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from engine.text import after_colon, bytes_text
from lab.cli.common import Parser, device, print_json, print_table, warn

if TYPE_CHECKING:
    from engine.device_benchmark import Measured
    from engine.devices import Devices

__all__ = ["add_devices_arguments", "run_devices"]


def add_devices_arguments(parser: Parser) -> None:
    """[--benchmark] [--device NAME] [--json]"""
    parser.add_argument(
        "--benchmark", action="store_true", help="measure matrix products and memory; takes some seconds a device"
    )
    parser.add_argument(
        "--device",
        metavar="cpu|cuda[:N]",
        type=device,
        help="measure this device instead of all that can be used",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def run_devices(options: argparse.Namespace) -> int:
    """List devices, and measure them. Raises BackendError for a device to be measured that cannot be used."""
    from engine.device_benchmark import benchmark
    from engine.devices import detected

    found = detected()
    measured: list[Measured] = []
    if options.benchmark or options.device:
        names = [options.device] if options.device else ["cpu", *(gpu.id for gpu in found.usable)]
        for name in names:
            if not options.json:
                warn(f"measuring {name} …")
            measured.append(benchmark(name))
    if options.json:
        print_json(_as_json(found, measured), indent=1)
        return 0
    _print_devices(found)
    if measured:
        print()
        _print_measured(measured)
    return 0


def _print_devices(found: Devices) -> None:
    from engine.devices import host_memory, processor_name, version_text

    total, free = (bytes_text(size) if size else "–" for size in host_memory())
    rows = [("DEVICE", "NAME", "MEMORY", "FREE", "COMPUTE CAPABILITY"), ("cpu", processor_name(), total, free, "–")]
    for gpu in found.gpus:
        capability = ".".join(map(str, gpu.capability))
        rows.append((gpu.id, gpu.name, bytes_text(gpu.total), bytes_text(gpu.free), capability))
    print_table(rows, right=(2, 3))
    print()
    if found.driver is not None:
        cupy = f"; CuPy {found.cupy} for CUDA {version_text(found.runtime)}" if found.runtime is not None else ""
        print(f"The NVIDIA driver supports CUDA {version_text(found.driver)}{cupy}.")
    if found.trouble is not None:
        print(f"No GPU can be used: {after_colon(found.trouble.reason)}")
        print(found.trouble.remedy)
        return
    for gpu in found.gpus:
        if gpu.trouble is not None:
            print(f"{gpu.id} cannot be used: {after_colon(gpu.trouble.reason)} {gpu.trouble.remedy}")


def _print_measured(measured: list[Measured]) -> None:
    rows = [("DEVICE", "MATRIX PRODUCTS", "SIZE", "GFLOP/S", "RELATIVE ERROR", "MEMORY GB/S")]
    for item in measured:
        for place, product in enumerate(item.products):
            rows.append(
                (
                    item.device if not place else "",
                    product.math,
                    str(product.size),
                    f"{product.flops / 1e9:,.0f}",
                    f"{product.error:.1e}",
                    f"{item.bandwidth / 1e9:,.0f}" if not place else "",
                )
            )
    print_table(rows, right=(2, 3, 4, 5))


def _as_json(found: Devices, measured: list[Measured]) -> dict[str, Any]:
    import msgspec

    from engine.devices import host_memory, processor_name

    total, free = host_memory()
    plain: dict[str, Any] = msgspec.to_builtins(found)
    plain = {"cpu": {"name": processor_name(), "total": total or None, "free": free or None}, **plain}
    if measured:
        plain["benchmarks"] = [
            {key: value for key, value in msgspec.to_builtins(item).items() if key != "type"} for item in measured
        ]
    return plain
