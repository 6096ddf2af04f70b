"""Finite sets: what passes is known, and nothing that a user wrote passes any of them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType

import pytest

from benign import ERRORS, HOSTS, ROUTES
from sensitive import texts
from spanguard import declare
from spanguard.vocabulary.clouds import is_cloud_region
from spanguard.vocabulary.errors import error_type, is_error_type, is_loaded_error
from spanguard.vocabulary.hosts import host_name, is_known_host
from spanguard.vocabulary.models import is_published
from spanguard.vocabulary.packages import package_name
from spanguard.vocabulary.providers import is_provider
from spanguard.vocabulary.routes import is_route
from spanguard.vocabulary.versions import is_version

PREDICATES: dict[str, Callable[[str], bool]] = {
    "region": is_cloud_region,
    "error": is_error_type,
    "loaded error": is_loaded_error,
    "host": is_known_host,
    "model": is_published,
    "package": lambda text: package_name(text) == text,
    "provider": is_provider,
    "route": is_route,
    "version": is_version,
}


@pytest.mark.parametrize("name", PREDICATES)
@pytest.mark.parametrize("seed", range(3))
def test_no_sensitive_text_passes(name: str, seed: int) -> None:
    """Prompts, names, numbers, addresses, paths, secrets, commands, look-alikes, in every encoding."""
    assert [text for text in texts(seed, 6000) if PREDICATES[name](text)] == []


@pytest.mark.parametrize("name", PREDICATES)
@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\ud800", "x" * 1_000_000, "/" * 1_000_000, "." * 1_000_000, "{" * 300, "(?P<" * 60]
)
def test_a_hostile_text_is_refused(name: str, text: str) -> None:
    """Empty, without end, or no text at all: never an error."""
    assert not PREDICATES[name](text)


# --------------------------------------------------------------------------------------------------------------- errors


class GraultError(Exception):
    """An exception that stands in code."""

    class Inner(Exception):
        """And one within it."""


@pytest.mark.parametrize("text", ERRORS)
def test_errors_of_known_libraries_are_shown(text: str) -> None:
    """Classes, qualified or bare, codes of providers, HTTP status."""
    assert error_type(text) == text
    assert is_error_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "AliceError",
        "AliceNotFoundError",
        "alice_not_found",
        "Error555123",
        "stripe.alice.CardError",
        "openai.AliceError",
        "openai.alice.RateLimitError",
        "399",
        "600",
        "4xx",
        "alice.ValueError",
        "openai.",
    ],
)
def test_other_errors_are_not_shown(text: str) -> None:
    """Neither a class that no library has, nor a known one at a place that none has."""
    assert error_type(text) == "_OTHER"


def test_an_error_class_that_stands_in_code_is_shown() -> None:
    """It is found under its own name in the module that defines it, which is loaded."""
    assert is_loaded_error(f"{__name__}.GraultError")
    assert is_loaded_error(f"{__name__}.GraultError.Inner")
    assert is_loaded_error("ValueError")
    assert not is_error_type(f"{__name__}.GraultError")


def test_an_error_class_that_was_made_at_run_time_is_not_shown() -> None:
    """Nobody finds it under its name, whatever its name says."""
    made = type("patient_smith", (Exception,), {"__module__": __name__})
    assert not is_loaded_error(f"{made.__module__}.{made.__qualname__}")

    class Local(Exception):
        pass

    assert not is_loaded_error(f"{__name__}.{Local.__qualname__}")


def test_an_alias_is_not_the_name_of_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that somebody set in a module must be the class's own."""
    monkeypatch.setattr(sys.modules[__name__], "patient_smith", GraultError, raising=False)
    assert not is_loaded_error(f"{__name__}.patient_smith")


def test_looking_for_an_error_runs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a module's `__getattr__` nor a metaclass is asked, and nothing is imported."""

    class Asked(ModuleType):
        def __getattribute__(self, name: str) -> object:
            raise AssertionError(name)

    monkeypatch.setitem(sys.modules, "asked", Asked("asked"))
    assert not is_loaded_error("asked.AnyError")
    sys.modules.pop("this", None)
    assert not is_loaded_error("this.Error")
    assert "this" not in sys.modules


def test_a_declared_error_is_shown() -> None:
    """`declare` is for classes that are made at run time on purpose."""
    declare("made.up.Error")
    assert error_type("made.up.Error") == "made.up.Error"


# --------------------------------------------------------------------------------------------------------------- routes


@pytest.mark.parametrize("route", ROUTES)
def test_usual_routes_are_shown(route: str) -> None:
    """Words that routes are made of, versions, and placeholders in the writings of five frameworks."""
    assert is_route(route)


@pytest.mark.parametrize(
    "text",
    [
        "/users/alice",
        "/users/42",
        "/etc/passwd",
        "/home",
        "/v1/files/file-abc123",
        "users",
        "/{alice}",
        "/a b",
        "//",
        "/v100",
        "/Park",
        "/orders/XML-8547",
        "/reports/annual-report.pdf",
        "/(alice|bob)",
        "/{id:alice}",
        "/{path:[alice]}",
        "^(?P<alice>\\d+)$",
        "/{id:\\d{4}-\\d{4}-1234}",
        "/:alice",
        "/*alice",
        "/[alice]",
        "/~alice",
        "~/.env",
    ],
)
def test_other_routes_are_not_shown(text: str) -> None:
    """What was put into a placeholder, paths of files, and anything nobody knows."""
    assert not is_route(text)


# ------------------------------------------------------------------------------------------------------ hosts, versions


@pytest.mark.parametrize("host", HOSTS)
def test_known_hosts_are_shown(host: str) -> None:
    """Providers, also in the regions of their clouds, indexes of packages, this machine."""
    assert host_name(host.upper()) == host


@pytest.mark.parametrize(
    "host",
    [
        "acme.openai.azure.com",
        "bedrock-runtime.acme.amazonaws.com",
        "10.0.0.1",
        "api.openai.com.acme.example",
        "acme-aiplatform.googleapis.com",
    ],
)
def test_hosts_whose_names_users_choose_are_pseudonyms(host: str) -> None:
    """A resource of Azure bears a name of its owner's."""
    assert not is_known_host(host)
    assert str(host_name(host)).startswith("h:")


def test_versions_of_what_is_installed_are_shown() -> None:
    """Of distributions, of Python, of protocols; not any text of digits and dots."""
    for text in (version("pytest"), platform.python_version(), "1.1", "1.3"):
        assert is_version(text)
    assert not is_version("127.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "1.45.2",
        "0.66b2",
        "v2.0.0-rc1",
        "1.0.0.dev3",
        "1.2.3.post1",
        "2.4.0+cpu",
        "2.0.0-alpha.1",
        "2026.11.15",
        "1.43.117",
    ],
)
def test_releases_are_shown_whatever_is_installed(text: str) -> None:
    """Few digits between dots, and the stages that packages have."""
    assert is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "3.12.85",
        "85.12.3",
        "24.12.11",
        "12.03.1985",
        "38.5",
        "19.99",
        "2025.10",
        "1.0+alice",
        "2.0.alice",
        "555.123.4567",
        "1.2.3.4",
        "1985.3.12",
    ],
)
def test_what_could_be_a_day_or_an_amount_is_no_version(text: str) -> None:
    """Nor a number of a telephone, an address of the network, or a word behind digits."""
    assert not is_version(text)


@pytest.mark.parametrize(
    "route",
    [
        *(
            "/{awrHubId}/bdsInstances",
            "/servers/<int:sid>/<int:did>",
            "/2015-03-31/functions/{name}",
            "/rest/api/2/issue/{key}",
        ),
        *(
            "/_ml/anomaly_detectors/{job_id}",
            "/v1/favourites/{id}",
            "/path1",
            "/helloworld.Greeter/SayHello",
            "/ajax/readselectedbooks",
        ),
        *("/float/<float(signed=True):offset>", "/run", "/models/refresh", "/volumes/{id}"),
    ],
)
def test_shapes_of_routes_are_told_by_rules(route: str) -> None:
    """Abbreviations beside placeholders, versions in front, spellings, numbers of examples, three words written as one."""
    assert is_route(route)


@pytest.mark.parametrize(
    "text",
    [
        *("HMSConnectionError", "HTTPError429", "ResourceInUse", "QuotaExceeded.DBSecurityGroup", "Deprecated", "_Failed"),
        *("UnmodifiableObject", "mastodon.errors.MastodonAPIError", "authlib.oauth2.rfc6749.errors.InvalidRequestError"),
        *("pygithub_client.errors.RequestError", "EAGAIN", "23505", "1062", "max_output_tokens", "zlib.error", "queue.Empty"),
    ],
)
def test_shapes_of_errors_are_told_by_rules(text: str) -> None:
    """Abbreviations in capitals, statuses, codes of AWS and of databases, what a library is called within itself."""
    assert is_error_type(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "/bobItems/{id}",
            "/bdsInstances",
            "/send-money-to",
            "/coffee-piano-window",
            "./app/invoices",
            "/Users/id_rsa",
            "/acmecorp",
        ),
        *(
            "{grace_id}",
            "/{grace_id}",
            "/test1",
            "BobConnectionError",
            "hms_connection_error",
            "CoffeePianoError",
            "PleaseHelpError",
        ),
        *(
            "dubai.errors.TimeoutError",
            "openai.password1.RateLimitError",
            "openai.P@ss.RateLimitError",
            "openai.s3cr3t.RateLimitError",
            "/Documents/plan",
        ),
    ],
)
def test_each_rule_ends_where_somebody_could_be_meant(text: str) -> None:
    """Names of three letters, phrases of everyday things, sentences, folders of a person's, customers."""
    assert not is_route(text)
    assert not is_error_type(text)
