"""A URL has one reading, or it is refused."""

from __future__ import annotations

import pytest

from orchestrator_lite.egress.errors import EgressAllowError, EgressRefused
from orchestrator_lite.egress.guard import Egress
from orchestrator_lite.egress.targets import target_of

PLAIN = {
    "http://example.com": ("http", "example.com", 80, "/"),
    "HTTPS://EXAMPLE.com./a?b=c#d": ("https", "example.com", 443, "/a?b=c"),
    "https://example.com:8443?x": ("https", "example.com", 8443, "/?x"),
    "http://example.com:/": ("http", "example.com", 80, "/"),
    "http://bücher.example/": ("http", "xn--bcher-kva.example", 80, "/"),
    "http://例え.テスト/": ("http", "xn--r8jz45g.xn--zckzah", 80, "/"),
    "http://a_b.example/": ("http", "a_b.example", 80, "/"),
    "http://93.184.216.34/": ("http", "93.184.216.34", 80, "/"),
    "http://93.184.216.34./": ("http", "93.184.216.34", 80, "/"),
    "http://[2606:4700:0:0::1111]:81/": ("http", "2606:4700::1111", 81, "/"),
    "http://3com.example/": ("http", "3com.example", 80, "/"),
}

ODD = [
    *("", "example.com", "//example.com", "ftp://example.com/", "file:///etc/passwd", "gopher://127.0.0.1:25/"),
    *(
        "javascript:1",
        "data:text/plain,x",
        "http:/example.com",
        "http:example.com",
        "http://",
        "http:///x",
        "https://:443/",
    ),
    *(
        "http://user@example.com/",
        "http://user:pw@example.com/",
        "http://example.com@127.0.0.1/",
        "http://@example.com/",
    ),
    *(
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
    ),
    *("http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://127.0.0.01/", "http://0x7f.1/", "http://1.2.3.4.5/"),
    *("http://256.0.0.1/", "http://127.0.0.0x1/", "http://example.0x/", "http://1.2.3/", "http://999999999999/"),
    *(
        "http://exa%6dple.com/",
        "http://127.0.0.1%00.example.com/",
        "http://%31%32%37.0.0.1/",
        "http://[fe80::1%25eth0]/",
    ),
    *("http://example.com:0/", "http://example.com:65536/", "http://example.com:8o/", "http://example.com:-1/"),
    *("http://[::1/", "http://::1/", "http://[::1]evil.example/", "http://[1.2.3.4]/", "http://[v1.x]/", "http://[]/"),
    *(
        "http://exam ple.com/",
        "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1\t/",
        "http://a\nb/",
        "http://a\x00b/",
    ),
    *(
        "http://-a.example/",
        "http://a-.example/",
        "http://a..b/",
        "http://.a/",
        "http://a../",
        "http://$/",
        "http://a,b/",
    ),
    *("http://" + "a" * 64 + ".example/", "http://" + "a." * 127 + "example/", "http://example.com/" + "x" * 2048),
    *("http://example.com℀.evil/", "http://a\u200bb。c\u0000/", "http://\ud800/"),
]

UNICODE_NUMBERS = ["http://①②⑦.0.0.1/", "http://１２７.0.0.1/", "http://127。0。0。1/", "http://127.0.0.1。/"]


@pytest.mark.parametrize(("url", "parts"), PLAIN.items())
def test_a_plain_url_is_read(url, parts):
    target = target_of(url)
    assert (target.scheme, target.host, target.port, target.path) == parts


@pytest.mark.parametrize("url", ODD)
def test_an_odd_one_is_refused_without_repeating_it(url):
    with pytest.raises(EgressRefused) as caught:
        target_of(url)
    assert not url or url not in str(caught.value)


@pytest.mark.parametrize("url", UNICODE_NUMBERS)
def test_digits_of_other_scripts_are_digits(url):
    assert target_of(url).host == "127.0.0.1"
    with pytest.raises(EgressRefused):
        Egress().check(url)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1/",
            "http://10.0.0.1:8080/x",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
        ),
        *("http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "https://169.254.169.254/latest/meta-data"),
        *("http://[fd00:ec2::254]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://[::]/"),
    ],
)
def test_a_literal_that_leads_inside_is_refused_before_anybody_is_asked(url):
    with pytest.raises(EgressRefused, match="egress_allow opens it"):
        Egress().check(url)


@pytest.mark.parametrize("url", ["http://example.com/", "https://93.184.216.34/", "http://[2606:4700::1111]/"])
def test_public_literals_and_names_pass(url):
    Egress().check(url)


@pytest.mark.parametrize(
    ("entry", "opened", "closed"),
    [
        ("127.0.0.1", ["http://127.0.0.1/", "http://127.0.0.1:9000/"], ["http://localhost/", "http://127.0.0.2/"]),
        ("127.0.0.1:9000", ["http://127.0.0.1:9000/"], ["http://127.0.0.1/", "http://127.0.0.1:9001/"]),
        ("localhost", ["http://localhost/", "http://LOCALHOST.:1/"], ["http://127.0.0.1/", "http://a.localhost/"]),
        ("[::1]:80", ["http://[::1]/", "http://[0:0::1]:80/"], ["http://[::1]:81/", "http://127.0.0.1/"]),
        ("::1", ["http://[::1]:81/"], ["http://[::2]/"]),
        (" 10.0.0.1:443 ", ["https://10.0.0.1/"], ["http://10.0.0.1/"]),
    ],
)
def test_a_name_is_opened_as_it_is_written(entry, opened, closed):
    egress = Egress([entry])
    for url in opened:
        egress.check(url)
    for url in closed:
        with pytest.raises(EgressRefused):
            egress.check(url)


def test_an_odd_spelling_of_what_is_open_stays_refused():
    with pytest.raises(EgressRefused, match="four decimal numbers"):
        Egress(["127.0.0.1"]).check("http://2130706433/")


@pytest.mark.parametrize(
    "entry", ["", ":80", "host:0", "host:70000", "host:x", "http://host", "127.1", "a b", "[::1", "a/b"]
)
def test_an_entry_that_is_none_is_named(entry):
    with pytest.raises(EgressAllowError, match="egress_allow"):
        Egress([entry])
