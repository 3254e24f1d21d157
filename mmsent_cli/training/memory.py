"""Reduce a batch that does not fit into the memory of a GPU."""

from mmsent_cli.config import ResolvedFit
from mmsent_cli.errors import MmsentError, counted


def halved(fit: ResolvedFit) -> tuple[int, int]:
    """Return half of the batch size, and a larger number of accumulation steps to compensate for it."""
    half = -(-fit.batch_size // 2)
    return half, -(-fit.batch_size * fit.accumulation_steps // half)


def out_of_memory(fit: ResolvedFit) -> MmsentError:
    """Make the error for a batch that does not fit. It suggests half the batch size and more accumulation steps."""
    message = f"out of GPU memory with a batch of {counted(fit.batch_size, 'pair')}"
    if fit.batch_size == 1:
        return MmsentError(message, "freeze more layers, use smaller images, or use --device cpu")
    batch_size, steps = halved(fit)
    return MmsentError(
        message,
        f"try --batch-size {batch_size} --accumulation-steps {steps} (--auto-batch finds both), or freeze more layers",
    )
