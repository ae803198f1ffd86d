"""What it means that a server cannot be reached, or is not trusted: errors of the system in, the house's out. Pure."""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

from archiver.errors import Unreachable, Untrusted

_OF_ANOTHER_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def unknown_host(host: str) -> Unreachable:
    """Make the error of a name that nobody knows."""
    return Unreachable(
        f'the host "{host}" is not known', "check the host, and whether this machine is online"
    )


def distrusted(host: str, error: ssl.SSLCertVerificationError) -> Untrusted:
    """Make the error of a certificate that is not trusted."""
    why = error.verify_message.lower().rstrip(".")
    return Untrusted(
        f'the certificate of "{host}" is not trusted: {why}',
        "is the clock of this machine right? If so, tell whoever runs the server"
        if error.verify_code in _OF_ANOTHER_TIME
        else "if the server has its own certificate authority, name its file with ca-file",
    )


def reason(error: Exception) -> str:
    """Say in a few words what the system says of a failure."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.lower().rstrip(".") or type(error).__name__


def of_request(error: BaseException) -> Unreachable | Untrusted | None:
    """Tell what a request by `requests` met on its way, looking through all that wraps it; None for what is no such."""
    chain = list(_behind(error))
    urls = (getattr(getattr(one, "request", None), "url", None) for one in chain)
    place = urlsplit(next((str(url) for url in urls if url), "")).netloc or "the server"
    opening = (_of_opening(place, one) for one in chain)
    asking = (_of_asking(place, one) for one in chain)
    return next((found for found in (*opening, *asking) if found is not None), None)


def _of_opening(place: str, error: BaseException) -> Unreachable | Untrusted | None:
    match error:
        case ssl.SSLCertVerificationError():
            return distrusted(_host(place), error)
        case ssl.SSLError():
            why = f'"{place}" does not speak TLS as it should: {reason(error)}'
            return Untrusted(why, "check the url, and its port")
        case socket.gaierror():
            return unknown_host(_host(place))
        case ConnectionRefusedError():
            return Unreachable(f'"{place}" cannot be reached: {reason(error)}', "check the url")
    return None


def _of_asking(place: str, error: BaseException) -> Unreachable | None:
    if isinstance(error, TimeoutError):
        return Unreachable(f'"{_host(place)}" did not answer in time', "try again later")
    if isinstance(error, OSError) and error.errno and error.strerror:
        return Unreachable(f'the connection to "{_host(place)}" was lost: {reason(error)}', "try again later")
    return None


def _host(place: str) -> str:
    return urlsplit(f"//{place}").hostname or place


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Give an error and all that led to it, each once: libraries wrap in causes, arguments and reasons."""
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        within = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        left += [each for each in within if isinstance(each, BaseException)]
