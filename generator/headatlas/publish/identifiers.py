"""The DOI and the licence of a site, as its maker gives them."""

import re

from clipheads.bundle.errors import AtlasError
from headatlas.publish.base_url import is_web_address

_DOI = re.compile(r"10\.[0-9]{4,9}/[A-Za-z0-9._;()/:-]+")
_SPDX = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def parse_doi(text: str) -> str:
    """Return the DOI alone, without an address or a scheme before it.

    Raises AtlasError if it is none.

    >>> parse_doi("https://doi.org/10.5281/zenodo.1234")
    '10.5281/zenodo.1234'
    """
    doi = re.sub(r"^(https?://(dx\.)?doi\.org/|doi:)", "", text.strip(), flags=re.IGNORECASE)
    if not _DOI.fullmatch(doi):
        raise AtlasError(f"{text!r}: not a DOI; give one such as 10.5281/zenodo.1234")
    return doi


def parse_licence(text: str) -> str:
    """Return the address of a licence, which is given by its address or its name in SPDX's list.

    Raises AtlasError if it is neither.

    >>> parse_licence("CC-BY-4.0")
    'https://spdx.org/licenses/CC-BY-4.0'
    """
    if is_web_address(text):
        return text
    if _SPDX.fullmatch(text):
        return f"https://spdx.org/licenses/{text}"
    raise AtlasError(
        f"{text!r}: not a licence; give its address, or its name at https://spdx.org/licenses/, "
        "such as CC-BY-4.0"
    )
