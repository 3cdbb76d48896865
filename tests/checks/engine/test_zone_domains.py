"""The mail domains of a zone file."""

from __future__ import annotations

import pytest

from checks.engine.zone_domains import (
    MAX_RECORDS,
    MailDomain,
    mail_domains,
    read_zone_file,
    unread_lines,
)
from checks.engine.zone_lines import ZoneTextError

ZONE = """
$ORIGIN northwind.test.
$TTL 3600
@        IN SOA ns1.dns.test. hostmaster.northwind.test. 1 7200 900 1209600 300
@        IN NS  ns1.dns.test.
@        IN MX  10 mail
@           TXT "v=spf1 mx -all"
mail     IN A   192.0.2.1
sales       MX  10 mail
news        TXT "v=spf1 include:sender.test ~all"
old         MX  0 .
old         TXT "v=spf1  -ALL"
www      IN CNAME @
text        TXT "verification=1"
*           MX  10 mail
_dmarc      TXT "v=DMARC1; p=none"
s1._domainkey TXT "v=DKIM1; p=AAAA"
elsewhere.test. MX 10 mail
"""


def domains_of(text: str, origin: str) -> list[MailDomain]:
    return mail_domains(read_zone_file(text, origin), origin)


def test_lines_of_other_files_are_unread() -> None:
    zone = read_zone_file("@ MX 10 a.\n$INCLUDE b.db\n$GENERATE 1-2 m$ MX 10 a.", "northwind.test")

    assert unread_lines(zone) == [2, 3]


def test_names_with_mail_records() -> None:
    assert domains_of(ZONE, "northwind.test") == [
        MailDomain("northwind.test", receives=True, sends=True),
        MailDomain("sales.northwind.test", receives=True, sends=False),
        MailDomain("news.northwind.test", receives=False, sends=True),
        MailDomain("old.northwind.test", receives=False, sends=False),
    ]


def test_complete_names_without_final_dot_are_below_the_origin() -> None:
    """As some DNS hosts export them."""
    text = "northwind.test 300 IN MX 10 a.test.\nsales.northwind.test 300 IN MX 10 a.test."

    assert [each.name for each in domains_of(text, "northwind.test")] == [
        "northwind.test",
        "sales.northwind.test",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '@ TXT "v=spf1 -all"\nnorthwind.test MX 10 a.',
        'northwind.test TXT "v=spf1 -all"\n@ MX 10 a.',
        'northwind.test MX 10 a.\n@ TXT "v=spf1 -all"',
    ],
)
def test_two_spellings_of_a_name_are_one_domain(text: str) -> None:
    assert domains_of(text, "northwind.test") == [
        MailDomain("northwind.test", receives=True, sends=False)
    ]


def test_names_are_below_the_origin() -> None:
    found = domains_of("sales 300 IN MX 10 mail.northwind.test.", "northwind.test")

    assert [each.name for each in found] == ["sales.northwind.test"]


def test_whole_zones_are_longer_than_a_proposal() -> None:
    lines = [f"d{number} MX 10 mail.test." for number in range(MAX_RECORDS)]

    assert len(domains_of("\n".join(lines), "northwind.test")) == MAX_RECORDS
    with pytest.raises(ZoneTextError, match="more than 5000 records"):
        domains_of("\n".join([*lines, "x MX 10 mail.test."]), "northwind.test")
