"""Every test here runs as root of new namespaces, where files may belong to anybody."""

import pytest


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    in_worker = pyfuncitem._request.getfixturevalue("in_worker")
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    in_worker(lambda: pyfuncitem.obj(**arguments))
    return True
