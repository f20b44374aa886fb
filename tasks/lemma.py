"""Does a text use a word that was asked for, in any of its inflected forms?

English by rule (Quirk et al. 1985, chapter 3, and the irregular words below): the word itself, -s, -es, -ed,
-ing, y to -ies and -ied, doubled consonants, the dropped -e. Other languages: the exact Unicode word. No part
of speech is known, so nouns and verbs share the rules; comparatives and derived words (player, happily) are
other words. Words of several parts ("ice cream", "look after", a Chinese compound) must stand side by side.
"""

from functools import lru_cache

import regex

from tasks.tokens import words

# Each entry: the base form, then every other form. These replace the -ed of the rules: "seed" is not "see".
_IRREGULAR_VERBS = """
be am is are was were been|bear bore borne born|beat beaten|become became|begin began begun|bend bent|bet
bind bound|bite bit bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought
build built|burn burnt burned|burst|buy bought|cast|catch caught|choose chose chosen|cling clung|come came
cost|creep crept|cut|deal dealt|dig dug|do did done does|draw drew drawn|dream dreamt dreamed
drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought
find found|flee fled|fling flung|fly flew flown|forbid forbade forbidden|forget forgot forgotten
forgive forgave forgiven|freeze froze frozen|get got gotten|give gave given|go went gone goes|grind ground
grow grew grown|hang hung hanged|have had has|hear heard|hide hid hidden|hit|hold held|hurt|keep kept
kneel knelt kneeled|know knew known|lay laid|lead led|lean leant leaned|leap leapt leaped
learn learnt learned|leave left|lend lent|let|lie lay lain lied|light lit lighted|lose lost|make made
mean meant|meet met|mistake mistook mistaken|mow mowed mown|overcome overcame|pay paid|prove proved proven
put|quit|read|ride rode ridden|ring rang rung|rise rose risen|run ran|saw sawed sawn|say said|see saw seen
seek sought|sell sold|send sent|set|sew sewed sewn|shake shook shaken|shed|shine shone shined|shoot shot
show showed shown|shrink shrank shrunk|shut|sing sang sung|sink sank sunk|sit sat|sleep slept|slide slid
slit|smell smelt smelled|sow sowed sown|speak spoke spoken|speed sped|spell spelt spelled|spend spent
spill spilt spilled|spin spun|spit spat|split|spoil spoilt spoiled|spread|spring sprang sprung|stand stood
steal stole stolen|stick stuck|sting stung|stink stank stunk|stride strode stridden|strike struck
string strung|swear swore sworn|sweep swept|swell swelled swollen|swim swam swum|swing swung|take took taken
teach taught|tear tore torn|tell told|think thought|throw threw thrown|thrust|tread trod trodden
understand understood|undo undid undone undoes|upset|wake woke woken|wear wore worn|weave wove woven|wed
weep wept|win won|wind wound|wring wrung|write wrote written
"""
_IRREGULAR_NOUNS = """
cactus cactuses cacti|calf calves|child children|deer|elf elves|fish fishes|foot feet|goose geese
half halves|hoof hooves|knife knives|leaf leaves|life lives|loaf loaves|louse lice|man men|moose|mouse mice
ox oxen|penny pennies pence|person people|scarf scarves|self selves|sheep|shelf shelves|thief thieves
tooth teeth|wharf wharves|wife wives|wolf wolves|woman women
"""


def _table(entries: str) -> dict[str, frozenset[str]]:
    rows = (entry.split() for entry in entries.strip().replace("\n", "|").split("|"))
    return {row[0]: frozenset(row[1:]) for row in rows}


_VERBS = _table(_IRREGULAR_VERBS)
_NOUNS = _table(_IRREGULAR_NOUNS)
_SIBILANT = regex.compile(r"(?:s|x|z|ch|sh)$")
_SHORT_VOWEL = regex.compile(r"(?:^|[^aeiou]|qu)[aeiouy][^aeiouwxy]$")  # hop, plan, quiz
_VOWELS = regex.compile(r"[aeiouy]+")


@lru_cache(maxsize=65_536)
def forms(word: str) -> frozenset[str]:
    """All forms of one lower-case word; only the word itself unless it is two or more letters a to z.

    Examples: hop gives hop, hops, hopped, hopping; cry gives cry, cries, cried, crying; see gives see, sees,
    saw, seen, seeing.
    """
    if len(word) < 2 or not (word.isascii() and word.isalpha()):
        return frozenset([word])
    past = _VERBS[word] if word in _VERBS else _past(word)
    plural = _NOUNS[word] if word in _NOUNS else _plural(word)
    # A noun that is irregular is still regular as a verb: "wolfs down", "it leafs out", "she fishes".
    return frozenset({word, *past, *plural, *_plural(word), *_ing(word)})


def realised(word: str, text: str) -> bool:
    """Whether the text has the word, in any form and any case; a word without letters or digits never.

    Several parts must follow each other, each in any of its forms.
    """
    parts = words(word)
    if not parts:
        return False
    found, places = _index(text)
    if len(parts) == 1:
        return not forms(parts[0]).isdisjoint(places)
    return any(
        all(i + k < len(found) and found[i + k] in forms(part) for k, part in enumerate(parts))
        for form in forms(parts[0])
        for i in places.get(form, ())
    )


@lru_cache(maxsize=16)  # the words asked of one text are asked one after the other
def _index(text: str) -> tuple[list[str], dict[str, list[int]]]:
    """The words of a text, and the places of each."""
    found = words(text)
    places: dict[str, list[int]] = {}
    for i, word in enumerate(found):
        places.setdefault(word, []).append(i)
    return found, places


def _past(word: str) -> set[str]:
    if word.endswith("e"):
        return {word + "d"}
    if _ends_in_consonant_y(word):
        return {word[:-1] + "ied"}
    return {stem + "ed" for stem in _stems(word)}


def _plural(word: str) -> set[str]:
    if _ends_in_consonant_y(word):
        return {word[:-1] + "ies"}
    if _SIBILANT.search(word):
        return (
            {word + "es", word + word[-1] + "es"} if _SHORT_VOWEL.search(word) else {word + "es"}
        )  # quizzes
    return {word + "s", word + "es"} if word.endswith("o") else {word + "s"}


def _ing(word: str) -> set[str]:
    if word.endswith("ie"):
        return {word[:-2] + "ying"}  # lie, lying
    if word.endswith("e") and not word.endswith(("ee", "oe", "ye")) and word != "be":
        return {word[:-1] + "ing"}  # hope, hoping, but see, seeing
    return {stem + "ing" for stem in _stems(word)}


def _stems(word: str) -> set[str]:
    """What -ed and -ing are put to: a last consonant doubles after one short vowel (hop, hopped)."""
    if word.endswith("c"):
        return {word + "k"}  # picnic, picnicked
    if not _SHORT_VOWEL.search(word):
        return {word}
    doubled = word + word[-1]
    # Of longer words the stress decides (admitted, opened) and British spelling doubles l: both are taken.
    return {doubled} if len(_VOWELS.findall(word)) == 1 else {word, doubled}


def _ends_in_consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2:-1] not in tuple("aeiou")
