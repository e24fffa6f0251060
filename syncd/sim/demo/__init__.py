"""`syncd demo`: simulated shops, live traffic, faults, and a verdict drawn from the shops' own books.

`main` runs a daemon as a child process and asks it everything over its control socket, as any user would. Nothing
here is used by the daemon. Start with `run`.
"""

from syncd.sim.demo.options import FAULT_LEVELS, FaultLevel, Options

__all__ = ["FAULT_LEVELS", "FaultLevel", "Options", "main"]


def main(options: Options) -> int:
    """Run the demo; 0 when every check of the verdict holds, 1 when one does not, 75 when no daemon would start."""
    from syncd.sim.demo.run import main as run  # heavy to import, and only needed here

    return run(options)
