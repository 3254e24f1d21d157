"""What is recorded of the machine and the installed packages."""

import importlib.metadata
import json
import os

from mmsent_cli.environment import PACKAGES, environment


def test_the_environment_names_versions_and_machine():
    values = environment("cpu", "fp32", "torch")
    assert set(values["packages"]) == set(PACKAGES)
    assert (values["device"], values["precision"], values["engine"]) == ("cpu", "fp32", "torch")
    assert values["cpu_count"] == os.cpu_count()
    assert values["packages"]["torch"] == importlib.metadata.version("torch")


def test_an_extra_that_is_not_installed_is_told_as_such(monkeypatch):
    monkeypatch.setattr("mmsent_cli.environment.PACKAGES", ("torch", "no-such-package"))
    assert environment("cpu", "fp32", "torch")["packages"]["no-such-package"] is None


def test_the_environment_is_plain_values():
    json.dumps(environment("cpu", "fp32", "torch"))
