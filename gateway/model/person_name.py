"""Person names made comparable: case, the form of characters, and how they sound.

PS3.5 6.2.1 (component groups) and PS3.4 C.2.2.2.1, which leaves to an SCP whether matching of names regards case and
the variants of a character. Here it regards neither, so that a name which is typed in one character set, such as
half-width kana of JIS X 0201, finds the one that was sent in another.
"""

from __future__ import annotations

import re
import unicodedata

GROUPS = 3  # alphabetic, ideographic, phonetic

_WORD = re.compile(r"[\w*?]+")
_SOUNDEX = {
    letter: digit for digit, letters in enumerate(("", "bfpv", "cgjkqsxz", "dt", "l", "mn", "r")) for letter in letters
}
_SILENT = frozenset("hw")  # equal codes on both sides of these count once (US National Archives, 2007)
_SOUNDEX_LENGTH = 4


def folded(text: str) -> str:
    """`text` without what does not tell names apart: NFKC, case folded, components without padding,
    none that is empty at the end.

    Applied to a pattern it leaves `*` and `?` as they are.
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "^".join(component.strip(" ") for component in plain.split("^")).rstrip("^")


def groups(name: str) -> tuple[str, str, str]:
    """The folded alphabetic, ideographic and phonetic group of a name; empty where it has none."""
    alphabetic, ideographic, phonetic = [*map(folded, name.split("=", GROUPS - 1)), "", ""][:GROUPS]
    return alphabetic, ideographic, phonetic


def words(name: str) -> list[str]:
    """The words of a name without accents, in any component and group, wildcards included."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", folded(name)) if not unicodedata.combining(sign))
    return _WORD.findall(plain)


def sound(word: str) -> str:
    """American Soundex of a word in Latin letters; the word itself in any other script."""
    letters = [sign for sign in word if "a" <= sign <= "z"]
    if not letters:
        return word
    code, last = letters[0].upper(), _SOUNDEX.get(letters[0], 0)
    for letter in letters[1:]:
        digit = _SOUNDEX.get(letter, 0)
        if digit and digit != last:
            code += str(digit)
        if letter not in _SILENT:
            last = digit
    return code[:_SOUNDEX_LENGTH].ljust(_SOUNDEX_LENGTH, "0")


def sounds(name: str) -> str:
    """The sounds of all words, and the words, each between blanks: what a fuzzy query looks into."""
    found = words(name)
    return f" {' '.join(dict.fromkeys([*map(sound, found), *found]))} " if found else ""
