"""The worker: newest job wins, errors arrive, nothing is left behind."""

import threading

from lab.loader import Loader
from tests.support.patience import WAIT


def test_results_arrive_on_the_windows_thread(qtbot):
    loader = Loader("test-loader")
    got = []
    loader.loaded.connect(lambda result: got.append((result, threading.current_thread())))
    loader.submit(lambda: threading.current_thread())
    qtbot.waitUntil(lambda: bool(got))
    assert got[0][0] is not threading.main_thread() and got[0][1] is threading.main_thread()
    loader.close()


def test_only_the_newest_job_is_delivered(qtbot):
    loader = Loader("test-loader")
    got, gate = [], threading.Event()
    loader.loaded.connect(got.append)
    loader.submit(lambda: gate.wait(WAIT / 1000) and "first")
    loader.submit(lambda: "second")
    loader.submit(lambda: "third")
    gate.set()
    qtbot.waitUntil(lambda: bool(got))
    qtbot.waitUntil(lambda: not loader.busy)
    assert got == ["third"]
    loader.close()


def test_an_error_is_delivered(qtbot):
    loader = Loader("test-loader")
    errors = []
    loader.failed.connect(errors.append)
    loader.submit(lambda: 1 // 0)
    qtbot.waitUntil(lambda: bool(errors))
    assert isinstance(errors[0], ZeroDivisionError)
    loader.close()


def test_what_was_cancelled_or_comes_after_closing_is_dropped(qtbot):
    loader = Loader("test-loader")
    got, begun, gate, done = [], threading.Event(), threading.Event(), threading.Event()
    loader.loaded.connect(got.append)

    def job():
        begun.set()
        gate.wait(WAIT / 1000)
        done.set()
        return "late"

    loader.submit(job)
    assert begun.wait(WAIT / 1000)
    loader.cancel()
    gate.set()
    assert done.wait(WAIT / 1000)
    qtbot.waitUntil(lambda: not loader.busy)
    loader.close()
    loader.submit(lambda: "never")
    assert not loader.busy
    qtbot.wait(20)
    assert got == []
