"""Does a text use a word that was asked for, in any of its inflected forms?

English by rule (Quirk et al. 1985, chapters 3, 5 and 7, and the irregular words below): the word itself, -s,
-es, -ed, -ing, y to -ies and -ied, doubled consonants, the dropped -e. No part of speech is known, so nouns
and verbs share the rules. Only words of tasks/words/adjectives.txt have degrees (bigger, happiest): of any
other word -er makes somebody who does it, and a teacher is not "teach". Derived words (happily) are others.

Vietnamese and Chinese do not inflect: the exact word, tones kept, where "hoà" and "hòa" are one spelling. A
Chinese word is a run of characters, so a short one may be found inside a longer one; those longer words that
are common and mean something else (马 in 马上) are not counted. Words of several parts ("ice cream", "con
mèo", a Chinese compound) must stand side by side.
"""

import unicodedata
from functools import cache, lru_cache

import regex

from tasks.tokens import words
from tasks.word_lists import word_list

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
_IRREGULAR_DEGREES = """
bad worse worst|far farther further farthest furthest|good better best|old older oldest elder eldest
"""
# A Chinese word, then longer words that hold it and mean something else: it is not looked for inside of them.
_LONGER = """
马 马上 马路 马虎 罗马|花 花钱 花费 天花板|天 天真 天才 聊天|白 明白 白费 坦白|水 薪水 水平 水果
火 恼火 火车 火箭|大 大家 大约 大概 大方|小 小心 小时 小姐|方 方便 方法 方向 地方 对方 大方
圆 圆满 团圆 汤圆|空 天空 空气|深 深夜 深刻|快 快乐 赶快 愉快 凉快 快要|慢 傲慢|热 热闹 热情 热爱
重 重新 重复|近 最近 附近|远 永远|满 满意 不满|困 困难|香 香蕉 香港|推 推荐 推迟|拉 考拉 拉面|背 背后 背景
抱 抱歉 抱怨|闻 新闻 闻名|送 播送|借 借口|擦 摩擦|教 教室 教堂|输 运输 输入|系 关系 联系 系统|吹 吹牛
苦 辛苦|厚 厚道|尖 尖叫|老 老师 老虎 老鼠 老鹰 老板 老是|新 重新 新闻|红 红薯 西红柿|黄 黄瓜|高 高兴
长 长大 校长 船长 家长|好 好像 好奇 爱好 只好|面 里面 外面 上面 下面 前面 后面 对面|牛 蜗牛 吹牛
虎 马虎 壁虎|头 石头 木头 馒头 枕头|手 歌手|丑 小丑|轻 年轻|甜 甜蜜|湿 湿地|旧 仍旧 照旧|书 秘书
"""


def _table(entries: str) -> dict[str, frozenset[str]]:
    rows = (entry.split() for entry in entries.strip().replace("\n", "|").split("|"))
    return {row[0]: frozenset(row[1:]) for row in rows}


_VERBS = _table(_IRREGULAR_VERBS)
_NOUNS = _table(_IRREGULAR_NOUNS)
_DEGREES = _table(_IRREGULAR_DEGREES)
_WITHOUT = {word: regex.compile("|".join(sorted(longer))) for word, longer in _table(_LONGER).items()}
# Vietnamese oa, oe, uy at the end of a syllable: the tone mark stands on either vowel. New spelling to old.
_MOVED = {
    unicodedata.normalize("NFC", vowels + tone): unicodedata.normalize("NFC", vowels[0] + tone + vowels[1])
    for vowels in ("oa", "oe", "uy")
    for tone in "\u0300\u0301\u0303\u0309\u0323"  # grave, acute, tilde, hook above, dot below
}
_SIBILANT = regex.compile(r"(?:s|x|z|ch|sh)$")
_SHORT_VOWEL = regex.compile(r"(?:^|[^aeiou]|qu)[aeiouy][^aeiouwxy]$")  # hop, plan, quiz
_VOWELS = regex.compile(r"[aeiouy]+")


@lru_cache(maxsize=65_536)
def forms(word: str) -> frozenset[str]:
    """All forms of one lower-case word; only the word itself unless it is two or more letters a to z.

    Examples: hop gives hop, hops, hopped, hopping; cry gives cry, cries, cried, crying; see gives see, sees,
    saw, seen, seeing; wet gives wet, wets, wetted, wetting, wetter, wettest.
    """
    if len(word) < 2 or not (word.isascii() and word.isalpha()):
        return frozenset([word])
    past = _VERBS[word] if word in _VERBS else _past(word)
    plural = _NOUNS[word] if word in _NOUNS else _plural(word)
    # A noun that is irregular is still regular as a verb: "wolfs down", "it leafs out", "she fishes".
    return frozenset({word, *past, *plural, *_plural(word), *_ing(word), *_degrees(word)})


def realised(word: str, text: str) -> bool:
    """Whether the text has the word, in any form and any case; a word without letters or digits never.

    Several parts must follow each other, each in any of its forms.
    """
    parts = [_spelling(part) for part in words(word)]
    if not parts:
        return False
    longer = _WITHOUT.get("".join(parts))
    if longer:
        text = longer.sub(" ", unicodedata.normalize("NFKC", text))
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
    if not text.isascii():
        found = [_spelling(word) for word in found]
    places: dict[str, list[int]] = {}
    for i, word in enumerate(found):
        places.setdefault(word, []).append(i)
    return found, places


def _spelling(word: str) -> str:
    """One spelling of a Vietnamese syllable: "hoà" is "hòa", but the u of "quý" belongs to the consonant."""
    moved = _MOVED.get(word[-2:])
    return word if moved is None or word[-3:-1] == "qu" else word[:-2] + moved


@cache
def _adjectives() -> frozenset[str]:
    return frozenset(word_list("adjectives"))


def _degrees(word: str) -> set[str]:
    """Comparative and superlative of an adjective of our list; of any other word none."""
    if word in _DEGREES:
        return set(_DEGREES[word])
    if word not in _adjectives():
        return set()
    if word.endswith("e"):
        return {word + "r", word + "st"} - {"stranger"}  # nearly always somebody
    stems = _stems(word)  # big, bigger
    if _ends_in_consonant_y(word):
        stems = {word, word[:-1] + "i"}  # dry, dryer or drier
    return {stem + end for stem in stems for end in ("er", "est")} - {"flatter"}


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
