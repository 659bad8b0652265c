"""Where a provider may be: what of a URL is refused, and that nothing of it is repeated."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.domain.core.addresses import address_fault, parse_ip, url_fault, without_user

GOOD = [
    "https://api.openai.com/v1",
    "https://acme.openai.azure.com/openai/v1/",
    "https://LLM.Example.com:8443/v1",
    "https://llm.example./v1",
    "https://xn--bcher-kva.example/v1",
    "https://my_host.example",
    "https://203.0.113.7/v1",
    "https://10.1.2.3:8000/v1",
    "https://100.100.100.201/v1",
    "https://[64:ff9b::cb00:7107]/v1",
    "https://[fd00::1]/v1",
    "https://[2606:4700::1111]:443/v1",
    "https://1.example/v1",
    "https://127.0.0.1.example/v1",
    "https://localhost.example/v1",
    "https://notlocalhost/v1",
]
OF_A_MACHINE = [
    "https://127.0.0.1/v1",
    "https://127.8.9.10:443/v1",
    "https://localhost/v1",
    "https://LOCALHOST/v1",
    "https://localhost./v1",
    "https://llm.localhost/v1",
    "https://localhost.localdomain/v1",
    "https://ip6-localhost/v1",
    "https://[::1]/v1",
    "https://[0:0:0:0:0:0:0:1]:8000/v1",
    "https://[::ffff:127.0.0.1]/v1",
    "https://[::FFFF:7f00:1]/v1",
    "https://[::127.0.0.1]/v1",
    "https://[::ffff:0:127.0.0.1]/v1",
    "https://[64:ff9b::7f00:1]/v1",
    "https://2130706433/v1",
    "https://0x7f000001/v1",
    "https://0X7F.1/v1",
    "https://017700000001/v1",
    "https://0177.0.0.1/v1",
    "https://127.1/v1",
    "https://127.0.1./v1",
]
ELSEWHERE = [
    "https://169.254.169.254/latest/meta-data",
    "https://169.254.0.1/v1",
    "https://2852039166/v1",
    "https://0xa9fea9fe/v1",
    "https://0251.0376.0251.0376/v1",
    "https://[::ffff:169.254.169.254]/v1",
    "https://[64:ff9b::a9fe:a9fe]/v1",
    "https://[2002:a9fe:a9fe::1]/v1",
    "https://[fe80::1]/v1",
    "https://[fe80::1%25eth0]/v1",
    "https://[fd00:ec2::254]/v1",
    "https://[::]/v1",
    "https://0.0.0.0/v1",
    "https://0/v1",
    "https://0x/v1",
    "https://224.0.0.1/v1",
    "https://255.255.255.255/v1",
    "https://[ff02::1]/v1",
    "https://metadata.google.internal/v1",
    "https://instance-data/latest",
    "https://[64:ff9b:1::7f00:1]/v1",
    "https://[64:ff9b:1:7f00:0:100::]/v1",
    "https://[fec0::1]/v1",
    "https://100.100.100.200/v1",
    "https://[::ffff:100.100.100.200]/v1",
    "https://[::ffff:0:169.254.169.254]/v1",
    "https://192.0.0.192/v1",
    "https://runtime.sandbox/v1",
    "https://RUNTIME.sandbox./v1",
]
NONE_AT_ALL = [
    "",
    " https://llm.example/v1",
    "llm.example/v1",
    "//llm.example/v1",
    "https:/llm.example/v1",
    "https:///v1",
    "https://",
    "https://:8000/v1",
    "ftp://llm.example/v1",
    "file:///etc/passwd",
    "https://[bad/v1",
    "https://bad]/v1",
    "https://[]/v1",
    "https://[::1/v1",
    "https://[v1.llm]/v1",
    "https://[llm.example]/v1",
    "https://[::1]x/v1",
    "https://[12345::1]/v1",
    "https://::1/v1",
    "https://llm.example:0/v1",
    "https://llm.example:65536/v1",
    "https://llm.example:8_0/v1",
    "https://llm.example:+80/v1",
    "https://llm.example:\uff18\uff10/v1",
    "https://llm.example:/v1",
    "https://256.1.1.1/v1",
    "https://1.2.3.4.5/v1",
    "https://0x7f.0.0.256/v1",
    "https://08.0.0.1/v1",
    "https://4294967296/v1",
    "https://llm..example/v1",
    "https://.example/v1",
    "https://-llm.example/v1",
    "https://" + "a" * 64 + ".example/v1",
    "https://l\u00f6m.example/v1",
    "https://\uff11\uff12\uff17.0.0.1/v1",
    "https://\u2460\u2461\u2466.0.0.1/v1",
    "https://llm\u3002example/v1",
    "https://llm.example\u2044v1/",
    "https://llm.example/v1?key=sk-secret",
    "https://llm.example/v1?",
    "https://llm.example/v1#sk-secret",
    "https://llm.example/v1#",
    "https://llm.example\\@evil.example/v1",
    "https://llm.ex ample/v1",
    "https://llm.example/v1\n",
    "https://llm.exa\tmple/v1",
    "https://user@llm.example/v1",
    "https://user:sk-secret@llm.example/v1",
    "https://:sk-secret@llm.example/v1",
    "https://@llm.example/v1",
    "https://:@llm.example/v1",
    "https://%31%32%37.0.0.1/v1",
    "https://llm.example/" + "v" * 2000,
]


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize("url", GOOD)
def test_a_server_of_the_world_may_be_named_by_each_stage(url: str, is_local: bool) -> None:
    assert address_fault(url, is_local=is_local) is None
    assert url_fault(url) is None


@pytest.mark.parametrize("url", OF_A_MACHINE)
def test_this_very_machine_is_for_the_local_stage_alone(url: str) -> None:
    assert "must be reachable from AWS" in (address_fault(url, is_local=False) or "")
    for scheme in ("https", "http"):
        assert address_fault(url.replace("https", scheme), is_local=True) is None


@pytest.mark.parametrize("url", ELSEWHERE)
def test_what_lies_beside_a_function_s_machine_is_refused_on_aws(url: str) -> None:
    assert "must be reachable from AWS" in (address_fault(url, is_local=False) or "")
    assert address_fault(url, is_local=True) is None


@pytest.mark.parametrize("is_local", [True, False])
@pytest.mark.parametrize("url", NONE_AT_ALL)
def test_what_is_no_address_is_refused_everywhere(url: str, is_local: bool) -> None:
    fault = address_fault(url, is_local=is_local)

    assert fault
    assert "sk-secret" not in fault
    assert url_fault(url)


@pytest.mark.parametrize("url", ["http://llm.example/v1", "http://10.0.0.1/v1", "http://169.254.1.1/v1"])
def test_no_key_goes_to_another_machine_in_the_open(url: str) -> None:
    for is_local in (True, False):
        assert "https://" in (address_fault(url, is_local=is_local) or "") or "from AWS" in (
            address_fault(url, is_local=is_local) or ""
        )
    assert url_fault(url) is None


@given(st.text() | st.text("htps:/@[]?#.%0127fx-\\ \n").map("https://".__add__) | st.from_regex(r"https?://.+/v1"))
def test_whatever_is_typed_gets_an_answer_that_does_not_quote_it(url: str) -> None:
    for fault in (address_fault(url, is_local=True), address_fault(url, is_local=False), url_fault(url)):
        assert fault is None or len(fault) < 300


@given(st.lists(st.integers(0, 300).flatmap(lambda n: st.sampled_from([str(n), hex(n), f"0{n:o}"])), max_size=5))
def test_numbers_are_read_as_a_resolver_reads_them(parts: list[str]) -> None:
    host = ".".join(parts)
    try:
        wanted = socket.inet_ntoa(socket.inet_aton(host)) if host else None
    except OSError:
        wanted = None
    found = parse_ip(host) if host else None

    assert wanted == (None if found is None or isinstance(found, str) else str(found))


def test_a_user_is_not_shown_and_nothing_else_is_changed() -> None:
    assert without_user("https://a:b@c.example/v1") == "https://…@c.example/v1"
    assert without_user("https://a@b:c@d.example") == "https://…@d.example"
    assert without_user("https://c.example/v1/@me") == "https://c.example/v1/@me"
    assert without_user("me@example.com") == "me@example.com"
