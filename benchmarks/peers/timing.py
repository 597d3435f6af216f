"""What every peer in Python shares: timing by the rule of `monotile bench`, and the row that is printed for a case."""

import json
import statistics
import time

BUDGET = 0.4  # seconds that one case may take after its first call
SHORTEST = 2e-3  # the shortest timing; shorter calls are timed many at once
PATIENCE = 4.0  # a first call longer than this is the measurement


def seconds(call):
    """The median seconds of a call, after one to warm up."""

    def mean(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    first = mean(1)
    if first > PATIENCE:
        return first
    once = max(mean(1), 1e-9)
    if once > BUDGET:
        return once
    calls = max(1, int(SHORTEST / once))
    runs = min(max(int(BUDGET / (once * calls)), 3), 9)
    return statistics.median(mean(calls) for _ in range(runs))


def show(case, peer, measure, call):
    """Measures a call and prints the case; a case that the peer refuses prints its error instead."""
    try:
        row = measure(call)
    except Exception as error:
        row = dict(error=(f"{type(error).__name__}: {error}".splitlines() or [""])[0][:200])
    print(json.dumps(dict(case=case, peer=peer, **row)), flush=True)


def timed(case, peer, call):
    show(case, peer, lambda call: dict(ms=1e3 * seconds(call)), call)


def held(case, peer, call):
    """Prints the bytes that a call holds at its peak beyond what the process held when it began."""

    def measure(call):
        # "5" makes the kernel forget the peak so far (man 5 proc).
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = status("VmRSS:")
        call()
        return dict(extra=max(status("VmHWM:") - before, 0))

    show(case, peer, measure, call)


def status(field):
    """A field of /proc/self/status, which counts in KiB, in bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))
