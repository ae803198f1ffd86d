"""The big providers: their servers, their limits, and what they want before a program may log in.

Each entry names its source. What a provider says of itself goes before what DNS or its domain say, since it brings
the notes.
"""

from msgspec import Struct

from archiver.accounts.discovery.offers import Offer, Protocol


class Provider(Struct, frozen=True):
    """One provider. `mail_exchangers` are the ends of MX names by which domains that it hosts are known."""

    name: str
    domains: tuple[str, ...]
    imap: str
    pop3: str | None = None
    mail_exchangers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pop3_notes: tuple[str, ...] = ()
    oauth: str | None = None
    daily_download_limit: str | None = None
    exclude: tuple[str, ...] = ()
    user_is_local_part: bool = False

    def offer(self, protocol: Protocol, address: str, source: str) -> Offer | None:
        """Make an offer of it; None where the provider has no such server."""
        host = self.imap if protocol == "imap" else self.pop3
        if host is None:
            return None
        return Offer(
            protocol=protocol,
            host=host,
            port=993 if protocol == "imap" else 995,
            line="tls",
            user=address.rpartition("@")[0] if self.user_is_local_part else address,
            source=source,
            notes=self.notes if protocol == "imap" else (*self.notes, *self.pop3_notes),
            oauth=self.oauth,
            daily_download_limit=self.daily_download_limit if protocol == "imap" else None,
            exclude=self.exclude if protocol == "imap" else (),
        )


_CODE = "an authorisation code takes the place of the password: see the web settings, under POP3/SMTP/IMAP"

PROVIDERS = (
    # https://support.google.com/mail/answer/7126229, https://support.google.com/a/answer/1071518 (2,500 MB a day)
    Provider(
        name="Gmail",
        domains=("gmail.com", "googlemail.com"),
        imap="imap.gmail.com",
        pop3="pop.gmail.com",
        mail_exchangers=("google.com", "googlemail.com"),
        notes=(
            "Gmail takes no ordinary password: sign in with --oauth google, or make an app password at "
            "https://myaccount.google.com/apppasswords",
            "Gmail gives about 2.5 GB a day by IMAP; archiver stops before that, and goes on the next day",
        ),
        pop3_notes=("Gmail hides by POP3 what a program has fetched once: prefer --imap",),
        oauth="google",
        daily_download_limit="2.2GB",
    ),
    # https://support.microsoft.com/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040
    Provider(
        name="Outlook.com",
        domains=(
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "outlook.de",
            "hotmail.de",
            "hotmail.co.uk",
        ),
        imap="outlook.office365.com",
        pop3="outlook.office365.com",
        notes=(
            "Outlook.com takes no password: sign in with --oauth microsoft, as your primary address and not an alias",
        ),
        oauth="microsoft",
    ),
    # https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/pop3-and-imap4/pop3-and-imap4
    Provider(
        name="Microsoft 365",
        domains=(),
        imap="outlook.office365.com",
        pop3="outlook.office365.com",
        mail_exchangers=("protection.outlook.com", "mx.microsoft"),
        notes=(
            "Microsoft 365 takes no password: sign in with --oauth microsoft; IMAP may be off for your mailbox",
        ),
        oauth="microsoft",
    ),
    # https://help.yahoo.com/kb/SLN4075.html; the export host: https://github.com/thunderbird/autoconfig/issues/71
    Provider(
        name="Yahoo",
        domains=(
            "yahoo.com",
            "ymail.com",
            "rocketmail.com",
            "yahoo.de",
            "yahoo.co.uk",
            "yahoo.fr",
            "myyahoo.com",
        ),
        imap="export.imap.mail.yahoo.com",
        pop3="pop.mail.yahoo.com",
        notes=(
            "Yahoo wants an app password: https://login.yahoo.com/account/security",
            "this is Yahoo's export server: it shows all mail and is read-only; imap.mail.yahoo.com shows the newest "
            "10,000 messages of a folder, and is the one to prune",
        ),
    ),
    # https://support.apple.com/102525
    Provider(
        name="iCloud",
        domains=("icloud.com", "me.com", "mac.com"),
        imap="imap.mail.me.com",
        mail_exchangers=("mail.icloud.com",),
        notes=("iCloud wants an app-specific password: https://account.apple.com, Sign-In and Security",),
        user_is_local_part=True,
    ),
    # https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html
    Provider(
        name="GMX",
        domains=("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.eu"),
        imap="imap.gmx.net",
        pop3="pop.gmx.net",
        notes=("GMX lets programs in only after IMAP is switched on in its web settings",),
    ),
    # https://support.gmx.com/pop-imap/imap/server.html
    Provider(
        name="GMX",
        domains=("gmx.com", "gmx.us", "gmx.co.uk"),
        imap="imap.gmx.com",
        pop3="pop.gmx.com",
        notes=("GMX lets programs in only after IMAP is switched on in its web settings",),
    ),
    # https://www.fastmail.help/hc/en-us/articles/1500000278342
    Provider(
        name="Fastmail",
        domains=("fastmail.com", "fastmail.fm", "messagingengine.com"),
        imap="imap.fastmail.com",
        pop3="pop.fastmail.com",
        mail_exchangers=("messagingengine.com",),
        notes=("Fastmail wants an app password: Settings, Privacy & Security, App passwords",),
    ),
    # https://help.mail.163.com; it lets in only programs that tell who they are (RFC 2971), which archiver does
    Provider(
        name="163.com",
        domains=("163.com",),
        imap="imap.163.com",
        pop3="pop.163.com",
        notes=(_CODE,),
    ),
    Provider(name="126.com", domains=("126.com",), imap="imap.126.com", pop3="pop.126.com", notes=(_CODE,)),
    Provider(name="188.com", domains=("188.com",), imap="imap.188.com", pop3="pop.188.com", notes=(_CODE,)),
)


def by_domain(domain: str) -> Provider | None:
    """Find the provider of a domain that is its own."""
    return next((one for one in PROVIDERS if domain in one.domains), None)


def by_mail_exchanger(names: tuple[str, ...]) -> Provider | None:
    """Find the provider that hosts a domain, by where its mail goes."""
    for name in names:
        for one in PROVIDERS:
            if any(name == end or name.endswith(f".{end}") for end in one.mail_exchangers):
                return one
    return None
