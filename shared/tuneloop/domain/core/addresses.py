"""Checks of a provider's URL before a key is sent there: a guard against server-side request forgery (SSRF).

A stage's operator names the URL. Host names are not resolved: a name may be pointed at another machine at any time, so
only its owner can vouch for it, as docs/security.md says. Refused are addresses that can't be right, and those of the
machine that a function runs on, where AWS keeps the function's credentials and the Lambda runtime answers.
"""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 2000  # characters: more than any provider's address has, and less than an error or a row may hold
# RFC 1123, with the underscore that some internal names have; an international name is written as `xn--…`.
HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.A
)
PORT = re.compile(r"[0-9]{1,5}", re.A)
LARGEST_PORT = 65_535
# Names that resolvers take for this very machine: RFC 6761, and those that /etc/hosts of the usual systems has for it.
LOOPBACK_NAMES = re.compile(
    r"(.+\.)?localhost(\.localdomain)?|localhost[46]?(\.localdomain[46]?)?|ip6-(localhost|loopback)"
)
# Networks in which no provider can be, beside the link-local ones: the metadata and credentials of clouds (AWS's IPv6
# address, Alibaba's and Oracle's), addresses that an operator's own NAT64 may map to any host (RFC 8215), and
# site-local addresses, which are withdrawn (RFC 3879).
FORBIDDEN_NETWORKS = tuple(
    map(ip_network, ("fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32", "64:ff9b:1::/48", "fec0::/10"))
)
# The names of other clouds' metadata, and what a Lambda function's own runtime is called.
FORBIDDEN_NAMES = frozenset(
    {"instance-data", "instance-data.ec2.internal", "metadata", "metadata.google.internal", "runtime.sandbox"}
)
# The last 32 bits are an IPv4 address: NAT64 (RFC 6052), IPv4-translated (RFC 2765), and IPv4-compatible, long
# deprecated and still taken.
IPV4_IN_IPV6 = tuple(map(ip_network, ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")))
NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.A)
Ip = IPv4Address | IPv6Address


def address_fault(url: str, *, is_local: bool) -> str | None:
    """Why a stage can't have a provider at this URL, None if it can; never quotes the URL, which may hold a key.

    `is_local`: the stage runs on this machine, so that its providers may too, and need no https there.
    """
    parts = _split(url)
    if isinstance(parts, str):
        return parts
    host = (parts.hostname or "").removesuffix(".")
    ip = parse_ip(host)
    if isinstance(ip, str):
        return ip
    is_loopback = _is_loopback(host, ip)
    if not is_local and (is_loopback or _is_forbidden(host, ip)):
        return (
            "must be reachable from AWS: a loopback, link-local or metadata address is a function's own machine there, "
            "in whatever way it is written; only the local stage may have its provider on this machine"
        )
    if parts.scheme != "https" and not (is_local and is_loopback and parts.scheme == "http"):
        return "must begin with https://, as a key is sent there; http:// is for the local stage and this very machine"
    return None


def url_fault(url: str) -> str | None:
    """Why a URL isn't http(s) with a server and a path, None if it is; never quotes the URL, which may hold a key."""
    parts = _split(url)
    if isinstance(parts, str):
        return parts
    ip = parse_ip((parts.hostname or "").removesuffix("."))
    return ip if isinstance(ip, str) else None


def without_user(url: str) -> str:
    """The URL without a user or a password, which older versions took, so that it may be shown."""
    return re.sub(r"//[^/?#]*@", "//…@", url)


def parse_ip(host: str) -> Ip | str | None:
    """The IP address in a URL's host (small letters, no brackets); None for a name, and a fault, as text, for neither.

    IPv4 is read in every form that resolvers take: one to four parts, each decimal, octal or hexadecimal (inet_aton).
    """
    if ":" in host:
        try:
            return IPv6Address(host)
        except AddressValueError:
            return "holds an IPv6 address that is none; it is written in brackets, like https://[2001:db8::1]/v1"
    parts = host.split(".")
    if not NUMBER.fullmatch(parts[-1]):
        return None
    value = _aton(parts)
    return "holds an IP address that is none" if value is None else IPv4Address(value)


def _split(url: str) -> SplitResult | str:
    """The parts of a URL; where it has a fault, the first fault as text."""
    if not url:
        return "is missing: where it answers, like https://api.example.com/v1"
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no address, or letters that stand for the signs between a URL's parts
        return "is no URL that can be taken apart; brackets stand around an IPv6 address and nowhere else"
    return next(_faults(url, parts), parts)


def _faults(url: str, parts: SplitResult) -> Iterator[str]:
    host, port = _host_and_port(parts.netloc)
    is_bracketed = host.startswith("[") and ":" in (parts.hostname or "")
    if len(url) > LONGEST_URL:
        yield f"may have at most {LONGEST_URL:,} characters"
    if "@" in parts.netloc:
        yield "must hold no user and no password: a key is stored apart, and never shown"
    if any(not letter.isprintable() or letter in ' \\"<>`{|}' for letter in url):
        yield "must hold no blanks, backslashes or other characters that a URL can't have"
    if parts.scheme not in ("http", "https"):
        yield "must begin with https://, like https://api.example.com/v1"
    if "?" in url or "#" in url:
        yield "must be an address and nothing more: no query, no fragment"
    if not parts.hostname:
        yield "must name a server, like https://api.example.com/v1"
    if not host.isascii():
        yield "must name its server in ASCII; an international name begins with xn-- then"
    if not is_bracketed and not HOST.fullmatch(host.lower().removesuffix(".")):
        yield "must name a server: letters, digits and hyphens, with dots in between"
    if port is not None and not (PORT.fullmatch(port) and 0 < int(port) <= LARGEST_PORT):
        yield f"must have a port from 1 to {LARGEST_PORT:,}, or none"


def _host_and_port(netloc: str) -> tuple[str, str | None]:
    head, colon, port = netloc.rpartition(":")
    return (head, port) if colon and not port.endswith("]") else (netloc, None)


def _aton(parts: list[str]) -> int | None:
    """The number of an IPv4 address by its parts, as inet_aton reads them: the last fills what is left of 32 bits."""
    if len(parts) > 4 or not all(NUMBER.fullmatch(part) for part in parts):
        return None
    bases = [16 if part.startswith("0x") else 8 if part.startswith("0") else 10 for part in parts]
    try:
        *first, last = (int(part.removeprefix("0x") or "0", base) for part, base in zip(parts, bases, strict=True))
    except ValueError:  # an 8 or a 9 in an octal number
        return None
    if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        return None
    return sum(number << 8 * (3 - position) for position, number in enumerate(first)) + last


def _addresses_in(ip: Ip | None) -> Iterator[Ip]:
    """An address and the IPv4 addresses embedded in it, to which its packets may be delivered."""
    if ip is None:
        return
    yield ip
    if isinstance(ip, IPv6Address):
        yield from (inner for inner in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if inner)
        if any(ip in network for network in IPV4_IN_IPV6):
            yield IPv4Address(int(ip) & 0xFFFFFFFF)


def _is_loopback(host: str, ip: Ip | None) -> bool:
    """Whether a host is the machine that makes the call."""
    return bool(LOOPBACK_NAMES.fullmatch(host)) or any(address.is_loopback for address in _addresses_in(ip))


def _is_forbidden(host: str, ip: Ip | None) -> bool:
    """Whether a host can't be a provider's: this machine's own network, a metadata service, or no single machine."""
    return host in FORBIDDEN_NAMES or any(
        address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or any(address in network for network in FORBIDDEN_NETWORKS if address.version == network.version)
        or (isinstance(address, IPv4Address) and (int(address) >> 24 == 0 or address.is_reserved))
        for address in _addresses_in(ip)
    )
