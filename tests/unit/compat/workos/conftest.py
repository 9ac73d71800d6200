import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request


@pytest.fixture
def request_stub() -> web.Request:
    return make_mocked_request("GET", "/")
