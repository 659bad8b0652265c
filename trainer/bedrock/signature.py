"""Signature Version 4: the access key and the region that a request names in it.

The trainer knows nobody's secret, so it can't verify a signature: it checks that there is one, made for the service
`bedrock`. Keep it where only your own machine can reach it.
"""

import re
from typing import NamedTuple

from trainer.bedrock.errors import DENIED, AwsRefusalError

_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[a-z0-9-]{1,20})/(?P<service>[a-z0-9-]+)"
    r"/aws4_request,\s*SignedHeaders=[^,\s]+,\s*Signature=[0-9a-f]{64}"
)


class Signer(NamedTuple):
    """Whose access key a request is signed with, and for which region."""

    access_key_id: str
    region: str


def signer_of(authorizations: list[str]) -> Signer:
    """Read the one Authorization header of a request, or refuse the request with AccessDeniedException."""
    signed = _SIGNED.fullmatch(authorizations[0].strip()) if len(authorizations) == 1 else None
    if not signed:
        raise AwsRefusalError(DENIED, "The request is not signed with Signature Version 4.")
    if signed["service"] != "bedrock":
        raise AwsRefusalError(DENIED, "The request is signed for another service than bedrock.")
    return Signer(signed["key"], signed["region"])
