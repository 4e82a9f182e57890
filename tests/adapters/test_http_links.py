"""S1, S2, S4, F22, F23: a credential goes to the configured address and nowhere else."""

from __future__ import annotations

import pytest
from handrail.adapters.addresses import Base
from handrail.plugin_core.errors import HandrailError, NotTheApi, SettingsError, UnsafeLink
from hypothesis import given
from hypothesis import strategies as st

from .conftest import CANARY
from .script import Answer, Script, bundle, fhir, response

BASE = Base.parse("https://ehr.example/fhir")

GOOD = {
    "https://ehr.example/fhir/QuestionnaireResponse?a=1": "https://ehr.example/fhir/QuestionnaireResponse?a=1",
    "https://ehr.example:443/fhir?_getpages=7": "https://ehr.example/fhir?_getpages=7",
    "/fhir/x": "https://ehr.example/fhir/x",
    "?_getpages=2": "https://ehr.example/fhir?_getpages=2",
    "//ehr.example/fhir/x": "https://ehr.example/fhir/x",
    "HTTPS://EHR.EXAMPLE/fhir/x": "https://ehr.example/fhir/x",
    "https://ehr.example/fhir?u=http://evil.example/": "https://ehr.example/fhir?u=http://evil.example/",
}
BAD = [
    "https://evil.example/fhir/x",
    "http://evil.example/?u=https://ehr.example/fhir",
    "https://ehr.example@evil.example/fhir/x",
    "https://evil.example@ehr.example/fhir/x",
    "https://ehr.example:8443/fhir/x",
    "https://ehr.example:443:443/fhir/x",
    "http://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/fhir/x",
    "https://localhost/fhir/x",
    "https://[::1]/fhir/x",
    "http://ehr.example/fhir/x",
    "//evil.example/fhir/x",
    "https://ehr.example./fhir/x",
    "https://еhr.example/fhir/x",
    "https://ehr.example.evil.example/fhir/x",
    "https://ehr.example/fhirx/y",
    "https://ehr.example/other",
    "https://ehr.example/fhir/../other",
    "https://ehr.example/fhir/%2e%2e/other",
    "https://ehr.example/fhir/%252e%252e/other",
    "https://ehr.example/fhir/..%2fother",
    "https://ehr.example\\@evil.example/fhir",
    "https:\\\\evil.example/fhir",
    "https://ehr.example/fhir\n.evil.example",
    "https://[::1/fhir",
    "https://ehr.example\uff0fevil/fhir",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "",
]


@pytest.mark.parametrize(("link", "followed"), GOOD.items())
def test_f22_honest_links_are_followed(link: str, followed: str) -> None:
    """A relative link or an explicit default port refused would end every sync after its first page."""
    assert BASE.link(link, "https://ehr.example/fhir") == followed


@pytest.mark.parametrize("link", BAD[:-1])
def test_s1_s3_links_that_lead_away_are_refused(link: str) -> None:
    """F23. One followed link to another host hands the practice's token to whoever runs it."""
    with pytest.raises(UnsafeLink) as caught:
        BASE.link(link, "https://ehr.example/fhir/page")
    assert "evil" not in str(caught.value)


def test_f23_an_alias_named_in_the_settings_is_rewritten_to_the_base() -> None:
    """Servers behind a proxy write their inner address into links; without the setting every sync would stop there."""
    base = Base.parse("https://ehr.example/fhir", aliases=["http://inner:8080/base"])
    assert base.link("http://inner:8080/base/x?y=1") == "https://ehr.example/fhir/x?y=1"
    with pytest.raises(UnsafeLink, match="also_known_as"):
        base.link("http://inner:8080/other")


@given(
    st.text(max_size=60), st.sampled_from(["", "https://ehr.example", "https://ehr.example/fhir/", "//", "https://"])
)
def test_s1_whatever_the_link_the_result_stays_at_the_base(tail: str, head: str) -> None:
    """The checker is the only wall between a server's text and the request; no text may get through it."""
    try:
        url = BASE.link(head + tail, "https://ehr.example/fhir/page")
    except HandrailError:
        return
    assert url == "https://ehr.example/fhir" or url.startswith(
        ("https://ehr.example/fhir/", "https://ehr.example/fhir?")
    )
    assert "/../" not in url.partition("?")[0]


@pytest.mark.parametrize("text", ["http://ehr.example/fhir", "http://10.0.0.1/fhir", "ehr.example/fhir", "ftp://x/y"])
def test_s4_an_unprotected_address_is_refused(text: str) -> None:
    """Answers over plain http can be read by anyone on the way."""
    with pytest.raises(SettingsError):
        Base.parse(text)


def test_s4_loopback_and_an_explicit_yes_are_allowed() -> None:
    """A server on the same machine has no way on which somebody listens."""
    assert Base.parse("http://127.0.0.1:8080/fhir/").text == "http://127.0.0.1:8080/fhir"
    assert Base.parse("http://[::1]:8080/fhir").text == "http://[::1]:8080/fhir"
    assert Base.parse("http://10.0.0.1/fhir", allow_http=True).site == "10.0.0.1"


LEADS = [
    "{other}/fhir/QuestionnaireResponse?page=2",
    "{other}/?u={base}",
    "http://127.0.0.1:{port}@127.0.0.1:{other_port}/fhir/x",
    "//127.0.0.1:{other_port}/fhir/x",
    "HTTP://127.0.0.1:{other_port}/FHIR",
    "http://localhost:{other_port}/fhir/x",
]


@pytest.mark.parametrize("lead", LEADS)
def test_s1_the_other_server_sees_no_request(connect, lead: str) -> None:  # type: ignore[no-untyped-def]
    """F23, with real sockets: what the checker decides is what the HTTP library does."""
    with Script(lambda _: fhir(bundle())) as other:
        with Script(lambda _: fhir(bundle(response("r1"), following=link))) as server:
            link = lead.format(
                other=f"http://127.0.0.1:{other.port}", base=server.base, port=server.port, other_port=other.port
            )
            adapter = connect(server.base, {"token": CANARY}, auth="bearer", token="ref")
            with pytest.raises(UnsafeLink):
                list(adapter.pull(None))
        assert server.seen
        assert server.seen[0].headers["Authorization"] == f"Bearer {CANARY}"
        assert other.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s2_f47_redirects_are_not_followed(connect, status: int) -> None:  # type: ignore[no-untyped-def]
    """A redirect would carry the request, and with some headers the credential, to another host."""
    with Script(lambda _: fhir(bundle())) as other:
        target = f"http://127.0.0.1:{other.port}/fhir/metadata"
        with Script(lambda _: Answer(status, b"", {"Location": target})) as server:
            adapter = connect(server.base, {"token": CANARY}, auth="bearer", token="ref")
            with pytest.raises(NotTheApi, match="redirect"):
                adapter.test()
        assert other.seen == []
        assert len(server.seen) == 1


def test_s8_a_planted_netrc_changes_nothing(connect, monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Credentials that the user did not enter here must not be sent from here."""
    planted = tmp_path / "netrc"
    planted.write_text("machine 127.0.0.1 login canary password canary\n")
    planted.chmod(0o600)
    monkeypatch.setenv("NETRC", str(planted))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Script(lambda _: fhir(bundle())) as server:
        list(connect(server.base).pull(None))
        assert "Authorization" not in server.seen[0].headers
