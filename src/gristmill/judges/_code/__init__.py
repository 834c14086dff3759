"""What runs inside the sandboxes of the judge `code`: the tests in one, the answer in another.

The answer's process serves calls and sees arguments; the tests' process makes them, compares what
comes back, and is the only one whose count is read. Between them pass plain values in JSON,
nothing that has behaviour: an answer cannot end, patch, read or pretend to be its tests.

    judge ──files──> tester: tests, answer's code
                       │  socket: {"op": "call", ...} / {"v": ...} or {"e": ...}
                     worker: the answer
    judge <─stdout── tester: how many passed

These files use the standard library alone and are executed where gristmill is not installed.
"""
