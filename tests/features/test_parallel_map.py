"""Several batches at a time: in order, no further ahead than allowed, and failures come through."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmsent_cli.features.parallel_map import counted, in_order
from mmsent_cli.progress import Stage

every_number_of_streams = pytest.mark.parametrize("streams", [1, 2, 5])


@every_number_of_streams
@pytest.mark.parametrize("items", [0, 1, 3, 40])
def test_answers_come_in_the_order_of_the_items(streams, items):
    def late_if_even(number):
        if number % 2 == 0:
            threading.Event().wait(0.002)
        return number * number

    assert list(in_order(late_if_even, range(items), streams)) == [number * number for number in range(items)]


@every_number_of_streams
def test_items_are_taken_no_further_ahead_than_the_threads_need(streams):
    taken = []
    answers = in_order(lambda number: number, (taken.append(number) or number for number in range(100)), streams)
    for _ in range(3):
        next(answers)
    assert len(taken) <= 3 + 2 * streams
    answers.close()


@every_number_of_streams
def test_what_a_function_or_an_item_raises_comes_through_after_the_answers_before_it(streams):
    def fail_at_three(number):
        if number == 3:
            raise LookupError("three")
        return number

    def items():
        yield from range(3)
        raise OSError("no more items")

    said = []
    with pytest.raises(LookupError, match="three"):
        for answer in in_order(fail_at_three, range(9), streams):
            said.append(answer)
    assert said == [0, 1, 2]
    with pytest.raises(OSError, match="no more items"):
        list(in_order(fail_at_three, items(), streams))


def test_threads_of_a_given_pool_are_used_and_outlive_the_call():
    with ThreadPoolExecutor(2, thread_name_prefix="given") as pool:
        for _ in range(2):
            names = set(in_order(lambda _: threading.current_thread().name, range(9), 2, pool))
            assert all(name.startswith("given") for name in names)


@pytest.mark.parametrize(("total", "reported"), [(0, []), (3, [3]), (8, [8]), (20, [8, 16, 20])])
def test_progress_is_reported_now_and_then_and_at_the_end(total, reported):
    events = []
    items = list(counted(range(total), total, "a stage", "fit", events.append))
    assert items == list(range(total))
    assert events == [Stage("a stage", done, total, "fit") for done in reported]
