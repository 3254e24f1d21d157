"""Tables and words of a tuning hold its values, a phase a table; the best is not called better than was shown."""

from dataclasses import replace

from mmsent_cli.reports.tuning import findings_text, headline, trial_colors, trial_labels, tune_grids
from tests.reports.experiments import trial, tune_result


def tpe_result(count=30):
    trials = tuple(
        trial(
            number,
            "tpe",
            {"encoder_lr": 1e-5 * (number + 1), "weight_decay": 1e-4 * (number + 1), "fusion": "[b]gmu[/b]"},
            0.7 + 0.001 * number,
            "pruned" if number % 4 == 1 else "complete",
        )
        for number in range(count)
    )
    return tune_result(strategy="tpe", trials=trials, best=28, runner_up=27)


def test_each_phase_has_a_table_with_what_varies_in_its_rows_and_the_rest_in_its_title():
    rates, decays = tune_grids(tune_result())
    assert rates.title == "Learning rates, weight_decay 0.0001"
    assert decays.title == "Weight decays at the best learning rate, encoder_lr 5e-05"
    first = tune_result().trials[0]
    losses = (f"{first.train_loss:.3f}", f"{first.val_loss:.3f}")
    assert rates.rows[0] == ("1", "encoder_lr 1e-05", "72.8", "69.5 to 75.5", "0.608", "1", *losses)
    assert [row[0] for row in decays.rows] == ["5", "6 best", "7", "-"]
    assert decays.rows[-1][2:5] == ("57.7", "-", "0.244")


def test_pruned_trials_are_marked_and_counted():
    (grid,) = tune_grids(tpe_result())
    assert [row[0] for row in grid.rows if "(pruned)" in row[1]] == [str(n + 1) for n in range(30) if n % 4 == 1]
    assert any("8 trials stopped early" in text for text in findings_text(tpe_result()))


def test_the_answer_compares_the_best_with_the_runner_up_and_says_twice_optimistic():
    assert headline(tune_result()) == "Best of 7 trials: encoder_lr 5e-05, weight_decay 0.0003, 75.4 % *"
    text = " ".join(findings_text(tune_result()))
    assert "best minus runner-up (trial 5: encoder_lr 5e-05, weight_decay 0.0001): +0.2 points (2 of 800 pairs)" in text
    assert "95 % interval -1.1 to +1.6, p 0.720: not distinguishable" in text
    assert "A true difference of 1.9 points" in text
    assert "from 72.8 % (trial 1) to 75.4 % (trial 6)" in text
    assert "optimistic" in text


def test_a_single_trial_has_nothing_to_be_compared_with():
    alone = tune_result(trials=tune_result().trials[:1], best=0, runner_up=None, difference=None, verdict="")
    text = " ".join(findings_text(alone))
    assert "nothing to compare it with" in text
    assert "runner-up" not in text
    assert tune_grids(alone)[0].rows[0][1] == "encoder_lr 1e-05, weight_decay 0.0001"
    assert headline(alone).startswith("Best of 1 trial:")


def test_bars_are_named_by_what_varies_and_by_number_where_that_is_long_or_they_are_many():
    assert list(trial_labels(tune_result()).values())[:1] == ["encoder_lr 1e-05"]
    assert trial_labels(tpe_result(5))[2] == "encoder_lr 3e-05\nweight_decay 0.0003"
    assert trial_labels(tpe_result())[2] == "trial 3"
    long = tune_result(trials=tuple(trial(n, "grid", {"a_setting_with_a_long_name": n}, 0.7) for n in range(2)), best=0)
    assert trial_labels(long)[1] == "trial 2"


def test_few_trials_have_a_colour_each_and_of_many_the_best_stands_out():
    few, many = trial_colors(tune_result()), trial_colors(tpe_result())
    assert len(set(few.values())) == 7
    assert sum(colour == many[28] for colour in many.values()) == 1


def test_weight_decays_have_the_trial_of_the_best_rate_whose_decay_they_leave_out():
    trials = [one for one in tune_result().trials if one.number != 4]
    decays = tune_grids(tune_result(trials=tuple(trials), runner_up=3))[1]
    assert [row[:2] for row in decays.rows[:3]] == [
        ("4", "weight_decay 0.0001"),
        ("6 best", "weight_decay 0.0003"),
        ("7", "weight_decay 0.0005"),
    ]
    assert "Trial 4 is also in the table above." in decays.foot


def test_ties_are_all_named_and_losses_have_the_digits_that_tell_them_apart():
    losses = (0.4791, 0.47893, 0.47891)
    tied = tuple(
        replace(one, accuracy=0.75, val_loss=loss) for one, loss in zip(tune_result().trials, losses, strict=False)
    )
    low = replace(tune_result().trials[3], accuracy=0.7, val_loss=0.5)
    result = tune_result(trials=(*tied, low), best=2, ties=(0, 1, 2), runner_up=1)
    assert [row[7] for row in tune_grids(result)[0].rows[:4]] == ["0.47910", "0.47893", "0.47891", "0.50000"]
    text = " ".join(findings_text(result))
    assert (
        "Trials 1, 2 and 3 tie at the top. At its best epoch, trial 3 has the lowest validation loss of them, 0.47891."
        in text
    )
    assert "from 70.0 % (trial 4) to 75.0 % (trials 1, 2 and 3)" in text
