"""Read a value of a unit as systemd does: words, quotes, escapes, specifiers, variables (systemd.syntax(7))."""

import re

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s"\'\\]+)')


def words_of(value: str) -> list[str]:
    """Give the words of an `ExecStart=`; `%%` and `$$` are the only specifier and variable that may stand there."""
    words: list[str] = []
    at = 0
    while at < len(value):
        found = _WORD.match(value, at)
        assert found is not None, value[at:]
        word = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
        assert re.sub(r"%%", "", word).count("%") == 0, "a specifier"
        word = word.replace("%%", "%")
        if words:  # the first has none: a program's own path, or the value of another key
            assert "$" not in word.replace("$$", ""), "a variable"
            word = word.replace("$$", "$")
        words.append(word)
        at = found.end()
        assert value[at : at + 1] in ("", " ")
        at += 1
    return words
