"""`SentimentClassifier` keeps scikit-learn's promises, and is the same model as `mmsent train`."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from mmsent_cli import SentimentClassifier, load, read_pairs, train
from mmsent_cli.errors import ConfigError, DataError
from tests.data.builders import image_bytes

pytestmark = pytest.mark.shared_cache
SMALL = {"encoders": "light", "image_size_px": 32, "batch_size": 8, "epochs": 2, "encoder_lr": 3e-3}
WORDS = {"negative": "bad", "neutral": "table", "positive": "good"}


@pytest.fixture(scope="module")
def frame():
    """36 pairs whose text tells the label."""
    tags = [tag for _ in range(12) for tag in WORDS]
    texts = [f"{WORDS[tag]} {WORDS[tag]} day{number}" for number, tag in enumerate(tags)]
    images = [image_bytes(number) for number in range(len(tags))]
    return pd.DataFrame({"text": texts, "image": images, "tag": tags})


@pytest.fixture(scope="module")
def X(frame):
    return frame[["text", "image"]]


@pytest.fixture(scope="module")
def fitted(frame, X):
    return SentimentClassifier(**SMALL).fit(X, frame["tag"])


APPLYING = {
    "check_decision_proba_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
}
"""Checks of scikit-learn that need no input, or none that is read."""
WITHOUT_SUBJECT = {
    "check_classifiers_one_label_sample_weights": "`fit` takes no sample weights",
    "check_estimators_partial_fit_n_features": "there is no `partial_fit`",
}
"""Checks that return at once here."""
NOT_APPLYING = {
    "passes an array of numbers, and X is texts with images": (
        "check_fit_score_takes_y",
        "check_estimators_overwrite_params",
        "check_dont_overwrite_parameters",
        "check_estimators_fit_returns_self",
        "check_readonly_memmap_input",
        "check_n_features_in_after_fitting",
        "check_positive_only_tag_during_fit",
        "check_estimators_dtypes",
        "check_complex_data",
        "check_dtype_object",
        "check_estimators_empty_data_messages",
        "check_pipeline_consistency",
        "check_estimators_pickle",
        "check_f_contiguous_array_estimator",
        "check_classifier_data_not_an_array",
        "check_classifiers_one_label",
        "check_classifiers_classes",
        "check_classifiers_train",
        "check_classifiers_regression_target",
        "check_supervised_y_no_nan",
        "check_supervised_y_2d",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
        "check_fit2d_1sample",
        "check_fit2d_1feature",
        "check_dict_unchanged",
        "check_fit_idempotent",
        "check_fit_check_is_fitted",
        "check_n_features_in",
        "check_fit1d",
        "check_fit2d_predict1d",
        "check_requires_y_none",
        "check_array_api_input",
    ),
    "passes a sparse matrix, and X is texts with images": (
        "check_estimator_sparse_tag",
        "check_estimator_sparse_array",
        "check_estimator_sparse_matrix",
    ),
}
"""Checks that do not apply, by reason. What they mean is tested below on pairs where it has a meaning for pairs."""


class Tabular(SentimentClassifier):
    """Says that it takes tables of numbers, so that scikit-learn names every check."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


def test_each_check_of_scikit_learn_passes_or_is_named_with_the_reason():
    checks = [(check.func.__name__, check, estimator) for estimator, check in estimator_checks_generator(Tabular())]
    named = APPLYING | set(WITHOUT_SUBJECT) | {name for names in NOT_APPLYING.values() for name in names}
    assert {name for name, *_ in checks} == named
    for name, check, estimator in checks:
        if name in APPLYING:
            check(estimator)


def test_fitting_again_gives_the_same_model_and_leaves_parameters_alone(frame, fitted, X):
    again = clone(fitted)
    before = again.get_params()
    assert again.fit(X, frame["tag"]) is again
    assert again.get_params() == before
    assert again.checkpoint_ != b""
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_numbers_are_refused_in_the_words_of_this_program():
    with pytest.raises(DataError, match="ndarray"):
        SentimentClassifier().fit(np.zeros((4, 2)), [0, 1, 0, 1])


def test_probabilities_are_those_of_the_checkpoint_that_train_writes(frame, fitted, X, tmp_path):
    run = train(frame, runs_dir=tmp_path, **SMALL)
    table = load(run).predict(X)
    shares = table[[f"probability_{label}" for label in fitted.classes_]].to_numpy()
    np.testing.assert_array_equal(fitted.predict_proba(X), shares)


def test_it_predicts_labels_in_the_order_of_the_rows(frame, fitted, X):
    shares = fitted.predict_proba(X)
    assert shares.shape == (36, 3)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert list(fitted.predict(X)) == list(fitted.classes_[shares.argmax(axis=1)])
    order = np.random.default_rng(0).permutation(36)
    np.testing.assert_allclose(fitted.predict_proba(X.iloc[order]), shares[order], atol=1e-6)
    assert fitted.score(X, frame["tag"]) == np.mean(fitted.predict(X) == frame["tag"])


@pytest.mark.parametrize("labels", [[3, 7], [False, True], ["b", "a"]], ids=str)
def test_labels_come_back_as_they_were_given(X, labels):
    y = np.array(labels * 18)
    classifier = SentimentClassifier(**SMALL, seed=1).fit(X, y)
    assert classifier.classes_.tolist() == sorted(labels)
    assert classifier.predict(X).dtype == y.dtype


def test_it_is_cloned_searched_and_cross_validated(frame, X):
    classifier = SentimentClassifier(**(SMALL | {"epochs": 1}))
    assert clone(classifier).get_params() == classifier.get_params()
    folds = StratifiedKFold(2)
    assert len(cross_val_score(classifier, X, frame["tag"], cv=folds)) == 2
    search = GridSearchCV(classifier, {"fusion": ["concat", "gmu"]}, cv=folds, refit=False).fit(X, frame["tag"])
    assert [entry["fusion"] for entry in search.cv_results_["params"]] == ["concat", "gmu"]


def test_it_survives_pickle_and_a_file(fitted, X, tmp_path):
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), expected)
    path = fitted.save(tmp_path / "model.pt")
    again = SentimentClassifier.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    assert again.classes_.tolist() == fitted.classes_.tolist()
    assert load(path).predict(X)["label"].tolist() == fitted.predict(X).tolist()


def test_pairs_are_an_input_too(frame, fitted, X):
    pairs = read_pairs(frame, labelled=True)
    np.testing.assert_allclose(fitted.predict_proba(pairs), fitted.predict_proba(X), atol=1e-6)


def test_folds_make_an_ensemble(frame, X):
    frozen = {"encoders": "compact", "freeze_text": "all", "freeze_image": "all", "engine": "torch"}
    settings = SMALL | frozen | {"epochs": 1}
    settings.pop("encoder_lr")
    classifier = SentimentClassifier(**settings, folds=2, probes=("lexicon",)).fit(X, frame["tag"])
    assert [member.name for member in classifier.result_.members][1:] == ["lexicon"]
    assert classifier.predict_proba(X).shape == (36, 3)


def test_probabilities_without_some_pairs_are_refused(fitted, X):
    broken = X.copy()
    broken.at[broken.index[1], "image"] = b"no image"
    some = clone(fitted).set_params(on_bad="drop")
    some.__dict__ |= {name: value for name, value in vars(fitted).items() if name.endswith("_")}
    with pytest.raises(DataError, match=f"1 of {len(X)} pairs cannot be predicted"):
        some.predict_proba(broken)


def test_what_does_not_fit_is_refused(frame, X):
    with pytest.raises(NotFittedError):
        SentimentClassifier().predict(X)
    with pytest.raises(DataError, match="shape"):
        SentimentClassifier().fit(X, frame["tag"][:5])
    with pytest.raises(DataError, match="only one class"):
        SentimentClassifier().fit(X, ["a"] * len(X))
    with pytest.raises(DataError, match="empty"):
        SentimentClassifier().fit(X[:0], [])
    with pytest.raises(TypeError, match="colour"):
        SentimentClassifier(colour=1)
    with pytest.raises(ConfigError, match="epochs"):
        SentimentClassifier(epochs=0).fit(X, frame["tag"])
    with pytest.raises(ConfigError, match="--jobs 2"):
        SentimentClassifier(jobs=2).fit(X, frame["tag"])
