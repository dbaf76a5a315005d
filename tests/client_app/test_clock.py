"""CPU time that a device tells of its turn."""

import time
from concurrent.futures import ThreadPoolExecutor

from client_app.turn import Clock


def test_only_work_counts_as_cpu_time() -> None:
    clock = Clock()
    began = time.process_time()
    time.sleep(0.05)
    while time.process_time() < began + 0.05:
        pass
    told = clock.cpu()
    assert 0.05 <= told <= time.process_time() - began + 0.01


def test_threads_that_share_a_process_tell_none() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: Clock().cpu()).result() == 0.0
