"""Routes of the web frameworks in use, found without importing or patching them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from spanguard.vocabulary import registered
from spanguard.vocabulary.routes import is_route


@pytest.fixture(autouse=True)
def _anew() -> Iterator[None]:
    registered._scan.forget()
    yield
    registered._scan.forget()


def test_starlettes_routes_are_known() -> None:
    """Those of mounted applications too, with the prefix they are mounted under."""
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route

    def answer(request: object) -> None: ...

    inner = Starlette(routes=[Route("/quux/{corge}", answer)])
    app = Starlette(routes=[Route("/grault/{garply}", answer), Mount("/waldo", app=inner)])
    assert app.routes
    assert is_route("/grault/{garply}")
    assert is_route("/waldo/quux/{corge}")
    assert not is_route("/grault/alice")


def test_fastapis_routes_are_known() -> None:
    """Those of included routers too."""
    fastapi = pytest.importorskip("fastapi")
    app, router = fastapi.FastAPI(), fastapi.APIRouter(prefix="/plugh")
    router.get("/xyzzy/{thud}")(lambda thud: thud)
    app.include_router(router, prefix="/fred")
    assert is_route("/fred/plugh/xyzzy/{thud}")


def test_flasks_routes_are_known() -> None:
    """Rules of Werkzeug's maps."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")
    app.add_url_rule("/plugh/<int:thud>", "view", lambda thud: thud)
    assert is_route("/plugh/<int:thud>")


def test_looking_waits_longer_each_time_in_vain() -> None:
    """A route that nobody knows costs a look at all objects, so it is done ever more rarely."""
    import starlette.routing

    assert starlette.routing
    assert registered._scan.due()
    assert not registered._scan.due()


def test_no_framework_is_imported() -> None:
    """In a program without web frameworks nothing is looked for."""
    code = (
        "import sys; from spanguard.vocabulary.routes import is_route; assert not is_route('/nope/alice')\n"
        "assert not {'starlette', 'flask', 'django', 'aiohttp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
